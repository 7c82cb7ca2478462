//! Who is talked to: the bootnode's end, other parameters, other committees.

use std::fs;

use eyre::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use trestle_devnet::{
    network::{COMMITTEE, Devnet, DevnetOptions, Node, NodeSpec},
    wait,
};

use crate::support::{COIN, Order, PATIENCE, funded, online, paid_once, play, settle, unready};

/// Waits until a node's log has this.
async fn logged(node: &Node, part: &str) -> Result<()> {
    wait::until(&format!("{part:?} in the log of {}", node.name()), PATIENCE, async || {
        Ok(node.logged().contains(part).then_some(()))
    })
    .await
}

async fn agreeing(node: &Node) -> Result<Vec<Value>> {
    let facts = node.get("/v1/node").await?;
    let peers = facts["peers"].as_array().cloned().unwrap_or_default();
    Ok(peers.into_iter().filter(|peer| peer["agrees"] == true).collect())
}

#[tokio::test]
async fn bootnode__should_be_ready_before_anyone_comes() -> Result<()> {
    let mut devnet = Devnet::prepare(&DevnetOptions::default()).await?;
    devnet.bootnode.start()?;
    devnet.committee[0].start()?;
    play(devnet, async |devnet| {
        devnet.bootnode.wait_ready().await?;
        devnet.bootnode.kill()?;
        // A member needs the others.
        unready(&devnet.committee[0], "p2p", "none of the 3 peers").await
    })
    .await
}

#[tokio::test]
async fn network__should_live_on_without_its_bootnode() -> Result<()> {
    let devnet = Devnet::start(&DevnetOptions::default()).await?;
    play(devnet, async |devnet| {
        funded(devnet, 3).await?;
        devnet.bootnode.kill()?;
        settle(devnet, &Order::new(1, COIN / 2)).await?;

        // A member that comes back knows only the dead bootnode; the others look for it.
        devnet.committee[0].kill()?;
        devnet.committee[0].restart().await?;
        devnet.committee[1].kill()?;
        let order = Order::new(2, COIN / 2);
        settle(devnet, &order).await?;
        paid_once(devnet, &order).await
    })
    .await
}

#[tokio::test]
async fn node__should_be_told_which_part_of_its_parameters_differs() -> Result<()> {
    let mut devnet = Devnet::prepare(&DevnetOptions::default()).await?;
    let other = devnet.folder().join("conf/other.toml");
    let text = fs::read_to_string(devnet.params())?;
    fs::write(&other, text.replace("threshold = 2", "threshold = 3"))?;
    devnet.committee[2].configure(&[format!("params = {other:?}")])?;
    for node in devnet.nodes_mut() {
        node.start()?;
    }
    devnet.coordinator.wait_ready().await?;
    play(devnet, async |devnet| {
        online(devnet, 2).await?;
        let differing = &devnet.committee[2];
        let message = format!("sections=\"committee.{COMMITTEE}\"");
        for node in [&devnet.coordinator, differing] {
            logged(node, "peer has other parameters: compare the parameter files").await?;
            logged(node, &message).await?;
        }
        let readiness = differing.readiness().await?;
        ensure!(readiness["ready"] == false, "{readiness}");
        ensure!(agreeing(differing).await?.is_empty(), "someone agrees with it");
        let peers = agreeing(&devnet.coordinator).await?;
        ensure!(!peers.iter().any(|peer| peer["peer"] == differing.peer()), "{peers:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn strangers__should_not_be_admitted() -> Result<()> {
    let devnet = Devnet::start(&DevnetOptions::default()).await?;
    // A committee of its own, which calls itself the same.
    let mut strangers = Vec::new();
    for name in ["stranger", "second-stranger"] {
        strangers.push(devnet.add(NodeSpec::new(name, "committee").role("coordinator")).await?);
    }
    let params = devnet.folder().join("conf/strange-params.toml");
    strangers[0].configure(&[format!("params = {params:?}")])?;
    Devnet::write_params(&params, 2, &strangers, &[&strangers[0]])?;
    let mut stranger = strangers.remove(0);
    stranger.start()?;
    // One with our parameters, which do not list it.
    let mut guest = devnet.add(NodeSpec::new("guest", "bootnode")).await?;
    guest.start()?;
    guest.wait_ready().await?;
    play(devnet, async |devnet| {
        logged(&stranger, &format!("sections=\"committee.{COMMITTEE}\"")).await?;
        ensure!(agreeing(&stranger).await?.is_empty(), "someone agrees with the stranger");

        funded(devnet, 1).await?;
        settle(devnet, &Order::new(1, COIN / 2)).await?;

        let path = format!("/v1/committees/{COMMITTEE}/dkg");
        let refused = guest.admin(Method::POST, &path, &json!({})).await;
        let refused = refused.err().map(|error| error.to_string()).unwrap_or_default();
        ensure!(refused.contains("not a coordinator"), "{refused}");
        let peers = agreeing(&devnet.coordinator).await?;
        ensure!(!peers.iter().any(|peer| peer["peer"] == stranger.peer()), "{peers:?}");
        stranger.stop().await?;
        guest.stop().await
    })
    .await
}
