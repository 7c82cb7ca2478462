//! Why an event does not apply to a payment.

use bitcoin::{OutPoint, Txid};

/// Counted and dropped. None of these is a peer's fault: they come from late answers and from the
/// chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// The payment is settled or failed.
    #[error("the payment is over")]
    Final,
    /// Nobody asked for this now.
    #[error("nothing of that kind is under way")]
    NotAsked,
    /// Nothing is planned yet.
    #[error("the payment is not planned yet")]
    NotBound,
    /// Not a version of this payment.
    #[error("{0} is not a version of this payment")]
    UnknownVersion(Txid),
    /// A version is signed.
    #[error("{0} is signed, and a signed version can confirm for ever")]
    Signed(Txid),
    /// A version without all its signatures.
    #[error("{0} does not have one 64-byte signature for each input")]
    NotSigned(Txid),
    /// A version is in a block already.
    #[error("{0} is confirmed already")]
    AlreadyConfirmed(Txid),
    /// Something else has spent the anchor.
    #[error("the anchor is spent by {0}")]
    AnchorSpent(Txid),
    /// A version is being planned already.
    #[error("a new version is being planned already")]
    Busy,
    /// No more versions.
    #[error("{0} versions are made, no more are allowed: wait for one to confirm")]
    NoMoreVersions(usize),
    /// The rate is not higher.
    #[error("{asked} sat/kwu is not above the highest rate so far, {highest}")]
    NotHigher {
        /// Asked for.
        asked: u64,
        /// Of the versions so far.
        highest: u64,
    },
    /// A spend reported as somebody else's that is a version of this payment.
    #[error("{0} is a version of this payment")]
    OwnVersion(Txid),
    /// Not an input of any version, or the anchor.
    #[error("{0} is not an input of this payment besides its anchor")]
    NotAnInput(OutPoint),
}
