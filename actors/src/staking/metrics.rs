//! What staking counts: the names that others' dashboards know (`si_*`), and our own.
//!
//! OpenMetrics wants the names of counters to end in `_total`, and the client library appends it.
//! The reference indexer's names do not end so, and they are part of its contract: those counters
//! are exported as metrics of unknown type, under exactly their names. Prometheus keeps the same
//! series either way.
//!
//! Counters begin at 0 with every start of the node, as those of the reference indexer do. Unlike
//! there, an invalid transaction is counted once when its block comes in and once when that is
//! confirmed, not again with every block between.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder},
    metrics::{MetricType, TypedMetric, counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use trestle_staking::tally::Totals;

use super::{
    index::Taken,
    rows::{Head, Invalid},
};

/// A counter that is exported under exactly its name.
#[derive(Clone, Debug, Default)]
pub struct Named(Arc<AtomicU64>);

impl Named {
    /// Adds to it.
    pub fn inc_by(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl EncodeMetric for Named {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        // Two to the 63 of anything here is not to be had.
        encoder.encode_gauge(&i64::try_from(self.get()).unwrap_or(i64::MAX))
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for Named {
    const TYPE: MetricType = MetricType::Unknown;
}

/// The label of two of the counters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TxType {
    /// The word.
    pub tx_type: &'static str,
}

/// The reference indexer's metrics.
#[derive(Clone, Debug, Default)]
pub struct Compatible {
    start_height: Gauge,
    processed_height: Gauge,
    active_tvl: Gauge,
    found_staking: Gauge,
    found_unbonding: Gauge,
    found_withdraw_staking: Gauge,
    found_withdraw_unbonding: Gauge,
    staking: Family<TxType, Named>,
    unbonding: Named,
    withdraw_staking: Named,
    withdraw_unbonding: Named,
    failed_staking: Named,
    failed_unconfirmed_block: Named,
    failed_checking_unbonding: Named,
    failed_unbonding: Named,
    failed_withdraw_staking: Named,
    failed_withdraw_unbonding: Named,
    major_reorgs: Named,
    invalid: Family<TxType, Named>,
}

/// What staking counts.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Under the reference indexer's names.
    pub compatible: Compatible,
    /// Height of the last block gone through.
    pub height: Gauge,
    /// Height of the last block that counts.
    pub confirmed_height: Gauge,
    /// Blocks gone through.
    pub blocks: Counter,
    /// Blocks undone.
    pub undone: Counter,
    /// Facts told before that are not true any more.
    pub reverted: Counter,
    /// Timelocks that ended.
    pub expired: Counter,
    /// Outputs that were slashed.
    pub slashed: Counter,
    /// Outputs that were spent in ways that fit no path.
    pub spent_otherwise: Counter,
    /// Satoshis that are locked: confirmed, under the cap, neither unbonded, expired nor spent.
    pub locked: Gauge,
    /// The number of the last event.
    pub last_event: Gauge,
    /// Times that the actor was started again from the store after a fault.
    pub restarts: Counter,
}

impl Metrics {
    /// Registers the reference indexer's names. To be given the registry without any prefix.
    pub fn register_compatible(&self, root: &mut Registry) {
        self.compatible.register(root);
    }

    /// Registers our own under `staking`.
    pub fn register(&self, registry: &mut Registry) {
        let r = registry.sub_registry_with_prefix("staking");
        r.register("height", "Last block gone through", self.height.clone());
        r.register("confirmed_height", "Last block that counts", self.confirmed_height.clone());
        r.register("blocks", "Blocks gone through", self.blocks.clone());
        r.register("undone_blocks", "Blocks undone", self.undone.clone());
        r.register("reverted", "Facts told that are not true any more", self.reverted.clone());
        r.register("expired", "Timelocks that ended", self.expired.clone());
        r.register("slashed", "Outputs slashed", self.slashed.clone());
        r.register("spent_otherwise", "Outputs spent otherwise", self.spent_otherwise.clone());
        r.register("locked_sats", "Satoshis locked under the cap", self.locked.clone());
        r.register("last_event", "Number of the last event", self.last_event.clone());
        r.register("restarts", "Starts from the store after a fault", self.restarts.clone());
    }

    /// What was committed.
    pub fn took(&self, taken: &Taken, head: &Head, totals: &Totals) {
        let counts = &taken.counts;
        self.blocks.inc_by(counts.connected.into());
        self.undone.inc_by(counts.disconnected.into());
        self.reverted.inc_by(counts.reverted.into());
        self.expired.inc_by(counts.expired.into());
        self.slashed.inc_by(counts.slashed.into());
        self.spent_otherwise.inc_by(counts.otherwise.into());
        self.compatible.took(taken);
        self.stands(head, totals);
    }

    /// Where the index stands, also when it has just been read back.
    pub fn stands(&self, head: &Head, totals: &Totals) {
        set(&self.height, head.tip.map(|tip| tip.height));
        set(&self.confirmed_height, head.confirmed());
        self.locked.set(totals.counters.locked_tvl);
        self.last_event.set(i64::try_from(head.last_event).unwrap_or(i64::MAX));
        set(&self.compatible.start_height, Some(head.start));
        set(&self.compatible.processed_height, head.confirmed());
        self.compatible.active_tvl.set(totals.unconfirmed_tvl());
    }

    /// A block could not be gone through.
    pub fn failed(&self) {
        self.compatible.failed_unconfirmed_block.inc_by(1);
    }
}

impl Compatible {
    fn took(&self, taken: &Taken) {
        let (counts, found) = (&taken.counts, &taken.found);
        self.staked("active").inc_by(counts.active.into());
        self.staked("overflow").inc_by(counts.overflow.into());
        self.unbonding.inc_by(counts.unbonding.into());
        self.withdraw_staking.inc_by(counts.withdrawn_staking.into());
        self.withdraw_unbonding.inc_by(counts.withdrawn_unbonding.into());
        self.failed_unbonding.inc_by(counts.rejected.into());
        // Where the reference indexer gives up, however many blocks it is.
        self.major_reorgs.inc_by(counts.major.into());
        for (words, invalid) in
            [(UNCONFIRMED, &counts.invalid_seen), (CONFIRMED, &counts.invalid_confirmed)]
        {
            for (word, count) in words.into_iter().zip(each(invalid)) {
                self.invalid(word).inc_by(count.into());
            }
        }
        set(&self.found_staking, found.staking);
        set(&self.found_unbonding, found.unbonding);
        set(&self.found_withdraw_staking, found.withdraw_staking);
        set(&self.found_withdraw_unbonding, found.withdraw_unbonding);
    }

    fn staked(&self, tx_type: &'static str) -> Named {
        self.staking.get_or_create(&TxType { tx_type }).clone()
    }

    fn invalid(&self, tx_type: &'static str) -> Named {
        self.invalid.get_or_create(&TxType { tx_type }).clone()
    }

    fn register(&self, r: &mut Registry) {
        // All label values are there from the start: a dashboard shows 0, not nothing.
        for word in ["active", "overflow"] {
            self.staked(word);
        }
        for word in UNCONFIRMED.into_iter().chain(CONFIRMED) {
            self.invalid(word);
        }
        let gauges: [(&str, &str, &Gauge); 7] = [
            ("si_start_btc_height", "First height looked at", &self.start_height),
            (
                "si_last_processed_btc_height",
                "Last confirmed block gone through",
                &self.processed_height,
            ),
            (
                "si_last_calculated_active_tvl",
                "Unconfirmed value locked in satoshis, the cap ignored",
                &self.active_tvl,
            ),
            ("si_last_found_staking_tx_height", "Last block with a stake", &self.found_staking),
            (
                "si_last_found_unbonding_tx_height",
                "Last block with an unbonding",
                &self.found_unbonding,
            ),
            (
                "si_last_found_withdraw_tx_from_staking_height",
                "Last block with a withdrawal of a stake",
                &self.found_withdraw_staking,
            ),
            (
                "si_last_found_withdraw_tx_from_unbonding_height",
                "Last block with a withdrawal of an unbonding",
                &self.found_withdraw_unbonding,
            ),
        ];
        for (name, help, gauge) in gauges {
            r.register(name, help, gauge.clone());
        }
        let named: [(&str, &str, &Named); 10] = [
            ("si_total_unbonding_txs", "Unbondings confirmed", &self.unbonding),
            (
                "si_total_withdraw_txs_from_staking",
                "Withdrawals of stakes confirmed",
                &self.withdraw_staking,
            ),
            (
                "si_total_withdraw_txs_from_unbonding",
                "Withdrawals of unbondings confirmed",
                &self.withdraw_unbonding,
            ),
            (
                "si_failed_processing_staking_txs_counter",
                "Stakes that failed: none does here, a failure is of a block",
                &self.failed_staking,
            ),
            (
                "si_failed_processing_unconfirmed_block_counter",
                "Commits of blocks that failed and were repeated",
                &self.failed_unconfirmed_block,
            ),
            (
                "si_failed_checking_unbonding_txs_counter",
                "Unbondings whose check failed: none does here",
                &self.failed_checking_unbonding,
            ),
            (
                "si_failed_processing_unbonding_txs_counter",
                "Facts of the chain that contradict a delegation",
                &self.failed_unbonding,
            ),
            (
                "si_failed_processing_withdraw_txs_from_staking_counter",
                "Withdrawals that failed: none does here",
                &self.failed_withdraw_staking,
            ),
            (
                "si_failed_processing_withdraw_txs_from_unbonding_counter",
                "Withdrawals that failed: none does here",
                &self.failed_withdraw_unbonding,
            ),
            (
                "si_major_reorgs_counter",
                "Reorganisations deeper than the confirmation depth",
                &self.major_reorgs,
            ),
        ];
        for (name, help, counter) in named {
            r.register(name, help, counter.clone());
        }
        r.register("si_total_staking_txs", "Stakes confirmed", self.staking.clone());
        r.register(
            "si_invalid_txs_counter",
            "Transactions that the parameters do not allow",
            self.invalid.clone(),
        );
    }
}

/// In the order of [`each`]. The reference indexer does not tell unconfirmed withdrawals apart.
const UNCONFIRMED: [&str; 4] = [
    "unconfirmed_staking_transaction",
    "unconfirmed_unbonding_transactions",
    "unconfirmed_unknown_transaction",
    "unconfirmed_unknown_transaction",
];
const CONFIRMED: [&str; 4] = [
    "confirmed_staking_transaction",
    "confirmed_unbonding_transactions",
    "confirmed_withdraw_staking_transactions",
    "confirmed_withdraw_unbonding_transactions",
];

const fn each(invalid: &Invalid) -> [u32; 4] {
    [
        invalid.stakes,
        invalid.unbondings,
        invalid.withdrawals_from_staking,
        invalid.withdrawals_from_unbonding,
    ]
}

fn set(gauge: &Gauge, value: Option<u32>) {
    if let Some(value) = value {
        gauge.set(value.into());
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;
    use crate::staking::index::Counts;

    fn text(registry: &Registry) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, registry).expect("a String grows");
        text
    }

    #[test]
    fn metrics__should_export_the_reference_names_exactly() {
        // Given
        let (metrics, mut registry) = (Metrics::default(), Registry::default());
        metrics.register_compatible(&mut registry);
        let invalid = Invalid { stakes: 2, unbondings: 3, ..Invalid::default() };
        let counts = Counts {
            active: 2,
            overflow: 1,
            unbonding: 4,
            deep: 5,
            major: 1,
            invalid_seen: invalid,
            invalid_confirmed: Invalid { withdrawals_from_unbonding: 6, ..invalid },
            ..Counts::default()
        };
        // When
        metrics.took(&Taken { counts, ..Taken::default() }, &Head::new(115, 2), &Totals::default());
        // Then
        let text = text(&registry);
        for line in [
            "si_start_btc_height 115",
            "si_last_processed_btc_height 0",
            "si_last_calculated_active_tvl 0",
            "si_last_found_staking_tx_height 0",
            "si_last_found_unbonding_tx_height 0",
            "si_last_found_withdraw_tx_from_staking_height 0",
            "si_last_found_withdraw_tx_from_unbonding_height 0",
            "si_total_staking_txs{tx_type=\"active\"} 2",
            "si_total_staking_txs{tx_type=\"overflow\"} 1",
            "si_total_unbonding_txs 4",
            "si_total_withdraw_txs_from_staking 0",
            "si_total_withdraw_txs_from_unbonding 0",
            "si_failed_processing_staking_txs_counter 0",
            "si_failed_processing_unconfirmed_block_counter 0",
            "si_failed_checking_unbonding_txs_counter 0",
            "si_failed_processing_unbonding_txs_counter 0",
            "si_failed_processing_withdraw_txs_from_staking_counter 0",
            "si_failed_processing_withdraw_txs_from_unbonding_counter 0",
            "si_major_reorgs_counter 1",
            "si_invalid_txs_counter{tx_type=\"confirmed_staking_transaction\"} 2",
            "si_invalid_txs_counter{tx_type=\"unconfirmed_staking_transaction\"} 2",
            "si_invalid_txs_counter{tx_type=\"confirmed_unbonding_transactions\"} 3",
            "si_invalid_txs_counter{tx_type=\"unconfirmed_unbonding_transactions\"} 3",
            "si_invalid_txs_counter{tx_type=\"unconfirmed_unknown_transaction\"} 0",
            "si_invalid_txs_counter{tx_type=\"confirmed_withdraw_staking_transactions\"} 0",
            "si_invalid_txs_counter{tx_type=\"confirmed_withdraw_unbonding_transactions\"} 6",
        ] {
            assert!(text.lines().any(|each| each == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("_total{") && !text.contains("_total "), "{text}");
    }
}
