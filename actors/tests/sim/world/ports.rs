//! The ports of an actor, over the simulation. What an actor sends waits in its out-tray until the
//! scheduler takes it; heavy work runs at once.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use bitcoin::OutPoint;
use futures::future::{BoxFuture, FutureExt, ready};
use trestle_actors::ports::{
    ChainError, Clock, Compute, Delivery, ReadCoins, SendMessage, chain::CoinView, compute::Work,
};
use trestle_wire::{Ack, Message, MessageId, Peer, announce::Presence};

use super::chain::Chain;

/// The scheduler's clock.
#[derive(Clone, Default)]
pub(crate) struct SimClock(Arc<AtomicU64>);

impl SimClock {
    pub(crate) fn set(&self, now_ms: u64) {
        self.0.store(now_ms, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What an actor has sent while it handled an input.
#[derive(Clone, Default)]
pub(crate) struct OutTray(Arc<Mutex<Vec<(Peer, Message)>>>);

impl OutTray {
    pub(crate) fn take(&self) -> Vec<(Peer, Message)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl SendMessage for OutTray {
    fn offer(&self, to: Peer, message: Message) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((to, message));
    }

    fn deliver(&self, _: Peer, _: MessageId, _: Message) -> BoxFuture<'_, Result<Ack, Delivery>> {
        // Durable messages leave as jobs, which the scheduler carries out itself.
        ready(Err(Delivery::Unreachable)).boxed()
    }

    fn announce(&self, _: Presence) {}
}

/// Runs heavy work at once.
pub(crate) struct AtOnce;

impl Compute for AtOnce {
    fn submit(&self, work: Work) -> BoxFuture<'_, ()> {
        work();
        ready(()).boxed()
    }
}

/// The chain, shared by the miner and everyone's bitcoind.
#[derive(Clone)]
pub(crate) struct Bitcoind(Arc<Mutex<Chain>>);

impl Bitcoind {
    pub(crate) fn new(chain: Chain) -> Self {
        Self(Arc::new(Mutex::new(chain)))
    }

    pub(crate) fn chain(&self) -> MutexGuard<'_, Chain> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReadCoins for Bitcoind {
    fn coins(&self, outpoints: Vec<OutPoint>) -> BoxFuture<'_, Result<CoinView, ChainError>> {
        ready(Ok(self.chain().coins(&outpoints))).boxed()
    }
}
