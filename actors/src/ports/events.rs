//! Telling other programs what happened, through a message broker.

use futures::future::BoxFuture;
use trestle_staking::events::{Event, MessageId, Queue};
use trestle_store::StoreError;

/// Events that a broker is owed: a stream of numbered events, and how far the broker has it.
///
/// Always holds for an implementation: numbers rise without being reused, an event stays as it is
/// once it is there, and both survive a restart.
pub trait OwedEvents: Send + Sync + 'static {
    /// The first events that the broker does not have, in order, at most `limit`.
    fn owed(&self, limit: u32) -> BoxFuture<'_, Result<Vec<OwedEvent>, StoreError>>;

    /// The number of the last event of the stream; 0 while there is none.
    fn newest(&self) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Notes that the broker has every event up to `number` and this one.
    fn settle(&self, number: u64) -> BoxFuture<'_, Result<(), StoreError>>;
}

/// An event that the broker is owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwedEvent {
    /// Its place in the stream.
    pub number: u64,
    /// What the broker gets for it, in this order; may be nothing.
    pub messages: Vec<EventMessage>,
}

/// Publishes messages to a broker.
///
/// Always holds for an implementation: a message counts as published only after the broker said
/// that it keeps it; whatever is not certain is an error, and the caller publishes again under the
/// same id.
pub trait PublishEvents: Send + Sync + 'static {
    /// Makes the queues where they are missing. Done by [`Self::publish`] as well, when it is
    /// needed; asking for it early tells of a wrong setting early.
    fn declare(&self) -> BoxFuture<'_, Result<(), PublishError>>;

    /// Publishes messages in this order and waits until the broker has taken them. The answer has
    /// one entry a message, in the same order.
    ///
    /// # Errors
    /// When nothing is known of any of them: no connection, or it was lost.
    fn publish(
        &self,
        batch: Vec<EventMessage>,
    ) -> BoxFuture<'_, Result<Vec<Result<(), PublishError>>, PublishError>>;

    /// How the broker is doing, as the last attempt showed. Asks nobody.
    fn health(&self) -> EventHealth;
}

/// A message, as it is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventMessage {
    /// Where to.
    pub queue: Queue,
    /// The same on every attempt.
    pub message_id: MessageId,
    /// JSON of the queue's schema.
    pub body: Vec<u8>,
    /// The header `x-processing-attempts`: how often a consumer has tried, 0 for a new one.
    pub attempts: i32,
}

impl EventMessage {
    /// A message that no consumer has seen.
    #[must_use]
    pub fn new(message_id: MessageId, event: &Event) -> Self {
        Self { queue: event.queue(), message_id, body: event.to_json(), attempts: 0 }
    }
}

/// How the broker is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventHealth {
    /// Not tried yet.
    Unknown,
    /// The last attempt succeeded.
    Connected,
    /// The last attempt failed.
    Failed(PublishError),
}

/// Why a message is not known to be published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// No connection, or it was lost. Worth trying again.
    #[error("the broker at {broker} cannot be reached: {reason}; is it running?")]
    Unreachable {
        /// Host and port.
        broker: String,
        /// What was tried and how it ended.
        reason: String,
    },
    /// The broker knows no such account, or the password is another.
    #[error(
        "the broker at {broker} refused user {user} on virtual host {vhost}: {reason}; check the \
         user and virtual host in the URL, the password file, and the user's permissions"
    )]
    Refused {
        /// Host and port.
        broker: String,
        /// The account.
        user: String,
        /// The virtual host.
        vhost: String,
        /// What the broker said.
        reason: String,
    },
    /// A queue or exchange stands at the broker with other settings than ours.
    #[error(
        "the broker has {what} with other settings: {reason}; set queue_type to the one that it \
         was made with, or delete it when it is empty"
    )]
    Declared {
        /// The queue or exchange.
        what: String,
        /// What the broker said.
        reason: String,
    },
    /// The broker found no queue for a message. The queues are made again before the next attempt.
    #[error("the broker has no queue {queue}: {reason}")]
    Unroutable {
        /// The queue's name.
        queue: &'static str,
        /// What the broker said.
        reason: String,
    },
    /// The broker did not take a message.
    #[error("the broker did not take a message for {queue}: {reason}")]
    NotTaken {
        /// The queue's name.
        queue: &'static str,
        /// What is known.
        reason: String,
    },
    /// A file with a secret cannot be used.
    #[error("cannot read the broker's password from {path}: {reason}")]
    Secret {
        /// The file.
        path: String,
        /// Why not.
        reason: String,
    },
}

impl PublishError {
    /// A word for the label of a metric.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Refused { .. } => "refused",
            Self::Declared { .. } => "declared",
            Self::Unroutable { .. } => "unroutable",
            Self::NotTaken { .. } => "not_taken",
            Self::Secret { .. } => "secret",
        }
    }
}
