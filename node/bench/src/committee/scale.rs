//! Figures without a limit: a committee of 50, and a node that does nothing.

use std::time::{Duration, Instant};

use eyre::{Result, ensure, eyre};
use trestle_devnet::{Devnet, Node, wait};

use super::{AREA, network};
use crate::{
    Bench,
    runs::{Measured, Run},
    say,
};

const MANY: u16 = 50;
const MANY_THRESHOLD: u16 = 34;
const LARGE: &str = "discovery and dkg of 50";
const IDLE: &str = "idle node with 3 peers";
const REST: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at a node that starts.
const LOOK: Duration = Duration::from_millis(5);

pub(super) async fn run(bench: &mut Bench) -> Result<()> {
    if bench.wants(IDLE) {
        idle(bench).await?;
    }
    if bench.wants(LARGE) {
        large(bench).await?;
    }
    Ok(())
}

/// A committee of two: each node has the other, the coordinator and the bootnode.
async fn idle(bench: &mut Bench) -> Result<()> {
    say("idle: starting a member with three peers");
    let mut devnet = Devnet::start(&network::options(2, 2, 64)).await?;
    network::meet(&devnet).await?;
    say(&format!("idle: waiting {} s", REST.as_secs()));
    tokio::time::sleep(REST).await;
    let member = &devnet.committee[0];
    let peers = member.metrics().await?.sum("trestle_p2p_connected_peers");
    ensure!(peers >= 3.0, "expected 3 peers, got {peers}");
    let memory = Measured::once(network::memory(member, "VmRSS")?);
    bench.report.add(AREA, format!("{IDLE}: memory after 60 s"), "MB", &memory, None)?;
    let mut runs = Vec::new();
    for _ in 0..bench.runs {
        let ours = start(&mut devnet.committee[0]).await?;
        runs.push(Run { ours, limit: None });
    }
    let started = Measured::of(runs).ok_or_else(|| eyre!("nothing was measured"))?;
    bench.report.add(AREA, format!("{IDLE}: start until ready"), "ms", &started, None)?;
    devnet.stop().await
}

/// Milliseconds from the start of the process until it says that it is ready.
async fn start(node: &mut Node) -> Result<f64> {
    node.stop().await?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("{}/readyz", node.api_url());
    let begun = Instant::now();
    node.start()?;
    while begun.elapsed() < PATIENCE {
        if http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            return Ok(begun.elapsed().as_secs_f64() * 1_000.0);
        }
        tokio::time::sleep(LOOK).await;
    }
    Err(eyre!("{} was not ready after {} s", node.name(), PATIENCE.as_secs()))
}

/// Everyone finds everyone from one address, and then makes a key.
async fn large(bench: &mut Bench) -> Result<()> {
    say(&format!("large: making the files of {MANY} members"));
    let mut devnet = Devnet::prepare(&network::options(MANY, MANY_THRESHOLD, 0)).await?;
    devnet.bootnode.start()?;
    devnet.bootnode.wait_ready().await?;
    let begun = Instant::now();
    for node in devnet.committee.iter_mut().chain([&mut devnet.coordinator]) {
        node.start()?;
    }
    say("large: all are started");
    for node in devnet.committee.iter_mut().chain([&mut devnet.coordinator]) {
        node.wait_ready().await?;
    }
    say(&format!("large: all are ready after {:.1} s", begun.elapsed().as_secs_f64()));
    network::meet(&devnet).await?;
    let took = Measured::once(begun.elapsed().as_secs_f64());
    bench.report.add(AREA, "discovery, 50 nodes and one bootnode", "s", &took, None)?;
    online(&devnet).await?;
    let before = network::sent(&devnet).await?;
    let (_, took) = network::generate(&devnet).await?;
    let messages = network::sent(&devnet).await? - before;
    bench.report.add(AREA, "dkg 50 of 34: time", "ms", &Measured::once(took), None)?;
    let messages = Measured::once(messages);
    bench.report.add(AREA, "dkg 50 of 34: messages", "messages", &messages, None)?;
    let peak = devnet.committee.iter().map(|node| network::memory(node, "VmHWM"));
    let peak = peak.collect::<Result<Vec<f64>>>()?.into_iter().fold(0.0, f64::max);
    let peak = Measured::once(peak);
    bench.report.add(AREA, "dkg 50 of 34: peak memory of a member", "MB", &peak, None)?;
    let own = Measured::once(network::memory(&devnet.coordinator, "VmHWM")?);
    bench.report.add(AREA, "dkg 50 of 34: peak memory of the coordinator", "MB", &own, None)?;
    devnet.stop().await
}

/// Waits until the coordinator has heard of every member.
async fn online(devnet: &Devnet) -> Result<()> {
    wait::until("all members to be heard of", PATIENCE, async || {
        let path = format!("/v1/committees/{}", trestle_devnet::network::COMMITTEE);
        let committee = devnet.coordinator.get(&path).await?;
        let members = committee["members"].as_array().map(Vec::as_slice).unwrap_or_default();
        let heard = members.iter().filter(|member| member["live"]["online"] == true);
        Ok((heard.count() == usize::from(MANY)).then_some(()))
    })
    .await
}
