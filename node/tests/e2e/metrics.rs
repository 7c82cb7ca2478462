//! `/metrics` and docs/metrics.md say the same: what one has and the other does not is an error of
//! either.

use std::collections::BTreeSet;

use eyre::{Result, ensure};
use trestle_devnet::{
    network::{Devnet, DevnetOptions},
    wait,
};

use crate::{
    metrics_document::{Named, documented, first_cells, metric, quoted},
    support::{COIN, Order, PATIENCE, funded, play, settle},
};

/// What libp2p's groups begin with: `libp2p_x_…`.
fn groups() -> Vec<&'static str> {
    let groups = first_cells(false).flat_map(quoted);
    groups.filter_map(|text| text.strip_suffix('…')).filter(|g| g.starts_with("libp2p_")).collect()
}

#[tokio::test]
async fn metrics__should_be_those_of_the_document() -> Result<()> {
    // given a network with a relay in use, a key and a payment
    let options = DevnetOptions { hidden_members: 1, ..DevnetOptions::default() };
    let devnet = Devnet::start(&options).await?;
    play(devnet, async |devnet| {
        funded(devnet, 1).await?;
        settle(devnet, &Order::new(1, COIN / 2)).await?;

        // when
        let documented = documented(false);
        let (mut exported, mut foreign) = (Named::new(), BTreeSet::new());
        for node in devnet.nodes() {
            let metrics = node.metrics().await?;
            for sample in metrics.all().keys() {
                if sample.starts_with("libp2p_") {
                    foreign.insert(sample.clone());
                } else {
                    let (name, labels) = metric(sample, &documented);
                    exported.entry(name).or_default().extend(labels);
                }
            }
        }

        // then
        let only = |a: &Named, b: &Named| -> Vec<String> {
            let missing = a.iter().filter(|(name, labels)| b.get(*name) != Some(*labels));
            missing.map(|(name, labels)| format!("{name} {labels:?}")).collect()
        };
        let (unknown, missing) = (only(&exported, &documented), only(&documented, &exported));
        ensure!(unknown.is_empty(), "exported and not documented so: {unknown:#?}");
        ensure!(missing.is_empty(), "documented and not exported so: {missing:#?}");
        let groups = groups();
        ensure!(groups.len() > 4, "the document names only the groups {groups:?}");
        for group in &groups {
            let there = foreign.iter().any(|sample| sample.starts_with(group));
            ensure!(there, "{group} is documented, and nothing of it is exported");
        }
        for sample in &foreign {
            let told = groups.iter().any(|group| sample.starts_with(group));
            ensure!(told, "{sample} is of no documented group");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn lag__should_show_that_a_consumer_has_caught_up() -> Result<()> {
    let devnet = Devnet::start(&DevnetOptions::default()).await?;
    play(devnet, async |devnet| {
        funded(devnet, 1).await?;
        devnet.bitcoind.mine(7).await?;
        let tip = devnet.bitcoind.rpc("getblockcount", serde_json::json!([])).await?;
        for node in devnet.committee.iter().chain([&devnet.coordinator]) {
            wait::until("the tip to be shown", PATIENCE, async || {
                let shown = node.metrics().await?.get("trestle_chain_tip_height");
                Ok((shown.map(|height| height.to_string()) == Some(tip.to_string())).then_some(()))
            })
            .await?;
            let age = node.metrics().await?.get("trestle_chain_tip_age_seconds");
            ensure!(age.is_some_and(|age| age < 600.0), "{}: {age:?}", node.name());
        }
        let lag = "trestle_chain_lag_blocks{consumer=\"wallet\"}";
        wait::until("the wallet to catch up", PATIENCE, async || {
            let lag = devnet.coordinator.metrics().await?.get(lag);
            Ok(lag.filter(|lag| *lag < 1.0).map(drop))
        })
        .await?;

        // Of a chain that does not answer nothing is known.
        devnet.bitcoind.stop().await?;
        wait::until("the tip to be gone", PATIENCE, async || {
            let metrics = devnet.coordinator.metrics().await?;
            let shown = metrics.get("trestle_chain_tip_height").or(metrics.get(lag));
            Ok(shown.is_none().then_some(()))
        })
        .await
    })
    .await
}
