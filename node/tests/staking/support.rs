//! A staking network and its stakes: what every story begins with, and what it looks at.
//!
//! A story ends with an error that has the end of every node's log; whatever its end, the network
//! is stopped.

use std::time::Duration;

use bitcoin::{Amount, Txid};
use eyre::{Result, WrapErr as _, ensure};
use serde_json::Value;
use trestle_actors::staking::query;
use trestle_devnet::{
    network::{
        Node,
        staking::{FIRST_ACTIVATION, Staker, StakingNet, StakingOptions},
    },
    wait,
};
use trestle_staking::{Stake, VersionParams};
use trestle_store_sql::{Config, SqlStore};

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// The lock of stakes here: none ends in a story.
pub(crate) const LOCK: u16 = 1_000;

/// Without what a story does not need: no wallet, SQLite, no broker.
pub(crate) fn small() -> StakingOptions {
    StakingOptions { wallet: false, ..StakingOptions::default() }
}

/// Starts a network at the first activation height, plays a story on it, then stops it and looks
/// whether a node ended in a way it should not.
pub(crate) async fn play(
    options: &StakingOptions,
    story: impl AsyncFnOnce(&mut StakingNet) -> Result<()>,
) -> Result<()> {
    let mut net = StakingNet::prepare(options).await?;
    let told = async {
        net.start_nodes().await?;
        net.mine_to(FIRST_ACTIVATION - 1).await?;
        story(&mut net).await
    };
    let told = match told.await {
        Ok(()) => net.stop().await.and_then(|()| no_panics(&net)),
        failed => failed,
    };
    told.map_err(|error| error.wrap_err(logs(&net)))
}

fn no_panics(net: &StakingNet) -> Result<()> {
    for node in net.nodes() {
        ensure!(!node.logged().contains("panicked at"), "{} panicked", node.name());
    }
    Ok(())
}

fn logs(net: &StakingNet) -> String {
    const LINES: usize = 40;
    let tail = |node: &Node| {
        let log = node.logged();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(LINES)..].join("\n");
        format!("--- {}\n{tail}\n", node.name())
    };
    net.nodes().map(tail).collect()
}

/// The parameters that stories live under.
pub(crate) fn params(net: &StakingNet) -> Result<VersionParams> {
    net.version(0).cloned()
}

/// Somebody's stake, in the mempool.
pub(crate) async fn stake(net: &StakingNet, btc: u64) -> Result<(Staker, Stake)> {
    let staker = net.staker();
    let value = Amount::from_int_btc(btc);
    let stake = staker.stake(&net.bitcoind, &params(net)?, value, LOCK).await?;
    Ok((staker, stake))
}

/// Somebody's stake, active.
pub(crate) async fn active(net: &StakingNet, btc: u64) -> Result<(Staker, Stake)> {
    let (staker, stake) = stake(net, btc).await?;
    net.mine(2).await?;
    net.state(stake.outpoint.txid, "active").await?;
    Ok((staker, stake))
}

/// Asks to unbond, which must be accepted. Gives the unbonding transaction's id.
pub(crate) async fn ask(net: &StakingNet, staker: &Staker, stake: &Stake) -> Result<Txid> {
    let request = staker.unbonding_request(stake, &params(net)?)?;
    let (status, body) = net.ask_unbonding(&request).await?;
    ensure!(status == 202 && body.is_null(), "expected 202 and null, got {status}: {body}");
    Ok(Staker::unbonding(stake, &params(net)?)?.compute_txid())
}

/// Waits until a request is in a phase. Gives it.
pub(crate) async fn phase(net: &StakingNet, stake: &Stake, phase: &str) -> Result<Value> {
    let mut last = Value::Null;
    let what = format!("the request to be {phase}");
    let reached = wait::until(&what, PATIENCE, async || {
        let Ok(Some(now)) = net.delegation(stake.outpoint.txid).await else { return Ok(None) };
        last = now["unbonding_request"].clone();
        Ok((last["phase"] == phase).then(|| last.clone()))
    });
    reached.await.wrap_err_with(|| format!("it is {last}"))
}

/// Events of the stored stream about a stake, in order: what, and whether it was taken back.
pub(crate) async fn told(net: &StakingNet, txid: Txid) -> Result<Vec<(&'static str, bool)>> {
    const ALL: u32 = 1_000;
    let config = Config::new(&net.database(&net.coordinator))?;
    let store = SqlStore::open_reader(config).await?;
    let rows = query::events(&store, 0, ALL).await?;
    store.close().await;
    let views = rows.iter().map(|(_, row)| row.view());
    Ok(views.filter(|v| v.txid == Some(txid)).map(|v| (v.kind, v.reverted)).collect())
}

/// Waits until so many signatures for a request are there.
pub(crate) async fn signatures(net: &StakingNet, stake: &Stake, number: u64) -> Result<()> {
    let mut last = Value::Null;
    let reached = wait::until("signatures", PATIENCE, async || {
        let Ok(Some(now)) = net.delegation(stake.outpoint.txid).await else { return Ok(None) };
        last = now["unbonding_request"].clone();
        Ok((last["signatures"] == number).then_some(()))
    });
    reached.await.wrap_err_with(|| format!("expected {number}, it is {last}"))
}

/// Waits until a component of a node is not ready.
pub(crate) async fn unready(node: &Node, component: &str) -> Result<()> {
    let what = format!("{component} of {} not to be ready", node.name());
    wait::until(&what, PATIENCE, async || {
        let Ok(readiness) = node.readiness().await else { return Ok(None) };
        let said = &readiness["components"][component];
        Ok((said.is_string() && said != "ready").then_some(()))
    })
    .await
}
