//! How a request's stake stands in the chain.

use bincode::{Decode, Encode};
use bitcoin::Txid;
use trestle_chain::Stored;

use crate::delegation::{Delegation, Spender, State};

/// What the confirmed chain says of a stake, as far as its request is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Standing {
    /// Locked, in the block at this height.
    Open {
        /// The height.
        height: u32,
    },
    /// Not in the chain (any more).
    Absent,
    /// The request's transaction is in the chain.
    Unbonded {
        /// The height of its block.
        height: u32,
    },
    /// The lock has ended without it: the staker can withdraw.
    Expired,
    /// Something else spent it.
    Spent(Spender),
}

impl Standing {
    /// Of the stake behind `unbonding`.
    pub fn of(delegation: &Delegation, unbonding: Txid) -> Self {
        let Some(stake) = delegation.stake() else { return Self::Absent };
        if let Some(confirmed) = delegation.unbonding() {
            let (txid, height) = (confirmed.txid, confirmed.height);
            return if txid == Stored(unbonding) {
                Self::Unbonded { height }
            } else {
                Self::Spent(Spender { txid, height })
            };
        }
        match delegation.state() {
            State::Unconfirmed => Self::Absent,
            State::Active | State::UnbondingRequested { .. } | State::Unbonding(_) => {
                Self::Open { height: stake.height }
            }
            State::Unbonded { .. } => Self::Expired,
            State::Withdrawn { by, .. }
            | State::Slashed { by, .. }
            | State::SpentOtherwise { by, .. } => Self::Spent(by),
        }
    }
}
