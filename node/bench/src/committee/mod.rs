//! Key generation and signing by real processes, beside the library alone; and figures without a
//! limit: discovery, a large committee, the idle node.

mod library;
mod network;
mod scale;

use bitcoin::Address;
use eyre::{Result, eyre};
use trestle_devnet::Devnet;

use crate::{
    Bench,
    runs::{Measured, Run},
    say,
};
use library::Quorum;

const AREA: &str = "committee";
const MEMBERS: u16 = 15;
const THRESHOLD: u16 = 11;
const MESSAGES: usize = 26;
/// Nonces of each member that are kept ready: for all measured runs, so that none is disturbed by
/// the next one's nonces.
const POOL: u16 = 1_000;

const DKG: &str = "dkg 15 of 11";
const PREPARED: &str = "sign 26 messages, 11 of 15, nonces prepared";
const UNPREPARED: &str = "sign 26 messages, 11 of 15, no nonces";

/// Measures the area.
pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    if [DKG, PREPARED, UNPREPARED].iter().any(|case| bench.wants(case)) {
        small(bench).await?;
    }
    scale::run(bench).await
}

async fn small(bench: &mut Bench) -> Result<()> {
    say(&format!("starting {MEMBERS} members, a coordinator and a bootnode"));
    let mut devnet = Devnet::start(&network::options(MEMBERS, THRESHOLD, POOL)).await?;
    network::meet(&devnet).await?;
    let address = dkg(bench, &devnet).await?;
    let quorum = Quorum::new(MEMBERS, THRESHOLD)?;
    if bench.wants(PREPARED) {
        let measured = sign(bench, &mut devnet, &address, &quorum, true).await?;
        bench.report.add(AREA, PREPARED, "ms", &measured, Some(1.5))?;
    }
    if bench.wants(UNPREPARED) {
        network::set(&devnet.coordinator, "nonce_pool", "0")?;
        let measured = sign(bench, &mut devnet, &address, &quorum, false).await?;
        bench.report.add(AREA, UNPREPARED, "ms", &measured, Some(2.0))?;
    }
    devnet.stop().await
}

/// Measures key generations, or only makes one key, and gives its address.
async fn dkg(bench: &mut Bench, devnet: &Devnet) -> Result<Address> {
    let measured = bench.wants(DKG);
    let mut runs = Vec::new();
    // The first turn warms caches up and does not count.
    for turn in 0..=if measured { bench.runs } else { 0 } {
        let (address, ours) = network::generate(devnet).await?;
        network::nonces(devnet, POOL.into()).await?;
        if !measured {
            return Ok(address);
        }
        let limit = library::generate(MEMBERS, THRESHOLD)?;
        say(&format!("dkg: turn {turn}: ours {ours:.0} ms, limit {limit:.0} ms"));
        if turn > 0 {
            runs.push(Run { ours, limit: Some(limit) });
        }
        if turn == bench.runs {
            let measured = Measured::of(runs).ok_or_else(|| eyre!("nothing was measured"))?;
            bench.report.add(AREA, DKG, "ms", &measured, Some(2.0))?;
            return Ok(address);
        }
    }
    Err(eyre!("no key was made"))
}

async fn sign(
    bench: &Bench,
    devnet: &mut Devnet,
    address: &Address,
    quorum: &Quorum,
    prepared: bool,
) -> Result<Measured> {
    let name = if prepared { "prepared" } else { "unprepared" };
    let mut runs = Vec::new();
    for turn in 0..=bench.runs {
        if !prepared {
            // Members are asked for a few more nonces than are used; a start forgets the rest.
            devnet.coordinator.restart().await?;
            network::meet(devnet).await?;
        }
        network::fund(devnet, address, MESSAGES).await?;
        network::nonces(devnet, if prepared { MESSAGES as u64 } else { 0 }).await?;
        let ours = network::pay(devnet, MESSAGES, &format!("{name}-{turn}")).await?;
        let limit = quorum.sign(MESSAGES, prepared)?;
        say(&format!("sign, {name}: turn {turn}: ours {ours:.0} ms, limit {limit:.0} ms"));
        if turn > 0 {
            runs.push(Run { ours, limit: Some(limit) });
        }
    }
    Measured::of(runs).ok_or_else(|| eyre!("nothing was measured"))
}
