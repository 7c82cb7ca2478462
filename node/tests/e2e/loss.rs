//! A coordinator that has lost its database: what it learns again, and what is not paid again.

use std::fs;

use eyre::{Result, ensure, eyre};
use serde_json::{Value, json};
use trestle_devnet::{
    network::{COMMITTEE, Devnet, DevnetOptions, Node},
    wait,
};

use crate::support::{
    COIN, Order, PATIENCE, committee, funded, holds, mempool, number, online, paid_once, pay, play,
    reach, settle, spendable, txid, wallet,
};

/// Blocks after which a payment is settled here.
const DEPTH: u64 = 2;

/// Empties a node's data folder, but for its keys.
fn lose_data(node: &Node) -> Result<()> {
    let mut lost = Vec::new();
    for entry in fs::read_dir(node.data())? {
        let entry = entry?;
        if entry.file_name() != "node.keys" {
            fs::remove_file(entry.path())?;
            lost.push(entry.file_name());
        }
    }
    ensure!(lost.iter().any(|name| name == "trestle.sqlite"), "there was no database: {lost:?}");
    Ok(())
}

/// The committee's keys, without what only the coordinator that made them knows.
async fn keys(devnet: &Devnet) -> Result<Vec<[Value; 3]>> {
    let known = committee(devnet).await?;
    let keys = known["live"]["keys"].as_array().cloned().unwrap_or_default();
    let part = |key: &Value| ["key", "internal", "address"].map(|name| key[name].clone());
    Ok(keys.iter().map(part).collect())
}

#[tokio::test]
async fn payment__should_not_be_made_again_by_a_coordinator_that_lost_its_database() -> Result<()> {
    let mut options = DevnetOptions::default();
    options.coordinator_settings.push(format!("coordinator.settle_depth = {DEPTH}"));
    let devnet = Devnet::start(&options).await?;
    play(devnet, async |devnet| {
        funded(devnet, 2).await?;
        let order = Order::new(1, COIN / 2);
        let payment = settle(devnet, &order).await?;
        devnet.bitcoind.mine(DEPTH).await?;
        let made = reach(devnet, &payment, &["settled"]).await?;
        let (before, left) = (keys(devnet).await?, spendable(devnet).await?);
        ensure!(before.len() == 1, "{before:?}");

        devnet.coordinator.kill()?;
        lose_data(&devnet.coordinator)?;
        devnet.coordinator.restart().await?;
        wait::until("the key to be learned", PATIENCE, async || {
            Ok((!keys(devnet).await?.is_empty()).then_some(()))
        })
        .await?;
        let after = keys(devnet).await?;
        ensure!(after == before, "{after:?}, and it was {before:?}");
        holds(devnet, left).await?;
        let listed = ["committee", "payments", COMMITTEE];
        let listed = devnet.coordinator.command(&listed).await?;
        ensure!(listed == json!([]), "it remembers {listed}");

        online(devnet, 3).await?;
        let again = pay(devnet, &order).await?;
        ensure!(again["payment"] == payment["payment"], "{again}");
        let found = reach(devnet, &again, &["used_before", "broadcast"]).await?;
        ensure!(found["phase"] == "used_before", "{found}");
        ensure!(found["txid"] == made["txid"] && found["height"] == made["height"], "{found}");
        ensure!(found["versions"] == json!([]), "{found}");
        let anchor = made["anchor"].as_str().ok_or_else(|| eyre!("no anchor in {made}"))?;
        let note = format!(
            "this id was used before, with the anchor {anchor}; {} at height {} spent it and pays \
             exactly these recipients: do not pay them again for this",
            txid(&made)?,
            number(&made["height"])
        );
        ensure!(found["note"] == note, "{found}, expected the note {note:?}");
        ensure!(mempool(devnet).await?.is_empty(), "something was sent");
        ensure!(number(&wallet(devnet).await?["reserved_sats"]) == 0, "its coins are not free");

        // Its money is spent on as before.
        let next = Order::new(2, COIN / 2);
        settle(devnet, &next).await?;
        paid_once(devnet, &next).await?;
        paid_once(devnet, &order).await
    })
    .await
}
