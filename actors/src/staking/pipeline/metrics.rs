//! What the pipeline counts. `docs/metrics.md` says how to read it.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use trestle_staking::pipeline::{MemberKey, Phase};

use crate::staking::metrics::Named;

/// The pipeline's counters. The first five have the names of the reference pipeline.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Signatures that verified, by member.
    pub signed: Family<Member, Named>,
    /// Refusals, bad signatures and silence, by member.
    pub failed: Family<Member, Named>,
    /// Transactions that went into the mempool or a block.
    pub sent: Named,
    /// Broadcasts that were refused.
    pub refused: Named,
    /// Requests of which so many members failed that the rest make no quorum.
    pub no_quorum: Named,
    /// Open requests by phase.
    pub requests: Family<PhaseLabel, Gauge>,
    /// Signatures that do not verify and answers that do not fit what was asked.
    pub misbehaved: Counter,
    /// Answers that nothing was asked for, late ones among them.
    pub unsolicited: Counter,
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Member {
    /// Its key as the global parameters write it, hexadecimal. As many as members.
    pub covenant_pk: String,
}

/// Where a request is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PhaseLabel {
    /// One of [`Phase`]'s words.
    pub phase: &'static str,
}

impl Member {
    /// Of a key with 33 bytes.
    pub fn new(key: &[u8; 33]) -> Self {
        Self { covenant_pk: hex::encode(key) }
    }

    /// Of a key whose parity is not known here.
    pub(super) fn x_only(key: &MemberKey) -> Self {
        Self { covenant_pk: hex::encode(key) }
    }
}

impl Metrics {
    /// Registers our own under `staking`.
    pub fn register(&self, registry: &mut Registry) {
        let r = registry.sub_registry_with_prefix("staking");
        r.register("requests", "Open requests to unbond, by phase", self.requests.clone());
        r.register(
            "member_misbehaviour",
            "Signatures that do not verify and answers that do not fit",
            self.misbehaved.clone(),
        );
        r.register(
            "unsolicited_answers",
            "Answers of members that nothing was asked for",
            self.unsolicited.clone(),
        );
    }

    /// Registers the reference pipeline's names. To be given the registry without any prefix.
    pub fn register_compatible(&self, root: &mut Registry) {
        let mut add = |name: &str, help: &str, metric: &Named| {
            root.register(name, help, metric.clone());
        };
        add(
            "number_of_successful_unbonding_transactions",
            "Unbondings that went into the mempool or a block",
            &self.sent,
        );
        add(
            "number_of_failed_unbonding_transactions",
            "Broadcasts of unbondings that were refused",
            &self.refused,
        );
        add(
            "number_of_failed_covenant_quorums",
            "Requests of which so many members failed that the rest make no quorum",
            &self.no_quorum,
        );
        root.register(
            "number_of_successful_signing_requests",
            "Signatures that verified, by member",
            self.signed.clone(),
        );
        root.register(
            "number_of_failed_signing_requests",
            "Refusals, bad signatures and silence, by member",
            self.failed.clone(),
        );
    }

    /// Shows how many open requests are in each phase.
    pub(super) fn show(&self, phases: impl Iterator<Item = Phase>) {
        let mut counts = Phase::ALL.map(|phase| (phase, 0_i64));
        for phase in phases {
            if let Some((_, count)) = counts.iter_mut().find(|(known, _)| *known == phase) {
                *count += 1;
            }
        }
        for (phase, count) in counts {
            self.requests.get_or_create(&PhaseLabel { phase: phase.as_str() }).set(count);
        }
    }
}
