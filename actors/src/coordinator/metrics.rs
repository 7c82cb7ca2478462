//! What the coordinator counts. `docs/metrics.md` says how to read it.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter, family::Family, gauge::Gauge, histogram::Histogram,
        histogram::exponential_buckets,
    },
    registry::Registry,
};

/// The coordinator's counters.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Sessions by kind and outcome.
    pub sessions: Family<Session, Counter>,
    /// Time of a signing session in seconds.
    pub signing_seconds: Histogram,
    /// Time of a key generation in seconds.
    pub dkg_seconds: Histogram,
    /// Members caught, by what for.
    pub blame: Family<Reason, Counter>,
    /// Messages refused, by reason.
    pub rejected: Family<Reason, Counter>,
    /// Attempts started; more than sessions means that some failed.
    pub attempts: Counter,
    /// Payments by where they are.
    pub payments: Family<Phase, Gauge>,
    /// Satoshis by state.
    pub balance: Family<State, Gauge>,
    /// Height of the block that every wallet has read: the lowest of all committees.
    pub wallet_height: Gauge,
    /// Deliveries owed.
    pub owed: Gauge,
    /// Times that the actor was started again from the store after a fault.
    pub restarts: Counter,
}

/// A session's labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Session {
    /// `dkg`, `proof`, `payment` or `text`.
    pub kind: &'static str,
    /// `done` or `failed`.
    pub outcome: &'static str,
}

/// One fixed word.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Reason {
    /// The word.
    pub reason: &'static str,
}

/// Where payments are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Phase {
    /// `waiting`, `signing`, `broadcast`, `confirmed`, `settled`, `failed`, `cancelled` or
    /// `used_before`.
    pub phase: &'static str,
}

/// What coins are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct State {
    /// `spendable`, `pending`, `reserved`, `frozen` or `bound`.
    pub state: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        // From 5 ms to about 160 s.
        let seconds = || Histogram::new(exponential_buckets(0.005, 2.0, 16));
        Self {
            sessions: Family::default(),
            signing_seconds: seconds(),
            dkg_seconds: seconds(),
            blame: Family::default(),
            rejected: Family::default(),
            attempts: Counter::default(),
            payments: Family::default(),
            balance: Family::default(),
            wallet_height: Gauge::default(),
            owed: Gauge::default(),
            restarts: Counter::default(),
        }
    }
}

impl Metrics {
    /// Registers everything under `coordinator`.
    pub fn register(&self, registry: &mut Registry) {
        let r = registry.sub_registry_with_prefix("coordinator");
        r.register("sessions", "Sessions by kind and outcome", self.sessions.clone());
        r.register("signing_seconds", "Signing sessions", self.signing_seconds.clone());
        r.register("dkg_seconds", "Key generations", self.dkg_seconds.clone());
        r.register("blame", "Members caught, by what for", self.blame.clone());
        r.register("rejected", "Messages refused, by reason", self.rejected.clone());
        r.register("attempts", "Signing attempts started", self.attempts.clone());
        r.register("payments", "Payments by phase", self.payments.clone());
        r.register("balance_sats", "Committee coins by state", self.balance.clone());
        r.register("wallet_height", "Last block read by the wallet", self.wallet_height.clone());
        r.register("owed_deliveries", "Durable messages not yet taken", self.owed.clone());
        r.register("restarts", "Starts from the store after a fault", self.restarts.clone());
    }
}
