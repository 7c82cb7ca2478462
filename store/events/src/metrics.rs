//! What is counted. `docs/metrics.md` says how to read it.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use trestle_staking::events::Queue;

/// The counters of events for other programs. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Messages that the broker has confirmed.
    pub published: Family<QueueLabel, Counter>,
    /// Connections made; more than one means that some were lost.
    pub connections: Counter,
    /// 1 while the last attempt succeeded, 0 otherwise.
    pub connected: Gauge,
    /// Events from the oldest one that is owed to the newest one, both counted: at least as many
    /// as are owed.
    pub owed: Gauge,
    /// Seconds since anything was last confirmed while something is owed; 0 while nothing is.
    pub waiting_seconds: Gauge,
    /// Failures by operation and queue, under the name that the reference services give them.
    pub failures: Family<FailureLabels, Counter>,
}

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct QueueLabel {
    /// Its name.
    pub queue: &'static str,
}

/// An operation that failed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FailureLabels {
    /// `connect`, `declare` or `sendMessage`.
    pub operation: &'static str,
    /// The queue's name; empty where the operation is about none.
    pub queuename: &'static str,
}

impl Metrics {
    /// Registers our own metrics, under `events`.
    pub fn register(&self, registry: &mut Registry) {
        let r = registry.sub_registry_with_prefix("events");
        r.register("published", "Messages confirmed by the broker", self.published.clone());
        r.register("connections", "Connections made to the broker", self.connections.clone());
        r.register("connected", "Whether the last attempt succeeded", self.connected.clone());
        r.register("owed", "Events from the oldest owed to the newest", self.owed.clone());
        let waiting = self.waiting_seconds.clone();
        r.register("waiting_seconds", "Time without a confirmation while some are owed", waiting);
    }

    /// Registers what other tools look for by name. `registry` must have no prefix.
    pub fn register_compatible(&self, registry: &mut Registry) {
        let failures = self.failures.clone();
        registry.register("queue_operation_failure", "Failed operations on queues", failures);
    }

    pub(crate) fn published(&self, queue: Queue) {
        self.published.get_or_create(&QueueLabel { queue: queue.name() }).inc();
    }

    pub(crate) fn failed(&self, operation: &'static str, queuename: &'static str) {
        self.failures.get_or_create(&FailureLabels { operation, queuename }).inc();
    }
}
