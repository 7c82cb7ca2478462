//! The figures of one staker, one finality provider, or all together.

use bincode::{Decode, Encode};

/// Values in sat and numbers of delegations. Also their difference, which can be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Counters {
    /// Confirmed and under the cap, less confirmed unbondings.
    pub active_tvl: i64,
    /// Confirmed and under the cap, ever.
    pub total_tvl: i64,
    /// As `active_tvl`.
    pub active_delegations: i64,
    /// As `total_tvl`.
    pub total_delegations: i64,
    /// Confirmed and under the cap, neither unbonded nor expired nor spent.
    pub locked_tvl: i64,
    /// As `locked_tvl`.
    pub locked_delegations: i64,
    /// Confirmed and above the cap, neither unbonded nor expired nor spent.
    pub overflow_tvl: i64,
    /// As `overflow_tvl`.
    pub overflow_delegations: i64,
}

/// Figures that cannot be: the caller's rows contradict each other. No chain data leads here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TallyError {
    /// More is taken away than was there.
    #[error("a figure would become negative: the rows do not belong together, rebuild the tally")]
    Negative,
    /// More than 64 bits of satoshis.
    #[error("a figure is beyond 64 bits: no chain holds that many satoshis, rebuild the tally")]
    TooLarge,
}

impl Counters {
    /// The figures after a change.
    ///
    /// # Errors
    /// [`TallyError`] if the change is not one of a delegation that is counted here.
    pub fn plus(&self, change: &Self) -> Result<Self, TallyError> {
        let sum = self.zip(change, add)?;
        sum.each().into_iter().try_for_each(|figure| not_negative(figure).map(drop))?;
        Ok(sum)
    }

    /// The difference to other figures.
    pub(super) fn minus(&self, other: &Self) -> Result<Self, TallyError> {
        self.zip(other, sub)
    }

    /// Whether nothing was ever counted here: the row need not be stored.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    const fn each(&self) -> [i64; 8] {
        [
            self.active_tvl,
            self.total_tvl,
            self.active_delegations,
            self.total_delegations,
            self.locked_tvl,
            self.locked_delegations,
            self.overflow_tvl,
            self.overflow_delegations,
        ]
    }

    fn zip(&self, other: &Self, with: Arithmetic) -> Result<Self, TallyError> {
        Ok(Self {
            active_tvl: with(self.active_tvl, other.active_tvl)?,
            total_tvl: with(self.total_tvl, other.total_tvl)?,
            active_delegations: with(self.active_delegations, other.active_delegations)?,
            total_delegations: with(self.total_delegations, other.total_delegations)?,
            locked_tvl: with(self.locked_tvl, other.locked_tvl)?,
            locked_delegations: with(self.locked_delegations, other.locked_delegations)?,
            overflow_tvl: with(self.overflow_tvl, other.overflow_tvl)?,
            overflow_delegations: with(self.overflow_delegations, other.overflow_delegations)?,
        })
    }
}

pub(super) type Arithmetic = fn(i64, i64) -> Result<i64, TallyError>;

pub(super) fn add(left: i64, right: i64) -> Result<i64, TallyError> {
    left.checked_add(right).ok_or(TallyError::TooLarge)
}

pub(super) fn sub(left: i64, right: i64) -> Result<i64, TallyError> {
    left.checked_sub(right).ok_or(TallyError::TooLarge)
}

pub(super) const fn not_negative(figure: i64) -> Result<i64, TallyError> {
    if figure < 0 { Err(TallyError::Negative) } else { Ok(figure) }
}
