//! Dispatch: which event is handled where.

use bitcoin::Txid;
use trestle_chain::Stored;
use trestle_machine::{Machine, Refusal, Step};

use super::{
    Delegation, Effect, Event, Exit, Leaving, Reject,
    fact::{Facts, StakeSpend},
};
use crate::expiry::Output;

/// The facts after an event; the same as before where it changes nothing.
pub(super) type Outcome = Result<Facts, Reject>;

impl Machine for Delegation {
    type Event = Event;
    type Effect = Effect;
    type Reject = Reject;

    fn apply(&self, event: &Event) -> Result<Step<Self, Effect>, Refusal<Reject>> {
        let facts = match *event {
            Event::StakeConfirmed(stake) => self.facts.stake_confirmed(stake),
            Event::UnbondingRequested { unbonding } => self.requested(Stored(unbonding)),
            Event::RequestDropped { unbonding } => self.facts.request_dropped(Stored(unbonding)),
            Event::UnbondingConfirmed(unbonding) => {
                self.facts.stake_spent(StakeSpend::Unbonding(unbonding))
            }
            Event::Expired { at } => self.facts.expired_at(at),
            Event::UnbondingMatured { at } => self.facts.matured_at(at),
            Event::Withdrawn { from, by } => {
                self.facts.exited(from, Exit { how: Leaving::Withdrawn, by })
            }
            Event::SpentOtherwise { from, slashed, by } => {
                let how = if slashed { Leaving::Slashed } else { Leaving::Otherwise };
                self.facts.exited(from, Exit { how, by })
            }
            Event::BlockDisconnected { height } => Ok(self.facts.without_from(height)),
        }?;
        if facts == self.facts {
            return Ok(Step::Duplicate);
        }
        let state = Self { facts };
        let effects = state.since(self, asked_by(event));
        Ok(Step::Applied { state, effects })
    }
}

/// A request is worked on as it is when it has just been accepted, and checked again when it comes
/// back into force by something else.
const fn asked_by(event: &Event) -> fn(Stored<Txid>) -> Effect {
    match event {
        Event::UnbondingRequested { .. } => Effect::Unbond,
        Event::StakeConfirmed(_)
        | Event::RequestDropped { .. }
        | Event::UnbondingConfirmed(_)
        | Event::Expired { .. }
        | Event::UnbondingMatured { .. }
        | Event::Withdrawn { .. }
        | Event::SpentOtherwise { .. }
        | Event::BlockDisconnected { .. } => Effect::RecheckRequest,
    }
}

impl Facts {
    fn exited(&self, from: Output, exit: Exit) -> Outcome {
        match from {
            Output::Staking => self.stake_spent(StakeSpend::Exit(exit)),
            Output::Unbonding => self.unbonding_spent(exit),
        }
    }
}
