//! What happens to a delegation.

use bitcoin::Txid;

use super::{ConfirmedStake, Spender, Unbonding};
use crate::expiry::Output;

/// Something that happened. "Confirmed" is as deep as the parameters ask for; heights are those of
/// the blocks with the transactions, not of the tip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The stake is confirmed.
    StakeConfirmed(ConfirmedStake),
    /// The staker's request for this unbonding transaction was checked and accepted.
    UnbondingRequested {
        /// The transaction.
        unbonding: Txid,
    },
    /// The request is over without a transaction: after a reorganisation it does not fit the
    /// stake any more.
    RequestDropped {
        /// The transaction.
        unbonding: Txid,
    },
    /// The unbonding is confirmed, asked for here or not.
    UnbondingConfirmed(Unbonding),
    /// The tip has reached the height from which the staking output can be withdrawn.
    Expired {
        /// That height, [`Timelock::spendable_at`](crate::expiry::Timelock::spendable_at).
        at: u32,
    },
    /// The tip has reached the height from which the unbonding output can be withdrawn.
    UnbondingMatured {
        /// That height.
        at: u32,
    },
    /// An output is withdrawn through its timelock.
    Withdrawn {
        /// Which.
        from: Output,
        /// By what.
        by: Spender,
    },
    /// An output is spent in a way that is neither an unbonding nor a withdrawal.
    SpentOtherwise {
        /// Which.
        from: Output,
        /// Whether through the slashing path.
        slashed: bool,
        /// By what.
        by: Spender,
    },
    /// The block at this height, and all above, have left the best chain.
    BlockDisconnected {
        /// The height.
        height: u32,
    },
}
