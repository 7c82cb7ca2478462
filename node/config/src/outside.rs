//! Checks of a config against the world around it, before anything is opened.

use std::{fs, io, path::Path};

use trestle_keys::Params;
use trestle_wire::{Network, Peer, hello::Role};

use crate::{
    Config, ConfigError, CovenantSigner, Problem, Recipients, SharedParams, load_shared_params,
};
use trestle_keys::taproot::bitcoin_network;

/// Makes the data folder if it is missing, and checks that the node can write there.
///
/// # Errors
/// One problem with the key `data_dir`.
pub fn prepare_data_dir(config: &Config) -> Result<(), ConfigError> {
    let attempt = || -> io::Result<()> {
        fs::create_dir_all(&config.data_dir)?;
        let probe = config.data_dir.join(".write-test");
        fs::write(&probe, b"")?;
        fs::remove_file(probe)
    };
    attempt().map_err(|e| {
        let dir = config.data_dir.display();
        let what = format!("{dir} is not a folder this user can write to: {e}");
        ConfigError { problems: vec![problem(&config.file, "data_dir", what)] }
    })
}

/// The shared parameters and the network, checked against the local settings.
///
/// # Errors
/// Every problem of the parameters file, and of what contradicts it here.
pub fn load_shared(config: &Config) -> Result<(Option<SharedParams>, Network), ConfigError> {
    let shared = config.params.as_deref().map(load_shared_params).transpose()?;
    let params = shared.as_ref().map(|shared| &shared.params);
    let mut problems = Vec::new();
    let network = match (params, config.network) {
        (Some(params), Some(own)) if params.network != own => {
            let what = format!(
                "is {} here and {} in the shared parameters; leave it out to use theirs",
                own.name(),
                params.network.name()
            );
            problems.push(problem(&config.file, "network", what));
            own
        }
        (Some(params), _) => params.network,
        // `Config::parse` asks for one of the two.
        (None, own) => own.unwrap_or(Network::Bitcoin),
    };
    if let Recipients::Only(addresses) = &config.committee.recipients {
        for address in addresses {
            if !address.is_valid_for_network(bitcoin_network(network)) {
                let what = format!(
                    "{} is not an address of {}",
                    address.clone().assume_checked(),
                    network.name()
                );
                problems.push(problem(&config.file, "committee.recipients", what));
            }
        }
    }
    if config.staking.is_some() && params.is_some_and(|params| params.staking.is_none()) {
        let what =
            "the shared parameters have no [staking] section; add one, or set enable = false";
        problems.push(problem(&config.file, "staking", what.to_owned()));
    }
    if problems.is_empty() { Ok((shared, network)) } else { Err(ConfigError { problems }) }
}

/// Whether the parameters give this node the roles that its config claims. `key` is the x coordinate
/// of the node's committee key; a covenant's parities do not count, since scripts drop them.
///
/// # Errors
/// One problem a role that the parameters do not list this peer for, or lists with another key.
pub fn check_identity(
    config: &Config,
    params: &Params,
    peer: &Peer,
    key: &[u8; 32],
) -> Result<(), ConfigError> {
    let mut problems = Vec::new();
    let file = config.params.as_deref().unwrap_or(&config.file);
    let members = || params.committees.iter().filter_map(|c| Some((c, c.member_of(peer)?)));
    let covenant = params.staking.as_ref().and_then(|staking| staking.key_of(peer));
    if config.roles.contains(&Role::Committee) && members().next().is_none() && covenant.is_none() {
        let what = match params.staking {
            Some(_) => format!(
                "no committee, and no line under [staking.members], lists this node's peer id {peer}"
            ),
            None => format!("no committee lists this node's peer id {peer} as a member"),
        };
        problems.push(problem(file, "committee.member", what));
    }
    for (committee, member) in members().filter(|(_, member)| member.key != *key) {
        let what = format!(
            "member {} of {} has the key {}, but this node's committee key is {}; \
             `trestle keys show` prints it",
            member.index,
            committee.name,
            hex::encode(member.key),
            hex::encode(key)
        );
        problems.push(problem(file, "committee.member", what));
    }
    // A wallet's key is checked when the wallet is asked.
    let local = config.covenant.signer == CovenantSigner::Local;
    if let Some(listed) = covenant.filter(|listed| local && listed[1..] != *key) {
        let what = format!(
            "this node's peer id stands beside the covenant key {}, but its committee key is {}; \
             `trestle keys show` prints it, or set covenant.signer = \"wallet\"",
            hex::encode(listed),
            hex::encode(key)
        );
        problems.push(problem(file, "staking.members", what));
    }
    let staking = params.staking.as_ref().is_some_and(|staking| staking.coordinates(peer));
    let coordinates = params.committees.iter().any(|c| c.coordinators.contains(peer));
    if config.roles.contains(&Role::Coordinator) && !coordinates && !staking {
        let what = format!("no committee lists this node's peer id {peer} under coordinators");
        problems.push(problem(file, "committee.coordinators", what));
    }
    if config.staking.is_some() && !staking {
        let what = format!(
            "this node's peer id {peer} is not listed, but its config has [staking]; list it, or \
             set enable = false there"
        );
        problems.push(problem(file, "staking.coordinators", what));
    }
    if problems.is_empty() { Ok(()) } else { Err(ConfigError { problems }) }
}

fn problem(file: &Path, key: &str, what: String) -> Problem {
    Problem { file: file.display().to_string(), line: None, key: key.to_owned(), what }
}
