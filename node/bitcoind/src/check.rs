//! What is looked at when a node starts and whenever bitcoind comes back.

use std::time::Duration;

use bitcoin::{BlockHash, Network};
use serde::Deserialize;
use serde_json::json;
use trestle_actors::ports::{ChainError, chain::Tip};

use crate::{
    Bitcoind,
    chain::ChainInfo,
    rpc::{Reply, Request, read},
};

/// The oldest bitcoind that works: 28.0, which brought JSON-RPC 2.0 and package relay.
pub const MIN_VERSION: u32 = 280_000;

/// Why bitcoind cannot be used as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// No answer, or the wrong chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A version that lacks what we need.
    #[error("bitcoind is {name} (version {got}), too old: run Bitcoin Core or Knots 28 or newer")]
    TooOld {
        /// How it names itself.
        name: String,
        /// Its version.
        got: u32,
    },
}

/// What bitcoind says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// Its version, 280100 for 28.1.
    pub version: u32,
    /// How it names itself, for example `/Satoshi:28.1.0/`.
    pub name: String,
    /// The chain it is on.
    pub network: Network,
    /// Its best block.
    pub tip: Tip,
    /// The time in that block's header, in seconds since 1970.
    pub tip_time: u32,
    /// The height of its best header.
    pub headers: u32,
    /// Whether it is in initial block download: not ready. Always false on regtest.
    pub ibd: bool,
    /// If it prunes, the lowest height whose block it has.
    pub pruned: Option<u32>,
    /// Its own warnings.
    pub warnings: Vec<String>,
}

impl NodeInfo {
    /// Whether following from this height would need blocks that are pruned away.
    pub fn lacks(&self, from: u32) -> bool {
        self.pruned.is_some_and(|lowest| from < lowest)
    }

    /// See [`is_stale`].
    pub fn is_stale(&self, now: u64, limit: Duration) -> bool {
        is_stale(self.network, self.tip_time, now, limit)
    }
}

/// Whether a tip is so old that the node is probably cut off, and should not sign: its header's
/// time is more than `limit` before `now` (both in seconds since 1970). Never on regtest, where
/// blocks come when someone asks for them.
pub fn is_stale(network: Network, tip_time: u32, now: u64, limit: Duration) -> bool {
    network != Network::Regtest && now.saturating_sub(u64::from(tip_time)) > limit.as_secs()
}

#[derive(Deserialize)]
struct NetworkInfo {
    version: u32,
    subversion: String,
    #[serde(default)]
    warnings: Warnings,
}

/// A list since 28; one text, possibly empty, before and by `-deprecatedrpc`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Warnings {
    One(String),
    Many(Vec<String>),
}

impl Default for Warnings {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Warnings {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(text) if text.is_empty() => Vec::new(),
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

impl Bitcoind {
    /// Looks at genesis block, version, pruning and initial download, in one round trip.
    ///
    /// # Errors
    /// [`CheckError`]; the wrong chain is [`ChainError::WrongChain`] inside of it.
    pub async fn check(&self) -> Result<NodeInfo, CheckError> {
        // Forces the comparison before anything else of the answer is believed.
        self.set_verified(false);
        let requests = [
            Request::new("getblockhash", json!([0])),
            Request::bare("getnetworkinfo"),
            Request::bare("getblockchaininfo"),
        ];
        let (network, chain) = self.read_batch(&requests, |replies| self.parts(replies)).await?;
        if network.version < MIN_VERSION {
            return Err(CheckError::TooOld { name: network.subversion, got: network.version });
        }
        Ok(NodeInfo {
            version: network.version,
            name: network.subversion,
            network: self.network(),
            tip: chain.tip(),
            tip_time: chain.time,
            headers: chain.headers,
            ibd: self.is_loading(&chain),
            pruned: chain.pruned.then(|| chain.pruneheight.unwrap_or(0)),
            warnings: network.warnings.into_vec(),
        })
    }

    fn parts(&self, replies: Vec<Reply<'_>>) -> Result<(NetworkInfo, ChainInfo), ChainError> {
        let [genesis, network, chain]: [Reply<'_>; 3] =
            replies.try_into().expect("the batch has as many replies as calls");
        let genesis: BlockHash = read("getblockhash", genesis)?;
        self.compare_genesis(genesis)?;
        Ok((read("getnetworkinfo", network)?, read("getblockchaininfo", chain)?))
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    #[test]
    fn is_stale__should_compare_the_headers_time_except_on_regtest() {
        let limit = Duration::from_secs(3_600);

        assert!(is_stale(Network::Bitcoin, 1_000, 4_601, limit));
        assert!(!is_stale(Network::Bitcoin, 1_000, 4_600, limit));
        assert!(!is_stale(Network::Bitcoin, 1_000, 0, limit), "a header of the future");
        assert!(!is_stale(Network::Regtest, 1_000, 1_000_000, limit));
    }
}
