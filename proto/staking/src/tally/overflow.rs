//! Which stakes come after the cap: decided by their place in the chain.
//!
//! A stake is overflow if the value before it, from all blocks and from earlier transactions of
//! its own block, has reached a value cap, or if its block is above a height cap; [`Cap`] has the
//! boundaries. The value before it rises by stakes under the cap and falls by unbondings of those,
//! by nothing else. So a decision depends on the chain up to that transaction only, the one made
//! when its block comes in is the one that stands when the block is deep, and after a
//! reorganisation all that came later is gone through again.
//!
//! Always holds: an overflow stake never becomes active later while its chain stands; the stake
//! that crosses a value cap counts in full.

use bitcoin::{Amount, Txid};

use super::{TallyError, TipFigures};
use crate::params::Cap;

/// A run over transactions in the order of the chain. Costs the same for every transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverflowRun {
    value: u64,
    changed: Vec<FlagChange>,
}

/// A transaction that takes part in the decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// A valid stake.
    Staked {
        /// Its transaction.
        txid: Txid,
        /// In sat.
        value: u64,
        /// The height of its block.
        height: u32,
        /// The cap at that height.
        cap: Cap,
        /// What was decided for it before a reorganisation, if anything.
        before: Option<bool>,
    },
    /// The unbonding of a stake.
    Unbonded {
        /// The stake's value in sat.
        value: u64,
        /// Whether the stake is overflow.
        overflow: bool,
    },
}

/// A stake whose flag is not what it was in the other branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlagChange {
    /// The staking transaction.
    pub txid: Txid,
    /// What it is now.
    pub overflow: bool,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The value after its last transaction, in sat.
    pub value: u64,
    /// The stakes whose flags have changed, in the order of the chain.
    pub changed: Vec<FlagChange>,
}

impl OverflowRun {
    /// A run that goes on from this value in sat.
    pub const fn from_value(value: u64) -> Self {
        Self { value, changed: Vec::new() }
    }

    /// A run that goes on from the tip.
    ///
    /// # Errors
    /// [`TallyError::Negative`], which no figures of [`super::Totals`] give.
    pub fn from_tip(tip: &TipFigures) -> Result<Self, TallyError> {
        let value = u64::try_from(tip.chain_tvl);
        value.map(Self::from_value).map_err(|_| TallyError::Negative)
    }

    /// Takes a stake and decides whether it is overflow.
    ///
    /// # Errors
    /// [`TallyError::TooLarge`] beyond 64 bits.
    pub fn staked(&mut self, value: u64, height: u32, cap: &Cap) -> Result<bool, TallyError> {
        let overflow = cap.overflows(height, Amount::from_sat(self.value));
        if !overflow {
            self.value = self.value.checked_add(value).ok_or(TallyError::TooLarge)?;
        }
        Ok(overflow)
    }

    /// Takes the unbonding of a stake.
    ///
    /// # Errors
    /// [`TallyError::Negative`] if the stake was never counted.
    pub fn unbonded(&mut self, value: u64, overflow: bool) -> Result<(), TallyError> {
        if !overflow {
            let left = self.value.checked_sub(value);
            self.value = left.ok_or(TallyError::Negative)?;
        }
        Ok(())
    }

    /// Takes a transaction. For a stake, says whether it is overflow, and notes if that is not
    /// what it was.
    ///
    /// # Errors
    /// As [`OverflowRun::staked`] and [`OverflowRun::unbonded`].
    pub fn take(&mut self, step: &Move) -> Result<Option<bool>, TallyError> {
        match *step {
            Move::Staked { txid, value, height, ref cap, before } => {
                let overflow = self.staked(value, height, cap)?;
                if before.is_some_and(|was| was != overflow) {
                    self.changed.push(FlagChange { txid, overflow });
                }
                Ok(Some(overflow))
            }
            Move::Unbonded { value, overflow } => self.unbonded(value, overflow).map(|()| None),
        }
    }

    /// What the run came to.
    pub fn finish(self) -> Decided {
        Decided { value: self.value, changed: self.changed }
    }
}
