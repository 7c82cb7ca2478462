//! The answer to an addressed message: a byte or two that say what became of it.

use bincode::{Decode, Encode};

/// What the receiver did with a message. A durable message is resent until it is
/// [`Ack::Accepted`], [`Ack::Duplicate`] or [`Ack::Refused`]. Numbered in the order below, which is on
/// the wire: a new one goes to the end.
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

/// Why a message is refused at the door. The numbers are on the wire and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Refusal {
    /// Not the agreed form.
    Malformed = 0,
    /// A version, application or kind this node does not speak.
    Unknown = 1,
    /// Another Bitcoin network.
    Network = 2,
    /// The shared parameters differ.
    Parameters = 3,
    /// The sender is not a member, or not one that may say this.
    NotAllowed = 4,
    /// This node does not have the role the message is for.
    NoSuchRole = 5,
    /// Another boot's or an old counter.
    Replay = 6,
    /// More or larger messages than a peer may send.
    Limit = 7,
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
