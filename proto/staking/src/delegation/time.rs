//! The ends of the two timelocks.

use super::{
    ConfirmedStake, Reject, Unbonding,
    fact::{Facts, StakeSpend},
    machine::Outcome,
};
use crate::expiry::Timelock;

impl Facts {
    pub(super) fn expired_at(&self, at: u32) -> Outcome {
        match (self.expired, self.stake) {
            (Some(held), _) if held == at => return Ok(*self),
            (Some(expected), _) => return Err(Reject::OtherEnd { expected, got: at }),
            (None, Some(stake)) => stake.expires(at)?,
            (None, None) => {}
        }
        Ok(Self { expired: Some(at), ..*self })
    }

    pub(super) fn matured_at(&self, at: u32) -> Outcome {
        match (self.matured, self.spend) {
            (Some(held), _) if held == at => return Ok(*self),
            (Some(expected), _) => return Err(Reject::OtherEnd { expected, got: at }),
            (None, Some(StakeSpend::Unbonding(unbonding))) => unbonding.matures(at)?,
            (None, Some(StakeSpend::Exit(away))) => {
                return Err(Reject::NoUnbonding(*away.by.txid));
            }
            (None, None) => {}
        }
        Ok(Self { matured: Some(at), ..*self })
    }
}

impl ConfirmedStake {
    pub(super) fn expires(&self, at: u32) -> Result<(), Reject> {
        ends(self.timelock(), at)
    }
}

impl Unbonding {
    pub(super) fn matures(&self, at: u32) -> Result<(), Reject> {
        ends(self.timelock(), at)
    }
}

const fn ends(timelock: Timelock, got: u32) -> Result<(), Reject> {
    let expected = timelock.spendable_at();
    if got == expected { Ok(()) } else { Err(Reject::OtherEnd { expected, got }) }
}
