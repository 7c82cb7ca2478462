//! The open requests, and what goes in and out.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use bitcoin::Txid;
use trestle_machine::{Machine, Refusal, Step};
use trestle_staking::{
    GlobalParams,
    pipeline::{Asking, Effect, Event, MemberKey, Order, Request, Resend},
};
use trestle_store::{Batch, Store};
use trestle_wire::{BootId, Peer};

use super::{Job, Metrics, RequestError, jobs::Verdict, metrics::Member, rows};
use crate::{
    ports::{ChainError, Clock, SendMessage, chain::Accepted},
    runtime::Fault,
};

/// Most requests that are open at the same time: some 2 kB of memory each. An unbonding confirms in
/// a few blocks, so this is days of the busiest time that any network had.
pub const MAX_OPEN: usize = 20_000;

/// What a pipeline is made of.
pub struct Setup {
    /// This boot: part of the ids of what members are asked.
    pub boot: BootId,
    /// The global parameters.
    pub global: Arc<GlobalParams>,
    /// Who holds which covenant key, by all 33 bytes of it.
    pub members: BTreeMap<[u8; 33], Peer>,
    /// Durable state, the same that the index has.
    pub store: Arc<dyn Store>,
    /// The way to members.
    pub network: Arc<dyn SendMessage>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Counters.
    pub metrics: Metrics,
}

/// What reaches the pipeline, beside what the index says.
#[derive(Debug)]
pub enum PipelineInput {
    /// A checked request; the answer goes to whoever asked.
    Accept(Box<Order>, tokio::sync::oneshot::Sender<Result<(), RequestError>>),
    /// A member's answer.
    Signed(Peer, trestle_wire::staking::UnbondingSigned),
    /// A peer is connected.
    Connected(Peer),
    /// The answers of a member, verified.
    Verified {
        /// Who.
        key: MemberKey,
        /// What for, and what they are worth.
        verdicts: Vec<(Txid, Verdict)>,
    },
    /// A witness was put together.
    Assembled {
        /// Which request's.
        request: Txid,
        /// The transaction.
        result: Result<bitcoin::Transaction, trestle_staking::tx::WitnessError>,
    },
    /// bitcoind answered.
    BroadcastDone {
        /// Which request's.
        request: Txid,
        /// What it said.
        result: Result<Accepted, ChainError>,
    },
    /// Time passed.
    Tick,
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").field("open", &self.open.len()).finish_non_exhaustive()
    }
}

/// See the module.
pub struct Pipeline {
    pub(super) setup: Setup,
    /// By the x coordinate: all 33 bytes and the peer.
    pub(super) members: BTreeMap<MemberKey, ([u8; 33], Peer)>,
    pub(super) open: BTreeMap<Txid, Request>,
    pub(super) asking: Asking,
    pub(super) resend: Resend,
    /// Requests whose assembly is under way.
    pub(super) assembling: BTreeSet<Txid>,
    /// Requests to be checked again, one by one, when the batch that moved them is stored.
    pub(super) recheck: BTreeSet<Txid>,
    pub(super) jobs: Vec<Job>,
}

impl Pipeline {
    /// A pipeline that has read nothing yet.
    pub fn new(setup: Setup) -> Self {
        for key in setup.members.keys() {
            // There from the start: a dashboard shows 0, not nothing.
            let _ = setup.metrics.signed.get_or_create(&Member::new(key));
            let _ = setup.metrics.failed.get_or_create(&Member::new(key));
        }
        let members = setup.members.iter().map(|(key, peer)| (x_only(key), (*key, *peer)));
        Self {
            members: members.collect(),
            open: BTreeMap::new(),
            asking: Asking::default(),
            resend: Resend::default(),
            assembling: BTreeSet::new(),
            recheck: BTreeSet::new(),
            jobs: Vec::new(),
            setup,
        }
    }

    /// The open requests, by unbonding transaction.
    pub fn open(&self) -> &BTreeMap<Txid, Request> {
        &self.open
    }

    /// What is to be carried out, in order.
    pub fn take_jobs(&mut self) -> Vec<Job> {
        std::mem::take(&mut self.jobs)
    }

    /// When the next [`PipelineInput::Tick`] is due, in milliseconds.
    pub fn next_wake(&self) -> Option<u64> {
        [self.asking.next_wake(), self.resend.next_wake()].into_iter().flatten().min()
    }

    pub(super) fn now(&self) -> u64 {
        self.setup.clock.now_ms()
    }

