//! Catching up with a chain: our follower with its durable cursor, beside a plain fetch.

mod blocks;
mod plain;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bitcoin::Network;
use eyre::{Result, ensure, eyre};
use serde_json::json;
use trestle_actors::follower::{Cursor, Feed, FeedConfig, Step};
use trestle_bitcoind::{Auth, Bitcoind as Client, Config, Secret};
use trestle_devnet::{Bitcoind, Options, wait};
use trestle_store::Batch;

use crate::{
    Bench,
    runs::{Measured, Run},
    say,
};
use blocks::{BLOCKS, FIRST, TRANSACTIONS};
use plain::Plain;

const AREA: &str = "follower";
const CASE: &str = "catch up on 5,000 blocks of 20 transactions";
const TARGET: f64 = 1.25;
/// As the coordinator reads them.
const STEPS: usize = 200;
const BYTES: usize = 16 * 1024 * 1024;
/// Blocks a request that the plain fetch is tried with; the fastest is the limit.
const BATCHES: [usize; 3] = [1, 16, 64];
/// Longest wait for bitcoind's own index.
const PATIENCE: Duration = Duration::from_secs(120);

/// Measures the area.
pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    if !bench.wants(CASE) {
        return Ok(());
    }
    let bitcoind = loaded().await?;
    let plain = Plain {
        http: reqwest::Client::builder().no_proxy().build()?,
        url: bitcoind.rpc_url().to_owned(),
        user: bitcoind.user().to_owned(),
        password: bitcoind.password().to_owned(),
    };
    let mut runs = Vec::new();
    // The first turn warms caches up and does not count.
    for turn in 0..=bench.runs {
        let ours = ours(&bitcoind).await?;
        let mut limit = f64::INFINITY;
        for batch in BATCHES {
            let took = limit_of(&plain, batch).await?;
            say(&format!("follower: plain fetch, {batch} blocks a request: {took:.0} ms"));
            limit = limit.min(took);
        }
        say(&format!("follower: turn {turn}: ours {ours:.0} ms, limit {limit:.0} ms"));
        if turn > 0 {
            runs.push(Run { ours, limit: Some(limit) });
        }
    }
    let measured = Measured::of(runs).ok_or_else(|| eyre!("nothing was measured"))?;
    bench.report.add(AREA, CASE, "ms", &measured, Some(TARGET))
}

/// A bitcoind with the whole chain.
async fn loaded() -> Result<Bitcoind> {
    let blocks = blocks::chain()?;
    let bitcoind = Bitcoind::start(Options::default()).await?;
    say(&format!("handing {} blocks to bitcoind", blocks.len()));
    for block in &blocks {
        let refused = bitcoind.rpc("submitblock", json!([hex::encode(block)])).await?;
        ensure!(refused.is_null(), "bitcoind refuses a block: {refused}");
    }
    let tip = bitcoind.tip().await?;
    let expected = blocks::tip(&blocks)?;
    ensure!(tip == expected, "expected the tip {expected}, bitcoind has {tip}");
    // Its index is built beside, and would be measured along.
    wait::until("bitcoind's index", PATIENCE, async || {
        let index = bitcoind.rpc("getindexinfo", json!(["txindex"])).await?;
        Ok((index["txindex"]["synced"] == true).then_some(()))
    })
    .await?;
    Ok(bitcoind)
}

/// The whole chain through a feed, each batch of steps committed with its cursor; milliseconds.
async fn ours(bitcoind: &Bitcoind) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let store = format!("sqlite:{}", folder.path().join("cursor.sqlite").display());
    let store = trestle_store_sql::open(&store).await?;
    let password = Secret::new(bitcoind.password());
    let auth = Auth::Password { user: bitcoind.user().to_owned(), password };
    let client = Client::new(&Config::new(bitcoind.rpc_url(), auth, Network::Regtest))?;
    let begun = Instant::now();
    let cursor = Cursor::new("bench", FIRST);
    let config = FeedConfig::default();
    let chain = Arc::new(client);
    let mut feed = Feed::start(chain, Arc::clone(&store), cursor.clone(), config, None).await?;
    let (mut blocks, mut transactions) = (0, 0);
    while blocks < BLOCKS {
        let mut batch = Batch::new();
        for step in feed.next_many(STEPS, BYTES).await? {
            cursor.record(&mut batch, &step);
            let Step::Connect { block, .. } = step else {
                return Err(eyre!("a chain that only grows was undone"));
            };
            blocks += 1;
            transactions += block.txdata.len();
        }
        store.commit(batch).await?;
    }
    check(transactions)?;
    Ok(begun.elapsed().as_secs_f64() * 1_000.0)
}

async fn limit_of(plain: &Plain, batch: usize) -> Result<f64> {
    let begun = Instant::now();
    let parallel = FeedConfig::default().max_requests;
    check(plain.fetch(FIRST..FIRST + BLOCKS, parallel, batch).await?)?;
    Ok(begun.elapsed().as_secs_f64() * 1_000.0)
}

fn check(transactions: usize) -> Result<()> {
    let expected = BLOCKS as usize * TRANSACTIONS;
    ensure!(transactions == expected, "expected {expected} transactions, got {transactions}");
    Ok(())
}
