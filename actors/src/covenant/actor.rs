//! The member's state, and where each input goes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bitcoin::Txid;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::oneshot;
use trestle_store::{Batch, Store, StoreError};
use trestle_wire::{
    Ack, Message, Peer, Refusal, SessionId,
    staking::{UnbondingAnswer, UnbondingAsk, UnbondingRefusal, UnbondingSigned},
};

use super::{
    CovenantInput, HttpOrder, Job, Metrics, Rules,
    order::{Order, Wanted},
    rows::{SIGNATURES, SignatureKey},
};
use crate::{
    ports::{Inbound, SendMessage, TrustedTip},
    runtime::{Actor, Fault},
    staking::query,
};

/// Batches that are signed at the same time: what a coordinator has unanswered with one member, and
/// as many requests over HTTP. More are refused as busy, and asked again.
const MOST_UNDER_WAY: usize = 8;
/// How far the index may be behind our bitcoind: it is asked again when it has caught up, because a
/// reorganisation may be in the blocks that it has not seen.
const MOST_BEHIND: u32 = 6;

/// A result for one unbonding.
type Answer = Result<[u8; 64], UnbondingRefusal>;

/// What a covenant member is made of.
pub struct Setup {
    /// The peers that may ask.
    pub coordinators: BTreeSet<Peer>,
    /// The last height whose stakes are signed for.
    pub max_staking_height: u32,
    /// Where the index and the signatures are.
    pub store: Arc<dyn Store>,
    /// The way to coordinators.
    pub network: Arc<dyn SendMessage>,
    /// Whether our bitcoind can be judged by.
    pub chain: Arc<dyn TrustedTip>,
    /// Counters.
    pub metrics: Metrics,
}

/// See the module.
pub struct CovenantActor {
    setup: Setup,
    under_way: BTreeMap<u64, UnderWay>,
    /// What batches under way sign: asked again meanwhile, it is busy.
    signing: BTreeSet<SignatureKey>,
    next_batch: u64,
}

/// A batch with the job's orders left open.
struct UnderWay {
    origin: Origin,
    /// One for each unbonding that was asked for; `None`: in the job.
    answers: Vec<Option<Answer>>,
    /// What the job signs, in its order.
    rows: Vec<SignatureKey>,
}

/// Who asked.
enum Origin {
    Peer(Peer, SessionId),
    Http(oneshot::Sender<Answer>),
}

impl CovenantActor {
    /// A member that has nothing under way.
    pub fn new(setup: Setup) -> Self {
        let (under_way, signing) = (BTreeMap::new(), BTreeSet::new());
        Self { setup, under_way, signing, next_batch: 0 }
    }

    /// Forgets what is under way: nothing of it has left, and it is asked again.
    pub fn reset(&mut self) {
        self.under_way.clear();
        self.signing.clear();
        self.setup.metrics.under_way.set(0);
    }

    /// Handles one input, and gives what is to be carried out because of it.
    ///
    /// # Errors
    /// [`Fault`]: nothing was said since the last commit.
    pub async fn handle(&mut self, input: CovenantInput) -> Result<(Ack, Vec<Job>), Fault> {
        match input {
            CovenantInput::Received(inbound) => self.received(inbound).await,
            CovenantInput::Http(order, reply) => {
                let HttpOrder(wanted) = *order;
                let job = self.asked(Origin::Http(reply), vec![Some(wanted)]).await?;
                Ok((Ack::Accepted, job.into_iter().collect()))
            }
            CovenantInput::Signed { batch, results } => {
                self.signed(batch, results).await?;
                Ok((Ack::Accepted, Vec::new()))
            }
            CovenantInput::Tick => Ok((Ack::Accepted, Vec::new())),
        }
    }

    async fn received(&mut self, inbound: Inbound) -> Result<(Ack, Vec<Job>), Fault> {
        let Message::UnbondingAsk(UnbondingAsk { id, unbondings }) = inbound.message else {
            return Ok((Ack::Refused(Refusal::NoSuchRole), Vec::new()));
        };
        if !self.setup.coordinators.contains(&inbound.from) {
            self.setup.metrics.not_allowed.inc();
            return Ok((Ack::Refused(Refusal::NotAllowed), Vec::new()));
        }
        let wanted = unbondings.iter().map(Wanted::read).collect();
        let job = self.asked(Origin::Peer(inbound.from, id), wanted).await?;
        Ok((Ack::Accepted, job.into_iter().collect()))
    }

    /// A batch; `None` for what cannot be read.
    async fn asked(
        &mut self,
        origin: Origin,
        wanted: Vec<Option<Wanted>>,
    ) -> Result<Option<Job>, Fault> {
        let count = wanted.len();
        self.setup.metrics.received.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
        if self.under_way.len() >= MOST_UNDER_WAY {
            self.answer(origin, vec![Err(UnbondingRefusal::Busy); count]);
            return Ok(None);
        }
        let Some(rules) = self.rules().await? else {
            self.answer(origin, vec![Err(UnbondingRefusal::Chain); count]);
            return Ok(None);
        };
        let found = self.look_up(wanted).await?;
        let (mut answers, mut rows, mut orders) = (Vec::new(), Vec::new(), Vec::new());
        for one in found {
            answers.push(match one {
                Found::Answer(answer) => Some(answer),
                Found::Order(order) => {
                    let row = order.wanted.row();
                    if self.signing.insert(row) {
                        rows.push(row);
                        orders.push(*order);
                        None
                    } else {
                        Some(Err(UnbondingRefusal::Busy))
                    }
                }
            });
        }
        let under_way = UnderWay { origin, answers, rows };
        if orders.is_empty() {
            self.finish(under_way, Vec::new());
            return Ok(None);
        }
        let batch = self.next_batch;
        self.next_batch += 1;
        self.under_way.insert(batch, under_way);
        self.show();
        Ok(Some(Job { batch, rules, orders }))
    }

