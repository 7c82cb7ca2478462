//! Measures Trestle beside what limits it, on this machine, in one run.
//!
//! Every figure with a target is measured in turns with its limit (ours, limit, ours, limit, …),
//! so that a machine that is busy for a while is busy for both. Progress goes to stderr, the
//! table or the JSON lines to stdout.

mod chain;
mod committee;
mod cores;
mod follower;
mod report;
mod runs;
mod staking;

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use clap::{Parser, ValueEnum};
use eyre::Result;

use report::Report;

/// Prints each figure beside its limit.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Args {
    /// What to measure; everything without it.
    areas: Vec<Area>,
    /// One JSON object a line on stdout in place of the table.
    #[arg(long)]
    json: bool,
    /// Measured runs of each figure, interleaved with its limit.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(5..=1_000))]
    runs: u16,
    /// Only the cases whose name contains this.
    #[arg(long, value_name = "TEXT")]
    case: Option<String>,
    /// The commit to name in the report.
    #[arg(long, default_value = "unknown")]
    commit: String,
    /// Ask a server what this file says and print what came of it: what the bench starts itself as,
    /// so that load comes from another process.
    #[arg(long, value_name = "FILE", hide = true)]
    load: Option<PathBuf>,
}

/// A part of the program that is measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Area {
    /// Key generation, signing, discovery and the idle node.
    Committee,
    /// Catching up with a chain.
    Follower,
    /// Indexing stakes, signing unbondings and answering stakers.
    Staking,
}

/// What every case needs.
#[derive(Debug)]
struct Bench {
    runs: usize,
    case: Option<String>,
    report: Report,
}

impl Bench {
    /// Whether a case was asked for.
    fn wants(&self, case: &str) -> bool {
        self.case.as_ref().is_none_or(|part| case.contains(part.as_str()))
    }
}

/// Tells what is going on.
fn say(text: &str) {
    // Nobody can be told when stderr is gone.
    let _ = writeln!(io::stderr(), "bench: {text}");
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    if let Some(file) = &args.load {
        return staking::load(file).await;
    }
    let all = args.areas.is_empty();
    let report = Report::new(args.json, args.commit);
    let mut bench = Bench { runs: args.runs.into(), case: args.case, report };
    if all || args.areas.contains(&Area::Committee) {
        committee::run(&mut bench).await?;
    }
    if all || args.areas.contains(&Area::Follower) {
        follower::run(&mut bench).await?;
    }
    if all || args.areas.contains(&Area::Staking) {
        staking::run(&mut bench).await?;
    }
    bench.report.finish()
}
