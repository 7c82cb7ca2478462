//! What is told to other programs through a message broker: seven queues, one JSON schema each.
//!
//! The schemas are those of the reference services, so that programs which read their queues read
//! ours: hashes and keys are hexadecimal (hashes in display order), amounts are satoshis, heights
//! are heights, and every body begins with `schema_version` and `event_type`.
//!
//! Always holds: the id of a message is a function of what it is about ([`MessageId`]), so that a
//! message which is sent again, in a later run or after a restored database, is recognised.

mod body;
mod id;
mod queue;
#[cfg(test)]
mod tests;

pub use body::{
    ActiveStaking, BtcInfo, ConfirmedInfo, ExpiredStaking, StakingStats, StatsState,
    UnbondingStaking, WithdrawStaking, WithdrawTx,
};
pub use id::{EventKind, MessageId, message_id};
pub use queue::Queue;

use serde::{Deserialize, Serialize};

/// One event, as its queue carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A stake is confirmed.
    Active(ActiveStaking),
    /// An unbonding is confirmed.
    Unbonding(UnbondingStaking),
    /// A staking or unbonding output is withdrawn.
    Withdraw(WithdrawStaking),
    /// A timelock has ended.
    Expired(ExpiredStaking),
    /// The sums of active stakes change by one stake.
    Stats(StakingStats),
    /// The locked value, at a new tip.
    BtcInfo(BtcInfo),
    /// The locked value, at a newly confirmed block.
    ConfirmedInfo(ConfirmedInfo),
}

/// Why a body is not an event of its queue.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// Not JSON of the schema.
    #[error("{queue}: not a body of this queue: {error}")]
    Schema {
        /// The queue's name.
        queue: &'static str,
        /// What is wrong.
        error: serde_json::Error,
    },
    /// Another queue's event.
    #[error("{queue}: expected event_type {expected}, got {got}")]
    Type {
        /// The queue's name.
        queue: &'static str,
        /// The type of this queue.
        expected: u8,
        /// The type of the body.
        got: u8,
    },
}

/// A body between the two numbers that all begin with.
#[derive(Serialize, Deserialize)]
struct Numbered<B> {
    schema_version: u8,
    event_type: u8,
    #[serde(flatten)]
    body: B,
}

impl Event {
    /// The queue that it belongs into.
    #[must_use]
    pub const fn queue(&self) -> Queue {
        match self {
            Self::Active(_) => Queue::Active,
            Self::Unbonding(_) => Queue::Unbonding,
            Self::Withdraw(_) => Queue::Withdraw,
            Self::Expired(_) => Queue::Expired,
            Self::Stats(_) => Queue::Stats,
            Self::BtcInfo(_) => Queue::BtcInfo,
            Self::ConfirmedInfo(_) => Queue::ConfirmedInfo,
        }
    }

    /// What it tells of a delegation; `None` for what is told of a block.
    #[must_use]
    pub const fn kind(&self) -> Option<EventKind> {
        match self {
            Self::Active(_) => Some(EventKind::Active),
            Self::Unbonding(_) => Some(EventKind::Unbonding),
            Self::Withdraw(_) => Some(EventKind::Withdraw),
            Self::Expired(expired) => Some(EventKind::Expired(expired.tx_type)),
            Self::Stats(stats) => Some(EventKind::Stats(stats.state)),
            Self::BtcInfo(_) | Self::ConfirmedInfo(_) => None,
        }
    }

    /// The version of its schema.
    #[must_use]
    pub const fn schema_version(&self) -> u8 {
        match self {
            Self::Stats(_) => 1,
            Self::Withdraw(withdraw) => withdraw.tx.is_some() as u8,
            Self::Active(_)
            | Self::Unbonding(_)
            | Self::Expired(_)
            | Self::BtcInfo(_)
            | Self::ConfirmedInfo(_) => 0,
        }
    }

    /// The body of its message.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        match self {
            Self::Active(body) => self.numbered(body),
            Self::Unbonding(body) => self.numbered(body),
            Self::Withdraw(body) => self.numbered(body),
            Self::Expired(body) => self.numbered(body),
            Self::Stats(body) => self.numbered(body),
            Self::BtcInfo(body) => self.numbered(body),
            Self::ConfirmedInfo(body) => self.numbered(body),
        }
    }

    /// Reads the body of a message of `queue`.
    ///
    /// # Errors
    /// When it is not of that queue's schema.
    pub fn from_json(queue: Queue, json: &[u8]) -> Result<Self, EventError> {
        Ok(match queue {
            Queue::Active => Self::Active(body(queue, json)?),
            Queue::Unbonding => Self::Unbonding(body(queue, json)?),
            Queue::Withdraw => Self::Withdraw(body(queue, json)?),
            Queue::Expired => Self::Expired(body(queue, json)?),
            Queue::Stats => Self::Stats(body(queue, json)?),
            Queue::BtcInfo => Self::BtcInfo(body(queue, json)?),
            Queue::ConfirmedInfo => Self::ConfirmedInfo(body(queue, json)?),
        })
    }

    fn numbered<B: Serialize>(&self, body: &B) -> Vec<u8> {
        let event_type = self.queue().event_type();
        let numbered = Numbered { schema_version: self.schema_version(), event_type, body };
        serde_json::to_vec(&numbered).expect("structs of strings and integers are always JSON")
    }
}

fn body<B: for<'a> Deserialize<'a>>(queue: Queue, json: &[u8]) -> Result<B, EventError> {
    let read: Numbered<B> = serde_json::from_slice(json)
        .map_err(|error| EventError::Schema { queue: queue.name(), error })?;
    let (expected, got) = (queue.event_type(), read.event_type);
    if expected == got {
        Ok(read.body)
    } else {
        Err(EventError::Type { queue: queue.name(), expected, got })
    }
}