    /// Applies events to requests in memory's copy, adds the changed rows to `batch`, and gives the
    /// new states with what is to be done: for [`Self::settle`], once the batch is stored. Requests
    /// that are not open are passed over.
    pub(super) fn apply(
        &self,
        batch: &mut Batch,
        events: impl IntoIterator<Item = (Txid, Event)>,
    ) -> Result<Changes, Fault> {
        let mut changes = Changes::default();
        for (txid, event) in events {
            if let Some(request) = changes.now.get(&txid).or_else(|| self.open.get(&txid)) {
                changes.step(txid, request.clone(), &event)?;
            }
        }
        changes.write(batch);
        Ok(changes)
    }

    /// Commits what [`Self::apply`] gave.
    pub(super) async fn commit(&mut self, batch: Batch, changes: Changes) -> Result<(), Fault> {
        if !batch.is_empty() {
            self.setup.store.commit(batch).await?;
        }
        self.settle(changes);
        Ok(())
    }

    /// The batch is stored: the changes are true, and their effects are carried out.
    pub(super) fn settle(&mut self, changes: Changes) {
        for (txid, request) in changes.now {
            self.count_quorum(&txid, &request);
            if request.is_open() {
                self.open.insert(txid, request);
            } else {
                self.open.remove(&txid);
            }
        }
        for (txid, effect) in changes.effects {
            self.carry(txid, effect);
        }
        self.run_queues();
        self.show();
    }

    /// One effect. Each may be repeated.
    pub(super) fn carry(&mut self, txid: Txid, effect: Effect) {
        let now = self.now();
        match effect {
            Effect::Collect => {
                if let Some(request) = self.open.get(&txid) {
                    let held = request.unsigned().filter(|key| self.members.contains_key(*key));
                    self.asking.begin(txid, held, now);
                }
            }
            Effect::Assemble => {
                self.asking.end(txid);
                if let Some(request) = self.open.get(&txid)
                    && self.assembling.insert(txid)
                {
                    self.jobs.push(Job::Assemble(Box::new(request.clone())));
                }
            }
            Effect::Broadcast => {
                self.asking.end(txid);
                self.resend.begin(txid, now);
            }
            Effect::Recheck => {
                self.rest(txid);
                self.recheck.insert(txid);
            }
            Effect::Stop | Effect::Drop => self.rest(txid),
        }
    }

    /// Nothing more is done for a request until something happens.
    fn rest(&mut self, txid: Txid) {
        self.asking.end(txid);
        self.resend.end(txid);
        self.assembling.remove(&txid);
        self.recheck.remove(&txid);
    }

    pub(super) fn show(&self) {
        self.setup.metrics.show(self.open.values().map(Request::phase));
    }

    /// Counts a request once when so many members have failed it that the rest make no quorum.
    fn count_quorum(&self, txid: &Txid, now: &Request) {
        let lost = |request: &Request| {
            let left = request.order().members().len().saturating_sub(request.reluctant().len());
            u32::try_from(left).is_ok_and(|left| left < request.order().quorum())
        };
        if lost(now) && self.open.get(txid).is_some_and(|before| !lost(before)) {
            self.setup.metrics.no_quorum.inc_by(1);
        }
    }
}

/// Requests that changed, not stored yet.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) now: BTreeMap<Txid, Request>,
    pub(super) effects: Vec<(Txid, Effect)>,
}

impl Changes {
    /// Applies an event to a request.
    pub(super) fn step(
        &mut self,
        txid: Txid,
        request: Request,
        event: &Event,
    ) -> Result<(), Fault> {
        match request.apply(event) {
            Ok(Step::Applied { state, effects }) => {
                self.now.insert(txid, state);
                self.effects.extend(effects.into_iter().map(|effect| (txid, effect)));
            }
            Ok(Step::Duplicate) => {}
            Err(Refusal::Rejected(reject)) => {
                tracing::debug!(%txid, %reject, "an event does not apply to a request to unbond");
            }
            Err(Refusal::Invariant(what)) => return Err(Fault::Invariant(what)),
        }
        Ok(())
    }

    pub(super) fn write(&self, batch: &mut Batch) {
        for (txid, request) in &self.now {
            rows::put(batch, *txid, request);
        }
    }
}

/// The x coordinate of a compressed key.
pub(super) fn x_only(key: &[u8; 33]) -> MemberKey {
    let mut x = [0; 32];
    x.copy_from_slice(&key[1..]);
    x
}
