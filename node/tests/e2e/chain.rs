//! What bitcoind and the chain do to payments: outages, reorganisations, fees that are too low.

use std::fs;

use bitcoin::Txid;
use eyre::{Result, ensure, eyre};
use serde_json::{Value, json};
use trestle_devnet::{
    network::{Devnet, DevnetOptions},
    wait,
};

use crate::support::{
    COIN, DONE, Order, PATIENCE, confirm, funded, holds, mempool, number, paid_once, pay, play,
    reach, sent, settle, txid, unready,
};

/// Blocks that the reorganisations here undo.
const DEPTH: u64 = 10;

/// What is left of coins after payments, with the fee of the version that confirmed or, of a
/// payment without one, of the last.
fn left_of(coins: u64, payments: &[&Value]) -> u64 {
    let spent = |payment: &&Value| {
        let versions = payment["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mined = versions.iter().find(|version| version["txid"] == payment["txid"]);
        let version = mined.or(versions.last());
        let sent = number(&payment["recipients"][0]["sats"]);
        sent + version.map_or(0, |version| number(&version["fee_sats"]))
    };
    coins * COIN - payments.iter().map(spent).sum::<u64>()
}

/// The height of the block that has a transaction.
async fn height_of(devnet: &Devnet, txid: Txid) -> Result<u64> {
    let found = devnet.bitcoind.rpc("getrawtransaction", json!([txid, true])).await?;
    let header = devnet.bitcoind.rpc("getblockheader", json!([found["blockhash"]])).await?;
    header["height"].as_u64().ok_or_else(|| eyre!("no height in {header}"))
}

#[tokio::test]
async fn payment__should_wait_for_bitcoind_to_come_back() -> Result<()> {
    let devnet = Devnet::start(&DevnetOptions::default()).await?;
    play(devnet, async |devnet| {
        funded(devnet, 1).await?;
        let pids: Vec<_> = devnet.nodes().map(|node| node.pid()).collect();

        devnet.bitcoind.stop().await?;
        for node in devnet.committee.iter().chain([&devnet.coordinator]) {
            unready(node, "bitcoind", "").await?;
        }
        let order = Order::new(1, COIN / 2);
        let payment = pay(devnet, &order).await?;
        reach(devnet, &payment, &["waiting", "signing", "broadcast"]).await?;

        devnet.bitcoind.restart().await?;
        for node in devnet.nodes_mut() {
            node.wait_ready().await?;
        }
        let done = confirm(devnet, &payment).await?;
        holds(devnet, left_of(1, &[&done])).await?;
        paid_once(devnet, &order).await?;
        let now: Vec<_> = devnet.nodes().map(|node| node.pid()).collect();
        ensure!(now == pids, "a node has ended meanwhile");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn payment__should_be_sent_and_confirmed_again_after_a_reorganisation() -> Result<()> {
    let devnet = Devnet::start(&DevnetOptions::default()).await?;
    play(devnet, async |devnet| {
        funded(devnet, 2).await?;
        let order = Order::new(1, COIN / 2);
        let payment = settle(devnet, &order).await?;
        let left = left_of(2, &[&payment]);
        devnet.bitcoind.mine(DEPTH - 1).await?;
        holds(devnet, left).await?;

        devnet.bitcoind.reorg_empty(DEPTH).await?;
        let undone = reach(devnet, &payment, &["broadcast"]).await?;
        ensure!(undone["txid"] == Value::Null, "{undone}");
        // Only the coin that the payment does not touch: its change is unconfirmed.
        holds(devnet, COIN).await?;

        // A mempool that forgets: the transaction must come from the coordinator again.
        devnet.bitcoind.stop().await?;
        fs::remove_file(devnet.bitcoind.folder().path().join("regtest/mempool.dat"))?;
        devnet.bitcoind.restart().await?;
        ensure!(mempool(devnet).await?.is_empty(), "the mempool forgot nothing");
        devnet.bitcoind.mine_empty(1).await?;
        // Any version of it: ten blocks without it are enough for a bump.
        wait::until("the payment to be sent again", PATIENCE, async || {
            let now = reach(devnet, &payment, &["broadcast"]).await?;
            let versions = now["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
            let there: Vec<String> = mempool(devnet).await?.iter().map(Txid::to_string).collect();
            let mut sent = versions.iter().filter_map(|version| version["txid"].as_str());
            Ok(sent.any(|id| there.iter().any(|one| one == id)).then_some(()))
        })
        .await?;

        devnet.bitcoind.mine(1).await?;
        let again = reach(devnet, &payment, &DONE).await?;
        let mined = again["txid"].as_str().ok_or_else(|| eyre!("no txid in {again}"))?;
        let height = height_of(devnet, mined.parse()?).await?;
        ensure!(number(&again["height"]) == height, "{again}");
        holds(devnet, left_of(2, &[&again])).await?;
        paid_once(devnet, &order).await
    })
    .await
}

#[tokio::test]
async fn coordinator__should_find_out_what_the_chain_did_while_it_was_down() -> Result<()> {
    let devnet = Devnet::start(&DevnetOptions::default()).await?;
    play(devnet, async |devnet| {
        funded(devnet, 2).await?;
        let order = Order::new(1, COIN / 2);
        let payment = settle(devnet, &order).await?;
        let (id, left) = (txid(&payment)?, left_of(2, &[&payment]));
        devnet.bitcoind.mine(DEPTH - 1).await?;
        holds(devnet, left).await?;

        // Its block is gone, and the transaction waits again.
        devnet.coordinator.stop().await?;
        devnet.bitcoind.reorg_empty(DEPTH).await?;
        devnet.coordinator.restart().await?;
        reach(devnet, &payment, &["broadcast"]).await?;
        holds(devnet, COIN).await?;
        devnet.bitcoind.mine(1).await?;
        reach(devnet, &payment, &DONE).await?;
        holds(devnet, left).await?;

        // Its block is gone, and the transaction is in another one.
        devnet.bitcoind.mine(DEPTH - 1).await?;
        holds(devnet, left).await?;
        devnet.coordinator.kill()?;
        let before = height_of(devnet, id).await?;
        devnet.bitcoind.reorg(DEPTH).await?;
        let block = height_of(devnet, id).await?;
        devnet.coordinator.restart().await?;
        holds(devnet, left).await?;
        let again = reach(devnet, &payment, &DONE).await?;
        ensure!(number(&again["height"]) == block, "was at {before}, is at {block}: {again}");
        paid_once(devnet, &order).await
    })
    .await
}

#[tokio::test]
async fn payment__should_be_replaced_by_one_with_a_higher_fee_when_it_lags() -> Result<()> {
    let mut options = DevnetOptions::default();
    options.coordinator_settings.push("coordinator.bump_after_blocks = 2".into());
    let devnet = Devnet::start(&options).await?;
    play(devnet, async |devnet| {
        funded(devnet, 1).await?;
        let order = Order { rate: 1, ..Order::new(1, COIN / 2) };
        let payment = pay(devnet, &order).await?;
        let slow = sent(devnet, &payment).await?;
        let first = txid(&slow)?;

        devnet.bitcoind.mine_empty(3).await?;
        let replaced = wait::until("a replacement", PATIENCE, async || {
            let now = reach(devnet, &payment, &["broadcast"]).await?;
            Ok((now["versions"].as_array().map(Vec::len) == Some(2)).then_some(now))
        })
        .await?;
        let second = txid(&replaced)?;
        let fees = [0, 1].map(|version| number(&replaced["versions"][version]["fee_sats"]));
        ensure!(fees[1] > fees[0], "{fees:?}");
        wait::until("the mempool to have the replacement alone", PATIENCE, async || {
            Ok((mempool(devnet).await? == [second]).then_some(()))
        })
        .await?;
        ensure!(first != second, "nothing was replaced");

        devnet.bitcoind.mine(1).await?;
        let done = reach(devnet, &payment, &DONE).await?;
        ensure!(done["txid"] == second.to_string(), "{done}");
        holds(devnet, left_of(1, &[&done])).await?;
        paid_once(devnet, &order).await
    })
    .await
}
