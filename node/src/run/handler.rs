//! Hands messages that passed the swarm's checks to the actor of their role.
//!
//! Always holds: a message for a role that this node does not have is refused and counted; one that
//! finds its actor's mailbox full is dropped and counted, and nothing waits here.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use trestle_actors::{
    ports::Inbound,
    runtime::{Letter, mailbox::Offered},
};
use trestle_keys::Params;
use trestle_p2p::Received;
use trestle_wire::{Ack, Message, Peer, Refusal};

use crate::metrics;

/// Offers a message to an actor; false when its mailbox is full. A dropped acknowledgement tells
/// the sender to try again.
pub(super) type Mailbox = Box<dyn Fn(Received) -> bool + Send + Sync>;

/// Offers messages to an actor.
pub(super) fn mailbox<I: Send + 'static>(
    mailbox: trestle_actors::runtime::Mailbox<I>,
    input: fn(Inbound) -> I,
) -> Mailbox {
    Box::new(move |received: Received| {
        let letter = Letter { input: input(received.inbound), ack: received.ack };
        mailbox.offer(letter) == Offered::Taken
    })
}

/// The mailboxes of the roles that this node has.
#[derive(Default)]
pub(super) struct Mailboxes {
    /// The committee actor's.
    pub(super) committee: Option<Mailbox>,
    /// The coordinator's.
    pub(super) coordinator: Option<Mailbox>,
    /// The covenant member's.
    pub(super) covenant: Option<Mailbox>,
    /// The staking coordinator's.
    pub(super) staking: Option<Mailbox>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Dropped {
    role: &'static str,
    reason: &'static str,
}

/// Routes by what a message is.
pub(super) struct Handler {
    mailboxes: Mailboxes,
    params: Option<Params>,
    dropped: Family<Dropped, Counter>,
}

impl Handler {
    pub(super) fn new(
        mailboxes: Mailboxes,
        params: Option<Params>,
        registry: &mut Registry,
    ) -> Self {
        let dropped: Family<Dropped, Counter> = Family::default();
        // At 0 from the start, so that an alarm sees the first.
        for role in ["committee", "coordinator", "covenant", "staking"] {
            for reason in ["mailbox_full", Refusal::NoSuchRole.label()] {
                let _ = dropped.get_or_create(&Dropped { role, reason });
            }
        }
        metrics::ours(registry).register(
            "node_messages_dropped",
            "Messages that no actor took, by role and reason",
            dropped.clone(),
        );
        Self { mailboxes, params, dropped }
    }

    /// Routes messages until the swarm or the node ends.
    pub(super) async fn run(self, mut messages: mpsc::Receiver<Received>, stop: CancellationToken) {
        loop {
            let received = tokio::select! {
                () = stop.cancelled() => return,
                received = messages.recv() => received,
            };
            let Some(received) = received else { return };
            self.route(received);
        }
    }

    fn route(&self, received: Received) {
        let inbound = &received.inbound;
        match audience(&inbound.message, &inbound.from, self.params.as_ref()) {
            Audience::Nobody => self.refuse("none", received),
            Audience::Committee => self.offer("committee", received),
            Audience::Coordinator => self.offer("coordinator", received),
            Audience::Covenant => self.offer("covenant", received),
            Audience::Staking => self.offer("staking", received),
            Audience::Both => {
                // Whoever waits for an acknowledgement is a coordinator that owes a key to a member.
                let copy = Received { inbound: inbound.clone(), ack: None };
                self.offer("coordinator", copy);
                self.offer("committee", received);
            }
        }
    }

    fn offer(&self, role: &'static str, received: Received) {
        let mailbox = match role {
            "committee" => &self.mailboxes.committee,
            "covenant" => &self.mailboxes.covenant,
            "staking" => &self.mailboxes.staking,
            _ => &self.mailboxes.coordinator,
        };
        let Some(mailbox) = mailbox else { return self.refuse(role, received) };
        if !mailbox(received) {
            self.count(role, "mailbox_full");
        }
    }

    fn refuse(&self, role: &'static str, received: Received) {
        self.count(role, Refusal::NoSuchRole.label());
        if let Some(ack) = received.ack {
            // The sender may have stopped waiting.
            let _ = ack.send(Ack::Refused(Refusal::NoSuchRole));
        }
    }

    fn count(&self, role: &'static str, reason: &'static str) {
        self.dropped.get_or_create(&Dropped { role, reason }).inc();
    }
}

/// Which actor a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Audience {
    Committee,
    Coordinator,
    Covenant,
    Staking,
    Both,
    Nobody,
}

fn audience(message: &Message, from: &Peer, params: Option<&Params>) -> Audience {
    match message {
        // The swarm answers these itself.
        Message::Hello(_) | Message::Presence(_) => Audience::Nobody,
        Message::DkgBegin(_)
        | Message::DkgRound1Set(_)
        | Message::DkgEchoSet(_)
        | Message::DkgRound2Set(_)
        | Message::NonceRequest(_)
        | Message::SignRequest(_) => Audience::Committee,
        Message::DkgRound1(_)
        | Message::DkgEcho(_)
        | Message::DkgRound2(_)
        | Message::DkgCertificate(_)
        | Message::NonceOffer(_)
        | Message::SignShares(_)
        | Message::SignRefused(_) => Audience::Coordinator,
        Message::UnbondingAsk(_) => Audience::Covenant,
        Message::UnbondingSigned(_) => Audience::Staking,
        // These go both ways: what a coordinator says is for members, and the reverse.
        Message::DkgAbort(abort) => by_sender(&abort.session.key.committee, from, params),
        Message::KeyReady(ready) => by_sender(&ready.session.key.committee, from, params),
        Message::KeyFetch(fetch) => by_sender(&fetch.committee, from, params),
        Message::MemberStatus(status) => by_sender(&status.committee, from, params),
    }
}

fn by_sender(name: &str, from: &Peer, params: Option<&Params>) -> Audience {
    let Some(committee) = params.and_then(|params| params.committee(name)) else {
        return Audience::Nobody;
    };
    match (committee.coordinators.contains(from), committee.member_of(from).is_some()) {
        (true, false) => Audience::Committee,
        (false, true) => Audience::Coordinator,
        (true, true) => Audience::Both,
        (false, false) => Audience::Nobody,
    }
}
