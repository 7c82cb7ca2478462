//! The export of a running and of a stopped node, on both databases, and the same from bitcoind's
//! own block files.

use std::fs;

use eyre::{Result, ensure};
use trestle_devnet::network::staking::{DEPTH, StakingNet, StakingOptions};

use crate::support::{active, ask, play, small};

/// A path below the network's folder, as text.
fn place(net: &StakingNet, name: &str) -> String {
    net.folder().join(name).display().to_string()
}

async fn export(net: &StakingNet, name: &str) -> Result<String> {
    let file = place(net, name);
    let done = net.coordinator.command(&["staking", "export", "--output", &file]).await?;
    let text = fs::read_to_string(&file)?;
    ensure!(done["stakes"] == text.lines().count() - 1, "{done}: {text}");
    Ok(text)
}

async fn story(net: &mut StakingNet) -> Result<()> {
    // Given stakes, one of which is being unbonded
    let (_, first) = active(net, 2).await?;
    let (staker, second) = active(net, 3).await?;
    ask(net, &staker, &second).await?;

    // When: while the node runs
    let running = export(net, "running.csv").await?;

    // Then
    ensure!(running.lines().count() == 3, "{running}");
    for stake in [&first, &second] {
        ensure!(running.contains(&stake.outpoint.txid.to_string()), "{running}");
    }

    // And: nobody else writes meanwhile
    let blocks = net.bitcoind.folder().path().join("regtest/blocks").display().to_string();
    let import = ["staking", "import-blocks", &blocks];
    let refused = net.coordinator.command(&import).await.err();
    let refused = refused.map(|error| error.to_string()).unwrap_or_default();
    ensure!(refused.contains("in use by another trestle process"), "{refused}");

    // And: when it is stopped, and from the block files into a database by itself
    net.coordinator.stop().await?;
    ensure!(export(net, "stopped.csv").await? == running, "another export");
    let global = place(net, "conf/global-params.json");
    let database = format!("sqlite:{}", place(net, "imported.sqlite"));
    let depth = DEPTH.to_string();
    let height = net.bitcoind.height().await?;
    let to = ["--params", &global, "--store", &database, "--depth", &depth];
    let done = run(net, &[&import[..], &to].concat()).await?;
    ensure!(done["last_height"] == height && done["blocks"] == height + 1, "{done}");
    let csv = place(net, "imported.csv");
    let done = run(net, &["staking", "export", "--store", &database, "--output", &csv]).await?;
    ensure!(done["stakes"] == 2, "{done}");
    ensure!(fs::read_to_string(&csv)? == running, "another export of the same chain");

    // And: the node's own database knows these blocks, and goes on
    let done = net.coordinator.command(&import).await?;
    ensure!(done["blocks"].as_u64() <= Some(2) && done["last_height"] == height, "{done}");
    net.coordinator.start()?;
    net.coordinator.wait_ready().await
}

/// A command without a node.
async fn run(net: &StakingNet, arguments: &[&str]) -> Result<serde_json::Value> {
    let done = tokio::process::Command::new(env!("CARGO_BIN_EXE_trestle"))
        .args(arguments)
        .arg("--json")
        .current_dir(net.folder())
        .output()
        .await?;
    let told = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "{arguments:?}: {told}");
    Ok(serde_json::from_slice(&done.stdout)?)
}

#[tokio::test]
async fn export__should_be_the_same_whoever_reads_the_chain_on_sqlite() -> Result<()> {
    play(&small(), story).await
}

#[tokio::test]
async fn export__should_be_the_same_whoever_reads_the_chain_on_postgresql() -> Result<()> {
    play(&StakingOptions { postgres: true, ..small() }, story).await
}
