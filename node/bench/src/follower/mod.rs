//! Catching up with a chain: our follower with its durable cursor, beside a plain fetch.

use std::{sync::Arc, time::Instant};

use eyre::{Result, ensure, eyre};
use trestle_actors::follower::{Cursor, Feed, FeedConfig, Step};
use trestle_devnet::Bitcoind;
use trestle_store::Batch;

use crate::{
    Bench,
    chain::{
        self, BATCHES,
        blocks::{FIRST, Plan, payment},
    },
    runs::{Measured, Run},
    say,
};

const AREA: &str = "follower";
const CASE: &str = "catch up on 5,000 blocks of 20 transactions";
const TARGET: f64 = 1.25;
const BLOCKS: u32 = 5_000;
const TRANSACTIONS: usize = 20;
const FILE: &str = "blocks-1.dat";
/// As the coordinator reads them.
const STEPS: usize = 200;
const BYTES: usize = 16 * 1024 * 1024;

/// Measures the area.
pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    if !bench.wants(CASE) {
        return Ok(());
    }
    let outputs = |_, _, value| payment(value);
    let plan = Plan { file: FILE, blocks: BLOCKS, transactions: TRANSACTIONS, outputs };
    let bitcoind = chain::loaded(&plan.chain()?).await?;
    let mut runs = Vec::new();
    // The first turn warms caches up and does not count.
    for turn in 0..=bench.runs {
        let ours = ours(&bitcoind).await?;
        let mut limit = f64::INFINITY;
        for batch in BATCHES {
            let took = limit_of(&bitcoind, batch).await?;
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

/// The whole chain through a feed, each batch of steps committed with its cursor; milliseconds.
async fn ours(bitcoind: &Bitcoind) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let store = format!("sqlite:{}", folder.path().join("cursor.sqlite").display());
    let store = trestle_store_sql::open(&store).await?;
    let client = chain::client(bitcoind)?;
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

async fn limit_of(bitcoind: &Bitcoind, batch: usize) -> Result<f64> {
    let heights = FIRST..FIRST + BLOCKS;
    let (took, transactions) = chain::fetch(bitcoind, heights, batch, |_| Ok(())).await?;
    check(transactions)?;
    Ok(took)
}

fn check(transactions: usize) -> Result<()> {
    let expected = BLOCKS as usize * TRANSACTIONS;
    ensure!(transactions == expected, "expected {expected} transactions, got {transactions}");
    Ok(())
}
