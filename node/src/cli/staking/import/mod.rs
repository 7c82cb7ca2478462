//! `trestle staking import-blocks`: goes through raw blocks in files, without a bitcoind.
//!
//! Always holds: nothing is stored before every file was read, every block was found whole and all
//! of them link; after that the blocks are committed in groups, in the order of the chain, so that
//! a run that was broken off goes on where it was.

mod error;
mod files;
mod order;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use bitcoin::{Amount, BlockHash, hashes::Hash as _};
use clap::Args;
use serde::Serialize;
use trestle_actors::{
    follower::Step,
    ports::chain::Tip,
    runtime::Pool,
    staking::{Events, Index, Settings, Taken, index, query},
};
use trestle_staking::GlobalParams;
use trestle_store::Store;

use self::{
    error::ImportError,
    files::Files,
    order::{Known, Ordered, order, told_height},
};
use super::{amount::both, database::DatabaseArgs, rules};
use crate::{
    cli::{CliError, Exit, output::Output, table::pairs},
    config::{Config, outside},
};

/// Blocks that are committed together.
const GROUP: usize = 200;
/// Bytes of blocks that are committed together.
const BYTES: usize = 16 << 20;
/// How often a person hears how far it is.
const TELL: Duration = Duration::from_secs(2);

/// Which blocks, and where to.
#[derive(Debug, Args)]
pub(in crate::cli) struct ImportArgs {
    /// A file of raw blocks, one or several one after another, or bitcoind's blk*.dat; or a folder
    /// of such files. Their order does not matter.
    blocks: PathBuf,
    /// The network's global parameters (JSON). With -c it may be left out: the node's own count.
    #[arg(long, value_name = "FILE", required_unless_present = "config")]
    params: Option<PathBuf>,
    /// The height of the first block. Without it the database or the block itself says it.
    #[arg(long, value_name = "HEIGHT")]
    start: Option<u32>,
    /// How many confirmations make a block count, its own included. Without it 1 in a database by
    /// itself, on top of whose blocks nothing comes, and in a node's the number that the node goes
    /// by.
    #[arg(long, value_name = "BLOCKS", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    depth: Option<u32>,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// What came of it.
#[derive(Debug, Default, Serialize)]
struct Imported {
    /// Gone through now.
    blocks: u64,
    /// Gone through before.
    known_blocks: usize,
    /// Of shorter branches.
    stale_blocks: usize,
    first_height: Option<u32>,
    last_height: Option<u32>,
    /// The last block whose stakes count.
    confirmed_height: Option<u32>,
    /// That count now, within the cap and above it.
    stakes: u64,
    overflow_stakes: u64,
    /// Staking transactions that the parameters do not allow.
    invalid: u64,
    unbondings: u64,
    withdrawals: u64,
    /// Of the whole database.
    active_tvl_sats: u64,
    active_delegations: u64,
}

/// Parameters and where they are from.
struct Rules {
    text: String,
    params: Arc<GlobalParams>,
}

pub(super) async fn run(output: &Output, args: ImportArgs) -> Result<(), CliError> {
    let database = args.database.find()?;
    let rules = rules(args.params.as_deref(), database.node.as_ref())?;
    let mut files = Files::find(&args.blocks)?;
    let ordered = order(scan(output, &files)?)?;
    if ordered.chain.is_empty() {
        return Err(ImportError::Nothing(args.blocks).into());
    }
    let settings = settings(&args, database.node.as_ref());
    let of_node = database.node.is_some();
    // As with what is stored; no database is made for blocks that cannot go into it.
    if database.is_new() {
        let first = heights(&ordered.chain, None, args.start)?;
        check(&ordered.chain, first, &rules.params)?;
    }
    let owned = database.own().await?;
    let store = Arc::new(owned.store);
    let to: Arc<dyn Store> = Arc::clone(&store) as _;
    let import = Import { output, ordered, start: args.start, settings, of_node };
    let done = import.run(to, &rules, &mut files).await;
    store.close().await;
    let done = done?;
    output.result(&done, text)
}

fn rules(file: Option<&Path>, node: Option<&Config>) -> Result<Rules, CliError> {
    let own = match node {
        Some(config) => {
            let (shared, _) = outside::load_shared(config)?;
            Some(shared.and_then(|shared| shared.global).ok_or_else(|| {
                let what = "the node's shared parameters have no [staking] section";
                CliError::new(Exit::Config, what)
            })?)
        }
        None => None,
    };
    let given = file.map(|file| Ok::<_, CliError>((rules::read(file)?, file))).transpose()?;
    let text = match (given, own) {
        (Some((given, file)), Some(own)) if given != own.text => {
            let [file, own] = [file, &own.path].map(Path::display);
            let what = format!("{file} differs from the node's own parameters, {own}");
            return Err(CliError::new(Exit::Config, what).hint("leave --params out"));
        }
        (Some((given, file)), None) => {
            rules::load(file)?;
            given
        }
        (Some(_) | None, Some(own)) => own.text,
        (None, None) => return Err(CliError::usage("which parameters? Give --params FILE")),
    };
    let wrong = |e| CliError::new(Exit::Config, format!("the global parameters: {e}"));
    let params = Arc::new(GlobalParams::parse(&text).map_err(wrong)?);
    Ok(Rules { text, params })
}

fn settings(args: &ImportArgs, node: Option<&Config>) -> Settings {
    let told = Events::On { confirmed_info: false };
    match node {
        None => Settings { start: None, depth: args.depth.or(Some(1)), events: told },
        Some(config) => {
            // As the node does: a member keeps no events.
            let events = if config.staking.is_some() { told } else { Events::Off };
            Settings { start: None, depth: args.depth, events }
        }
    }
}

/// All blocks of all files.
fn scan(output: &Output, files: &Files) -> Result<Vec<Known>, ImportError> {
    let (mut found, mut told) = (Vec::new(), Instant::now());
    for file in 0..files.count() {
        files.scan(file, |place, block| {
            let (hash, prev) = (block.block_hash(), block.header.prev_blockhash);
            found.push(Known { hash, prev, height: told_height(&block), place });
            if told.elapsed() >= TELL {
                told = Instant::now();
                let (at, of) = (file.saturating_add(1), files.count());
                output.note(&format!("  reading: {} blocks, file {at} of {of}", found.len()));
            }
        })?;
    }
    Ok(found)
}

/// Where the new blocks begin in a chain, and the height of the first of these.
fn heights(
    chain: &[Known],
    tip: Option<Tip>,
    start: Option<u32>,
) -> Result<(usize, u32), ImportError> {
    let Some(first) = chain.first() else { return Err(ImportError::Ended) };
    let number = |height: usize| u32::try_from(height).map_err(|_| ImportError::TooHigh);
    let (known, bottom) = match tip {
        Some(tip) if tip.hash == first.prev => (0, u64::from(tip.height) + 1),
        Some(tip) => {
            let Tip { height, hash } = tip;
            let Some(at) = chain.iter().position(|block| block.hash == hash) else {
                let (first, prev) = (first.hash, first.prev);
                return Err(ImportError::NotNext { tip: hash, height, first, prev });
            };
            let Some(bottom) = height.checked_sub(number(at)?) else {
                return Err(ImportError::Branch { tip: hash, height });
            };
            (at + 1, u64::from(bottom))
        }
        None => {
            let genesis = first.prev == BlockHash::all_zeros();
            let told = first.height.or(genesis.then_some(0));
            let bottom = start.map(u64::from).or(told);
            (0, bottom.ok_or(ImportError::NoHeight(first.hash))?)
        }
    };
    if let Some(start) = start.filter(|start| u64::from(*start) != bottom) {
        return Err(ImportError::Height { block: first.hash, height: bottom, start });
    }
    let bottom = u32::try_from(bottom).map_err(|_| ImportError::TooHigh)?;
    if let Some(height) = first.height.filter(|height| *height != u64::from(bottom)) {
        return Err(ImportError::Height { block: first.hash, height, start: bottom });
    }
    // The one above the last is a height too.
    bottom.checked_add(number(chain.len())?).ok_or(ImportError::TooHigh)?;
    Ok((known, bottom.saturating_add(number(known)?)))
}

/// Refuses blocks that no parameters are for.
fn check(
    chain: &[Known],
    (known, first): (usize, u32),
    params: &GlobalParams,
) -> Result<(), ImportError> {
    let new = u32::try_from(chain.len().saturating_sub(known)).unwrap_or(u32::MAX);
    let last = first.saturating_add(new).saturating_sub(1);
    let activation = params.versions().first().map_or(0, |first| first.activation_height);
    if u64::from(last) < activation {
        return Err(ImportError::BeforeStaking { activation, last });
    }
    Ok(())
}

struct Import<'o> {
    output: &'o Output,
    ordered: Ordered,
    start: Option<u32>,
    settings: Settings,
    of_node: bool,
}

