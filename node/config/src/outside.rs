//! Checks of a config against the world around it, before anything is opened.

use std::{fs, io, path::Path};

use trestle_keys::Params;
use trestle_wire::{Network, Peer, hello::Role};

use crate::{Config, ConfigError, Problem, Recipients, load_params};
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
pub fn load_shared(config: &Config) -> Result<(Option<Params>, Network), ConfigError> {
    let params = config.params.as_deref().map(load_params).transpose()?;
    let mut problems = Vec::new();
    let network = match (&params, config.network) {
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
    if problems.is_empty() { Ok((params, network)) } else { Err(ConfigError { problems }) }
}

/// Whether the parameters give this node the roles that its config claims.
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
    if config.roles.contains(&Role::Committee) && members().next().is_none() {
        let what = format!("no committee lists this node's peer id {peer} as a member");
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
    let coordinates = params.committees.iter().any(|c| c.coordinators.contains(peer));
    if config.roles.contains(&Role::Coordinator) && !coordinates {
        let what = format!("no committee lists this node's peer id {peer} under coordinators");
        problems.push(problem(file, "committee.coordinators", what));
    }
    if problems.is_empty() { Ok(()) } else { Err(ConfigError { problems }) }
}

fn problem(file: &Path, key: &str, what: String) -> Problem {
    Problem { file: file.display().to_string(), line: None, key: key.to_owned(), what }
}
