//! What stands between actors and bitcoind: a member does not judge by a node that is behind.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bitcoin::OutPoint;
use futures::future::BoxFuture;
use tokio::sync::watch;
use trestle_actors::ports::{
    ChainError, Clock, ReadCoins, TrustedTip,
    chain::{ChainStatus, CoinView, Tip},
};
use trestle_bitcoind::{Bitcoind, is_stale};
use trestle_keys::taproot::bitcoin_network;
use trestle_wire::Network;

/// A tip older than this means that bitcoind is cut off: blocks come every ten minutes, and less
/// than one in a million gaps is longer than two hours.
const STALE: Duration = Duration::from_secs(2 * 60 * 60);

/// The tip, unless bitcoind is away, syncing or cut off.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) status: watch::Receiver<ChainStatus>,
    pub(super) network: Network,
}

impl TrustedTip for Guard {
    fn trusted_tip(&self) -> Result<Tip, ChainError> {
        trusted(&self.status.borrow(), self.network)
    }
}

/// The tip of a bitcoind that can be relied on now.
///
/// # Errors
/// Why it cannot: [`ChainError::Unreachable`] or [`ChainError::NotReady`].
pub(super) fn trusted(status: &ChainStatus, network: Network) -> Result<Tip, ChainError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    match status {
        ChainStatus::Unknown => Err(ChainError::NotReady("not heard yet".into())),
        ChainStatus::Unreachable(reason) | ChainStatus::Wrong(reason) => {
            Err(ChainError::Unreachable(reason.clone()))
        }
        ChainStatus::Connected { ibd: true, tip, .. } => {
            let why = format!("in initial block download, at height {}", tip.height);
            Err(ChainError::NotReady(why))
        }
        ChainStatus::Connected { time, tip, .. }
            if is_stale(bitcoin_network(network), *time, now, STALE) =>
        {
            Err(ChainError::NotReady(format!(
                "the best block, {}, is more than two hours old: is bitcoind cut off?",
                tip.height
            )))
        }
        ChainStatus::Connected { tip, .. } => Ok(*tip),
    }
}

/// Looks coins up, unless bitcoind is away, syncing or cut off.
pub(super) struct GuardedCoins {
    pub(super) bitcoind: Bitcoind,
    pub(super) guard: Guard,
}

impl ReadCoins for GuardedCoins {
    fn coins(&self, outpoints: Vec<OutPoint>) -> BoxFuture<'_, Result<CoinView, ChainError>> {
        Box::pin(async move {
            self.guard.trusted_tip()?;
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

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use bitcoin::{BlockHash, hashes::Hash as _};

    use super::*;

    fn connected(age: Duration, ibd: bool) -> ChainStatus {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let time = now.checked_sub(age).expect("a short age").as_secs();
        let tip = Tip { height: 7, hash: BlockHash::all_zeros() };
        ChainStatus::Connected { tip, time: time.try_into().expect("before 2106"), ibd }
    }

    fn reason(status: &ChainStatus, network: Network) -> String {
        trusted(status, network).expect_err("it cannot be relied on").to_string()
    }

    #[test]
    fn tip__should_be_trusted_while_it_is_young_and_whole() {
        let (young, old) = (Duration::from_secs(60), Duration::from_secs(3 * 60 * 60));
        let height = |tip: Tip| tip.height;
        assert_eq!(trusted(&connected(young, false), Network::Bitcoin).map(height), Ok(7));
        assert_eq!(trusted(&connected(old, false), Network::Regtest).map(height), Ok(7));

        let stale = reason(&connected(old, false), Network::Bitcoin);
        assert!(stale.contains("the best block, 7, is more than two hours old"), "{stale}");
        let syncing = reason(&connected(young, true), Network::Bitcoin);
        assert!(syncing.contains("in initial block download, at height 7"), "{syncing}");
        let away = reason(&ChainStatus::Unreachable("no route".into()), Network::Bitcoin);
        assert!(away.contains("no route"), "{away}");
        assert!(reason(&ChainStatus::Unknown, Network::Bitcoin).contains("not heard yet"));
    }
}