impl Import<'_> {
    async fn run(
        mut self,
        store: Arc<dyn Store>,
        rules: &Rules,
        files: &mut Files,
    ) -> Result<Imported, ImportError> {
        let tip = query::head(store.as_ref()).await?.and_then(|head| head.tip());
        let (known, first) = heights(&self.ordered.chain, tip, self.start)?;
        check(&self.ordered.chain, (known, first), &rules.params)?;
        let activation = rules.params.versions().first().map_or(0, |it| it.activation_height);
        if tip.is_none() {
            self.settings.start = Some(first);
            if u64::from(first) > activation {
                if self.of_node {
                    return Err(ImportError::Missing { activation, first });
                }
                self.output.note(&format!(
                    "staking began at height {activation}: the cap and the figures leave out what \
                     was staked below height {first}"
                ));
            }
        }
        let (params, settings) = (Arc::clone(&rules.params), self.settings);
        let index = Index::load(store, params, &rules.text, settings).await?;
        self.take(index, files, known, first).await
    }

    async fn take(
        &self,
        mut index: Index,
        files: &mut Files,
        known: usize,
        first: u32,
    ) -> Result<Imported, ImportError> {
        let pool = Pool::for_this_machine().map_err(ImportError::Threads)?;
        let chain = &self.ordered.chain[known..];
        let mut done = Imported {
            known_blocks: known,
            stale_blocks: self.ordered.stale,
            first_height: (!chain.is_empty()).then_some(first),
            ..Imported::default()
        };
        let (mut steps, mut bytes, mut told) = (Vec::new(), 0_usize, Instant::now());
        for (height, block) in (first..).zip(chain) {
            let last = block.hash == self.ordered.chain[self.ordered.chain.len() - 1].hash;
            bytes = bytes.saturating_add(block.place.size);
            let content = Arc::new(files.read(block.place)?);
            steps.push(Step::Connect { height, hash: block.hash, block: content });
            if !last && steps.len() < GROUP && bytes < BYTES {
                continue;
            }
            let group = std::mem::take(&mut steps);
            bytes = 0;
            let prepared = index::prepare(&pool, index.params(), group).await;
            let planned = index.plan(prepared.ok_or(ImportError::Ended)?).await?;
            let taken = index.commit(planned).await?;
            done.add(&taken);
            if told.elapsed() >= TELL {
                told = Instant::now();
                let Imported { blocks, stakes, .. } = done;
                let of = chain.len();
                self.output
                    .note(&format!("  height {height}: {blocks} of {of} blocks, {stakes} stakes"));
            }
        }
        let figures = index.totals().compat();
        done.active_tvl_sats = figures.active_tvl;
        done.active_delegations = figures.active_delegations;
        done.last_height = index.tip().map(|tip| tip.height);
        done.confirmed_height = index.head().confirmed();
        Ok(done)
    }
}

