//! Sending to peers, and what comes from them.

use futures::future::BoxFuture;
use trestle_wire::{Ack, Message, MessageId, Peer, announce::Presence};

/// Sends messages. One implementation serves all actors of a node.
pub trait SendMessage: Send + Sync + 'static {
    /// Offers a session message to the peer's bounded queue and returns at once. A message that
    /// finds no room or no connection is lost and counted; its session's deadline covers that.
    fn offer(&self, to: Peer, message: Message);

    /// Sends a durable message once and reports what the receiver did with it. The outbox repeats
    /// it, with the same id, until that is final.
    fn deliver(
        &self,
        to: Peer,
        id: MessageId,
        message: Message,
    ) -> BoxFuture<'_, Result<Ack, Delivery>>;

    /// Announces this node to everyone.
    fn announce(&self, presence: Presence);
}

/// Why a durable message has no answer yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Delivery {
    /// No connection, and none could be made.
    #[error("the peer cannot be reached")]
    Unreachable,
    /// The peer took too long.
    #[error("the peer did not answer in time")]
    Timeout,
    /// This node is shutting down.
    #[error("the node is stopping")]
    Stopping,
}

/// A message that passed the handler: from an authenticated peer with our parameters, within its
/// limits, and not a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbound {
    /// Who sent it.
    pub from: Peer,
    /// Its id.
    pub id: MessageId,
    /// What it says.
    pub message: Message,
}
