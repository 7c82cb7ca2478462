//! Members and a coordinator without a listen address, behind relays.

use eyre::{Result, ensure, eyre};
use serde_json::Value;
use trestle_devnet::network::{Devnet, DevnetOptions};

use crate::support::{COIN, Order, PATIENCE, confirm, funded, paid_once, pay, play, settle};

/// How the coordinator reaches a node: the address, if it is through a relay.
async fn circuit(devnet: &Devnet, peer: &str) -> Result<Option<String>> {
    let facts = devnet.coordinator.get("/v1/node").await?;
    let peers = facts["peers"].as_array().cloned().unwrap_or_default();
    let info = peers.into_iter().find(|info| info["peer"] == peer && info["agrees"] == true);
    let relayed = info.filter(|info| info["relayed"] == true);
    Ok(relayed.and_then(|info| info["address"].as_str().map(str::to_owned)))
}

#[tokio::test]
async fn hidden_nodes__should_make_a_key_and_pay_through_a_relay_and_then_through_another()
-> Result<()> {
    let options = DevnetOptions {
        relays: 2,
        hidden_members: 2,
        hidden_coordinator: true,
        ..DevnetOptions::default()
    };
    let devnet = Devnet::start(&options).await?;
    play(devnet, async |devnet| {
        for node in devnet.committee[..2].iter().chain([&devnet.coordinator]) {
            let facts = node.get("/v1/node").await?;
            let listen = facts["listen"].as_array().cloned().unwrap_or_default();
            let own = |address: &Value| {
                address.as_str().is_some_and(|address| !address.contains("/p2p-circuit"))
            };
            ensure!(!listen.iter().any(own), "{} listens on {listen:?}", node.name());
        }
        funded(devnet, 3).await?;
        settle(devnet, &Order::new(1, COIN / 2)).await?;

        // The relay that the coordinator reaches the first member through is killed.
        let way = circuit(devnet, devnet.committee[0].peer()).await?;
        let way = way.ok_or_else(|| eyre!("the first member is not reached through a relay"))?;
        let used = devnet.relays.iter().position(|relay| way.contains(relay.peer()));
        let used = used.ok_or_else(|| eyre!("{way} leads through neither relay"))?;
        devnet.relays[used].kill()?;
        // Without the third member, which listens, all that is left goes through the other relay.
        devnet.committee[2].kill()?;
        let order = Order::new(2, COIN / 2);
        let payment = pay(devnet, &order).await?;
        confirm(devnet, &payment).await?;
        paid_once(devnet, &order).await?;
        let other = devnet.relays[1 - used].peer().to_owned();
        let peer = devnet.committee[0].peer().to_owned();
        trestle_devnet::wait::until("a way through the other relay", PATIENCE, async || {
            let way = circuit(devnet, &peer).await?;
            Ok(way.is_some_and(|way| way.contains(&other)).then_some(()))
        })
        .await
    })
    .await
}
