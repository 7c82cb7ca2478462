//! Why an event does not apply to a request.

use bitcoin::Txid;

/// Counted and dropped. The first is a member's fault, the others come of answers that are late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// A key that is in no committee of this stake.
    #[error("the signer is no member of the committee of this stake")]
    NotAMember,
    /// There are no signatures to assemble, or not enough.
    #[error("a finished transaction, but only {got} of {quorum} members signed")]
    TooFew {
        /// How many did.
        got: usize,
        /// How many must.
        quorum: u32,
    },
    /// Another transaction than the one asked for.
    #[error("expected transaction {expected}, got {got}")]
    OtherTransaction {
        /// The request's.
        expected: Txid,
        /// What came.
        got: Txid,
    },
    /// News of a broadcast of what is not assembled.
    #[error("there is no finished transaction that could have been sent")]
    NothingSent,
    /// A check for a height at which the stake is not (any more).
    #[error("checked for a stake at height {0}, where it is not")]
    OtherHeight(u32),
}
