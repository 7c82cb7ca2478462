//! The database of an index that a command works on without a running node.
//!
//! Always holds: a command that only reads does so beside the node that owns the database; one that
//! writes is its only owner, and of the node's data folder too.

use std::path::PathBuf;

use clap::Args;
use trestle_store_sql::{OpenError, Place, SqlStore};

use crate::{
    cli::{CliError, Exit},
    config::Config,
    process::DataLock,
    run::{RunError, store_url},
};

/// Which database.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct DatabaseArgs {
    /// The config of the node whose database it is, SQLite or PostgreSQL.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A SQLite database by itself: sqlite:FILE.
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

/// A database that is not open yet.
pub(super) struct Database {
    /// The node's config, if it is a node's.
    pub(super) node: Option<Config>,
    target: trestle_store_sql::Config,
}

/// A database of ours alone, for as long as this is there.
pub(super) struct Owned {
    pub(super) store: SqlStore,
    _lock: Option<DataLock>,
}

impl DatabaseArgs {
    /// Finds it.
    pub(super) fn find(&self) -> Result<Database, CliError> {
        let (node, url) = match (&self.config, &self.store) {
            (Some(file), _) => {
                let config = Config::load(file)?;
                let url = store_url(&config.store, &config.data_dir)?;
                (Some(config), url)
            }
            (None, Some(url)) => (None, url.clone().into()),
            (None, None) => {
                return Err(CliError::usage("which database? Give -c CONFIG or --store URL"));
            }
        };
        let target = trestle_store_sql::Config::new(&url).map_err(refused)?;
        match target.place() {
            Place::Memory => Err(CliError::new(
                Exit::Config,
                "the store is in the memory of the node: only that node can read it",
            )),
            Place::Postgres(_) if node.is_none() => Err(CliError::usage(
                "--store takes sqlite:FILE; name a PostgreSQL database by a node's config, -c FILE: \
                 its password belongs into no command line",
            )),
            Place::Sqlite(_) | Place::Postgres(_) => Ok(Database { node, target }),
        }
    }
}

impl Database {
    /// Whether it is to be made: only seen of a file.
    pub(super) fn is_new(&self) -> bool {
        match self.target.place() {
            Place::Sqlite(file) => !file.exists(),
            Place::Memory | Place::Postgres(_) => false,
        }
    }

    /// Opens it for reading, whether or not a node is running on it.
    pub(super) async fn read(self) -> Result<SqlStore, CliError> {
        if let Place::Sqlite(file) = self.target.place()
            && !file.is_file()
        {
            let what = format!("there is no database {}", file.display());
            return Err(CliError::failed(what).hint("the node makes it when it first runs"));
        }
        SqlStore::open_reader(self.target).await.map_err(refused)
    }

    /// Opens it as its only owner; makes it if it is not there.
    pub(super) async fn own(self) -> Result<Owned, CliError> {
        let lock = self.node.as_ref().map(|config| DataLock::take(&config.data_dir)).transpose();
        let lock = lock.map_err(RunError::from)?;
        Ok(Owned { store: SqlStore::open(self.target).await.map_err(refused)?, _lock: lock })
    }
}

fn refused(error: OpenError) -> CliError {
    let hint = match &error {
        OpenError::Owned(_) | OpenError::Locked(_) => Some("stop the node while this command runs"),
        OpenError::Url(_)
        | OpenError::Newer(_)
        | OpenError::Older(_)
        | OpenError::Altered(_)
        | OpenError::Foreign(_)
        | OpenError::Store(_) => None,
    };
    let error = CliError::failed(error.to_string());
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
