//! The coordinator: index and pipeline, started again from the store after every fault.

use std::sync::Arc;

use bitcoin::Txid;
use tokio::sync::oneshot;
use trestle_actors::{
    runtime::Fault,
    staking::{
        Index, Prepared, Settings,
        pipeline::{
            self, Job, Means, Metrics, Pipeline, PipelineInput, RequestError, Setup, UnbondingForm,
        },
        query,
    },
};
use trestle_staking::{GlobalParams, delegation::StateName, pipeline::Request};
use trestle_wire::{BootId, Peer};

use super::{
    COORDINATOR, Chain, FlakyStore, Inline, MEMBERS, Mempool, Net, NetPort, Time, full_key,
    params_text, peer,
};

pub(crate) struct Coordinator {
    pub(crate) store: FlakyStore,
    pub(crate) index: Index,
    pub(crate) pipeline: Pipeline,
    pub(crate) metrics: Metrics,
    pub(crate) restarts: u32,
    params: Arc<GlobalParams>,
    time: Arc<Time>,
    net: Arc<Net>,
    boot: u8,
}

impl Coordinator {
    pub(crate) async fn start(
        params: &Arc<GlobalParams>,
        time: &Arc<Time>,
        net: &Arc<Net>,
    ) -> Self {
        let store = FlakyStore::default();
        let metrics = Metrics::default();
        let (index, pipeline) = Self::boot(&store, params, time, net, &metrics, 0).await;
        Self {
            store,
            index,
            pipeline,
            metrics,
            restarts: 0,
            params: Arc::clone(params),
            time: Arc::clone(time),
            net: Arc::clone(net),
            boot: 0,
        }
    }

    async fn boot(
        store: &FlakyStore,
        params: &Arc<GlobalParams>,
        time: &Arc<Time>,
        net: &Arc<Net>,
        metrics: &Metrics,
        boot: u8,
    ) -> (Index, Pipeline) {
        let text = params_text();
        let shared = Arc::new(store.clone());
        let global = Arc::clone(params);
        let settings = Settings::default();
        let mut index =
            Index::load(shared.clone(), global, &text, settings).await.expect("the store is there");
        let held = MEMBERS.map(|member| (full_key(member), peer(member)));
        let setup = Setup {
            boot: BootId([boot; 8]),
            global: Arc::clone(params),
            members: held.into_iter().collect(),
            store: shared,
            network: Arc::new(NetPort { me: peer(COORDINATOR), net: Arc::clone(net) }),
            clock: time.clone(),
            metrics: metrics.clone(),
        };
        let mut pipeline = Pipeline::new(setup);
        pipeline.load(&mut index).await.expect("the store is there");
        (index, pipeline)
    }

    /// As after `kill -9`: what was not stored is gone.
    pub(crate) async fn restart(&mut self) {
        self.boot = self.boot.wrapping_add(1);
        self.restarts += 1;
        let (index, pipeline) =
            Self::boot(&self.store, &self.params, &self.time, &self.net, &self.metrics, self.boot)
                .await;
        (self.index, self.pipeline) = (index, pipeline);
    }

    pub(crate) async fn sync(&mut self, chain: &Chain) {
        while let Some(step) = chain.step(&self.index) {
            let prepared = Prepared::all(&[step], &self.params);
            if self.take(prepared).await.is_err() {
                self.restart().await;
            }
        }
    }

    async fn take(&mut self, steps: Vec<Prepared>) -> Result<(), Fault> {
        let mut planned = self.index.plan(steps).await?;
        let joined = self.pipeline.join(&mut planned).await?;
        self.index.commit(planned).await?;
        self.pipeline.joined(&mut self.index, joined).await
    }

    /// `POST /v1/unbonding`, again if the node fell over.
    pub(crate) async fn request(
        &mut self,
        params: &Arc<GlobalParams>,
        form: UnbondingForm,
    ) -> Result<(), RequestError> {
        let order = pipeline::check(&self.store, &Inline, params, form).await?;
        let (reply, answer) = oneshot::channel();
        self.handle(PipelineInput::Accept(Box::new(order), reply)).await;
        answer.await.unwrap_or_else(|_| Err(RequestError::Unavailable("it fell over".into())))
    }

    pub(crate) async fn handle(&mut self, input: PipelineInput) {
        if self.pipeline.handle(&mut self.index, input).await.is_err() {
            self.restart().await;
        }
    }

    pub(crate) async fn run_jobs(&mut self, mempool: &Arc<Mempool>) {
        let means = Means {
            global: Arc::clone(&self.params),
            compute: Arc::new(Inline),
            broadcast: mempool.clone(),
        };
        loop {
            let jobs: Vec<Job> = self.pipeline.take_jobs();
            if jobs.is_empty() {
                return;
            }
            let boot = self.boot;
            for job in jobs {
                let done = pipeline::carry_out(&means, job).await;
                // What was under way is lost with the node.
                if let Some(input) = done.filter(|_| boot == self.boot) {
                    self.handle(input).await;
                }
            }
        }
    }

    pub(crate) fn next_wake(&self) -> Option<u64> {
        self.pipeline.next_wake()
    }

    pub(crate) async fn stored(&self, unbonding: Txid) -> Option<Request> {
        pipeline::request(&self.store, unbonding).await.expect("the store is there")
    }

    pub(crate) async fn state(&self, staking: Txid) -> Option<StateName> {
        let row = query::delegation(&self.store, staking).await.expect("the store is there");
        row.map(|(_, row)| row.delegation.name())
    }

    pub(crate) async fn connected(&mut self, peer: Peer) {
        self.handle(PipelineInput::Connected(peer)).await;
    }
}
