//! The staker's request to unbond.

use bitcoin::Txid;
use trestle_chain::Stored;

use super::{Delegation, Reject, State, fact::Facts, machine::Outcome};

impl Delegation {
    /// Whether a request to unbond would be accepted now.
    ///
    /// # Errors
    /// [`Reject::NoStake`], [`Reject::NotActive`] or [`Reject::AlreadyRequested`].
    pub fn eligible(&self) -> Result<(), Reject> {
        match self.state() {
            State::Unconfirmed => Err(Reject::NoStake),
            State::Active => Ok(()),
            State::UnbondingRequested { unbonding } => Err(Reject::AlreadyRequested(*unbonding)),
            State::Unbonding(_)
            | State::Unbonded { .. }
            | State::Withdrawn { .. }
            | State::Slashed { .. }
            | State::SpentOtherwise { .. } => Err(Reject::NotActive(self.name())),
        }
    }

    pub(super) fn requested(&self, unbonding: Stored<Txid>) -> Outcome {
        if self.facts.request == Some(unbonding) {
            return Ok(self.facts);
        }
        // Late news of a request whose own transaction is in the chain already.
        let done = self.unbonding().is_some_and(|confirmed| confirmed.txid == unbonding);
        match self.facts.request {
            Some(held) => return Err(Reject::AlreadyRequested(*held)),
            None if !done => self.eligible()?,
            None => {}
        }
        Ok(Facts { request: Some(unbonding), ..self.facts })
    }
}

impl Facts {
    pub(super) fn request_dropped(&self, unbonding: Stored<Txid>) -> Outcome {
        match self.request {
            Some(held) if held == unbonding => Ok(Self { request: None, ..*self }),
            Some(_) => Err(Reject::NoSuchRequest(*unbonding)),
            // Dropped before.
            None => Ok(*self),
        }
    }
}
