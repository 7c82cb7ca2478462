//! A broker that is away for a while.

use std::collections::BTreeSet;

use eyre::{OptionExt as _, Result, WrapErr as _, ensure};
use serde_json::Value;
use trestle_devnet::{network::staking::StakingOptions, wait};
use trestle_staking::events::Queue;

use crate::support::{PATIENCE, active, play, small};

/// Without a broker: whoever listens to the node hears of a stake as it counts.
#[tokio::test]
async fn events__should_be_among_those_of_the_node() -> Result<()> {
    play(&small(), async |net| {
        let about = |event: &Value| event["kind"] == "staking" && event["what"] == "active";
        let heard = |seen: &[Value]| seen.iter().any(about);
        let (heard, staked) =
            tokio::join!(net.coordinator.stream("/v1/events", heard), active(net, 1));
        let (heard, (_, stake)) = (heard?, staked?);
        let event = heard.iter().find(|event| about(event)).ok_or_eyre("heard above")?;
        ensure!(event["staking_tx"] == stake.outpoint.txid.to_string(), "{event}");
        ensure!(event["reverted"] == false && event["number"].as_u64() > Some(0), "{event}");
        Ok(())
    })
    .await
}

/// The value locked as of each confirmed block, for those who ask for it.
#[tokio::test]
async fn confirmed_info__should_reach_its_queue_where_the_config_has_it() -> Result<()> {
    let coordinator_settings = vec!["staking.confirmed_info = true".into()];
    let options = StakingOptions { amqp: true, coordinator_settings, ..small() };
    play(&options, async |net| {
        active(net, 2).await?;
        let rabbit = net.rabbit.as_ref().ok_or_eyre("a broker")?;
        let mut last = Value::Null;
        wait::until("the two bitcoins to be told as locked", PATIENCE, async || {
            for taken in rabbit.take(Queue::ConfirmedInfo.name()).await? {
                let id = format!(":{}:confirmed_info", taken.body["height"]);
                ensure!(taken.message_id.ends_with(&id), "{}: {}", taken.message_id, taken.body);
                last = taken.body;
            }
            Ok((last["tvl"] == 200_000_000).then_some(()))
        })
        .await
        .wrap_err_with(|| format!("the last was {last}"))
    })
    .await
}

/// Indexing goes on without it, and when it is back it gets everything.
#[tokio::test]
async fn events__should_all_arrive_although_the_broker_was_away() -> Result<()> {
    play(&StakingOptions { amqp: true, ..small() }, async |net| {
        let mut stakes = BTreeSet::new();
        stakes.insert(active(net, 1).await?.1.outpoint.txid.to_string());
        // Crashed with messages in its queue, and away while others come.
        net.rabbit.as_mut().ok_or_eyre("a broker")?.crash()?;
        stakes.insert(active(net, 2).await?.1.outpoint.txid.to_string());
        stakes.insert(active(net, 1).await?.1.outpoint.txid.to_string());
        wait::until("the metrics to show that events are owed", PATIENCE, async || {
            let metrics = net.coordinator.metrics().await?;
            let owed = metrics.get("trestle_events_owed").unwrap_or_default();
            Ok((owed > 0.0 && metrics.get("trestle_events_connected") == Some(0.0)).then_some(()))
        })
        .await?;
        // Nobody who reads the API notices.
        ensure!(net.coordinator.readiness().await?["ready"] == true);
        // Nor is anything lost when the coordinator goes as well.
        net.coordinator.kill()?;
        net.coordinator.start()?;
        net.coordinator.wait_ready().await?;

        net.rabbit.as_mut().ok_or_eyre("a broker")?.start_again().await?;

        let rabbit = net.rabbit.as_ref().ok_or_eyre("a broker")?;
        let mut arrived = BTreeSet::new();
        let mut ids = BTreeSet::new();
        wait::until("every stake to arrive", PATIENCE, async || {
            for taken in rabbit.take(Queue::Active.name()).await? {
                let hash = taken.body["staking_tx_hash_hex"].as_str().unwrap_or_default();
                arrived.insert(hash.to_owned());
                ids.insert(taken.message_id);
            }
            Ok((arrived.len() >= stakes.len()).then_some(()))
        })
        .await?;
        ensure!(arrived == stakes, "{arrived:?} is not {stakes:?}");
        ensure!(ids.len() == stakes.len(), "an event under two ids: {ids:?}");
        Ok(())
    })
    .await
}
