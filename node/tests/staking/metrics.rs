//! The chapters of docs/metrics.md on staking, and what a network with staking exports.

use std::collections::BTreeSet;

use eyre::{Result, ensure};
use trestle_devnet::network::staking::StakingOptions;

use crate::{
    metrics_document::{Named, documented, metric},
    support::{active, ask, phase, play, small},
};

#[tokio::test]
async fn metrics__should_be_those_of_the_document() -> Result<()> {
    // Given: a stake, its unbonding, a broker.
    play(&StakingOptions { amqp: true, ..small() }, async |net| {
        let (staker, stake) = active(net, 1).await?;
        ask(net, &staker, &stake).await?;
        phase(net, &stake, "in_mempool").await?;

        // When
        let (ours, general) = (documented(true), documented(false));
        let mut exported = Named::new();
        for node in net.members.iter().chain([&net.coordinator]) {
            for sample in node.metrics().await?.all().keys() {
                let (name, labels) = metric(sample, &ours);
                exported.entry(name).or_default().extend(labels);
            }
        }

        // Then
        for (name, labels) in &ours {
            let found = exported.get(name);
            // A family has samples once something was counted; queues that failed, for example.
            let quiet = found.is_none() && !labels.is_empty();
            ensure!(found.is_some() || quiet, "{name} is documented and not exported");
            let none = BTreeSet::new();
            let shown = found.filter(|found| !found.is_empty()).unwrap_or(&none);
            ensure!(
                shown.is_empty() || shown == labels,
                "{name}: {shown:?}, documented {labels:?}"
            );
        }
        let known = |name: &String| {
            let parts = ["_bucket", "_sum", "_count"];
            let whole = parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
            name.starts_with("libp2p_")
                || ours.contains_key(name)
                || general.contains_key(whole)
                || general.contains_key(name)
        };
        let unknown: Vec<_> = exported.keys().filter(|name| !known(name)).collect();
        ensure!(unknown.is_empty(), "exported and not documented: {unknown:?}");
        Ok(())
    })
    .await
}
