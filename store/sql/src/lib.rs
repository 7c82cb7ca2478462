//! The store on SQLite and PostgreSQL.
//!
//! Both keep one table of (space, key, value). Reads go through a pool; commits go through one
//! writer task, which carries out waiting batches together: one transaction, one flush to disk.
//!
//! Always holds: at most one process writes. On SQLite a lock file beside the database says who;
//! on PostgreSQL an advisory lock says who may take over, and a token in the owner row, checked by
//! every commit, stops whoever was taken over from.

mod config;
mod engine;
mod error;
mod lock;
mod migrations;
mod postgres;
mod sql;
mod sqlite;
mod store;
mod writer;

pub use config::{Config, Place};
pub use error::OpenError;
pub use lock::LockError;
pub use store::SqlStore;

use std::sync::Arc;

use trestle_store::{Store, memory::MemoryStore};

/// Opens the store that a URL names: `memory`, `sqlite:PATH` or `postgres://…`.
///
/// # Errors
/// As [`SqlStore::open`].
pub async fn open(url: &str) -> Result<Arc<dyn Store>, OpenError> {
    let config = Config::new(url)?;
    match config.place() {
        Place::Memory => Ok(Arc::new(MemoryStore::new())),
        Place::Sqlite(_) | Place::Postgres(_) => Ok(Arc::new(SqlStore::open(config).await?)),
    }
}
