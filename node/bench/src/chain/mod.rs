//! A real bitcoind with a chain of our own making, and the plainest way to read it.

pub(crate) mod blocks;
mod plain;

use std::{ops::Range, time::Duration, time::Instant};

use bitcoin::{Block, Network};
use eyre::{Result, ensure};
use serde_json::json;
use trestle_actors::follower::FeedConfig;
use trestle_bitcoind::{Auth, Bitcoind as Client, Config, Secret};
use trestle_devnet::{Bitcoind, Options, wait};

use crate::say;
use plain::Plain;

/// Blocks a request that the plain fetch is tried with; the fastest one is the limit.
pub(crate) const BATCHES: [usize; 3] = [1, 16, 64];
/// Longest wait for bitcoind's own index.
const PATIENCE: Duration = Duration::from_secs(120);

/// A bitcoind with all of these blocks.
///
/// # Errors
/// When it does not start, or refuses one.
pub(crate) async fn loaded(blocks: &[Vec<u8>]) -> Result<Bitcoind> {
    let bitcoind = Bitcoind::start(Options::default()).await?;
    say(&format!("handing {} blocks to bitcoind", blocks.len()));
    for block in blocks {
        let refused = bitcoind.rpc("submitblock", json!([hex::encode(block)])).await?;
        ensure!(refused.is_null(), "bitcoind refuses a block: {refused}");
    }
    let tip = bitcoind.tip().await?;
    let expected = blocks::tip(blocks)?;
    ensure!(tip == expected, "expected the tip {expected}, bitcoind has {tip}");
    // Its index is built beside, and would be measured along.
    wait::until("bitcoind's index", PATIENCE, async || {
        let index = bitcoind.rpc("getindexinfo", json!(["txindex"])).await?;
        Ok((index["txindex"]["synced"] == true).then_some(()))
    })
    .await?;
    Ok(bitcoind)
}

/// The client that a node uses.
///
/// # Errors
/// When it cannot be set up.
pub(crate) fn client(bitcoind: &Bitcoind) -> Result<Client> {
    Ok(Client::new(&config(bitcoind))?)
}

/// How a node reaches this bitcoind.
pub(crate) fn config(bitcoind: &Bitcoind) -> Config {
    let password = Secret::new(bitcoind.password());
    let auth = Auth::Password { user: bitcoind.user().to_owned(), password };
    Config::new(bitcoind.rpc_url(), auth, Network::Regtest)
}

/// Fetches and decodes blocks with as many requests at a time as the follower makes, and gives each
/// to `work`; milliseconds, and how many transactions there were.
///
/// # Errors
/// When bitcoind does not answer as it should.
pub(crate) async fn fetch(
    bitcoind: &Bitcoind,
    heights: Range<u32>,
    batch: usize,
    work: impl Fn(&Block) -> Result<()> + Clone + Send + Sync + 'static,
) -> Result<(f64, usize)> {
    let plain = Plain {
        http: reqwest::Client::builder().no_proxy().build()?,
        url: bitcoind.rpc_url().to_owned(),
        user: bitcoind.user().to_owned(),
        password: bitcoind.password().to_owned(),
    };
    let begun = Instant::now();
    let parallel = FeedConfig::default().max_requests;
    let transactions = plain.fetch(heights, parallel, batch, work).await?;
    Ok((begun.elapsed().as_secs_f64() * 1_000.0, transactions))
}
