//! The figures of all delegations together.

use bincode::{Decode, Encode};

use super::{
    Change, Counters, TallyError, TipFigures,
    counters::{add, not_negative},
};

/// All figures. One row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Totals {
    /// Sums over all delegations.
    pub counters: Counters,
    /// Sums that look at unconfirmed blocks too.
    pub tip: TipFigures,
    /// Stakers with at least one confirmed stake under the cap, ever (compatible).
    pub total_stakers: i64,
    /// Stakers with something locked (honest).
    pub locked_stakers: i64,
}

/// The compatible figures, named as the API names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompatStats {
    /// Sat.
    pub active_tvl: u64,
    /// Sat.
    pub total_tvl: u64,
    /// A number.
    pub active_delegations: u64,
    /// A number.
    pub total_delegations: u64,
    /// A number.
    pub total_stakers: u64,
    /// Sat; the cap is ignored.
    pub unconfirmed_tvl: u64,
    /// Sat: how far the unconfirmed TVL is above the active one, 0 where it is below. (The
    /// reference service wraps around there.) [`Totals::pending_tvl`] has the sign.
    pub pending_tvl: u64,
}

impl Totals {
    /// The figures and those of the delegation's staker after a change. The provider's are
    /// [`Counters::plus`] of the same change.
    ///
    /// # Errors
    /// [`TallyError`] if the change is not one of a delegation that is counted here.
    pub fn apply(
        &self,
        change: &Change,
        staker: &Counters,
    ) -> Result<(Self, Counters), TallyError> {
        let after = staker.plus(&change.counters)?;
        let appeared =
            |of: fn(&Counters) -> i64| i64::from(of(&after) > 0) - i64::from(of(staker) > 0);
        let tip = self.tip.plus(&change.tip)?;
        not_negative(tip.chain_tvl)?;
        not_negative(tip.tip_locked_tvl)?;
        let totals = Self {
            counters: self.counters.plus(&change.counters)?,
            tip,
            total_stakers: not_negative(add(
                self.total_stakers,
                appeared(|counters| counters.total_delegations),
            )?)?,
            locked_stakers: not_negative(add(
                self.locked_stakers,
                appeared(|counters| {
                    counters.locked_delegations.saturating_add(counters.overflow_delegations)
                }),
            )?)?,
        };
        Ok((totals, after))
    }

    /// The compatible unconfirmed TVL in sat: the cap is ignored.
    pub const fn unconfirmed_tvl(&self) -> i64 {
        self.counters.active_tvl.saturating_add(self.tip.window)
    }

    /// What unconfirmed blocks will change of the compatible TVL, in sat; negative where more is
    /// unbonded than staked.
    pub const fn pending_tvl(&self) -> i64 {
        self.tip.window
    }

    /// The compatible figures.
    pub fn compat(&self) -> CompatStats {
        // None of the others is ever negative.
        let unsigned = |figure: i64| u64::try_from(figure).unwrap_or(0);
        CompatStats {
            active_tvl: unsigned(self.counters.active_tvl),
            total_tvl: unsigned(self.counters.total_tvl),
            active_delegations: unsigned(self.counters.active_delegations),
            total_delegations: unsigned(self.counters.total_delegations),
            total_stakers: unsigned(self.total_stakers),
            unconfirmed_tvl: unsigned(self.unconfirmed_tvl()),
            pending_tvl: unsigned(self.pending_tvl()),
        }
    }
}
