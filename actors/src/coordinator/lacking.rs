//! Too few members to sign: who lacks, and what people are told.
//!
//! Always holds: a session that somebody refused is ended before its deadline only if those that are
//! connected and have not refused are too few, and no attempt waits for them alone. Nothing is given
//! up by that: a payment is signed anew later, and soon when a member comes back that it lacked.

use std::collections::BTreeSet;

use trestle_keys::roast::RoastEvent;
use trestle_wire::{Hash32, SessionId};

use super::{CoordinatorActor, seat::Seat, sessions::Session};
use crate::runtime::Fault;

impl CoordinatorActor {
    /// Why nothing can be signed now: too few members are connected.
    pub(super) fn too_few(&self, id: &Hash32) -> Option<String> {
        let row = self.payments.get(id)?;
        let seat = self.seats.get(&row.committee)?;
        let away = away(seat);
        let (all, threshold) = (seat.members.len(), seat.committee.threshold);
        (all - away.len() < threshold.into()).then(|| {
            let away: Vec<u16> = away.into_iter().collect();
            format!("waits for members: {threshold} of {all} must sign, members {away:?} are away")
        })
    }

    /// After a refusal, or after a member went away: ends a session that was refused and cannot do
    /// without those that are away. The proof of a key is not begun anew as often as one likes, so
    /// it waits for them.
    pub(super) async fn end_if_in_vain(&mut self, id: SessionId) -> Result<(), Fault> {
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        let Some(seat) = self.seats.get(session.committee()) else { return Ok(()) };
        let away = away(seat);
        let refused = session.roast.refused().into_iter().map(|(index, _)| index);
        let refused: BTreeSet<u16> = refused.collect();
        if refused.is_empty() || session.is_proof() || session.roast.can_do_without(&away) {
            return Ok(());
        }
        if let Some((payment, _)) = session.payment() {
            self.refusers.insert(payment, refused);
        }
        session.lacked = away;
        self.advance_session(id, RoastEvent::Cancelled).await
    }

    /// Whether a payment waits for a member to come back: those that are away, together with those
    /// that refused when it was last tried, leave too few.
    fn lacks_members(&self, id: &Hash32) -> bool {
        let seat = self.payments.get(id).and_then(|row| self.seats.get(&row.committee));
        seat.is_some_and(|seat| {
            let mut lacking = away(seat);
            lacking.extend(self.refusers.get(id).into_iter().flatten());
            seat.members.len() - lacking.len() < seat.committee.threshold.into()
        })
    }

    /// The payments to be looked at again that lack members.
    pub(super) fn lacking(&self) -> BTreeSet<Hash32> {
        self.retries.keys().copied().filter(|id| self.lacks_members(id)).collect()
    }

    /// A payment lacks members no more: it is looked at at once. If others have refused it, after a
    /// moment, since who comes and goes must not decide how often they are asked.
    pub(super) fn lacks_no_more(&mut self, id: Hash32) {
        let is_refused = self.refusers.contains_key(&id);
        let wait = if is_refused { self.setup.settings.retry_ms } else { 0 };
        let at = self.now() + wait;
        self.retries.entry(id).and_modify(|due| *due = at.min(*due));
    }

    /// What members have said against a payment in a session that goes on.
    pub(super) fn refusals(&self, id: &Hash32) -> Option<String> {
        let is_its = |session: &&Session| session.payment().is_some_and(|(one, _)| one == *id);
        self.sessions.values().filter(is_its).find_map(Session::refusals)
    }
}

/// The members whose connection is lost.
fn away(seat: &Seat) -> BTreeSet<u16> {
    seat.members.iter().filter(|(_, one)| one.away).map(|(index, _)| *index).collect()
}
