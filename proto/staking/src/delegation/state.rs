//! What is true of a delegation.

use std::{fmt, str::FromStr};

use bincode::{Decode, Encode};
use bitcoin::Txid;
use trestle_chain::Stored;

use super::{
    ConfirmedStake, Exit, Leaving, Spender, Unbonding,
    fact::{Facts, StakeSpend},
};
use crate::expiry::Output;

/// One delegation. The default is one of which nothing is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Delegation {
    pub(super) facts: Facts,
}

/// Where a delegation is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No stake is confirmed: never yet, or its block has left the chain.
    Unconfirmed,
    /// Staked.
    Active,
    /// Staked, and the staker asked to unbond.
    UnbondingRequested {
        /// The transaction to be signed.
        unbonding: Stored<Txid>,
    },
    /// The unbonding is confirmed, its timelock runs.
    Unbonding(Unbonding),
    /// A timelock has ended, the staker can withdraw.
    Unbonded {
        /// From which output.
        from: Output,
    },
    /// The staker has withdrawn.
    Withdrawn {
        /// From which output.
        from: Output,
        /// By what.
        by: Spender,
    },
    /// Spent through the slashing path.
    Slashed {
        /// Which output.
        from: Output,
        /// By what.
        by: Spender,
    },
    /// Spent in a way that fits no path.
    SpentOtherwise {
        /// Which output.
        from: Output,
        /// By what.
        by: Spender,
    },
}

impl Delegation {
    /// Where it is on its way.
    pub fn state(&self) -> State {
        if self.facts.stake.is_none() {
            return State::Unconfirmed;
        }
        match (self.facts.spend, self.facts.end) {
            (Some(StakeSpend::Exit(exit)), _) => exit.state(Output::Staking),
            (Some(StakeSpend::Unbonding(_)), Some(exit)) => exit.state(Output::Unbonding),
            (Some(StakeSpend::Unbonding(unbonding)), None) => match self.facts.matured {
                Some(_) => State::Unbonded { from: Output::Unbonding },
                None => State::Unbonding(unbonding),
            },
            (None, _) => match (self.facts.expired, self.facts.request) {
                (Some(_), _) => State::Unbonded { from: Output::Staking },
                (None, Some(unbonding)) => State::UnbondingRequested { unbonding },
                (None, None) => State::Active,
            },
        }
    }

    /// The state's name.
    pub fn name(&self) -> StateName {
        self.state().name()
    }

    /// The stake, if it is confirmed.
    pub const fn stake(&self) -> Option<&ConfirmedStake> {
        self.facts.stake.as_ref()
    }

    /// The unbonding, if it is confirmed.
    pub fn unbonding(&self) -> Option<Unbonding> {
        self.facts.stake.and(self.facts.unbonding())
    }

    /// The unbonding transaction that was asked for here, whatever came of it.
    pub fn request(&self) -> Option<Txid> {
        self.facts.request.map(|txid| *txid)
    }

    /// Whether the staking output's timelock has ended, spent or not.
    pub const fn has_expired(&self) -> bool {
        self.facts.stake.is_some() && self.facts.expired.is_some()
    }

    /// Whether nothing at all is held: a row of it need not be stored.
    pub fn is_empty(&self) -> bool {
        self.facts == Facts::default()
    }
}

impl Exit {
    const fn state(self, from: Output) -> State {
        let by = self.by;
        match self.how {
            Leaving::Withdrawn => State::Withdrawn { from, by },
            Leaving::Slashed => State::Slashed { from, by },
            Leaving::Otherwise => State::SpentOtherwise { from, by },
        }
    }
}

impl State {
    /// Its name.
    pub const fn name(&self) -> StateName {
        match self {
            Self::Unconfirmed => StateName::Unconfirmed,
            Self::Active => StateName::Active,
            Self::UnbondingRequested { .. } => StateName::UnbondingRequested,
            Self::Unbonding(_) => StateName::Unbonding,
            Self::Unbonded { .. } => StateName::Unbonded,
            Self::Withdrawn { .. } => StateName::Withdrawn,
            Self::Slashed { .. } => StateName::Slashed,
            Self::SpentOtherwise { .. } => StateName::SpentOtherwise,
        }
    }
}

/// A state without what is true then: for columns, filters and answers of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum StateName {
    /// Our own: not shown by the API.
    Unconfirmed,
    /// As in the reference services.
    Active,
    /// As in the reference services.
    UnbondingRequested,
    /// As in the reference services.
    Unbonding,
    /// As in the reference services.
    Unbonded,
    /// As in the reference services.
    Withdrawn,
    /// Our own: the reference services leave it active.
    Slashed,
    /// Our own: the reference services leave it as it was.
    SpentOtherwise,
}

impl StateName {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Unconfirmed,
        Self::Active,
        Self::UnbondingRequested,
        Self::Unbonding,
        Self::Unbonded,
        Self::Withdrawn,
        Self::Slashed,
        Self::SpentOtherwise,
    ];

    /// As the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unconfirmed => "unconfirmed",
            Self::Active => "active",
            Self::UnbondingRequested => "unbonding_requested",
            Self::Unbonding => "unbonding",
            Self::Unbonded => "unbonded",
            Self::Withdrawn => "withdrawn",
            Self::Slashed => "slashed",
            Self::SpentOtherwise => "spent_otherwise",
        }
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not the name of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a state of a delegation: use active, unbonding_requested, unbonding, unbonded, withdrawn, \
     slashed or spent_otherwise"
)]
pub struct UnknownState;

impl FromStr for StateName {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL.into_iter().find(|name| name.as_str() == text).ok_or(UnknownState)
    }
}
