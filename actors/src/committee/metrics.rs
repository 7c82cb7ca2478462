//! What a member counts. `docs/metrics.md` says how to read it.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// A member's counters.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Messages signed.
    pub signed: Counter,
    /// Requests refused, by reason.
    pub refused: Family<Reason, Counter>,
    /// Key generations by outcome.
    pub dkg: Family<Outcome, Counter>,
    /// Requests answered with a stored share.
    pub resent: Counter,
    /// A second request for nonces that were used: the coordinator contradicts itself.
    pub equivocations: Counter,
    /// Messages of peers that may not send them.
    pub not_allowed: Counter,
    /// Usable keys.
    pub keys: Gauge,
    /// 1 while this member refuses to sign because peers remember more than it does.
    pub rollback: Gauge,
    /// Times that the actor was started again from the store after a fault.
    pub restarts: Counter,
}

/// A refusal's reason.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Reason {
    /// One of the fixed words of `RefusalCode`.
    pub reason: &'static str,
}

/// A key generation's outcome.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Outcome {
    /// `certified`, `ready` or `ended`.
    pub outcome: &'static str,
}

impl Metrics {
    /// Registers everything under `committee`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("committee");
        registry.register("signed_messages", "Messages signed", self.signed.clone());
        registry.register("refusals", "Requests refused, by reason", self.refused.clone());
        registry.register("dkg", "Key generations by outcome", self.dkg.clone());
        registry.register("resent_answers", "Stored answers sent again", self.resent.clone());
        registry.register(
            "equivocations",
            "Second requests for used nonces",
            self.equivocations.clone(),
        );
        registry.register(
            "not_allowed",
            "Messages of peers that may not",
            self.not_allowed.clone(),
        );
        registry.register("keys", "Usable keys", self.keys.clone());
        registry.register(
            "rollback",
            "1: refuses to sign, peers remember more",
            self.rollback.clone(),
        );
        registry.register("restarts", "Starts from the store after a fault", self.restarts.clone());
    }
}
