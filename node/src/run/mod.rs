//! Runs a node: opens everything in order, and closes it in order.
//!
//! The order: config, data lock, parameters, keys; then store, listeners, swarm, bitcoind, actors,
//! HTTP. What can be wrong with the machine or the config is found before a peer hears of us.
//!
//! Always holds: a node that does not start leaves no partial state; one that stops tells every
//! task, waits for them with a limit, closes the store, and lets go of the data lock last.

mod actors;
mod chain;
mod feeds;
mod gauges;
mod guard;
mod handler;
mod peers;
mod serve;
mod staking;
mod store;

use std::{path::PathBuf, sync::Arc};

use tokio_util::sync::CancellationToken;
use trestle_keys::{Params, sealed::KeyFile};
use trestle_wire::Network;

pub(crate) use self::store::url as store_url;
use crate::{
    api::{server::BindError, token::Token},
    config::{Config, ConfigError, GlobalFile, outside},
    keystore::{self, KeyCost, KeystoreError},
    process::{DataLock, Endpoints, LockError},
};

/// What a node needs before anything asynchronous begins.
pub struct Prepared {
    config: Config,
    params: Option<Params>,
    global: Option<GlobalFile>,
    network: Network,
    keys: Arc<KeyFile>,
    token: Token,
    take_over: bool,
    // Let go last: fields are dropped in order.
    _lock: DataLock,
}

impl Prepared {
    /// Takes the data folder, reads parameters and keys. `passphrase` is asked for only once all
    /// else is well.
    ///
    /// # Errors
    /// [`RunError`]
    pub fn new<E: Into<RunError>>(
        config: Config,
        passphrase: impl FnOnce() -> Result<keystore::Passphrase, E>,
    ) -> Result<Self, RunError> {
        outside::prepare_data_dir(&config)?;
        let lock = DataLock::take(&config.data_dir)?;
        let (shared, network) = outside::load_shared(&config)?;
        let (params, global) = match shared {
            Some(shared) => (Some(shared.params), shared.global),
            None => (None, None),
        };
        let cost = KeyCost::of(Some(network))?;
        // A missing file or a wrong mode needs no passphrase to be seen.
        keystore::read(&config.keys)?;
        let passphrase = passphrase().map_err(Into::into)?;
        let keys = keystore::open(&config.keys, &passphrase, cost)?;
        if let Some(params) = &params {
            let peer = keys.identity.peer.peer();
            outside::check_identity(&config, params, &peer, &keys.identity.committee.xonly())?;
        }
        let token = Token::load_or_create(&config.admin.token_file)?;
        let keys = Arc::new(keys);
        Ok(Self { config, params, global, network, keys, token, take_over: false, _lock: lock })
    }

    /// Whether to take a PostgreSQL database from a process that still holds it, instead of waiting
    /// for that to end.
    #[must_use]
    pub const fn take_over(mut self, take_over: bool) -> Self {
        self.take_over = take_over;
        self
    }
}

/// Runs the node until `stop` is cancelled. `started` is called once, when it can be reached.
///
/// # Errors
/// [`RunError`] for what kept it from starting, or made it stop by itself.
pub async fn run(
    prepared: Prepared,
    stop: CancellationToken,
    started: impl FnOnce(&Endpoints),
) -> Result<(), RunError> {
    serve::run(prepared, stop, started).await
}

/// Why a node did not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The config or the parameters cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data folder is taken.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The keys or the token cannot be used.
    #[error(transparent)]
    Keys(#[from] KeystoreError),
    /// No passphrase could be had.
    #[error("{0}")]
    Passphrase(String),
    /// An HTTP listener cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The swarm did not start.
    #[error("p2p: {0}")]
    Network(#[from] trestle_p2p::StartError),
    /// The store cannot be opened.
    #[error("store: {0}")]
    Store(#[from] trestle_store_sql::OpenError),
    /// Another process has this node's database now.
    #[error(
        "store: another process has taken the database over ({0}); this one can write nothing more \
         and has ended, so look which of the two is to run"
    )]
    TakenOver(String),
    /// A password file of the config cannot be read.
    #[error("{}: {source}; {key} in the config names it", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// The config's key.
        key: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The environment has no such variable.
    #[error("the environment has no variable {0:?}, which store.password_env in the config names")]
    NoVariable(String),
    /// bitcoind can never be used as it is.
    #[error("bitcoind: {0}")]
    Bitcoin(String),
    /// Staking cannot be done as it is set up.
    #[error("staking: {0}")]
    Staking(String),
    /// An actor gave up.
    #[error("{0}")]
    Actor(String),
    /// The operating system says no.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
}
