//! What happens to a payment.

use bitcoin::{BlockHash, FeeRate, OutPoint, Transaction, Txid};

use super::Spender;
use crate::plan::Plan;

/// Something that happened. A block's events come in this order: what is in it, then
/// [`Event::TipAdvanced`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The plan asked for is there.
    Planned(Plan),
    /// It could not be made.
    PlanFailed {
        /// Why, for people.
        reason: String,
    },
    /// A version has all its signatures, verified.
    VersionSigned {
        /// The signed transaction.
        transaction: Transaction,
    },
    /// The session for the latest version ended without signatures.
    SigningFailed {
        /// Why, for people.
        reason: String,
    },
    /// The own node did not take a signed version.
    BroadcastRejected {
        /// Which version.
        txid: Txid,
        /// The node's reason.
        reason: String,
    },
    /// A retry that was asked for is due.
    RetryDue,
    /// A higher rate is wanted, by the operator or by the estimate asked for.
    BumpRequested {
        /// The rate.
        rate: FeeRate,
    },
    /// The best chain has grown to this height.
    TipAdvanced {
        /// The height.
        height: u32,
    },
    /// A version is in a block.
    VersionConfirmed {
        /// Which version.
        txid: Txid,
        /// The block's height.
        height: u32,
        /// The block.
        block: BlockHash,
    },
    /// The block at this height, and all above, have left the best chain.
    BlockDisconnected {
        /// The height.
        height: u32,
    },
    /// The anchor is spent by a transaction in a block that is no version.
    AnchorSpentByOther {
        /// The transaction.
        txid: Txid,
        /// The block's height.
        height: u32,
        /// Whether it pays exactly the payment's recipients.
        pays: bool,
        /// Another anchor that members say they bound the payment to.
        elsewhere: Option<OutPoint>,
    },
    /// Another input of a version is spent by a transaction in a block that is no version; or it
    /// never will exist, because it was to be change of a payment of which that block has another
    /// version.
    InputSpentByOther {
        /// The input.
        outpoint: OutPoint,
        /// The block's height.
        height: u32,
    },
    /// Too few members can sign with the present anchor: a plan with another one, which takes the
    /// place of all before as long as no version is signed. Whatever was being signed must have been
    /// ended, for good, before this is applied.
    Rebound {
        /// The plan.
        plan: Plan,
        /// Whether members had bound the payment to its anchor before.
        adopted: bool,
    },
    /// Members do not sign the latest version because of an input besides the anchor: make one
    /// without.
    InputRefused,
    /// Members bound the payment to a coin before this coordinator knew of it, and that coin is
    /// spent, deep in the chain.
    FoundUsed {
        /// The coin.
        anchor: OutPoint,
        /// What spent it.
        by: Spender,
    },
    /// The operator gives the payment up.
    Cancelled {
        /// Another anchor than the present one that members say they have bound the payment to.
        elsewhere: Option<OutPoint>,
        /// Whether so many members have bound the anchor that too few are left to spend it.
        stranded: bool,
    },
}
