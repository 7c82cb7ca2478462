//! What the network port counts. Labels are message kinds and fixed words, never peers.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// The words of `dropped`, `lost` and `answers` that an alarm may watch. They are shown from the
/// start, at 0: an increase from nothing to 1 is none to Prometheus.
const DROPPED: [&str; 9] = [
    "busy",
    "limit",
    "malformed",
    "network",
    "no_hello",
    "not_allowed",
    "parameters",
    "replay",
    "unknown",
];
const LOST: [&str; 5] = ["mailbox_full", "not_connected", "parameters", "queue_full", "stopping"];
const ANSWERS: [&str; 5] = ["accepted", "busy", "duplicate", "failed", "timeout"];

/// All of them; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    received: Family<Kind, Counter>,
    sent: Family<Kind, Counter>,
    dropped: Family<Reason, Counter>,
    lost: Family<Reason, Counter>,
    answers: Family<Outcome, Counter>,
    received_bytes: Counter,
    sent_bytes: Counter,
    /// Peers with at least one connection.
    pub(crate) connected: Gauge,
    /// Peers of the table that exchanged hellos with us and agree.
    pub(crate) ready: Gauge,
    /// Messages waiting for their peers.
    pub(crate) queued: Gauge,
    /// Relays on which this node holds a place.
    pub(crate) reservations: Gauge,
}

impl Metrics {
    /// Registers everything as `trestle_p2p_…`.
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let new = Self::default();
        for reason in DROPPED {
            let _ = new.dropped.get_or_create(&Reason { reason });
        }
        for reason in LOST {
            let _ = new.lost.get_or_create(&Reason { reason });
        }
        for outcome in ANSWERS {
            let _ = new.answers.get_or_create(&Outcome { outcome });
        }
        let r = registry.sub_registry_with_prefix("trestle_p2p");
        r.register("messages_received", "Messages handed to actors, by kind", new.received.clone());
        r.register("messages_sent", "Messages sent, by kind", new.sent.clone());
        r.register("messages_dropped", "Received and refused, by reason", new.dropped.clone());
        r.register("messages_lost", "Ours that never left, by reason", new.lost.clone());
        r.register("answers", "What receivers said to ours, by outcome", new.answers.clone());
        r.register_with_unit(
            "received",
            "Received in envelopes",
            Unit::Bytes,
            new.received_bytes.clone(),
        );
        r.register_with_unit("sent", "Sent in envelopes", Unit::Bytes, new.sent_bytes.clone());
        r.register("connected_peers", "Peers with a connection", new.connected.clone());
        r.register("ready_peers", "Listed peers that agree with us", new.ready.clone());
        r.register("queue_depth", "Messages waiting for their peers", new.queued.clone());
        r.register("relay_reservations", "Relays we can be reached by", new.reservations.clone());
        new
    }

    pub(crate) fn received(&self, kind: &'static str) {
        self.received.get_or_create(&Kind { kind }).inc();
    }

    pub(crate) fn received_bytes(&self, bytes: usize) {
        self.received_bytes.inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    pub(crate) fn sent(&self, kind: &'static str, bytes: usize) {
        self.sent.get_or_create(&Kind { kind }).inc();
        self.sent_bytes.inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    pub(crate) fn dropped(&self, reason: &'static str) {
        self.dropped.get_or_create(&Reason { reason }).inc();
    }

    pub(crate) fn lost(&self, reason: &'static str) {
        self.lost.get_or_create(&Reason { reason }).inc();
    }

    pub(crate) fn answer(&self, outcome: &'static str) {
        self.answers.get_or_create(&Outcome { outcome }).inc();
    }
}
