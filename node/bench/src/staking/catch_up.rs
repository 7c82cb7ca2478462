//! Indexing blocks out of a real bitcoind, beside a plain fetch and the least that stakes take.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, mpsc},
    thread,
    time::Instant,
};

use bitcoin::{
    Block, TapNodeHash, consensus::serialize, hashes::Hash as _, key::TapTweak as _,
    secp256k1::XOnlyPublicKey,
};
use eyre::{Result, ensure, eyre};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use trestle_actors::{
    follower::{FeedConfig, FeedStatus},
    ports::Compute,
    runtime::Pool,
    staking::{
        Events, Index, Settings,
        feed::{FeedMeans, follow},
    },
};
use trestle_devnet::Bitcoind;

use super::{
    AREA, bare,
    world::{BLOCKS, STAKES, TRANSACTIONS, World},
};
use crate::{
    Bench,
    chain::{self, BATCHES, blocks::FIRST},
    runs::{Measured, Run},
    say,
};

const STAKED: &str = "index 200 blocks of 1,000 transactions, 100 stakes each";
const PLAIN: &str = "index 200 blocks of 1,000 transactions, no stakes";
/// Blocks whose stakes are inserted in one transaction: more than the index commits at once.
const COMMITTED: usize = 60;
/// Groups of blocks that wait for the index.
const GROUPS: usize = 2;

/// Measures both.
pub(super) async fn run(bench: &mut Bench) -> Result<()> {
    let world = World::new()?;
    for (case, stakes, target) in [(STAKED, STAKES, 1.3), (PLAIN, 0, 1.15)] {
        if bench.wants(case) {
            let blocks = if stakes > 0 { world.staked()? } else { world.plain()? };
            let bitcoind = chain::loaded(&blocks).await?;
            let measured = measure(bench, &world, &bitcoind, case, stakes).await?;
            bench.report.add(AREA, case, "ms", &measured, Some(target))?;
        }
    }
    Ok(())
}

async fn measure(
    bench: &Bench,
    world: &World,
    bitcoind: &Bitcoind,
    case: &str,
    stakes: usize,
) -> Result<Measured> {
    let mut runs = Vec::new();
    // The first turn warms caches up and does not count.
    for turn in 0..=bench.runs {
        let ours = ours(world, bitcoind, stakes).await?;
        let mut limit = f64::INFINITY;
        for batch in BATCHES {
            let took = limit_of(world, bitcoind, batch, stakes).await?;
            say(&format!("staking: plain fetch, {batch} blocks a request: {took:.0} ms"));
            limit = limit.min(took);
        }
        say(&format!("staking: {case}: turn {turn}: ours {ours:.0} ms, limit {limit:.0} ms"));
        if turn > 0 {
            runs.push(Run { ours, limit: Some(limit) });
        }
    }
    Measured::of(runs).ok_or_else(|| eyre!("nothing was measured"))
}

/// Milliseconds from a start with an empty database until the last block's stakes are stored.
async fn ours(world: &World, bitcoind: &Bitcoind, stakes: usize) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let store = format!("sqlite:{}", folder.path().join("index.sqlite").display());
    let store = trestle_store_sql::open(&store).await?;
    let client = chain::client(bitcoind)?;
    // Every block counts at once, so that all stakes become delegations.
    let events = Events::On { confirmed_info: false };
    let settings = Settings { start: Some(FIRST), depth: Some(1), events };
    let global = Arc::clone(&world.global);
    let mut index = Index::load(Arc::clone(&store), global, &world.text, settings).await?;
    let compute: Arc<dyn Compute> = Arc::new(Pool::for_this_machine()?);
    let begun = Instant::now();
    let means = FeedMeans {
        store,
        chain: Arc::new(client),
        compute,
        tips: None,
        config: FeedConfig::default(),
        params: Arc::clone(&world.global),
        cursor: index.cursor().clone(),
        status: watch::Sender::new(FeedStatus::Starting),
    };
    let (send, mut groups) = tokio::sync::mpsc::channel(GROUPS);
    let feed = follow(means, move |steps, room| {
        let send = send.clone();
        async move { send.send((steps, room)).await.is_ok() }
    });
    let _feed = AbortOnDropHandle::new(tokio::spawn(feed));
    let (mut blocks, mut active) = (0, 0);
    let mut handed_over = 0;
    while blocks < BLOCKS {
        // As the staking actor does it: a commit is waited for with the next group.
        let taken = if handed_over < BLOCKS {
            let Some((steps, _room)) = groups.recv().await else {
                return Err(eyre!("the feed ended"));
            };
            let planned = index.plan(steps).await?;
            handed_over += planned.taken.counts.connected;
            index.hand_over(planned).await?
        } else {
            index.settle().await?
        };
        if let Some(taken) = taken {
            blocks += taken.counts.connected;
            active += taken.counts.active as usize;
        }
    }
    let took = begun.elapsed().as_secs_f64() * 1_000.0;
    let expected = BLOCKS as usize * stakes;
    ensure!(active == expected, "expected {expected} stakes, got {active}");
    Ok(took)
}

