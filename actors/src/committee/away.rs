//! What a member says while its store is away: that it signs nothing, at once, so that nobody waits
//! for it and people see why.
//!
//! Always holds: nothing is signed or stored here. Nonces are offered as ever: they are in memory
//! only, and a coordinator that has none could not ask, and so would not hear the refusal.

use trestle_store::StoreError;
use trestle_wire::{
    KeyRef, Message, Peer, SessionId,
    committee::sign::{NonceRequest, RefusalCode},
};

use super::{CommitteeActor, CommitteeInput, purpose::Refused};
use crate::{ports::Inbound, runtime::Fault};

/// What a coordinator waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    from: Peer,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Nonces(NonceRequest),
    Shares { session: SessionId, attempt: u32, key: KeyRef },
}

impl Asked {
    /// What somebody asks with an input, if it is answered here: every other input has time.
    pub(crate) fn with(input: &CommitteeInput) -> Option<Self> {
        let CommitteeInput::Received(Inbound { from, message, .. }) = input else { return None };
        let what = if let Message::NonceRequest(request) = message {
            What::Nonces(request.clone())
        } else if let Message::SignRequest(request) = message {
            let (session, attempt) = (request.session, request.attempt);
            What::Shares { session, attempt, key: request.key.clone() }
        } else {
            return None;
        };
        Some(Self { from: *from, what })
    }

    fn committee(&self) -> &str {
        match &self.what {
            What::Nonces(NonceRequest { key, .. }) | What::Shares { key, .. } => &key.committee,
        }
    }
}

/// For people: the coordinator shows it with the payment.
fn refusal(fault: &Fault) -> Refused {
    let why = match fault {
        Fault::Store(StoreError::Unavailable(why) | StoreError::Unknown(why)) => why.clone(),
        fault @ (Fault::Store(_) | Fault::Invariant(_) | Fault::Stopping) => fault.to_string(),
    };
    Refused::new(RefusalCode::Store, format!("its store takes no writes: {why}"))
}

impl CommitteeActor {
    /// Answers without the store, which is away.
    pub(crate) fn answer_away(&mut self, asked: Asked, fault: &Fault) {
        let Some(seat) = self.seats.get(asked.committee()) else { return };
        let (from, index) = (asked.from, seat.index);
        if !seat.committee.coordinators.contains(&from) {
            self.setup.metrics.not_allowed.inc();
            return;
        }
        match asked.what {
            What::Nonces(request) => {
                if self.may_have_nonces(from, &request) {
                    self.offer_nonces(from, index, &request);
                }
            }
            What::Shares { session, attempt, key } => {
                let refused = refusal(fault);
                let message = self.refuse(session, attempt, key, index, refused);
                self.setup.network.offer(from, message.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use trestle_wire::{
        MessageId,
        committee::{
            key::KeyFetch,
            sign::{MAX_DETAIL, Purpose, SignRequest},
        },
    };

    use super::*;

    fn key() -> KeyRef {
        KeyRef { committee: "main".into(), generation: 1, epoch: 0 }
    }

    fn asked(message: impl Into<Message>) -> Option<Asked> {
        let (from, id) = (Peer([1; 32]), MessageId([0; 16]));
        let message = message.into();
        Asked::with(&CommitteeInput::Received(Inbound { from, id, message }))
    }

    #[test]
    fn member__should_answer_what_a_session_waits_for() {
        let nonces = NonceRequest { key: key(), count: 3 };
        let shares = SignRequest {
            session: SessionId([2; 16]),
            attempt: 4,
            key: key(),
            purpose: Purpose::KeyProof,
            messages: vec![0],
            signers: Vec::new(),
        };
        let what = |asked: Option<Asked>| asked.map(|asked| asked.what);

        assert_eq!(what(asked(nonces.clone())), Some(What::Nonces(nonces)));
        let wanted = What::Shares { session: SessionId([2; 16]), attempt: 4, key: key() };
        assert_eq!(what(asked(shares)), Some(wanted));
    }

    #[test]
    fn member__should_leave_everything_else_for_later() {
        assert_eq!(asked(KeyFetch { committee: "main".into(), have: Vec::new() }), None);
        assert_eq!(Asked::with(&CommitteeInput::Tick), None);
        assert_eq!(Asked::with(&CommitteeInput::Lost(Peer([1; 32]))), None);
    }

    #[test]
    fn refusal__should_say_what_the_store_says() {
        let of = |error| refusal(&Fault::Store(error));

        let full = of(StoreError::Unavailable("database or disk is full".into()));
        assert_eq!(full.code, RefusalCode::Store);
        assert_eq!(full.detail, "its store takes no writes: database or disk is full");
        let cut_off = of(StoreError::Unknown("the server went away".into()));
        assert_eq!(cut_off.detail, "its store takes no writes: the server went away");
        assert!(of(StoreError::Unavailable("long ".repeat(200))).detail.len() <= MAX_DETAIL);
    }
}
