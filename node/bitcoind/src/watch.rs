//! Watching the tip.

use std::time::Duration;

use bitcoin::BlockHash;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use trestle_actors::ports::{ChainError, chain::ChainStatus};

use crate::{
    Bitcoind, CheckError,
    chain::ChainInfo,
    rpc::{Reply, Request, read},
};

/// Longest answer to `getbestblockhash`, with room.
const MAX_HASH_ANSWER: usize = 4_096;

impl Bitcoind {
    /// Looks at the tip every so often (a second is usual) and tells what it sees, until nobody
    /// listens any more. After every lost connection it does the whole [`Self::check`] again.
    pub async fn watch(self, every: Duration, status: watch::Sender<ChainStatus>) {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let looking = async {
            loop {
                ticks.tick().await;
                let before = status.borrow().clone();
                let now = self.look(&before).await;
                if now != before {
                    announce(&before, &now);
                    status.send_replace(now);
                }
            }
        };
        tokio::select! {
            () = looking => {}
            () = status.closed() => {}
        }
    }

    async fn look(&self, before: &ChainStatus) -> ChainStatus {
        let connected = match before {
            ChainStatus::Connected { tip, ibd: false, .. } => Some(tip.hash),
            ChainStatus::Connected { .. }
            | ChainStatus::Unknown
            | ChainStatus::Unreachable(_)
            | ChainStatus::Wrong(_) => None,
        };
        let Some(known) = connected else { return self.check_status().await };
        match self.changed_from(known).await {
            Ok(None) => before.clone(),
            Ok(Some(info)) => ChainStatus::Connected {
                tip: info.tip(),
                time: info.time,
                ibd: self.is_loading(&info),
            },
            Err(error) => failed(error),
        }
    }

    async fn changed_from(&self, known: BlockHash) -> Result<Option<ChainInfo>, ChainError> {
        const METHOD: &str = "getbestblockhash";
        let parse = |reply: Reply<'_>| Ok(read::<BlockHash>(METHOD, reply)?);
        let best = self.read_one(Request::bare(METHOD), MAX_HASH_ANSWER, parse).await?;
        if best == known {
            return Ok(None);
        }
        self.chain_info().await.map(Some)
    }

    async fn check_status(&self) -> ChainStatus {
        match self.check().await {
            Ok(info) => {
                ChainStatus::Connected { tip: info.tip, time: info.tip_time, ibd: info.ibd }
            }
            Err(error @ CheckError::TooOld { .. }) => ChainStatus::Wrong(error.to_string()),
            Err(CheckError::Chain(error)) => failed(error),
        }
    }
}

fn failed(error: ChainError) -> ChainStatus {
    match error {
        ChainError::WrongChain { .. } => ChainStatus::Wrong(error.to_string()),
        ChainError::Unreachable(_)
        | ChainError::NotReady(_)
        | ChainError::Pruned(_)
        | ChainError::NotFound(_)
        | ChainError::Refused(_)
        | ChainError::Malformed(_) => ChainStatus::Unreachable(error.to_string()),
    }
}

/// Says what an operator cares about: that bitcoind came or went, not each block.
fn announce(before: &ChainStatus, now: &ChainStatus) {
    match (before, now) {
        (ChainStatus::Connected { .. }, ChainStatus::Connected { .. }) => {}
        (_, ChainStatus::Connected { tip, ibd, .. }) => {
            tracing::info!(height = tip.height, hash = %tip.hash, ibd, "bitcoind is there");
        }
        (_, ChainStatus::Unreachable(reason)) => tracing::warn!(reason, "no answer from bitcoind"),
        (_, ChainStatus::Wrong(reason)) => {
            tracing::error!(reason, "bitcoind cannot be used");
        }
        (_, ChainStatus::Unknown) => {}
    }
}
