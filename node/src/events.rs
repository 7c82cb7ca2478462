//! What the node tells the outside as it happens, over `GET /v1/events`.
//!
//! Always holds: publishing never waits and never fails; a listener that reads too slowly misses
//! events and is told how many.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use serde::Serialize;
use tokio::sync::broadcast;
use utoipa::ToSchema;

/// Events kept for slow listeners: minutes of a busy node, and less than a megabyte.
const CAPACITY: usize = 1_024;

/// Something happened. New kinds may be added: listeners skip what they do not know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// A component became ready, or stopped being ready.
    Readiness {
        /// The component.
        component: String,
        /// Whether it is ready now.
        ready: bool,
        /// Why not.
        reason: Option<String>,
    },
    /// A peer with our parameters connected.
    PeerConnected {
        /// Its id.
        peer: String,
    },
    /// A peer went away.
    PeerDisconnected {
        /// Its id.
        peer: String,
    },
    /// bitcoind has another best block.
    Tip {
        /// Its height.
        height: u32,
        /// Its hash.
        hash: String,
    },
    /// A committee key can be used.
    KeyReady {
        /// The committee.
        committee: String,
        /// Which key: `COMMITTEE/GENERATION.EPOCH`.
        key: String,
        /// Where to pay it.
        address: String,
    },
    /// Something about a committee, its sessions or its payments.
    Committee {
        /// The committee.
        committee: String,
        /// A fixed word, for example `payment_confirmed`.
        what: String,
        /// The payment it is about, if any.
        payment: Option<String>,
        /// The sentence for people.
        text: String,
    },
    /// A payment is in another phase.
    Payment {
        /// Its id.
        payment: String,
        /// The committee that pays.
        committee: String,
        /// The phase it is in now.
        phase: String,
        /// The version that counts, once there is one.
        txid: Option<String>,
    },
    /// Something about a stake, or the locked value: news of what `/v1/staking/events` has in full.
    Staking {
        /// Its number in the stored stream, which goes on over restarts.
        number: u64,
        /// A fixed word, for example `active` or `btc_info`.
        what: String,
        /// Whether it was told before and is not true any more.
        reverted: bool,
        /// The staking transaction, where it is about one.
        staking_tx: Option<String>,
        /// The height that it is about.
        height: u32,
    },
}

impl Event {
    /// The name of the server-sent event.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Readiness { .. } => "readiness",
            Self::PeerConnected { .. } => "peer_connected",
            Self::PeerDisconnected { .. } => "peer_disconnected",
            Self::Tip { .. } => "tip",
            Self::KeyReady { .. } => "key_ready",
            Self::Committee { .. } => "committee",
            Self::Payment { .. } => "payment",
            Self::Staking { .. } => "staking",
        }
    }
}

/// An event and its number in this boot, from 1 without gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// The number.
    pub number: u64,
    /// The event.
    pub event: Event,
}

/// Where events go. Clones share it.
#[derive(Clone, Debug)]
pub struct EventBus {
    sender: broadcast::Sender<Numbered>,
    last: Arc<AtomicU64>,
}

impl EventBus {
    /// A bus without listeners.
    pub fn new() -> Self {
        Self { sender: broadcast::channel(CAPACITY).0, last: Arc::default() }
    }

    /// Tells every listener.
    pub fn publish(&self, event: Event) {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        // No listener is no error.
        let _ = self.sender.send(Numbered { number, event });
    }

    /// Listens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Numbered> {
        self.sender.subscribe()
    }
}

impl Default for EventBus {
    fn default() -> Self {
        Self::new()
    }
}
