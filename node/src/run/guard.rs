//! What stands between actors and bitcoind: a member does not judge coins by a node that is behind.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bitcoin::OutPoint;
use futures::future::BoxFuture;
use tokio::sync::watch;
use trestle_actors::ports::{
    ChainError, Clock, ReadCoins,
    chain::{ChainStatus, CoinView},
};
use trestle_bitcoind::{Bitcoind, is_stale};
use trestle_wire::Network;

use super::chain::STALE;
use trestle_keys::taproot::bitcoin_network;

/// Looks coins up, unless bitcoind is away, syncing or cut off.
pub(super) struct GuardedCoins {
    pub(super) bitcoind: Bitcoind,
    pub(super) status: watch::Receiver<ChainStatus>,
    pub(super) network: Network,
}

impl GuardedCoins {
    fn check(&self) -> Result<(), ChainError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let network = bitcoin_network(self.network);
        match &*self.status.borrow() {
            ChainStatus::Connected { ibd: true, .. } => {
                Err(ChainError::NotReady("it is in initial block download".into()))
            }
            ChainStatus::Connected { time, .. } if is_stale(network, *time, now, STALE) => {
                Err(ChainError::NotReady("its best block is more than two hours old".into()))
            }
            ChainStatus::Connected { .. } => Ok(()),
            ChainStatus::Unreachable(reason) | ChainStatus::Wrong(reason) => {
                Err(ChainError::Unreachable(reason.clone()))
            }
            ChainStatus::Unknown => Err(ChainError::NotReady("it has not answered yet".into())),
        }
    }
}

impl ReadCoins for GuardedCoins {
    fn coins(&self, outpoints: Vec<OutPoint>) -> BoxFuture<'_, Result<CoinView, ChainError>> {
        Box::pin(async move {
            self.check()?;
            self.bitcoind.coins(outpoints).await
        })
    }
}

/// Milliseconds since the node started.
pub(super) struct SinceStart(Instant);

impl SinceStart {
    pub(super) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SinceStart {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// How long an actor's health may be out of date.
pub(super) const HEALTH: Duration = Duration::from_secs(2);
