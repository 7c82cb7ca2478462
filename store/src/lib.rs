//! Durable state: one transactional store, its memory implementation, and the suite that every
//! implementation passes.
//!
//! A store is a set of named spaces, each an ordered map from bytes to bytes. What changes together
//! is one [`Batch`], committed whole or not at all; when [`Store::commit`] returns, the batch
//! survives loss of power. Actors use [`table::Table`] for typed access.
//!
//! Always holds: an implementation that could not commit says so and has changed nothing; one that
//! cannot tell (the connection died during commit) says [`StoreError::Unknown`], and the caller
//! reloads.

pub mod batch;
pub mod memory;
pub mod outbox;
pub mod plan;
pub mod scan;
#[cfg(feature = "suite")]
pub mod suite;
pub mod table;

pub use batch::{Batch, Op, Space};
pub use outbox::Outbox;
pub use plan::{At, Plan};
pub use scan::Scan;
pub use table::Table;

use futures::future::BoxFuture;

/// A row of a space: key and value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Durable, transactional, ordered storage.
pub trait Store: Send + Sync + 'static {
    /// The value under a key.
    fn get<'a>(
        &'a self,
        space: Space,
        key: &'a [u8],
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>>;

    /// The values under many keys, in their order: for an implementation that reads them together
    /// faster than one by one. A commit in between may show in some of them and not in others.
    fn get_many<'a>(
        &'a self,
        at: &'a [At],
    ) -> BoxFuture<'a, Result<Vec<Option<Vec<u8>>>, StoreError>> {
        Box::pin(async move {
            let mut values = Vec::with_capacity(at.len());
            for (space, key) in at {
                values.push(self.get(space, key).await?);
            }
            Ok(values)
        })
    }

    /// A page of rows.
    fn scan(&self, space: Space, scan: Scan) -> BoxFuture<'_, Result<Vec<Row>, StoreError>>;

    /// Applies all operations of a batch, in order, or none.
    ///
    /// Reads that start after this returned see the batch. A caller that drops the future before it
    /// is ready does not know whether the batch was committed, as with [`StoreError::Unknown`].
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>>;
}

/// Why the store did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// An [`Op::Insert`] found the key taken, or an [`Op::Expect`] another value. Nothing changed.
    #[error("{space}: the row {key} is not as expected")]
    Conflict {
        /// The space.
        space: &'static str,
        /// The key in hexadecimal.
        key: String,
    },
    /// The store cannot take writes now: disk full, read-only, server gone. Nothing changed.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// Whether the commit happened is not known. Reload before doing anything else.
    #[error("the outcome of a commit is unknown: {0}")]
    Unknown(String),
    /// Another process owns this data, or took it over.
    #[error("the data is owned by another process: {0}")]
    NotOwner(String),
    /// Stored bytes cannot be read back: the file or table is damaged, or of a newer version.
    #[error("stored data is damaged: {0}")]
    Corrupt(String),
}
