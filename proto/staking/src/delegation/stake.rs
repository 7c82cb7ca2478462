//! The stake itself.

use super::{ConfirmedStake, Reject, fact::Facts, machine::Outcome};

impl Facts {
    pub(super) fn stake_confirmed(&self, stake: ConfirmedStake) -> Outcome {
        match self.stake {
            Some(held) if held == stake => return Ok(*self),
            Some(held) => {
                return Err(Reject::OtherStake { held: held.height, got: stake.height });
            }
            None => {}
        }
        // Early facts that contradict the stake are of a branch that is no more.
        let spend = self.spend.filter(|spend| stake.allows(spend).is_ok());
        let expired = self.expired.filter(|at| stake.expires(*at).is_ok());
        Ok(Self { stake: Some(stake), spend, expired, ..*self }.without_orphans())
    }
}
