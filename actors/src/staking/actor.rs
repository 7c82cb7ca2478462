//! The staking actor: one task that owns the index and, on a coordinator, the requests to unbond.
//!
//! Steps come prepared from the feed's task; the actor works them out, lets the pipeline add its
//! rows to the same batch, commits, and then says what is to be done. A covenant member runs it
//! without a pipeline, for the index.
//!
//! While blocks come in groups, one group is committed as the next is worked out, unless requests to
//! unbond are concerned; every other input finds all groups before it stored.
//!
//! Always holds: nothing is said or done before it is stored; after a fault everything in memory is
//! read back and the feed starts again from the stored place.

use prometheus_client::metrics::counter::Counter;
use tokio::sync::watch;
use trestle_store::Store;
use trestle_wire::{Ack, Message, Refusal};

use super::{
    index::{Index, Prepared, Taken},
    ingress::{StakingInput, StakingStatus},
    metrics::Metrics,
    pipeline::{self, Pipeline, PipelineInput},
};
use crate::{
    ports::Inbound,
    runtime::{Actor, Fault},
};

/// Something that the actor has done for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StakingJob {
    /// Read blocks from the stored place on, in place of what was read before.
    Follow {
        /// Stands in every [`StakingInput::Steps`] that comes of it.
        feed: u64,
    },
    /// Something for a request to unbond.
    Pipeline(pipeline::Job),
}

/// See the module.
#[derive(Debug)]
pub struct StakingActor {
    index: Index,
    metrics: Metrics,
    status: watch::Sender<StakingStatus>,
    feed: u64,
    pipeline: Option<Pipeline>,
}

impl StakingActor {
    /// An actor around an index that has been loaded. `status` is told after every commit.
    pub fn new(index: Index, metrics: Metrics, status: watch::Sender<StakingStatus>) -> Self {
        Self { index, metrics, status, feed: 0, pipeline: None }
    }

    /// The same with a pipeline: for a coordinator.
    #[must_use]
    pub fn with_pipeline(self, pipeline: Pipeline) -> Self {
        Self { pipeline: Some(pipeline), ..self }
    }

    async fn steps(&mut self, steps: Vec<Prepared>) -> Result<Vec<StakingJob>, Fault> {
        let is_group = steps.len() > 1;
        let mut planned = self.index.plan(steps).await?;
        if is_group && planned.is_quiet() {
            let earlier = self.index.hand_over(planned).await;
            self.took(earlier)?;
            return Ok(Vec::new());
        }
        self.settle().await?;
        let joined = match &self.pipeline {
            Some(pipeline) => Some(pipeline.join(&mut planned).await?),
            None => None,
        };
        let taken = self.index.commit(planned).await.map(Some);
        self.took(taken)?;
        if let (Some(pipeline), Some(joined)) = (&mut self.pipeline, joined) {
            pipeline.joined(&mut self.index, joined).await?;
        }
        Ok(self.take_jobs())
    }

    /// Waits for the commit that is under way, if there is one.
    async fn settle(&mut self) -> Result<(), Fault> {
        let settled = self.index.settle().await;
        self.took(settled)
    }

    /// Tells of what has been committed.
    fn took(&self, taken: Result<Option<Taken>, Fault>) -> Result<(), Fault> {
        match taken {
            Ok(Some(taken)) => {
                self.metrics.took(&taken, self.index.head(), self.index.totals());
                self.report();
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(fault) => {
                self.metrics.failed();
                Err(fault)
            }
        }
    }

    async fn received(&mut self, inbound: Inbound) -> Result<Ack, Fault> {
        let Message::UnbondingSigned(signed) = inbound.message else {
            return Ok(Ack::Refused(Refusal::NoSuchRole));
        };
        self.pipeline(PipelineInput::Signed(inbound.from, signed)).await
    }

    async fn pipeline(&mut self, input: PipelineInput) -> Result<Ack, Fault> {
        let Some(pipeline) = &mut self.pipeline else {
            return Ok(Ack::Refused(Refusal::NoSuchRole));
        };
        pipeline.handle(&mut self.index, input).await?;
        Ok(Ack::Accepted)
    }

    fn take_jobs(&mut self) -> Vec<StakingJob> {
        let jobs = self.pipeline.as_mut().map(Pipeline::take_jobs).unwrap_or_default();
        jobs.into_iter().map(StakingJob::Pipeline).collect()
    }

    fn report(&self) {
        let head = self.index.head();
        let (tip, confirmed) = (head.tip(), head.confirmed());
        let now = StakingStatus { tip, confirmed, last_event: head.last_event };
        self.status.send_if_modified(|status| {
            let changed = *status != now;
            *status = now;
            changed
        });
    }
}

impl Actor for StakingActor {
    type Input = StakingInput;
    type Job = StakingJob;

    fn store(&self) -> &dyn Store {
        self.index.store().as_ref()
    }

    fn restarts(&self) -> &Counter {
        &self.metrics.restarts
    }

    async fn load(&mut self) -> Result<Vec<StakingJob>, Fault> {
        // What was under way may have ended well since, and counts then.
        let _ = self.settle().await;
        self.index.reload().await?;
        self.metrics.stands(self.index.head(), self.index.totals());
        self.report();
        self.feed = self.feed.wrapping_add(1);
        if let Some(pipeline) = &mut self.pipeline {
            pipeline.load(&mut self.index).await?;
        }
        let mut jobs = vec![StakingJob::Follow { feed: self.feed }];
        jobs.extend(self.take_jobs());
        Ok(jobs)
    }

    async fn handle(&mut self, input: StakingInput) -> Result<(Ack, Vec<StakingJob>), Fault> {
        if !matches!(input, StakingInput::Steps { .. }) {
            self.settle().await?;
        }
        let ack = match input {
            StakingInput::Steps { feed, steps, room: _room } => {
                if feed == self.feed {
                    return Ok((Ack::Accepted, self.steps(steps).await?));
                }
                Ack::Accepted
            }
            StakingInput::Received(inbound) => self.received(inbound).await?,
            StakingInput::Pipeline(input) => self.pipeline(input).await?,
            StakingInput::Tick => self.pipeline(PipelineInput::Tick).await?,
        };
        Ok((ack, self.take_jobs()))
    }

    fn next_wake(&self) -> Option<u64> {
        if self.index.is_behind() {
            // No more blocks are here: the commit is waited for at once.
            return Some(0);
        }
        self.pipeline.as_ref()?.next_wake()
    }

    fn tick() -> StakingInput {
        StakingInput::Tick
    }
}
