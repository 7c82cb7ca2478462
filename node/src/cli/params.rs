//! `trestle params`: look at a file of shared parameters.

use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;

use super::{CliError, output::Output, table::table};
use crate::config;

#[derive(Debug, Subcommand)]
pub(super) enum ParamsCommand {
    /// Reports every problem of the file, or what it says.
    Check {
        /// The file.
        file: PathBuf,
    },
    /// Prints the hash that peers compare.
    Hash {
        /// The file.
        file: PathBuf,
    },
}

#[derive(Serialize)]
struct Checked {
    ok: bool,
    network: &'static str,
    hash: String,
    committees: Vec<CheckedCommittee>,
}

#[derive(Serialize)]
struct CheckedCommittee {
    name: String,
    threshold: u16,
    members: usize,
    coordinators: usize,
    quorums_intersect_honestly: bool,
}

pub(super) fn run(output: &Output, command: ParamsCommand) -> Result<(), CliError> {
    match command {
        ParamsCommand::Hash { file } => {
            let hash = config::load_params(&file)?.hash().to_string();
            output.result(&serde_json::json!({ "hash": hash }), |_| hash.clone())
        }
        ParamsCommand::Check { file } => {
            let params = config::load_params(&file)?;
            let committee = |committee: &trestle_keys::Committee| CheckedCommittee {
                name: committee.name.clone(),
                threshold: committee.threshold,
                members: committee.members.len(),
                coordinators: committee.coordinators.len(),
                quorums_intersect_honestly: committee.quorums_intersect_honestly(),
            };
            let checked = Checked {
                ok: true,
                network: params.network.name(),
                hash: params.hash().to_string(),
                committees: params.committees.iter().map(committee).collect(),
            };
            output.result(&checked, text)
        }
    }
}

fn text(checked: &Checked) -> String {
    let rows = checked.committees.iter().map(|committee| {
        [
            committee.name.clone(),
            format!("{} of {}", committee.threshold, committee.members),
            committee.coordinators.to_string(),
            if committee.quorums_intersect_honestly { "yes" } else { "no" }.to_owned(),
        ]
    });
    let heading = ["committee", "signers", "coordinators", "3t > 2n"];
    format!(
        "network {}, hash {}\n\n{}",
        checked.network,
        checked.hash,
        table(heading, rows.collect())
    )
}
