//! `trestle keys`: make, show, export and import a node's keys.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;
use trestle_keys::sealed::KeyFile;
use trestle_wire::Network;

use super::{
    CliError,
    output::Output,
    passphrase::{NewPassphraseArgs, PassphraseArgs},
    table::pairs,
};
use crate::{
    config::{self, Config},
    keystore::{self, KeyCost},
};

/// The key file's name in a data folder.
pub(super) const FILE: &str = "node.keys";

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Makes new keys: p2p identity, committee key and the key that locks the store's secrets.
    New {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
    /// Shows the public parts.
    Show {
        /// Prints them as the lines of a member in the file of shared parameters.
        #[arg(long)]
        toml: bool,
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        passphrase: PassphraseArgs,
    },
    /// Writes a copy under another passphrase.
    Export {
        #[command(flatten)]
        target: Target,
        /// The file to write; it must not exist.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        passphrase: PassphraseArgs,
        #[command(flatten)]
        new_passphrase: NewPassphraseArgs,
    },
    /// Takes an exported copy in, under a passphrase of its own. A node that has keys keeps them.
    Import {
        /// The exported file.
        file: PathBuf,
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        passphrase: PassphraseArgs,
        #[command(flatten)]
        new_passphrase: NewPassphraseArgs,
    },
}

/// Which node's keys.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(super) struct Target {
    /// The node's config.
    #[arg(short, long, value_name = "FILE", conflicts_with = "data_dir")]
    config: Option<PathBuf>,
    /// The node's data folder.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The network, for a data folder without a config. The keys are the same on every network; it
    /// decides one thing: cheap test keys (TRESTLE_INSECURE_TEST_KEYS=1) are for regtest only. With
    /// a config, the network is the config's or its parameters'.
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    network: Option<Network>,
}

#[derive(Debug, Serialize)]
struct PublicKeys {
    peer: String,
    committee_key: String,
    /// The same with its parity, as files of global parameters write it.
    covenant_key: String,
    file: PathBuf,
}

pub(super) fn run(output: &Output, command: KeysCommand) -> Result<(), CliError> {
    match command {
        KeysCommand::New { target, passphrase } => {
            let (path, cost) = target.resolve()?;
            if path.symlink_metadata().is_ok() {
                return Err(keystore::KeystoreError::Exists { path }.into());
            }
            let passphrase = passphrase.choose("Passphrase for the new keys: ")?;
            make_folder(&path)?;
            let keys = keystore::create(&path, &passphrase, cost)?;
            show(output, &keys, path)
        }
        KeysCommand::Show { toml, target, passphrase } => {
            let (path, cost) = target.resolve()?;
            // Before the prompt: a file that cannot be used needs no passphrase.
            keystore::read(&path)?;
            let passphrase = passphrase.get("Passphrase of the keys: ")?;
            let keys = keystore::open(&path, &passphrase, cost)?;
            let form = if toml { as_member } else { as_pairs };
            output.result(&PublicKeys::new(&keys, path), form)
        }
        KeysCommand::Export { target, out, passphrase, new_passphrase } => {
            let (path, cost) = target.resolve()?;
            let keys = keystore::open(&path, &passphrase.get("Passphrase of the keys: ")?, cost)?;
            let chosen = new_passphrase.choose("Passphrase for the copy: ")?;
            keystore::save(&out, &keys, &chosen, cost)?;
            output.note("Whoever has this file and its passphrase is this node.");
            show(output, &keys, out)
        }
        KeysCommand::Import { file, target, passphrase, new_passphrase } => {
            let (path, cost) = target.resolve()?;
            let keys = keystore::open(&file, &passphrase.get("Passphrase of the copy: ")?, cost)?;
            let chosen = new_passphrase.choose("Passphrase for this node: ")?;
            make_folder(&path)?;
            keystore::save(&path, &keys, &chosen, cost)?;
            show(output, &keys, path)
        }
    }
}

impl Target {
    fn resolve(&self) -> Result<(PathBuf, KeyCost), CliError> {
        let (path, network) = match (&self.config, &self.data_dir) {
            (Some(file), _) => {
                let config = Config::load(file)?;
                // The parameters list the keys, so they often do not exist yet.
                let params = config.params.as_deref().and_then(|p| config::load_params(p).ok());
                let network = config.network.or(params.map(|params| params.network));
                (config.keys, network)
            }
            (None, Some(dir)) => (dir.join(FILE), self.network),
            (None, None) => return Err(CliError::usage("give --config FILE or --data-dir DIR")),
        };
        Ok((path, KeyCost::of(network)?))
    }
}

fn make_folder(path: &std::path::Path) -> Result<(), CliError> {
    let Some(folder) = path.parent() else { return Ok(()) };
    std::fs::create_dir_all(folder)
        .map_err(|e| CliError::failed(format!("{} cannot be made: {e}", folder.display())))
}

fn show(output: &Output, keys: &KeyFile, file: PathBuf) -> Result<(), CliError> {
    output.result(&PublicKeys::new(keys, file), as_pairs)
}

impl PublicKeys {
    fn new(keys: &KeyFile, file: PathBuf) -> Self {
        Self {
            peer: keys.identity.peer.peer().to_string(),
            committee_key: hex::encode(keys.identity.committee.xonly()),
            covenant_key: hex::encode(keys.identity.committee.compressed()),
            file,
        }
    }
}

fn as_pairs(public: &PublicKeys) -> String {
    pairs(&[
        ("peer", public.peer.clone()),
        ("committee key", public.committee_key.clone()),
        ("as covenant key", public.covenant_key.clone()),
        ("file", public.file.display().to_string()),
    ])
}

// The index is the committee's to choose: the line is left out of the TOML, so that a file in which
// nobody filled it in is refused.
fn as_member(public: &PublicKeys) -> String {
    format!(
        "[[committee.member]]\n# index = 1 to 65535, given once by the committee and never changed\n\
         peer = \"{}\"\nkey = \"{}\"\n",
        public.peer, public.committee_key
    )
}