impl Imported {
    fn add(&mut self, taken: &Taken) {
        let counts = &taken.counts;
        let invalid = &counts.invalid_confirmed;
        let add = |sum: &mut u64, more: u32| *sum = sum.saturating_add(more.into());
        add(&mut self.blocks, counts.connected);
        add(&mut self.stakes, counts.active);
        add(&mut self.overflow_stakes, counts.overflow);
        for more in [
            invalid.stakes,
            invalid.unbondings,
            invalid.withdrawals_from_staking,
            invalid.withdrawals_from_unbonding,
        ] {
            add(&mut self.invalid, more);
        }
        add(&mut self.unbondings, counts.unbonding);
        add(&mut self.withdrawals, counts.withdrawn_staking);
        add(&mut self.withdrawals, counts.withdrawn_unbonding);
    }
}

fn text(done: &Imported) -> String {
    let height = |height: Option<u32>| height.map_or("none".to_owned(), |it| it.to_string());
    let blocks = match (done.known_blocks, done.stale_blocks) {
        (0, 0) => done.blocks.to_string(),
        (known, stale) => format!("{} ({known} known before, {stale} stale)", done.blocks),
    };
    pairs(&[
        ("blocks", blocks),
        ("first height", height(done.first_height)),
        ("last height", height(done.last_height)),
        ("confirmed up to", height(done.confirmed_height)),
        ("stakes", done.stakes.to_string()),
        ("overflow stakes", done.overflow_stakes.to_string()),
        ("invalid", done.invalid.to_string()),
        ("unbondings", done.unbondings.to_string()),
        ("withdrawals", done.withdrawals.to_string()),
        ("active stakes", done.active_delegations.to_string()),
        ("active", both(Amount::from_sat(done.active_tvl_sats))),
    ])
}
