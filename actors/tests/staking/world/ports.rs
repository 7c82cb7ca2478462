//! The ports: a network that is a queue, a mempool, a store that can fail, time that stands.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use bitcoin::{Transaction, Txid};
use futures::future::{BoxFuture, FutureExt, ready};
use trestle_actors::ports::{
    Broadcast, ChainError, Clock, Compute, Delivery, SendMessage, TrustedTip,
    chain::{Accepted, Tip},
    compute::Work,
};
use trestle_store::{Batch, Row, Scan, Space, Store, StoreError, memory::MemoryStore};
use trestle_wire::{Ack, Message, MessageId, Peer, announce::Presence};

/// Does work at once.
pub(crate) struct Inline;

impl Compute for Inline {
    fn submit(&self, work: Work) -> BoxFuture<'_, ()> {
        work();
        ready(()).boxed()
    }
}

/// Whether members can judge by their chain.
pub(crate) struct Bitcoind(Mutex<Result<Tip, ChainError>>);

impl Default for Bitcoind {
    fn default() -> Self {
        Self(Mutex::new(Err(ChainError::NotReady("not heard yet".into()))))
    }
}

impl Bitcoind {
    pub(crate) fn is(&self, said: Result<Tip, ChainError>) {
        *self.0.lock().expect("no panic holds it") = said;
    }
}

impl TrustedTip for Bitcoind {
    fn trusted_tip(&self) -> Result<Tip, ChainError> {
        self.0.lock().expect("no panic holds it").clone()
    }
}

/// Time that passes when it is told to.
#[derive(Default)]
pub(crate) struct Time(AtomicU64);

impl Time {
    pub(crate) fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
    pub(crate) fn set(&self, now: u64) {
        self.0.store(now, Ordering::SeqCst);
    }
}

impl Clock for Time {
    fn now_ms(&self) -> u64 {
        self.now()
    }
}

/// Messages on their way, and all there ever were.
#[derive(Default)]
pub(crate) struct Net {
    queue: Mutex<VecDeque<(Peer, Peer, Message)>>,
    log: Mutex<Vec<(Peer, Peer, Message)>>,
}

impl Net {
    pub(crate) fn take(&self) -> Option<(Peer, Peer, Message)> {
        self.queue.lock().expect("no panic holds it").pop_front()
    }
    pub(crate) fn send(&self, from: Peer, to: Peer, message: Message) {
        let letter = (from, to, message);
        self.log.lock().expect("no panic holds it").push(letter.clone());
        self.queue.lock().expect("no panic holds it").push_back(letter);
    }
    /// Puts a message, or a copy of it, behind all others, without a trace in the log.
    pub(crate) fn again(&self, letter: (Peer, Peer, Message)) {
        self.queue.lock().expect("no panic holds it").push_back(letter);
    }
    pub(crate) fn clear(&self) {
        self.queue.lock().expect("no panic holds it").clear();
    }
    /// What was sent to a peer.
    pub(crate) fn sent_to(&self, to: Peer) -> Vec<Message> {
        let log = self.log.lock().expect("no panic holds it");
        log.iter().filter(|(_, receiver, _)| *receiver == to).map(|(_, _, m)| m.clone()).collect()
    }
}

/// One node's way into the network.
pub(crate) struct NetPort {
    pub(crate) me: Peer,
    pub(crate) net: Arc<Net>,
}

impl SendMessage for NetPort {
    fn offer(&self, to: Peer, message: Message) {
        self.net.send(self.me, to, message);
    }
    fn deliver(
        &self,
        _to: Peer,
        _id: MessageId,
        _message: Message,
    ) -> BoxFuture<'_, Result<Ack, Delivery>> {
        ready(Err(Delivery::Unreachable)).boxed()
    }
    fn announce(&self, _presence: Presence) {}
}

/// What bitcoind says to a transaction.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    Answer(Accepted),
    Unreachable,
}

