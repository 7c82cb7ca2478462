//! A block of mainnet with 337 stakes. It is no part of the repository.

use std::{fs, sync::Arc, time::Instant};

use bitcoin::{Block, TapNodeHash, consensus::deserialize, hashes::Hash as _, key::TapTweak as _};
use eyre::{Context as _, Result, ensure, eyre};
use trestle_actors::{follower::Step, staking::Prepared};
use trestle_staking::{GlobalParams, identify::Identified, identify::Identifier};

use super::{AREA, vectors, world::World};
use crate::{
    Bench,
    runs::{Measured, Run},
    say,
};

const CASE: &str = "block 864790 identified and parsed";
const TARGET: f64 = 1.5;
const HEIGHT: u32 = 864_790;
const STAKES: usize = 337;
/// Times in a turn.
const TIMES: usize = 20;

/// Measures it, or says that the data is not there.
pub(super) fn run(bench: &mut Bench) -> Result<()> {
    if !bench.wants(CASE) {
        return Ok(());
    }
    let Some(folder) = vectors::find() else {
        let why = "TRESTLE_VECTORS names no folder with babylon/mainnet_block_864790.bin";
        return bench.report.skip(AREA, CASE, "ms", Some(TARGET), why);
    };
    let read = |name: &str| {
        let file = folder.join(name);
        fs::read(&file).wrap_err_with(|| format!("cannot read {}", file.display()))
    };
    let bytes = read("mainnet_block_864790.bin")?;
    let text = String::from_utf8(read("global-params.bbn-1-mainnet.json")?)?;
    let global = GlobalParams::parse(&text)?;
    check(&bytes, &global)?;
    let world = World::new()?;
    let mut runs = Vec::new();
    for turn in 0..=bench.runs {
        let begun = Instant::now();
        for _ in 0..TIMES {
            let block: Block = deserialize(&bytes)?;
            let step =
                Step::Connect { height: HEIGHT, hash: block.block_hash(), block: Arc::new(block) };
            std::hint::black_box(Prepared::new(&step, &global));
        }
        let ours = begun.elapsed().as_secs_f64() * 1_000.0 / TIMES as f64;
        let begun = Instant::now();
        for _ in 0..TIMES {
            std::hint::black_box(least(&world, &bytes)?);
        }
        let limit = begun.elapsed().as_secs_f64() * 1_000.0 / TIMES as f64;
        say(&format!("staking: {CASE}: turn {turn}: ours {ours:.1} ms, limit {limit:.1} ms"));
        if turn > 0 {
            runs.push(Run { ours, limit: Some(limit) });
        }
    }
    let measured = Measured::of(runs).ok_or_else(|| eyre!("nothing was measured"))?;
    bench.report.add(AREA, CASE, "ms", &measured, Some(TARGET))
}

/// The block decoded, and as many tweaks as it has stakes, each of another key.
fn least(world: &World, bytes: &[u8]) -> Result<usize> {
    let block: Block = deserialize(bytes)?;
    let key = world.staker(0).x_only_public_key().0;
    for number in 0..STAKES {
        let root = TapNodeHash::from_byte_array([u8::try_from(number % 251)?; 32]);
        std::hint::black_box(key.tap_tweak(&world.curve, Some(root)));
    }
    Ok(block.txdata.len())
}

fn check(bytes: &[u8], global: &GlobalParams) -> Result<()> {
    let block: Block = deserialize(bytes)?;
    let params = global.params_at(HEIGHT).ok_or_else(|| eyre!("no version at {HEIGHT}"))?;
    let mut identifier = Identifier::new(params);
    let stakes = block.txdata.iter().map(|transaction| identifier.identify(transaction));
    let found = stakes.filter(|found| matches!(found, Identified::Stake(_))).count();
    ensure!(found == STAKES, "expected {STAKES} stakes, got {found}");
    Ok(())
}
