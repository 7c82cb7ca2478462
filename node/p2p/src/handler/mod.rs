//! The message handler: the door between what peers send and what actors see.
//!
//! Always holds: a message reaches an actor only if it came from a peer of the table that has
//! shown the same parameters in this boot, is of this network and a version that we speak, has a
//! counter not seen before, and decodes to the last byte. Everything else gets an answer and is
//! counted. Nothing here knows libp2p, a clock or a channel.
//!
//! Size and rate ([`rates`]) come first, before anything is decoded; [`Handler::open`] does the
//! rest in this order: version, network, replay, hello, role, table, body.

pub mod bucket;
pub mod hello;
pub mod rates;
#[cfg(test)]
mod tests;
pub mod window;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use trestle_actors::ports::Inbound;
use trestle_wire::{
    Ack, BootId, DecodeError, Envelope, Message, Network, Peer, Refusal,
    announce::Presence,
    hello::{Hello, Role},
};

use self::{
    hello::{HelloState, compare},
    window::Window,
};

/// Boots of one peer that are over and stay refused. A peer that restarts more often than this
/// while we run could only replay its own messages.
const RETIRED_BOOTS: usize = 16;
/// Application and kind of [`Hello`].
const HELLO: (u8, u16) = (0, 1);

/// The peers that matter: those of the shared parameters. Connections to them are kept up, and
/// only they are heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerTable(BTreeSet<Peer>);

impl PeerTable {
    /// Whether the peer is listed.
    pub fn contains(&self, peer: &Peer) -> bool {
        self.0.contains(peer)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Peer> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<Peer> for PeerTable {
    fn from_iter<I: IntoIterator<Item = Peer>>(peers: I) -> Self {
        Self(peers.into_iter().collect())
    }
}

/// Why a message goes no further, and what its sender hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The answer.
    pub ack: Ack,
    /// A fixed word for metrics.
    pub reason: &'static str,
}

impl Dropped {
    pub(crate) const fn refused(refusal: Refusal) -> Self {
        Self { ack: Ack::Refused(refusal), reason: refusal.label() }
    }

    /// Before its hello a peer is only early: its message may come again.
    const NO_HELLO: Self = Self { ack: Ack::Busy, reason: "no_hello" };
}

/// What became of an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "handed on at once, and nearly always the large one")]
pub enum Verdict {
    /// The peer introduced itself. Answer with [`Greeting::ack`].
    Hello(Greeting),
    /// For an actor. A durable message is answered once the actor has committed it.
    Deliver(Inbound),
    /// No further.
    Drop(Dropped),
}

/// A peer's hello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// How its parameters stand to ours.
    pub state: HelloState,
    /// Its roles.
    pub roles: Vec<Role>,
    /// Its software, printable.
    pub software: String,
    /// Whether this is another boot than the one before: older connections are dead.
    pub rebooted: bool,
}

impl Greeting {
    /// What the peer hears.
    pub const fn ack(&self) -> Ack {
        match self.state {
            HelloState::Differs(_) => Ack::Refused(Refusal::Parameters),
            HelloState::Ok | HelloState::WithoutParameters | HelloState::Missing => Ack::Accepted,
        }
    }
}

/// What is known of one peer's present boot.
#[derive(Clone, Debug)]
struct Sender {
    boot: BootId,
    window: Window,
    hello: HelloState,
    retired: VecDeque<BootId>,
}

/// The handler's state: one entry a peer that has said hello.
#[derive(Debug)]
pub struct Handler {
    network: Network,
    hello: Hello,
    table: PeerTable,
    senders: BTreeMap<Peer, Sender>,
}

impl Handler {
    /// A handler for a node that says `hello` of itself.
    pub const fn new(network: Network, hello: Hello, table: PeerTable) -> Self {
        Self { network, hello, table, senders: BTreeMap::new() }
    }

    /// Decides about an addressed envelope.
    pub fn open(&mut self, from: Peer, bytes: &[u8]) -> Verdict {
        self.try_open(from, bytes).unwrap_or_else(Verdict::Drop)
    }

    /// The presence in a gossiped envelope, if it is for our network and parameters. Gossip has
    /// its own protection against replays, so counters do not matter here.
    ///
    /// # Errors
    /// [`Dropped`]; its reason says whether the one who passed it on is to blame.
    pub fn presence(&self, bytes: &[u8]) -> Result<Presence, Dropped> {
        let envelope = self.decode(bytes)?;
        let Message::Presence(presence) = envelope.open().map_err(|e| dropped(&e))? else {
            return Err(Dropped::refused(Refusal::Unknown));
        };
        if presence.parameters.is_some() && presence.parameters != self.hello.parameters {
            return Err(Dropped::refused(Refusal::Parameters));
        }
        Ok(presence)
    }

