//! JSON-RPC 2.0 as bitcoind speaks it: requests, answers, and the HTTP connection they go over.

mod error;
mod http;
mod message;

pub use error::RpcError;

pub(crate) use http::Connection;
pub(crate) use message::{CallError, Reply, Request, parse_batch, parse_single, read};

/// Error codes of bitcoind, from its `rpc/protocol.h`.
pub(crate) mod code {
    /// Something exceptional, such as a pruned block.
    pub(crate) const MISC: i64 = -1;
    /// An unknown block or transaction.
    pub(crate) const NOT_FOUND: i64 = -5;
    /// A parameter out of range, such as a height above the tip.
    pub(crate) const PARAMETER: i64 = -8;
    /// A transaction whose inputs are missing or spent.
    pub(crate) const VERIFY: i64 = -25;
    /// A transaction that policy or consensus refuses.
    pub(crate) const VERIFY_REJECTED: i64 = -26;
    /// A transaction that is in a block already.
    pub(crate) const ALREADY_IN_CHAIN: i64 = -27;
    /// An encrypted wallet that is not unlocked.
    pub(crate) const WALLET_UNLOCK_NEEDED: i64 = -13;
    /// A wallet that is not loaded, or not known at all.
    pub(crate) const WALLET_NOT_FOUND: i64 = -18;
    /// bitcoind is starting.
    pub(crate) const WARM_UP: i64 = -28;
    /// A transaction that cannot be decoded.
    pub(crate) const DECODE: i64 = -22;
}
