//! What of a delegation matters to the figures.

use crate::delegation::{
    ConfirmedStake, Delegation, Output, ProviderKey, StakerKey, State, StateName,
};

/// What a delegation counts for, wherever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Whose it is.
    pub staker: StakerKey,
    /// Whom it is delegated to.
    pub provider: ProviderKey,
    /// In sat.
    pub value: u64,
    /// Whether it came after the cap was reached.
    pub overflow: bool,
}

impl From<&ConfirmedStake> for Share {
    fn from(stake: &ConfirmedStake) -> Self {
        let ConfirmedStake { staker, provider, value, overflow, .. } = *stake;
        Self { staker, provider, value, overflow }
    }
}

/// How deep a transaction is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// In no block.
    #[default]
    Absent,
    /// In a block that is not deep enough.
    Window,
    /// In a block that is, or was before the tip fell back.
    Confirmed,
}

/// Where a delegation is. The default is one that is nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The stake.
    pub stake: Depth,
    /// Its unbonding.
    pub unbonding: Depth,
    /// Any other spend of the staking output.
    pub gone: Depth,
    /// Whether the staking output's timelock has ended.
    pub expired: bool,
}

impl Position {
    /// Where a delegation is by its confirmed facts. What is in unconfirmed blocks is for the
    /// caller to add.
    pub fn confirmed(delegation: &Delegation) -> Self {
        let when = |is: bool| if is { Depth::Confirmed } else { Depth::Absent };
        let gone = match delegation.state() {
            State::Withdrawn { from, .. }
            | State::Slashed { from, .. }
            | State::SpentOtherwise { from, .. } => from == Output::Staking,
            State::Unconfirmed
            | State::Active
            | State::UnbondingRequested { .. }
            | State::Unbonding(_)
            | State::Unbonded { .. } => false,
        };
        Self {
            stake: when(delegation.name() != StateName::Unconfirmed),
            unbonding: when(delegation.unbonding().is_some()),
            gone: when(gone),
            expired: delegation.has_expired(),
        }
    }
}
