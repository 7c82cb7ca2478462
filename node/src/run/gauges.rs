//! What only the wiring can show: the chain's tip and who lags behind it, and counters at 0 from the
//! start.
//!
//! Always holds: the chain is asked nothing for a scrape; what is shown is what the last look saw,
//! and nothing is shown while bitcoind does not answer.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{
        MetricType,
        gauge::{ConstGauge, Gauge},
    },
};
use tokio::sync::watch;
use trestle_actors::{
    committee,
    coordinator::{self},
    ports::chain::ChainStatus,
};

use super::actors::Parts;
use crate::metrics;

/// Registers `trestle_chain_tip_…`.
pub(super) fn tip(parts: &mut Parts<'_>) {
    let shown = Tip { status: parts.chain.clone() };
    metrics::ours(parts.registry).register_collector(Box::new(shown));
}

/// Registers `trestle_chain_lag_blocks{consumer}` for a consumer of blocks whose last one is at
/// `height`; 0 means that it follows nothing yet.
pub(super) fn lag(consumer: &'static str, height: Gauge, parts: &mut Parts<'_>) {
    let shown = Lag { status: parts.chain.clone(), consumer, height };
    metrics::ours(parts.registry).register_collector(Box::new(shown));
}

/// Shows a member's counters at 0. Prometheus sees no increase from nothing to 1, so an alarm for
/// "any" would miss the first.
pub(super) fn show_committee(counters: &committee::Metrics) {
    const REFUSALS: [&str; 8] =
        ["busy", "chain", "malformed", "nonces", "policy", "rollback", "stale", "store"];
    for reason in REFUSALS {
        let _ = counters.refused.get_or_create(&committee::metrics::Reason { reason });
    }
    for outcome in ["certified", "ended", "ready"] {
        let _ = counters.dkg.get_or_create(&committee::metrics::Outcome { outcome });
    }
}

/// The same for a coordinator's.
pub(super) fn show_coordinator(counters: &coordinator::Metrics) {
    const REJECTED: [&str; 9] = [
        "bad_status",
        "dkg",
        "key_differs",
        "key_not_ready",
        "key_unasked",
        "nonce_number",
        "nonces_unasked",
        "not_a_member",
        "session",
    ];
    for kind in ["dkg", "payment", "proof", "text"] {
        for outcome in ["done", "failed"] {
            let session = coordinator::metrics::Session { kind, outcome };
            let _ = counters.sessions.get_or_create(&session);
        }
    }
    for reason in ["dkg", "silent", "wrong_share"] {
        let _ = counters.blame.get_or_create(&coordinator::metrics::Reason { reason });
    }
    for reason in REJECTED {
        let _ = counters.rejected.get_or_create(&coordinator::metrics::Reason { reason });
    }
}

/// The best block that bitcoind has.
#[derive(Debug)]
struct Tip {
    status: watch::Receiver<ChainStatus>,
}

impl Collector for Tip {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some((height, time)) = connected(&self.status) else { return Ok(()) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let age = now.saturating_sub(u64::from(time));
        let shown = [
            ("chain_tip_height", "The height of bitcoind's best block", i64::from(height)),
            (
                "chain_tip_age_seconds",
                "The time since the one in bitcoind's best block",
                i64::try_from(age).unwrap_or(i64::MAX),
            ),
        ];
        for (name, help, value) in shown {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

/// How far a consumer of blocks is behind.
#[derive(Debug)]
struct Lag {
    status: watch::Receiver<ChainStatus>,
    consumer: &'static str,
    height: Gauge,
}

impl Collector for Lag {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some((tip, _)) = connected(&self.status) else { return Ok(()) };
        let height = self.height.get();
        if height <= 0 {
            return Ok(());
        }
        // It may have heard of a block before the last look at the tip.
        let behind = ConstGauge::new(i64::from(tip).saturating_sub(height).max(0));
        let help = "Blocks that a consumer is behind bitcoind's best one";
        let mut family =
            encoder.encode_descriptor("chain_lag_blocks", help, None, MetricType::Gauge)?;
        behind.encode(family.encode_family(&[("consumer", self.consumer)])?)
    }
}

/// Height and time of the tip.
fn connected(status: &watch::Receiver<ChainStatus>) -> Option<(u32, u32)> {
    match &*status.borrow() {
        ChainStatus::Connected { tip, time, .. } => Some((tip.height, *time)),
        ChainStatus::Unknown | ChainStatus::Unreachable(_) | ChainStatus::Wrong(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use bitcoin::{BlockHash, hashes::Hash as _};
    use prometheus_client::registry::Registry;

    use super::*;

    fn text(registry: &Registry) -> String {
        metrics::encode(registry)
    }

    #[test]
    fn lag__should_be_what_a_consumer_has_not_read() {
        // given
        let (bitcoind, status) = watch::channel(ChainStatus::Unknown);
        let (mut registry, height) = (Registry::default(), Gauge::default());
        registry.register_collector(Box::new(Tip { status: status.clone() }));
        let consumer = "wallet";
        registry.register_collector(Box::new(Lag { status, consumer, height: height.clone() }));
        assert!(!text(&registry).contains("chain_"), "bitcoind has not answered");

        // when
        let tip = trestle_actors::ports::chain::Tip { height: 120, hash: BlockHash::all_zeros() };
        bitcoind.send_replace(ChainStatus::Connected { tip, time: 1, ibd: false });

        // then
        assert!(text(&registry).contains("\nchain_tip_height 120\n"), "{}", text(&registry));
        assert!(!text(&registry).contains("chain_lag_blocks"), "it follows nothing yet");
        height.set(117);
        let lag = "\nchain_lag_blocks{consumer=\"wallet\"} 3\n";
        assert!(text(&registry).contains(lag), "{}", text(&registry));
        height.set(121);
        assert!(text(&registry).contains("\nchain_lag_blocks{consumer=\"wallet\"} 0\n"));
    }
}
