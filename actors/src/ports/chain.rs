//! Bitcoin, as actors need it. Every trait is one capability; bitcoind's client has all of them.

use bitcoin::{Amount, Block, BlockHash, FeeRate, OutPoint, ScriptBuf, Transaction, block::Header};
use futures::future::BoxFuture;

/// Reads the header chain and blocks.
pub trait ReadChain: Send + Sync + 'static {
    /// Height and hash of the best block.
    fn tip(&self) -> BoxFuture<'_, Result<Tip, ChainError>>;
    /// Headers of the best chain at heights `from .. from + count`, fewer at its end, in one
    /// round trip (two at most).
    fn headers(&self, from: u32, count: u32) -> BoxFuture<'_, Result<Vec<Header>, ChainError>>;
    /// The hashes of these headers only, for who reads the blocks anyway: cheaper where the chain
    /// can give them without the headers.
    fn hashes(&self, from: u32, count: u32) -> BoxFuture<'_, Result<Vec<BlockHash>, ChainError>> {
        let headers = self.headers(from, count);
        Box::pin(async move { Ok(headers.await?.iter().map(Header::block_hash).collect()) })
    }
    /// A block by hash.
    fn block(&self, hash: BlockHash) -> BoxFuture<'_, Result<Block, ChainError>>;
    /// Blocks by hash, in this order. Where they come in one round trip, more than 4,000,000 bytes
    /// of them may be refused: ask for one by one then.
    fn blocks(&self, hashes: Vec<BlockHash>) -> BoxFuture<'_, Result<Vec<Block>, ChainError>> {
        Box::pin(async move {
            let mut blocks = Vec::with_capacity(hashes.len());
            for hash in hashes {
                blocks.push(self.block(hash).await?);
            }
            Ok(blocks)
        })
    }
}

/// Looks confirmed outputs up in the UTXO set.
pub trait ReadCoins: Send + Sync + 'static {
    /// The coins at these outpoints as of one tip, without the mempool, in one round trip.
    fn coins(&self, outpoints: Vec<OutPoint>) -> BoxFuture<'_, Result<CoinView, ChainError>>;
}

/// Says whether our own chain can be judged by.
pub trait TrustedTip: Send + Sync + 'static {
    /// Its tip, if it is neither syncing, nor away, nor cut off from the network for so long that
    /// its best block is stale.
    ///
    /// # Errors
    /// Why it cannot be relied on now.
    fn trusted_tip(&self) -> Result<Tip, ChainError>;
}

/// Sends transactions.
pub trait Broadcast: Send + Sync + 'static {
    /// Hands a transaction to the mempool. Doing so twice is fine.
    fn broadcast(&self, tx: Transaction) -> BoxFuture<'_, Result<Accepted, ChainError>>;
}

/// Estimates fees.
pub trait EstimateFee: Send + Sync + 'static {
    /// A rate to confirm within `blocks`, never below the mempool's minimum.
    fn fee_rate(&self, blocks: u16) -> BoxFuture<'_, Result<FeeRate, ChainError>>;
}

/// The end of the best chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Its height.
    pub height: u32,
    /// Its hash.
    pub hash: BlockHash,
}

/// An unspent, confirmed output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coin {
    /// Its amount.
    pub value: Amount,
    /// Its script.
    pub script: ScriptBuf,
    /// Blocks on top of it, counting its own.
    pub confirmations: u32,
    /// Whether a coinbase made it.
    pub coinbase: bool,
}

/// Coins as of one tip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoinView {
    /// The tip.
    pub tip: Tip,
    /// In the order asked; `None` for what is spent, unconfirmed or unknown.
    pub coins: Vec<Option<Coin>>,
}

/// What became of a broadcast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// In the mempool now, or was already.
    Mempool,
    /// Already in a block.
    Confirmed,
    /// Refused, with bitcoind's reason, for example a fee below the minimum or a spent input.
    Rejected(String),
}

/// Why the chain gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// bitcoind cannot be reached or did not answer in time. Worth trying again.
    #[error("bitcoind is unreachable: {0}")]
    Unreachable(String),
    /// bitcoind is starting or in initial block download. Worth trying again later.
    #[error("bitcoind is not ready: {0}")]
    NotReady(String),
    /// bitcoind is on another chain than this node's config says. Fatal.
    #[error("bitcoind is on the wrong chain: expected {expected}, got {got}")]
    WrongChain {
        /// Genesis hash or network name expected.
        expected: String,
        /// What bitcoind says.
        got: String,
    },
    /// A block that bitcoind has pruned away.
    #[error(
        "block {0} is pruned: run bitcoind without pruning, or start the node later in the chain"
    )]
    Pruned(BlockHash),
    /// A hash or height that bitcoind does not know (any more).
    #[error("bitcoind does not know {0}")]
    NotFound(String),
    /// bitcoind refused the call, for example wrong credentials.
    #[error("bitcoind refused the call: {0}")]
    Refused(String),
    /// An answer that is not of the expected form.
    #[error("unexpected answer from bitcoind: {0}")]
    Malformed(String),
}

/// How bitcoind is doing, as the last look at its tip showed. What `/readyz` says, and what wakes
/// followers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainStatus {
    /// Not looked at yet.
    Unknown,
    /// It answers, for the right chain.
    Connected {
        /// Its best block.
        tip: Tip,
        /// The time in that block's header, in seconds since 1970.
        time: u32,
        /// Whether it is in initial block download. Always false on regtest.
        ibd: bool,
    },
    /// It does not answer, or is starting; with the reason.
    Unreachable(String),
    /// It must not be used as it is: wrong chain or too old; with the reason.
    Wrong(String),
}
