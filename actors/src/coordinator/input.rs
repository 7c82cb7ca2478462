//! What reaches the coordinator, and what it has done for it.

use bitcoin::{Amount, FeeRate, OutPoint, Transaction, Txid};
use trestle_keys::roast::Verdict;
use trestle_wire::{Ack, Hash32, KeyRef, Message, MessageId, Peer, SessionId};

use super::ingress::Request;
use crate::{
    follower::Step,
    ports::{
        Delivery, Inbound,
        chain::{Accepted, ChainError},
    },
};

/// One thing to handle.
#[derive(Debug)]
pub enum CoordinatorInput {
    /// A message.
    Received(Inbound),
    /// A peer is connected and has our parameters.
    Connected(Peer),
    /// A peer is not connected any more.
    Lost(Peer),
    /// A request of the API.
    Request(Request),
    /// The height of our bitcoind's best block.
    Tip(u32),
    /// Blocks for a committee's wallet, from the feed of that number.
    Steps {
        /// The committee.
        committee: String,
        /// Which feed; steps of an earlier one are stale.
        feed: u64,
        /// The steps, in order.
        steps: Vec<Step>,
    },
    /// An attempt's shares were checked.
    Checked {
        /// The session.
        session: SessionId,
        /// The attempt.
        attempt: u32,
        /// One verdict a message.
        verdicts: Vec<Verdict>,
    },
    /// A durable message was sent.
    Delivered {
        /// Which.
        key: DeliveryKey,
        /// What came of it.
        result: Result<Ack, Delivery>,
    },
    /// A transaction was handed to bitcoind.
    BroadcastDone {
        /// For which payment.
        payment: Hash32,
        /// Which version.
        txid: Txid,
        /// What came of it.
        result: Result<Accepted, ChainError>,
    },
    /// A transaction was looked up.
    Inspected {
        /// For which payment.
        payment: Hash32,
        /// The coin that it is said to spend.
        anchor: OutPoint,
        /// Its block's height.
        height: u32,
        /// The transaction, if that block has it.
        result: Result<Option<Transaction>, ChainError>,
    },
    /// A fee rate was estimated.
    Quoted {
        /// For which payment.
        payment: Hash32,
        /// The rate.
        result: Result<FeeRate, ChainError>,
    },
    /// Time passed.
    Tick,
}

/// A piece of the work of [`Job::Check`].
pub type CheckWork = Box<dyn FnOnce() -> Vec<Verdict> + Send + Sync>;

/// Something that takes time. Each but [`Job::Follow`] comes back as an input, and may be done
/// again after a restart.
#[expect(clippy::large_enum_variant, reason = "a handful exist at a time, each for a moment")]
pub enum Job {
    /// Check and aggregate an attempt's shares; comes back as [`CoordinatorInput::Checked`].
    Check {
        /// The session.
        session: SessionId,
        /// The attempt.
        attempt: u32,
        /// The work in pieces that may run side by side; their verdicts in this order are those of
        /// the attempt's messages.
        work: Vec<CheckWork>,
    },
    /// Send a durable message once.
    Deliver {
        /// Which.
        key: DeliveryKey,
        /// To whom.
        to: Peer,
        /// Its id, the same on every try.
        id: MessageId,
        /// What it says.
        message: Message,
    },
    /// Hand a transaction to bitcoind.
    Broadcast {
        /// For which payment.
        payment: Hash32,
        /// The signed transaction.
        transaction: Transaction,
    },
    /// Look a transaction up in the best chain.
    Inspect {
        /// For which payment.
        payment: Hash32,
        /// The coin that it is said to spend.
        anchor: OutPoint,
        /// The transaction.
        txid: Txid,
        /// Its block's height.
        height: u32,
    },
    /// Estimate a fee rate.
    Quote {
        /// For which payment.
        payment: Hash32,
    },
    /// Read blocks for a committee's wallet from now on, and stop any feed before.
    Follow {
        /// The committee.
        committee: String,
        /// Number of the feed, to be given back with its steps.
        feed: u64,
        /// The first height, if the feed has no cursor yet.
        start: u32,
        /// Go back to this height first.
        reset: Option<u32>,
    },
}

/// Names one owed delivery: this key to this member.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeliveryKey {
    /// The key.
    pub key: KeyRef,
    /// The member.
    pub index: u16,
}

/// Something that people want to hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The committee it is about.
    pub committee: String,
    /// A fixed word, for example `key_ready` or `payment_confirmed`.
    pub kind: &'static str,
    /// The payment it is about, if any.
    pub payment: Option<Hash32>,
    /// The sentence for people.
    pub text: String,
}

/// The coordinator's own settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The network of addresses.
    pub network: trestle_wire::Network,
    /// How long one key generation may take, in milliseconds.
    pub dkg_deadline_ms: u32,
    /// How often a key generation is tried by itself.
    pub dkg_attempts: u32,
    /// How long a signing session may take, in milliseconds.
    pub sign_deadline_ms: u64,
    /// How long an attempt runs before another starts beside it, in milliseconds.
    pub sign_grace_ms: u64,
    /// Nonces kept ready for each member.
    pub nonce_pool: usize,
    /// Confirmations before a coin is used.
    pub min_confirmations: u32,
    /// Confirmations that count as final.
    pub settle_depth: u32,
    /// Blocks without a confirmation after which the fee is looked at again.
    pub bump_after: u32,
    /// Versions of one payment at most.
    pub max_versions: u32,
    /// The most that one version may pay to miners.
    pub max_fee: Amount,
    /// The highest rate.
    pub max_fee_rate: FeeRate,
    /// How long to wait before a payment that is stuck is tried again, in milliseconds. The wait
    /// doubles each time, up to a minute.
    pub retry_ms: u64,
}
