//! The answer to an addressed message: a byte or two that say what became of it.

use bincode::{Decode, Encode};

/// What the receiver did with a message. A durable message is resent until it is
/// [`Ack::Accepted`], [`Ack::Duplicate`] or [`Ack::Refused`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Ack {
    /// Taken; a durable message has been committed.
    Accepted,
    /// Seen before; nothing was done.
    Duplicate,
    /// No room now; try again later.
    Busy,
    /// Never going to be taken as it is.
    Refused(Refusal),
}

/// Why a message is refused at the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Refusal {
    /// Not the agreed form.
    Malformed,
    /// A version, application or kind this node does not speak.
    Unknown,
    /// Another Bitcoin network.
    Network,
    /// The shared parameters differ.
    Parameters,
    /// The sender is not a member, or not one that may say this.
    NotAllowed,
    /// This node does not have the role the message is for.
    NoSuchRole,
    /// Another boot's or an old counter.
    Replay,
    /// More or larger messages than a peer may send.
    Limit,
}

impl Refusal {
    /// A fixed word for metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Network => "network",
            Self::Parameters => "parameters",
            Self::NotAllowed => "not_allowed",
            Self::NoSuchRole => "no_such_role",
            Self::Replay => "replay",
            Self::Limit => "limit",
        }
    }
}