/// A mempool that takes everything, unless it is told otherwise for a transaction.
#[derive(Default)]
pub(crate) struct Mempool {
    verdicts: Mutex<BTreeMap<Txid, Verdict>>,
    held: Mutex<BTreeMap<Txid, Transaction>>,
    mined: Mutex<BTreeSet<Txid>>,
    broadcasts: Mutex<Vec<Txid>>,
}

impl Mempool {
    pub(crate) fn rule(&self, txid: Txid, verdict: Option<Verdict>) {
        let mut verdicts = self.verdicts.lock().expect("no panic holds it");
        match verdict {
            Some(verdict) => verdicts.insert(txid, verdict),
            None => verdicts.remove(&txid),
        };
    }
    /// What the chain holds now.
    pub(crate) fn see(&self, mined: BTreeSet<Txid>) {
        self.held.lock().expect("no panic holds it").retain(|txid, _| !mined.contains(txid));
        *self.mined.lock().expect("no panic holds it") = mined;
    }
    pub(crate) fn take(&self) -> Vec<Transaction> {
        std::mem::take(&mut *self.held.lock().expect("no panic holds it")).into_values().collect()
    }
    pub(crate) fn get(&self, txid: Txid) -> Option<Transaction> {
        self.held.lock().expect("no panic holds it").get(&txid).cloned()
    }
    pub(crate) fn broadcasts(&self, txid: Txid) -> usize {
        let all = self.broadcasts.lock().expect("no panic holds it");
        all.iter().filter(|sent| **sent == txid).count()
    }
}

impl Broadcast for Mempool {
    fn broadcast(&self, tx: Transaction) -> BoxFuture<'_, Result<Accepted, ChainError>> {
        let txid = tx.compute_txid();
        self.broadcasts.lock().expect("no panic holds it").push(txid);
        let verdict = self.verdicts.lock().expect("no panic holds it").get(&txid).cloned();
        let answer = match verdict {
            Some(Verdict::Answer(answer)) => Ok(answer),
            Some(Verdict::Unreachable) => Err(ChainError::Unreachable("told so".into())),
            None if self.mined.lock().expect("no panic holds it").contains(&txid) => {
                Ok(Accepted::Confirmed)
            }
            None => {
                self.held.lock().expect("no panic holds it").insert(txid, tx);
                Ok(Accepted::Mempool)
            }
        };
        ready(answer).boxed()
    }
}

/// A store whose commits fail when they are told to.
#[derive(Clone, Default)]
pub(crate) struct FlakyStore {
    inner: MemoryStore,
    plan: Arc<Mutex<Plan>>,
}

#[derive(Default)]
struct Plan {
    commits: u64,
    /// The number of the commit that fails, and whether it is applied all the same.
    fails: Option<(u64, bool)>,
}

impl FlakyStore {
    /// Fails the `after`th commit from now.
    pub(crate) fn fail(&self, after: u64, applied: bool) {
        let mut plan = self.plan.lock().expect("no panic holds it");
        plan.fails = Some((plan.commits + after, applied));
    }
    pub(crate) fn commits(&self) -> u64 {
        self.plan.lock().expect("no panic holds it").commits
    }
}

impl Store for FlakyStore {
    fn get<'a>(
        &'a self,
        space: Space,
        key: &'a [u8],
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        self.inner.get(space, key)
    }
    fn scan(&self, space: Space, scan: Scan) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        self.inner.scan(space, scan)
    }
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            let fails = {
                let mut plan = self.plan.lock().expect("no panic holds it");
                let number = plan.commits;
                plan.commits += 1;
                plan.fails.take_if(|(at, _)| *at == number)
            };
            match fails {
                None => self.inner.commit(batch).await,
                Some((_, applied)) => {
                    if applied {
                        self.inner.commit(batch).await?;
                    }
                    Err(StoreError::Unknown("told so".into()))
                }
            }
        }
        .boxed()
    }
}
