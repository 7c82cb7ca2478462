//! Effects that are owed: written in the batch that decided them, carried out afterwards, and
//! removed when done. After a crash whatever is still here is carried out again.

use bincode::{Decode, Encode};

use crate::{Batch, Space, Store, StoreError, Table, table::Key};

/// An outbox of effects of type `E`, keyed by something that stays the same when the same effect
/// is decided twice.
#[derive(Debug)]
pub struct Outbox<K, E> {
    table: Table<K, E>,
}

impl<K: Key, E: Encode + Decode<()>> Outbox<K, E> {
    /// An outbox over `space`, whose effects are of format `version`.
    pub const fn new(space: Space, version: u8) -> Self {
        Self { table: Table::new(space, version) }
    }

    /// Adds an owed effect to a batch. An effect with the same key is replaced: it is the same.
    pub fn owe(&self, batch: &mut Batch, key: &K, effect: &E) {
        self.table.put(batch, key, effect);
    }

    /// Adds "this one is done" to a batch.
    pub fn settle(&self, batch: &mut Batch, key: &K) {
        self.table.delete(batch, key);
    }

    /// All effects still owed, in order of their keys.
    ///
    /// # Errors
    /// As [`Table::all`].
    pub async fn owed(&self, store: &dyn Store) -> Result<Vec<(K, E)>, StoreError> {
        self.table.all(store).await
    }
}
