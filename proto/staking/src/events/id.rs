//! The ids of messages.

use bitcoin::{BlockHash, Txid};

use super::{BtcInfo, ConfirmedInfo, Queue, StatsState};
use crate::expiry::Output;

/// What tells one message from another, for ever: at most 255 bytes of ASCII, the room that AMQP
/// has for it.
pub type MessageId = String;

/// What is told of a delegation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// It is confirmed.
    Active,
    /// Its unbonding is confirmed.
    Unbonding,
    /// It is withdrawn.
    Withdraw,
    /// The timelock of this output has ended.
    Expired(Output),
    /// The sums change.
    Stats(StatsState),
}

impl EventKind {
    /// The queue that it is told in.
    #[must_use]
    pub const fn queue(self) -> Queue {
        match self {
            Self::Active => Queue::Active,
            Self::Unbonding => Queue::Unbonding,
            Self::Withdraw => Queue::Withdraw,
            Self::Expired(_) => Queue::Expired,
            Self::Stats(_) => Queue::Stats,
        }
    }

    /// The words behind the transaction in a message's id.
    fn words(self) -> String {
        match self {
            Self::Active => "active".into(),
            Self::Unbonding => "unbonding".into(),
            Self::Withdraw => "withdraw".into(),
            Self::Expired(output) => format!("expired:{}", output.tx_type()),
            Self::Stats(StatsState::Active) => "stats:active".into(),
            Self::Stats(StatsState::Unbonded) => "stats:unbonded".into(),
        }
    }
}

/// The id of what is told of the delegation of a staking transaction, such as
/// `<txid>:expired:unbonding`.
#[must_use]
pub fn message_id(staking: Txid, kind: EventKind) -> MessageId {
    format!("{staking}:{}", kind.words())
}

impl BtcInfo {
    /// The id of its message, `<block hash>:<height>:btc_info`; `block` is the tip.
    #[must_use]
    pub fn message_id(&self, block: BlockHash) -> MessageId {
        format!("{block}:{}:btc_info", self.height)
    }
}

impl ConfirmedInfo {
    /// The id of its message, `<block hash>:<height>:confirmed_info`; `block` is the confirmed one.
    #[must_use]
    pub fn message_id(&self, block: BlockHash) -> MessageId {
        format!("{block}:{}:confirmed_info", self.height)
    }
}