    /// What the checks go by; `None` while our own chain cannot be relied on.
    async fn rules(&self) -> Result<Option<Rules>, StoreError> {
        let best = match self.setup.chain.trusted_tip() {
            Ok(tip) => tip.height,
            Err(error) => {
                tracing::warn!(%error, "no unbonding is signed for now");
                return Ok(None);
            }
        };
        let head = query::head(self.setup.store.as_ref()).await?;
        let tip = head.and_then(|head| head.tip()).map(|tip| tip.height);
        let near = tip.filter(|tip| best.saturating_sub(*tip) <= MOST_BEHIND);
        let max_staking_height = self.setup.max_staking_height;
        Ok(near.map(|tip| Rules { max_staking_height, tip, best }))
    }

    /// What is stored about each: its signature, or else its stake. All rows are read together.
    async fn look_up(&self, wanted: Vec<Option<Wanted>>) -> Result<Vec<Found>, StoreError> {
        let store = self.setup.store.as_ref();
        let keys: Vec<SignatureKey> = wanted.iter().flatten().map(Wanted::row).collect();
        let mut signatures = SIGNATURES.get_many(store, &keys).await?.into_iter();
        let with = |one: Option<Wanted>| one.map(|one| (one, signatures.next().flatten()));
        let wanted: Vec<Option<(Wanted, Option<[u8; 64]>)>> =
            wanted.into_iter().map(with).collect();
        let unsigned = wanted.iter().flatten().filter(|(_, signature)| signature.is_none());
        let stakes: Vec<Txid> = unsigned.map(|(one, _)| one.staking).collect();
        let mut stakes = query::delegations_of(store, &stakes).await?.into_iter();
        let found = wanted.into_iter().map(|one| match one {
            None => Found::Answer(Err(UnbondingRefusal::Form)),
            Some((_, Some(signature))) => {
                self.setup.metrics.resent.inc();
                Found::Answer(Ok(signature))
            }
            Some((wanted, None)) => {
                let row = stakes.next().flatten().map(|(_, row)| row);
                Found::Order(Box::new(Order { wanted, row }))
            }
        });
        Ok(found.collect())
    }

    /// A job is done: all its signatures are one commit, and then they are sent.
    async fn signed(&mut self, batch: u64, results: Vec<Answer>) -> Result<(), Fault> {
        // One of before a reset.
        let Some(under_way) = self.under_way.get(&batch) else { return Ok(()) };
        let mut rows = Batch::new();
        for (row, result) in under_way.rows.iter().zip(&results) {
            if let Ok(signature) = result {
                SIGNATURES.put(&mut rows, row, signature);
            }
        }
        if !rows.is_empty() {
            self.setup.store.commit(rows).await?;
        }
        if let Some(under_way) = self.under_way.remove(&batch) {
            for row in &under_way.rows {
                self.signing.remove(row);
            }
            self.show();
            self.finish(under_way, results);
        }
        Ok(())
    }

    fn finish(&self, under_way: UnderWay, results: Vec<Answer>) {
        let UnderWay { origin, answers, .. } = under_way;
        let mut results = results.into_iter();
        let mut open = || results.next().unwrap_or(Err(UnbondingRefusal::SignerUnavailable));
        let answers = answers.into_iter().map(|answer| answer.unwrap_or_else(&mut open)).collect();
        self.answer(origin, answers);
    }

    fn answer(&self, origin: Origin, answers: Vec<Answer>) {
        for answer in &answers {
            self.setup.metrics.answered(answer);
        }
        match origin {
            Origin::Peer(peer, id) => {
                let said = |answer| match answer {
                    Ok(signature) => UnbondingAnswer::Signed(signature),
                    Err(why) => UnbondingAnswer::Refused(why),
                };
                let answers = answers.into_iter().map(said).collect();
                self.setup.network.offer(peer, UnbondingSigned { id, answers }.into());
            }
            Origin::Http(reply) => {
                let answer = answers.into_iter().next();
                // The client may have given up waiting.
                let _ = reply.send(answer.unwrap_or(Err(UnbondingRefusal::Busy)));
            }
        }
    }

    fn show(&self) {
        let under_way = i64::try_from(self.under_way.len()).unwrap_or(i64::MAX);
        self.setup.metrics.under_way.set(under_way);
    }
}

/// What a look-up found.
enum Found {
    Answer(Answer),
    Order(Box<Order>),
}

impl Actor for CovenantActor {
    type Input = CovenantInput;
    type Job = Job;

    fn store(&self) -> &dyn Store {
        self.setup.store.as_ref()
    }
    fn restarts(&self) -> &Counter {
        &self.setup.metrics.restarts
    }
    async fn load(&mut self) -> Result<Vec<Job>, Fault> {
        self.reset();
        // Read once, so that a store that cannot be read shows at the start.
        query::head(self.setup.store.as_ref()).await?;
        Ok(Vec::new())
    }
    async fn handle(&mut self, input: CovenantInput) -> Result<(Ack, Vec<Job>), Fault> {
        Self::handle(self, input).await
    }
    fn next_wake(&self) -> Option<u64> {
        None
    }
    fn tick() -> CovenantInput {
        CovenantInput::Tick
    }
}
