//! A node's own config: where it keeps things, whom it talks to, what it allows.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use bitcoin::{Address, Amount, FeeRate, address::NetworkUnchecked};
use trestle_wire::{Network, hello::Role};

use super::{
    problem::{ConfigError, Sink},
    section::Section,
};

mod listeners;
mod parse;
mod staking;

pub use staking::{
    CovenantConfig, CovenantHttpConfig, CovenantSigner, EventsConfig, QueueType, StakingConfig,
    WalletConfig,
};

/// A whole `node.toml`. Paths are absolute or relative to where the process runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from.
    pub file: PathBuf,
    /// Where the node keeps keys, data and tokens. One process at a time.
    pub data_dir: PathBuf,
    /// What the node does; at least one.
    pub roles: BTreeSet<Role>,
    /// The shared parameters; a node that only is a bootnode may have none.
    pub params: Option<PathBuf>,
    /// The network, for a node without parameters; with them it must be the same.
    pub network: Option<Network>,
    /// The encrypted keys.
    pub keys: PathBuf,
    /// `[p2p]`
    pub p2p: P2pConfig,
    /// `[bitcoin]`; a node that only is a bootnode needs none.
    pub bitcoin: Option<BitcoinConfig>,
    /// `[store]`
    pub store: StoreConfig,
    /// `[api]`
    pub api: ApiConfig,
    /// `[admin]`
    pub admin: AdminConfig,
    /// `[log]`
    pub log: LogConfig,
    /// `[committee]`
    pub committee: PolicyConfig,
    /// `[coordinator]`
    pub coordinator: CoordinatorConfig,
    /// `[staking]`; a coordinator without it does not serve staking.
    pub staking: Option<StakingConfig>,
    /// `[events]`; without a broker the events are in the API's stream alone.
    pub events: Option<EventsConfig>,
    /// `[covenant]`; for a member whose peer id the shared parameters list under
    /// `[staking.members]`.
    pub covenant: CovenantConfig,
}

/// How the node is found, and whom it meets first. Addresses are multiaddresses.
#[derive(Clone, Debug)]
pub struct P2pConfig {
    /// Where it listens; empty for a node that is reached through relays only.
    pub listen: Vec<String>,
    /// Addresses under which others reach it, when they differ from where it listens.
    pub external: Vec<String>,
    /// First contacts, each ending in `/p2p/PEER`.
    pub bootnodes: Vec<String>,
    /// Peers through which this node can be reached, each ending in `/p2p/PEER`.
    pub relays: Vec<String>,
    /// Whether others may be reached through this node.
    pub serve_relay: bool,
}

/// How bitcoind is reached.
#[derive(Clone, Debug)]
pub struct BitcoinConfig {
    /// The RPC address, `http://HOST:PORT`.
    pub rpc: String,
    /// Who the node is to bitcoind.
    pub auth: BitcoinAuth,
    /// How often it is asked for news.
    pub poll: Duration,
}

/// Who the node is to bitcoind. Secrets stay in their files until the connection is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BitcoinAuth {
    /// bitcoind's own cookie, read again at every reconnect.
    Cookie(PathBuf),
    /// A user of `rpcauth`, with the password in a file.
    User {
        /// The user.
        user: String,
        /// The file whose first line is the password.
        password_file: PathBuf,
    },
}

/// Where state is kept.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// `sqlite`, `sqlite:FILE`, `memory` or `postgres://USER@HOST/DATABASE`, without a password.
    pub url: String,
    /// A file whose first line is PostgreSQL's password.
    pub password_file: Option<PathBuf>,
    /// The name of an environment variable with PostgreSQL's password.
    pub password_env: Option<String>,
}

/// The public HTTP listener.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Connections at a time from one address (IPv6: one /64) that is not this machine's.
    pub connections_per_address: usize,
}

/// The admin HTTP listener.
#[derive(Clone, Debug)]
pub struct AdminConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The bearer token; made at first start.
    pub token_file: PathBuf,
    /// Host names, besides the listen address and `localhost`, that a request may be made to.
    pub hosts: Vec<String>,
}

/// What is logged.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// The form.
    pub format: LogFormat,
    /// A level or filter: `info`, `debug`, `info,trestle_actors=debug`.
    pub level: String,
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What a committee member signs. A coordinator cannot override any of it.
#[derive(Clone, Debug)]
pub struct PolicyConfig {
    /// Most fee of one transaction.
    pub max_fee: Amount,
    /// Highest fee rate of one transaction.
    pub max_fee_rate: FeeRate,
    /// Most that one payment may send, with its fee.
    pub max_payment: Amount,
    /// Most that all payments of a window may send, with their fees.
    pub window: Amount,
    /// The window's length in blocks.
    pub window_blocks: u32,
    /// Confirmations that a coin needs before it may be spent.
    pub min_confirmations: u32,
    /// Who may be paid.
    pub recipients: Recipients,
    /// How texts may begin that the member signs; empty: it signs none.
    pub text_prefixes: Vec<String>,
}

/// Who may be paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// Anyone.
    Any,
    /// These addresses.
    Only(Vec<Address<NetworkUnchecked>>),
}

/// How a coordinator works.
#[derive(Clone, Debug)]
pub struct CoordinatorConfig {
    /// Confirmations that a coin needs before a payment uses it. Members have a minimum of their
    /// own (`min_confirmations`).
    pub confirmations: u32,
    /// Blocks on top of a payment after which it counts as final.
    pub settle_depth: u32,
    /// Blocks without confirmation after which a payment's fee is raised.
    pub bump_after_blocks: u32,
    /// Highest fee rate it ever asks for.
    pub max_fee_rate: FeeRate,
    /// Nonces of each member kept ready, so that a session is one round trip.
    pub nonce_pool: u16,
    /// How long one attempt at a key generation may take.
    pub dkg_deadline: Duration,
}

impl Config {
    /// Loads a config file.
    ///
    /// # Errors
    /// Every problem of the file.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        Self::parse(file, &super::read(file)?)
    }

    /// Reads a config from its text; `file` is for messages and relative paths.
    ///
    /// # Errors
    /// Every problem of the text.
    pub fn parse(file: &Path, text: &str) -> Result<Self, ConfigError> {
        parse::config(file, text)
    }

    /// Whether the node has a role that needs parameters and a chain.
    pub fn follows_chain(&self) -> bool {
        self.roles.contains(&Role::Committee) || self.roles.contains(&Role::Coordinator)
    }
}