/// The same blocks fetched and decoded; with stakes, a tweak for each on the thread that decoded it,
/// and a prepared insert for each.
async fn limit_of(world: &World, bitcoind: &Bitcoind, batch: usize, stakes: usize) -> Result<f64> {
    let heights = FIRST..FIRST + BLOCKS;
    if stakes == 0 {
        let (took, transactions) = chain::fetch(bitcoind, heights, batch, |_| Ok(())).await?;
        check(transactions)?;
        return Ok(took);
    }
    let folder = tempfile::tempdir()?;
    let table = Inserter::start(&folder.path().join("bare.sqlite"))?;
    let key = world.staker(0).x_only_public_key().0;
    let (curve, rows) = (world.curve.clone(), table.rows.clone());
    let work = move |block: &Block| {
        let mut found = Vec::with_capacity(stakes);
        for transaction in block.txdata.iter().filter(|transaction| transaction.output.len() == 3) {
            let txid = transaction.compute_txid();
            std::hint::black_box(tweak(&curve, key, txid.to_byte_array()));
            found.push((txid.to_byte_array(), serialize(transaction)));
        }
        ensure!(found.len() == stakes, "expected {stakes} stakes, got {}", found.len());
        rows.send(found).map_err(|_| eyre!("the table is closed"))
    };
    let begun = Instant::now();
    let (_, transactions) = chain::fetch(bitcoind, heights, batch, work).await?;
    table.finish()?;
    check(transactions)?;
    Ok(begun.elapsed().as_secs_f64() * 1_000.0)
}

/// What an output's key costs: a hash, a multiplication and an addition.
fn tweak(
    curve: &bitcoin::secp256k1::Secp256k1<bitcoin::secp256k1::All>,
    key: XOnlyPublicKey,
    root: [u8; 32],
) -> XOnlyPublicKey {
    key.tap_tweak(curve, Some(TapNodeHash::from_byte_array(root))).0.to_x_only_public_key()
}

fn check(transactions: usize) -> Result<()> {
    let expected = BLOCKS as usize * TRANSACTIONS;
    ensure!(transactions == expected, "expected {expected} transactions, got {transactions}");
    Ok(())
}

type Row = ([u8; 32], Vec<u8>);

/// A table with one row a stake, written by a thread of its own.
struct Inserter {
    rows: mpsc::SyncSender<Vec<Row>>,
    thread: thread::JoinHandle<Result<()>>,
}

impl Inserter {
    fn start(file: &Path) -> Result<Self> {
        let mut connection = bare::open(file)?;
        let table = "CREATE TABLE stake (txid BLOB NOT NULL PRIMARY KEY, tx BLOB NOT NULL) \
                     WITHOUT ROWID";
        connection.execute(table, ())?;
        let (rows, blocks) = mpsc::sync_channel::<Vec<Row>>(COMMITTED);
        let thread = thread::spawn(move || {
            loop {
                let group: Vec<Vec<Row>> = blocks.iter().take(COMMITTED).collect();
                if group.is_empty() {
                    return Ok(());
                }
                // In the table's order, which is the fastest.
                let group: BTreeMap<_, _> = group.into_iter().flatten().collect();
                let transaction = connection.transaction()?;
                {
                    let insert = "INSERT INTO stake (txid, tx) VALUES (?1, ?2)";
                    let mut insert = transaction.prepare_cached(insert)?;
                    for (txid, tx) in &group {
                        insert.execute((txid, tx))?;
                    }
                }
                transaction.commit()?;
            }
        });
        Ok(Self { rows, thread })
    }

    /// Waits until all is stored.
    fn finish(self) -> Result<()> {
        drop(self.rows);
        self.thread.join().map_err(|_| eyre!("the table's thread panicked"))?
    }
}
