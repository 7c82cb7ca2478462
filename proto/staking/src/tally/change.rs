//! What a delegation adds to the figures, and what its move changes.

use bincode::{Decode, Encode};

use super::{
    Counters, Depth, Position, Share, TallyError,
    counters::{Arithmetic, add, sub},
};

/// The figures that also look at blocks that are not deep enough yet, in sat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct TipFigures {
    /// What the compatible unconfirmed TVL is above the confirmed one, the cap ignored. Can be
    /// negative.
    pub window: i64,
    /// Stakes of all blocks under the cap less unbondings of all blocks: what the next stake's
    /// overflow is decided by, and the honest unconfirmed figure beside the compatible one.
    pub chain_tvl: i64,
    /// As `chain_tvl`, less what is expired or spent in any way.
    pub tip_locked_tvl: i64,
}

/// What a delegation adds, or what a move of it changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Change {
    /// The same for its staker, its finality provider and the whole.
    pub counters: Counters,
    /// For the whole only.
    pub tip: TipFigures,
}

impl Change {
    /// What a delegation adds where it is.
    ///
    /// # Errors
    /// [`TallyError::TooLarge`] for a value beyond 63 bits.
    pub fn of(share: &Share, at: &Position) -> Result<Self, TallyError> {
        let value = i64::try_from(share.value).map_err(|_| TallyError::TooLarge)?;
        if at.stake == Depth::Absent {
            return Ok(Self::default());
        }
        let (confirmed, counted) = (at.stake == Depth::Confirmed, !share.overflow);
        let unbonded = at.unbonding == Depth::Confirmed;
        let still = !at.expired && !unbonded && at.gone != Depth::Confirmed;
        let untouched = at.unbonding == Depth::Absent;
        let when = |is: bool, what: i64| if is { what } else { 0 };

        // The reference services do not know yet whether an unconfirmed stake is overflow, so they
        // count both it and its unbonding.
        let enters = !confirmed;
        let leaves = at.unbonding == Depth::Window && (enters || counted);
        Ok(Self {
            counters: Counters {
                active_tvl: when(confirmed && counted && !unbonded, value),
                total_tvl: when(confirmed && counted, value),
                active_delegations: when(confirmed && counted && !unbonded, 1),
                total_delegations: when(confirmed && counted, 1),
                locked_tvl: when(confirmed && counted && still, value),
                locked_delegations: when(confirmed && counted && still, 1),
                overflow_tvl: when(confirmed && !counted && still, value),
                overflow_delegations: when(confirmed && !counted && still, 1),
            },
            tip: TipFigures {
                window: when(enters, value) - when(leaves, value),
                chain_tvl: when(counted && untouched, value),
                tip_locked_tvl: when(
                    counted && untouched && at.gone == Depth::Absent && !at.expired,
                    value,
                ),
            },
        })
    }

    /// What changes when a delegation that added `from` adds `to`.
    ///
    /// # Errors
    /// [`TallyError::TooLarge`] beyond 64 bits.
    pub fn between(from: &Self, to: &Self) -> Result<Self, TallyError> {
        let counters = to.counters.minus(&from.counters)?;
        Ok(Self { counters, tip: to.tip.zip(&from.tip, sub)? })
    }

    /// What changes when a delegation moves: both at once.
    ///
    /// # Errors
    /// [`TallyError::TooLarge`] for a value beyond 63 bits.
    pub fn moved(share: &Share, from: &Position, to: &Position) -> Result<Self, TallyError> {
        Self::between(&Self::of(share, from)?, &Self::of(share, to)?)
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl TipFigures {
    pub(super) fn plus(&self, change: &Self) -> Result<Self, TallyError> {
        self.zip(change, add)
    }

    fn zip(&self, other: &Self, with: Arithmetic) -> Result<Self, TallyError> {
        Ok(Self {
            window: with(self.window, other.window)?,
            chain_tvl: with(self.chain_tvl, other.chain_tvl)?,
            tip_locked_tvl: with(self.tip_locked_tvl, other.tip_locked_tvl)?,
        })
    }
}
