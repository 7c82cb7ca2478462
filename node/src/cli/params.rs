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
    #[serde(skip_serializing_if = "Option::is_none")]
    staking: Option<CheckedStaking>,
}

#[derive(Serialize)]
struct CheckedStaking {
    global_params: PathBuf,
    global_params_sha256: String,
    versions: Vec<CheckedVersion>,
    coordinators: Vec<String>,
    members: Vec<CheckedMember>,
}

#[derive(Serialize)]
struct CheckedVersion {
    version: u64,
    activation_height: u64,
    quorum: u32,
    keys: usize,
    /// How many of the keys are held by peers.
    held: usize,
}

#[derive(Serialize)]
struct CheckedMember {
    key: String,
    /// Nobody of this network of nodes where there is none.
    peer: Option<String>,
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
            let shared = config::load_shared_params(&file)?;
            let params = &shared.params;
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
                staking: staking(&shared),
            };
            output.result(&checked, text)
        }
    }
}

fn staking(shared: &config::SharedParams) -> Option<CheckedStaking> {
    let (staking, global) = (shared.params.staking.as_ref()?, shared.global.as_ref()?);
    let holder = |key: &[u8; 33]| staking.holder(key);
    let version = |version: &trestle_staking::VersionParams| {
        let keys = version.covenant_pks.iter().map(|key| key.inner.serialize());
        CheckedVersion {
            version: version.version,
            activation_height: version.activation_height,
            quorum: version.covenant.quorum(),
            keys: version.covenant_pks.len(),
            held: keys.filter(|key| holder(key).is_some()).count(),
        }
    };
    let member = |key: [u8; 33]| CheckedMember {
        key: hex::encode(key),
        peer: holder(&key).map(ToString::to_string),
    };
    Some(CheckedStaking {
        global_params: global.path.clone(),
        global_params_sha256: hex::encode(staking.global.0),
        versions: global.params.versions().iter().map(version).collect(),
        coordinators: staking.coordinators.iter().map(ToString::to_string).collect(),
        members: global.covenant_keys().into_iter().map(member).collect(),
    })
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
    let mut text = format!("network {}, hash {}\n", checked.network, checked.hash);
    if !checked.committees.is_empty() {
        text = format!("{text}\n{}", table(heading, rows.collect()));
    }
    match &checked.staking {
        Some(staking) => format!("{text}\n{}", staking_text(staking)),
        None => text,
    }
}

fn staking_text(staking: &CheckedStaking) -> String {
    let version = |version: &CheckedVersion| {
        [
            version.version.to_string(),
            version.activation_height.to_string(),
            format!("{} of {}", version.quorum, version.keys),
            version.held.to_string(),
        ]
    };
    let member = |member: &CheckedMember| {
        let peer =
            member.peer.clone().unwrap_or_else(|| "(held by somebody without a node)".into());
        [member.key.clone(), peer]
    };
    let coordinators = staking.coordinators.iter().map(|peer| [peer.clone()]).collect();
    let versions = staking.versions.iter().map(version).collect();
    let members = staking.members.iter().map(member).collect();
    format!(
        "staking: {}, SHA-256 {}\n\n{}\n{}\n{}",
        staking.global_params.display(),
        staking.global_params_sha256,
        table(["version", "from height", "quorum", "held by peers"], versions),
        table(["covenant key", "peer"], members),
        table(["staking coordinator"], coordinators)
    )
}
