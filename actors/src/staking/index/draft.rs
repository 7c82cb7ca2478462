//! Changes that are not committed yet, over the store that they are for.
//!
//! Reads see the changes; a row is read from the store once at most. What comes and goes within one
//! draft leaves no trace in its batch, so that catching up with many blocks in one commit writes
//! each row once.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bincode::{Decode, Encode};
use futures::future::{BoxFuture, FutureExt};
use trestle_store::{Batch, Op, Row, Scan, Space, Store, StoreError, Table, plan::At, table::Key};

/// A row as the draft knows it.
#[derive(Clone, Debug)]
struct Cell {
    /// What is stored; `None`: not known.
    stored: Option<Option<Vec<u8>>>,
    now: Option<Vec<u8>>,
}

impl Cell {
    fn is_changed(&self) -> bool {
        self.stored.as_ref() != Some(&self.now)
    }
}

/// See the module. Reads go through its [`Store`].
pub(super) struct Draft {
    base: Arc<dyn Store>,
    cells: Mutex<BTreeMap<At, Cell>>,
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft").field("rows", &self.lock().len()).finish()
    }
}

impl Draft {
    pub(super) fn new(base: Arc<dyn Store>) -> Self {
        Self { base, cells: Mutex::default() }
    }

    /// Writes a row.
    pub(super) fn put<K: Key, V: Encode + Decode<()>>(
        &self,
        table: &Table<K, V>,
        key: &K,
        value: &V,
    ) {
        let mut batch = Batch::new();
        table.put(&mut batch, key, value);
        self.absorb(batch, false);
    }

    /// Writes a row of which it is known that none is stored, unless this draft made it.
    pub(super) fn put_new<K: Key, V: Encode + Decode<()>>(
        &self,
        table: &Table<K, V>,
        key: &K,
        value: &V,
    ) {
        let mut batch = Batch::new();
        table.put(&mut batch, key, value);
        self.absorb(batch, true);
    }

    /// Removes a row.
    pub(super) fn delete<K: Key, V: Encode + Decode<()>>(&self, table: &Table<K, V>, key: &K) {
        let mut batch = Batch::new();
        table.delete(&mut batch, key);
        self.absorb(batch, false);
    }

    /// Takes writes that others made.
    pub(super) fn absorb(&self, batch: Batch, new: bool) {
        let mut cells = self.lock();
        for op in batch.ops {
            let (at, now) = match op {
                Op::Put(space, key, value) | Op::Insert(space, key, value) => {
                    ((space, key), Some(value))
                }
                Op::Delete(space, key) => ((space, key), None),
                // The index writes what it knows to be right and asks nothing of the store.
                Op::Expect(..) => continue,
            };
            let stored = new.then_some(None);
            let cell = cells.entry(at).or_insert(Cell { stored, now: None });
            cell.now = now;
        }
    }

    /// Whether a row is removed here, or was seen not to be there.
    pub(super) fn is_gone<K: Key, V: Encode + Decode<()>>(
        &self,
        table: &Table<K, V>,
        key: &K,
    ) -> bool {
        let mut batch = Batch::new();
        table.delete(&mut batch, key);
        let cells = self.lock();
        batch.ops.into_iter().any(|op| match op {
            Op::Delete(space, key) => cells.get(&(space, key)).is_some_and(|c| c.now.is_none()),
            Op::Put(..) | Op::Insert(..) | Op::Expect(..) => false,
        })
    }

    /// The store below.
    pub(super) fn base(&self) -> &dyn Store {
        self.base.as_ref()
    }

    /// The changes.
    pub(super) fn into_batch(self) -> Batch {
        let cells = self.cells.into_inner().unwrap_or_else(PoisonError::into_inner);
        let changed = cells.into_iter().filter(|(_, cell)| cell.is_changed());
        let ops = changed.map(|((space, key), cell)| match cell.now {
            Some(value) => Op::Put(space, key, value),
            None => Op::Delete(space, key),
        });
        Batch { ops: ops.collect() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<At, Cell>> {
        // Nothing panics while the cells are changed.
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Draft {
    fn get<'a>(
        &'a self,
        space: Space,
        key: &'a [u8],
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        async move {
            let at = (space, key.to_vec());
            if let Some(cell) = self.lock().get(&at) {
                return Ok(cell.now.clone());
            }
            let stored = self.base.get(space, key).await?;
            let cell = Cell { stored: Some(stored.clone()), now: stored };
            Ok(self.lock().entry(at).or_insert(cell).now.clone())
        }
        .boxed()
    }

    fn scan(&self, _: Space, _: Scan) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        // Nothing needs ranges of rows that are not committed.
        let refused =
            StoreError::Unavailable("a draft has no ranges; read those of the store".into());
        async move { Err(refused) }.boxed()
    }

    fn commit(&self, _: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        let refused = StoreError::Unavailable("a draft is committed by whoever made it".into());
        async move { Err(refused) }.boxed()
    }
}
