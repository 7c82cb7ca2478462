//! What is to be done for a payment.

use bincode::{Decode, Encode};
use bitcoin::{OutPoint, Transaction, Txid};
use trestle_wire::committee::payment::PaymentProposal;

use crate::stored::Stored;

/// Something to be done. Doing it twice does no harm.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Effect {
    /// Plan the first version; answer with `Planned` or `PlanFailed`.
    Plan,
    /// Plan a version that replaces all before it, at this rate in sat for 1,000 weight units;
    /// answer with `Planned` or `PlanFailed`.
    Bump {
        /// The rate.
        rate: u64,
    },
    /// Have a version signed; answer with `VersionSigned` or `SigningFailed`.
    Sign {
        /// Which version, from 0.
        version: u32,
        /// What members are shown.
        proposal: PaymentProposal,
    },
    /// Hand a signed version to the own node; answer with `BroadcastRejected` if it is refused.
    Broadcast(Stored<Transaction>),
    /// Estimate the rate, and answer with `BumpRequested`.
    QuoteRate,
    /// Answer with `RetryDue` after a while.
    RetryLater,
    /// The payment is over: its coins are not reserved any more.
    Release,
    /// Tell people.
    Notify(Notice),
}

/// What people are told.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Notice {
    /// A version is with the members.
    Planned(Stored<Txid>),
    /// A version is signed.
    Signed(Stored<Txid>),
    /// Something is in the way; it is tried again.
    Stalled(String),
    /// A version is in a block at this height.
    Confirmed(Stored<Txid>, u32),
    /// The block with the version has left the best chain.
    Reorganised,
    /// Something else has spent the anchor.
    AnchorSpent(Stored<Txid>),
    /// Final: this version is deep in the chain.
    Settled(Stored<Txid>),
    /// Final: the anchor was spent by this transaction, deep in the chain.
    Failed(Stored<Txid>),
    /// Too few members could sign: it has another anchor now.
    Rebound(Stored<OutPoint>),
    /// Final: the id was used before, and this transaction spent the coin bound to it then.
    UsedBefore(Stored<Txid>),
    /// Final: the operator gave it up.
    Cancelled,
}
