//! What spends a delegation's outputs, and whether it can.

use super::{
    ConfirmedStake, Exit, Leaving, Reject, Spender, Unbonding,
    fact::{Facts, StakeSpend},
    machine::Outcome,
};
use crate::expiry::Timelock;

impl Facts {
    pub(super) fn stake_spent(&self, spend: StakeSpend) -> Outcome {
        match self.spend {
            Some(held) if held == spend => return Ok(*self),
            Some(held) => return Err(other_spend(held.spender())),
            None => {}
        }
        if let Some(stake) = self.stake {
            stake.allows(&spend)?;
        }
        Ok(Self { spend: Some(spend), ..*self }.without_orphans())
    }

    pub(super) fn unbonding_spent(&self, exit: Exit) -> Outcome {
        match (self.end, self.spend) {
            (Some(held), _) if held == exit => return Ok(*self),
            (Some(held), _) => return Err(other_spend(held.by)),
            (None, Some(StakeSpend::Unbonding(unbonding))) => unbonding.allows(&exit)?,
            (None, Some(StakeSpend::Exit(away))) => {
                return Err(Reject::NoUnbonding(*away.by.txid));
            }
            (None, None) => {}
        }
        Ok(Self { end: Some(exit), ..*self })
    }

    /// Without early facts about the unbonding output that contradict what spent the stake: they
    /// are of a branch that is no more.
    pub(super) fn without_orphans(self) -> Self {
        match self.spend {
            None => self,
            Some(StakeSpend::Exit(_)) => Self { matured: None, end: None, ..self },
            Some(StakeSpend::Unbonding(unbonding)) => Self {
                matured: self.matured.filter(|at| unbonding.matures(*at).is_ok()),
                end: self.end.filter(|exit| unbonding.allows(exit).is_ok()),
                ..self
            },
        }
    }
}

impl ConfirmedStake {
    pub(super) fn allows(&self, spend: &StakeSpend) -> Result<(), Reject> {
        match spend {
            StakeSpend::Unbonding(unbonding) => not_before(self.height, unbonding.height),
            StakeSpend::Exit(exit) => allows(self.timelock(), exit),
        }
    }
}

impl Unbonding {
    pub(super) fn allows(&self, exit: &Exit) -> Result<(), Reject> {
        allows(self.timelock(), exit)
    }
}

fn allows(timelock: Timelock, exit: &Exit) -> Result<(), Reject> {
    let spend = exit.by.height;
    not_before(timelock.height, spend)?;
    match exit.how {
        Leaving::Withdrawn if !timelock.allows_in(spend) => {
            Err(Reject::TooEarly { spend, first: timelock.first_block() })
        }
        Leaving::Withdrawn | Leaving::Slashed | Leaving::Otherwise => Ok(()),
    }
}

/// A block may hold an output and its spend.
const fn not_before(output: u32, spend: u32) -> Result<(), Reject> {
    if spend < output { Err(Reject::BeforeOutput { spend, output }) } else { Ok(()) }
}

fn other_spend(held: Spender) -> Reject {
    Reject::OtherSpend { held: *held.txid, height: held.height }
}
