//! `trestle staking params`: explain and show a file of global parameters.

use std::path::PathBuf;

use bitcoin::Amount;
use clap::Subcommand;
use serde::Serialize;
use serde_json::json;
use trestle_staking::{
    Cap, GlobalParams, VersionParams,
    params::{Finding, Problem, check},
};

use super::{amount::both, rules};
use crate::cli::{
    CliError,
    output::Output,
    table::{pairs, table},
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ParamsCommand {
    /// Explains line by line what is wrong or odd, or says that all is well.
    Check {
        /// The file of global parameters.
        file: PathBuf,
    },
    /// Shows all versions, or the rules for one height.
    Show {
        /// The file of global parameters, or of shared parameters that name one.
        file: PathBuf,
        /// The rules for a stake in the block of this height.
        #[arg(long)]
        height: Option<u32>,
    },
}

#[derive(Serialize)]
struct Checked {
    ok: bool,
    versions: usize,
    notes: Vec<Note>,
}

#[derive(Serialize)]
struct Note {
    line: usize,
    what: String,
    advice: &'static str,
}

pub(super) fn run(output: &Output, command: ParamsCommand) -> Result<(), CliError> {
    match command {
        ParamsCommand::Check { file } => {
            let text = rules::read(&file)?;
            let findings = check(&text);
            let params =
                GlobalParams::parse(&text).map_err(|_| rules::refused(&file, &findings))?;
            let notes = findings.iter().filter_map(note).collect();
            let checked = Checked { ok: true, versions: params.versions().len(), notes };
            output.result(&checked, |checked| {
                let name = file.display();
                let mut text = format!("{name}: valid, {} version(s)\n", checked.versions);
                for finding in &findings {
                    text.push_str(&format!("  {finding}\n"));
                }
                text
            })
        }
        ParamsCommand::Show { file, height } => {
            let params = rules::load(&file)?;
            let Some(height) = height else {
                return output.result(&params, versions);
            };
            let version =
                params.params_at(height).ok_or_else(|| before_the_first(&params, height))?;
            let shown = json!({ "height": height, "params": version });
            output.result(&shown, |_| one(&params, version, height))
        }
    }
}

fn before_the_first(params: &GlobalParams, height: u32) -> CliError {
    let first = params.versions()[0].activation_height;
    let what = format!("there are no parameters at height {height}: they begin at height {first}");
    CliError::failed(what).hint(format!("a stake counts from height {first} on: --height {first}"))
}

fn note(finding: &Finding) -> Option<Note> {
    match &finding.what {
        Problem::Error(_) => None,
        Problem::Note(what) => {
            Some(Note { line: finding.line, what: what.clone(), advice: finding.advice })
        }
    }
}

fn cap(cap: Cap) -> String {
    match cap {
        Cap::Value(value) => format!("{} BTC", value.to_btc()),
        Cap::Height(height) => format!("to height {height}"),
    }
}

fn range<T: std::fmt::Display + PartialEq>(min: T, max: T) -> String {
    if min == max { min.to_string() } else { format!("{min} to {max}") }
}

fn versions(params: &GlobalParams) -> String {
    let btc = |amount: Amount| amount.to_btc();
    let row = |v: &VersionParams| {
        [
            v.version.to_string(),
            v.activation_height.to_string(),
            cap(v.cap),
            v.tag.to_string(),
            range(btc(v.min_staking_amount), btc(v.max_staking_amount)),
            range(v.min_staking_time, v.max_staking_time),
            format!("{} of {}", v.covenant.quorum(), v.covenant_pks.len()),
            v.unbonding_time.to_string(),
            v.unbonding_fee.to_sat().to_string(),
            v.confirmation_depth.to_string(),
        ]
    };
    let heading = [
        "version",
        "from height",
        "cap",
        "tag",
        "BTC",
        "blocks",
        "quorum",
        "unbonding blocks",
        "fee sats",
        "depth",
    ];
    table(heading, params.versions().iter().map(row).collect())
}

fn one(params: &GlobalParams, version: &VersionParams, height: u32) -> String {
    let next = params.version(version.version.saturating_add(1));
    let cap = match version.cap {
        Cap::Value(value) => format!("{}: stakes after it is reached are overflow", both(value)),
        Cap::Height(last) if u64::from(height) > last => {
            format!("closed since height {last}: a stake at {height} is overflow")
        }
        Cap::Height(last) => format!("open to height {last}"),
    };
    let mut lines = vec![
        ("height", height.to_string()),
        ("version", version.version.to_string()),
        ("since height", version.activation_height.to_string()),
        ("cap", cap),
        ("tag", version.tag.to_string()),
        ("least stake", both(version.min_staking_amount)),
        ("largest stake", both(version.max_staking_amount)),
        ("lock in blocks", range(version.min_staking_time, version.max_staking_time)),
        ("unbonding", format!("{} blocks", version.unbonding_time)),
        ("unbonding fee", both(version.unbonding_fee)),
        ("confirmed after", format!("{} confirmations", version.confirmation_depth)),
        ("quorum", format!("{} of {}", version.covenant.quorum(), version.covenant_pks.len())),
    ];
    lines.extend(version.covenant_pks.iter().map(|key| ("covenant key", key.to_string())));
    if let Some(next) = next {
        let what = format!("version {} at height {}", next.version, next.activation_height);
        lines.push(("next", what));
    }
    pairs(&lines)
}
