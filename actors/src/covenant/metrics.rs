//! What a covenant member counts. `docs/metrics.md` says how to read it.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use trestle_wire::staking::UnbondingRefusal;

use crate::staking::metrics::Named;

/// A covenant member's counters. The first three have the names of the reference signer.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Unbondings that came to be signed.
    pub received: Named,
    /// Those that were answered with a signature.
    pub succeeded: Named,
    /// Those that were not.
    pub failed: Named,
    /// Refusals by reason.
    pub refused: Family<Reason, Counter>,
    /// Answers with a signature that was stored before.
    pub resent: Counter,
    /// Messages of peers that may not ask.
    pub not_allowed: Counter,
    /// Signatures of our own signer that do not verify.
    pub bad_signatures: Counter,
    /// Batches under way.
    pub under_way: Gauge,
    /// Times that the actor was started again from the store after a fault.
    pub restarts: Counter,
}

/// A refusal's reason.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Reason {
    /// One of the fixed words of [`UnbondingRefusal`].
    pub reason: &'static str,
}

impl Metrics {
    /// Registers our own under `covenant`.
    pub fn register(&self, registry: &mut Registry) {
        let r = registry.sub_registry_with_prefix("covenant");
        r.register("refusals", "Unbondings not signed, by reason", self.refused.clone());
        r.register("resent_signatures", "Stored signatures sent again", self.resent.clone());
        r.register("not_allowed", "Messages of peers that may not ask", self.not_allowed.clone());
        r.register(
            "bad_signatures",
            "Signatures of our own signer that do not verify",
            self.bad_signatures.clone(),
        );
        r.register("batches_under_way", "Batches being signed", self.under_way.clone());
        r.register("restarts", "Starts from the store after a fault", self.restarts.clone());
    }

    /// Registers the reference signer's names. To be given the registry without any prefix.
    pub fn register_compatible(&self, root: &mut Registry) {
        let mut add = |name: &str, help: &str, metric: &Named| {
            root.register(name, help, metric.clone());
        };
        let (received, succeeded, failed) = (&self.received, &self.succeeded, &self.failed);
        add("signer_received_signing_requests", "Unbondings to sign", received);
        add("signer_succeeded_signing_requests", "Unbondings signed", succeeded);
        add("signer_failed_signing_requests", "Unbondings not signed", failed);
    }

    pub(super) fn answered(&self, result: &Result<[u8; 64], UnbondingRefusal>) {
        match result {
            Ok(_) => self.succeeded.inc_by(1),
            Err(why) => {
                self.failed.inc_by(1);
                self.refused.get_or_create(&Reason { reason: why.label() }).inc();
            }
        }
    }
}
