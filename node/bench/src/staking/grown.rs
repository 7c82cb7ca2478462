//! One block on top of many delegations, beside the same rows written to the same table.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc, time::Instant};

use bitcoin::{
    Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn,
    TxMerkleNode, Txid, Witness,
    absolute::LockTime,
    block::{Header, Version},
    hashes::Hash as _,
    transaction,
};
use eyre::{Result, ensure, eyre};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use rusqlite::Connection;
use trestle_actors::{
    follower::Step,
    staking::{Events, Index, Prepared, Settings},
};
use trestle_store::Batch;
use trestle_store_sql::{Config, SqlStore};

use super::{
    AREA, bare,
    fill::Filled,
    world::{STAKES, World},
};
use crate::{
    Bench,
    runs::{Measured, Run},
    say,
};

const SIZES: [(u32, &str); 2] = [
    (10_000, "one block of 100 stakes, 10,000 delegations stored"),
    (1_000_000, "one block of 100 stakes, 1,000,000 delegations stored"),
];
const TARGET: f64 = 1.3;
/// Blocks in a turn.
const BLOCKS: u32 = 20;

/// Measures both sizes.
pub(super) async fn run(bench: &mut Bench) -> Result<()> {
    for (count, case) in SIZES {
        if bench.wants(case) {
            let measured = measure(bench, count, case).await?;
            bench.report.add(AREA, case, "ms", &measured, Some(TARGET))?;
        }
    }
    Ok(())
}

async fn measure(bench: &Bench, count: u32, case: &str) -> Result<Measured> {
    let world = World::new()?;
    let folder = tempfile::tempdir()?;
    let (own, copy) = (folder.path().join("own.sqlite"), folder.path().join("bare.sqlite"));
    let filled = Filled::make(&own, &world, count).await?;
    fs::copy(&own, &copy)?;
    let store = Arc::new(SqlStore::open(Config::new(&url(&own))?).await?);
    // Every block counts at once, so that all its stakes become delegations.
    let events = Events::On { confirmed_info: false };
    let settings = Settings { start: None, depth: Some(1), events };
    let global = Arc::clone(&world.global);
    let mut index = Index::load(store, global, &world.text, settings).await?;
    let mut bare = bare::open(&copy)?;
    let mut chain = Chain::on(&filled, &world);
    let mut runs = Vec::new();
    for turn in 0..=bench.runs {
        let steps: Vec<Step> = (0..BLOCKS).map(|_| chain.step()).collect::<Result<_>>()?;
        let prepared = Prepared::all(&steps, &world.global);
        let (ours, batches) = ours(&mut index, prepared).await?;
        let rows = batches.iter().map(|batch| batch.ops.len()).sum::<usize>() / batches.len();
        let limit = limit(&mut bare, &batches)?;
        say(&format!(
            "staking: {case}: turn {turn}: ours {ours:.2} ms, limit {limit:.2} ms, {rows} rows"
        ));
        if turn > 0 {
            runs.push(Run { ours, limit: Some(limit) });
        }
    }
    Measured::of(runs).ok_or_else(|| eyre!("nothing was measured"))
}

fn url(file: &Path) -> String {
    format!("sqlite:{}", file.display())
}

/// Milliseconds a block, each committed by itself, and what was written.
async fn ours(index: &mut Index, blocks: Vec<Prepared>) -> Result<(f64, Vec<Batch>)> {
    let (mut took, mut batches) = (0.0, Vec::new());
    let count = blocks.len() as f64;
    for block in blocks {
        let begun = Instant::now();
        let planned = index.plan(vec![block]).await?;
        took += begun.elapsed().as_secs_f64();
        batches.push(planned.batch.clone());
        let begun = Instant::now();
        let taken = index.commit(planned).await?;
        took += begun.elapsed().as_secs_f64();
        let active = taken.counts.active as usize;
        ensure!(active == STAKES, "expected {STAKES} stakes, got {active}");
    }
    Ok((took * 1_000.0 / count, batches))
}

fn limit(table: &mut Connection, batches: &[Batch]) -> Result<f64> {
    let begun = Instant::now();
    for batch in batches {
        bare::write(table, batch)?;
    }
    Ok(begun.elapsed().as_secs_f64() * 1_000.0 / batches.len() as f64)
}

/// Blocks of stakes by those who have some already.
struct Chain<'w> {
    world: &'w World,
    stakers: u32,
    height: u32,
    parent: BlockHash,
    rng: StdRng,
}

impl<'w> Chain<'w> {
    fn on(filled: &Filled, world: &'w World) -> Self {
        Self {
            world,
            stakers: filled.stakers.len() as u32,
            height: filled.tip.height,
            parent: BlockHash::from_byte_array(filled.tip.hash),
            rng: StdRng::seed_from_u64(1),
        }
    }

    fn step(&mut self) -> Result<Step> {
        self.height += 1;
        let mut stakers = BTreeSet::new();
        while stakers.len() < STAKES {
            stakers.insert(self.rng.gen_range(0..self.stakers));
        }
        let txdata = stakers.into_iter().map(|staker| self.stake(staker)).collect::<Result<_>>()?;
        let header = Header {
            version: Version::TWO,
            prev_blockhash: self.parent,
            merkle_root: TxMerkleNode::all_zeros(),
            time: 1_700_000_000 + self.height,
            bits: CompactTarget::from_consensus(0),
            nonce: 0,
        };
        let hash = header.block_hash();
        self.parent = hash;
        Ok(Step::Connect { height: self.height, hash, block: Arc::new(Block { header, txdata }) })
    }

    fn stake(&mut self, staker: u32) -> Result<Transaction> {
        let txid = Txid::from_byte_array(self.rng.r#gen());
        let input = TxIn {
            previous_output: OutPoint { txid, vout: 0 },
            script_sig: ScriptBuf::new(),
            sequence: Sequence::MAX,
            // As large as what a key spends.
            witness: Witness::from_slice(&[vec![1; 72], vec![2; 33]]),
        };
        let (version, lock_time) = (transaction::Version::TWO, LockTime::ZERO);
        let output = self.world.stake(staker, self.rng.r#gen())?.to_vec();
        Ok(Transaction { version, lock_time, input: vec![input], output })
    }
}