    /// Forgets a peer that has gone, unless it is of the table: counters of members are kept, and
    /// the table bounds them.
    pub fn forget(&mut self, peer: Peer) {
        if !self.table.contains(&peer) {
            self.senders.remove(&peer);
        }
    }

    fn try_open(&mut self, from: Peer, bytes: &[u8]) -> Result<Verdict, Dropped> {
        let envelope = self.decode(bytes)?;
        if (envelope.application, envelope.kind) == HELLO {
            return self.greet(from, &envelope).map(Verdict::Hello);
        }
        let header = &envelope.header;
        let sender = self.senders.get_mut(&from).ok_or(Dropped::NO_HELLO)?;
        if sender.boot != header.boot {
            let retired = sender.retired.contains(&header.boot);
            return Err(if retired {
                Dropped::refused(Refusal::Replay)
            } else {
                Dropped::NO_HELLO
            });
        }
        if !sender.window.insert(header.counter) {
            return Err(Dropped::refused(Refusal::Replay));
        }
        may_speak(&self.hello, &sender.hello)?;
        if !self.table.contains(&from) {
            return Err(Dropped::refused(Refusal::NotAllowed));
        }
        let message = envelope.open().map_err(|e| dropped(&e))?;
        if matches!(message, Message::Presence(_)) {
            // Said to everyone or not at all.
            return Err(Dropped::refused(Refusal::NotAllowed));
        }
        Ok(Verdict::Deliver(Inbound { from, id: header.id, message }))
    }

    fn decode(&self, bytes: &[u8]) -> Result<Envelope, Dropped> {
        let envelope = Envelope::from_bytes(bytes).map_err(|e| dropped(&e))?;
        if envelope.header.network != self.network {
            return Err(Dropped::refused(Refusal::Network));
        }
        Ok(envelope)
    }

    fn greet(&mut self, from: Peer, envelope: &Envelope) -> Result<Greeting, Dropped> {
        let Message::Hello(theirs) = envelope.open().map_err(|e| dropped(&e))? else {
            return Err(Dropped::refused(Refusal::Unknown));
        };
        let state = compare(&self.hello, &theirs);
        let header = &envelope.header;
        let mut rebooted = false;
        let sender = self.senders.entry(from).or_insert_with(|| Sender::new(header.boot));
        if sender.boot != header.boot {
            if sender.retired.contains(&header.boot) {
                return Err(Dropped::refused(Refusal::Replay));
            }
            sender.reboot(header.boot);
            rebooted = true;
        }
        if !sender.window.insert(header.counter) {
            return Err(Dropped::refused(Refusal::Replay));
        }
        sender.hello = state.clone();
        let software = hello::printable(&theirs.software);
        Ok(Greeting { state, roles: theirs.roles, software, rebooted })
    }
}

impl Sender {
    const fn new(boot: BootId) -> Self {
        Self { boot, window: Window::new(), hello: HelloState::Missing, retired: VecDeque::new() }
    }

    fn reboot(&mut self, boot: BootId) {
        if self.retired.len() == RETIRED_BOOTS {
            self.retired.pop_front();
        }
        self.retired.push_back(self.boot);
        self.boot = boot;
        self.window = Window::new();
        self.hello = HelloState::Missing;
    }
}

/// Whether anything but hello may pass between us.
fn may_speak(ours: &Hello, state: &HelloState) -> Result<(), Dropped> {
    let serves = ours.roles.iter().any(|role| match role {
        Role::Bootnode => false,
        Role::Committee | Role::Coordinator => true,
    });
    if !serves || ours.parameters.is_none() {
        return Err(Dropped::refused(Refusal::NoSuchRole));
    }
    match state {
        HelloState::Ok => Ok(()),
        HelloState::Missing => Err(Dropped::NO_HELLO),
        HelloState::WithoutParameters | HelloState::Differs(_) => {
            Err(Dropped::refused(Refusal::Parameters))
        }
    }
}

const fn dropped(error: &DecodeError) -> Dropped {
    Dropped::refused(match error {
        DecodeError::TooLarge { .. } | DecodeError::TooMany { .. } => Refusal::Limit,
        DecodeError::Version(_) | DecodeError::UnknownKind { .. } => Refusal::Unknown,
        DecodeError::Malformed(_) | DecodeError::Trailing(_) | DecodeError::NotCanonical => {
            Refusal::Malformed
        }
    })
}
