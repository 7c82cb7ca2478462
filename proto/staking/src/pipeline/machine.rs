//! Dispatch: which event is handled where.

use bitcoin::Transaction;
use trestle_chain::Stored;
use trestle_machine::{Machine, Refusal, Step};
use trestle_wire::staking::UnbondingRefusal;

use super::{Effect, Event, MemberKey, Outlook, Reject, Request, Sending, Standing};

/// The request after an event; `None` where it changes nothing.
type Outcome = Result<Option<Request>, Reject>;

impl Machine for Request {
    type Event = Event;
    type Effect = Effect;
    type Reject = Reject;

    fn apply(&self, event: &Event) -> Result<Step<Self, Effect>, Refusal<Reject>> {
        let changed = match event {
            Event::Moved(standing) => Ok(self.moved(*standing)),
            Event::Rechecked { height, fits } => self.rechecked(*height, *fits),
            Event::Signed { key, signature } => self.signed_by(key, signature),
            Event::Misbehaved { key } => self.misbehaved(key),
            Event::Refused { key, why } => self.refused(key, *why),
            Event::Assembled(transaction) => self.assembled(transaction),
            Event::Sent(sending) => self.sent(sending),
        }?;
        let Some(state) = changed else { return Ok(Step::Duplicate) };
        let effects = self.effects_to(&state);
        Ok(Step::Applied { state, effects })
    }
}

impl Request {
    /// What is to be done after a step that was not before it.
    fn effects_to(&self, state: &Self) -> Vec<Effect> {
        let (was, is) = (self.work(), state.work());
        // A check for another height is another check.
        let again = is == Some(super::Work::Recheck) && self.standing != state.standing;
        if state.dropped && !self.dropped {
            vec![Effect::Drop]
        } else if was == is && !again {
            Vec::new()
        } else {
            vec![is.map_or(Effect::Stop, Effect::from)]
        }
    }

    /// Chain: whatever was known before, this is how it stands.
    fn moved(&self, standing: Standing) -> Option<Self> {
        if standing == self.standing {
            return None;
        }
        let mut next = Self { standing, ..self.clone() };
        if self.signed.is_some() && !matches!(standing, Standing::Open { .. }) {
            // What the mempool said was about another chain; it is sent again when this ends.
            next.outlook = Outlook::Unsent;
        }
        Some(next)
    }

    fn rechecked(&self, height: u32, fits: bool) -> Outcome {
        if self.dropped || height == self.order.height {
            return Ok(None);
        }
        if self.standing != (Standing::Open { height }) {
            return Err(Reject::OtherHeight(height));
        }
        let mut next = self.clone();
        if fits {
            next.order.height = height;
        } else {
            next.dropped = true;
        }
        Ok(Some(next))
    }

    fn signed_by(&self, key: &MemberKey, signature: &[u8; 64]) -> Outcome {
        if !self.is_member(key) {
            return Err(Reject::NotAMember);
        }
        // One more than a quorum would make the script fail, and another one of the same member
        // would change nothing.
        if self.has_quorum() || self.signatures.contains_key(key) {
            return Ok(None);
        }
        let mut next = self.clone();
        next.signatures.insert(*key, *signature);
        if let Some(complaint) = next.complaints.get_mut(key) {
            complaint.refused = None;
        }
        Ok(Some(next))
    }

    fn misbehaved(&self, key: &MemberKey) -> Outcome {
        if !self.is_member(key) {
            return Err(Reject::NotAMember);
        }
        let mut next = self.clone();
        let complaint = next.complaints.entry(*key).or_default();
        complaint.bad = complaint.bad.saturating_add(1);
        Ok((next != *self).then_some(next))
    }

    fn refused(&self, key: &MemberKey, why: UnbondingRefusal) -> Outcome {
        if !self.is_member(key) {
            return Err(Reject::NotAMember);
        }
        // It signed before: that counts, whatever it says now.
        if self.signatures.contains_key(key) {
            return Ok(None);
        }
        let mut next = self.clone();
        next.complaints.entry(*key).or_default().refused = Some(why);
        Ok((next != *self).then_some(next))
    }

    fn assembled(&self, transaction: &Transaction) -> Outcome {
        if self.signed.is_some() {
            return Ok(None);
        }
        let (expected, got) = (self.txid(), transaction.compute_txid());
        if expected != got {
            return Err(Reject::OtherTransaction { expected, got });
        }
        if !self.has_quorum() {
            let (got, quorum) = (self.signatures.len(), self.order.quorum);
            return Err(Reject::TooFew { got, quorum });
        }
        Ok(Some(Self { signed: Some(Stored(transaction.clone())), ..self.clone() }))
    }

    fn sent(&self, sending: &Sending) -> Outcome {
        let Some(signed) = &self.signed else { return Err(Reject::NothingSent) };
        if !matches!(self.standing, Standing::Open { .. }) {
            // Late: the chain has said more since.
            return Ok(None);
        }
        let vsize = u64::try_from(signed.vsize()).unwrap_or(u64::MAX);
        let outlook = Outlook::after(sending, self.order.fee(), vsize);
        Ok((outlook != self.outlook).then(|| Self { outlook, ..self.clone() }))
    }
}
