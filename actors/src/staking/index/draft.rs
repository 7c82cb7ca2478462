//! Changes that are not committed yet, over the store that they are for.
//!
//! Reads see the changes; a row is read from the store once at most. What comes and goes within one
//! draft leaves no trace in its batch, so that catching up with many blocks in one commit writes
//! each row once.

use std::{
    collections::{BTreeMap, btree_map::Entry},
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
    cells: Mutex<Cells>,
}

/// By space, and then by key.
type Cells = BTreeMap<Space, BTreeMap<Vec<u8>, Cell>>;

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: usize = self.lock().values().map(BTreeMap::len).sum();
        f.debug_struct("Draft").field("rows", &rows).finish()
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
        self.write(table.at(key), Some(table.encode(value)), None);
    }

    /// Writes a row of which it is known that none is stored, unless this draft made it.
    pub(super) fn put_new<K: Key, V: Encode + Decode<()>>(
        &self,
        table: &Table<K, V>,
        key: &K,
        value: &V,
    ) {
        self.write(table.at(key), Some(table.encode(value)), Some(None));
    }

    /// Removes a row.
    pub(super) fn delete<K: Key, V: Encode + Decode<()>>(&self, table: &Table<K, V>, key: &K) {
        self.write(table.at(key), None, None);
    }

    /// Takes writes that others made.
    pub(super) fn absorb(&self, batch: Batch) {
        for op in batch.ops {
            match op {
                Op::Put(space, key, value) | Op::Insert(space, key, value) => {
                    self.write((space, key), Some(value), None);
                }
                Op::Delete(space, key) => self.write((space, key), None, None),
                // The index writes what it knows to be right and asks nothing of the store.
                Op::Expect(..) => {}
            }
        }
    }

    /// `stored` counts only where nothing is known of the row yet.
    fn write(&self, (space, key): At, now: Option<Vec<u8>>, stored: Option<Option<Vec<u8>>>) {
        let mut cells = self.lock();
        match cells.entry(space).or_default().entry(key) {
            Entry::Occupied(mut known) => known.get_mut().now = now,
            Entry::Vacant(place) => drop(place.insert(Cell { stored, now })),
        }
    }

    /// Whether a row is removed here, or was seen not to be there.
    pub(super) fn is_gone<K: Key, V: Encode + Decode<()>>(
        &self,
        table: &Table<K, V>,
        key: &K,
    ) -> bool {
        let (space, key) = table.at(key);
        let cells = self.lock();
        let cell = cells.get(space).and_then(|cells| cells.get(&key));
        cell.is_some_and(|cell| cell.now.is_none())
    }

    /// The store below.
    pub(super) fn base(&self) -> &dyn Store {
        self.base.as_ref()
    }

    /// The changes.
    pub(super) fn into_batch(self) -> Batch {
        let cells = self.cells.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut ops = Vec::with_capacity(cells.values().map(BTreeMap::len).sum());
        for (space, cells) in cells {
            let changed = cells.into_iter().filter(|(_, cell)| cell.is_changed());
            ops.extend(changed.map(|(key, cell)| match cell.now {
                Some(value) => Op::Put(space, key, value),
                None => Op::Delete(space, key),
            }));
        }
        Batch { ops }
    }

    fn lock(&self) -> MutexGuard<'_, Cells> {
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
            if let Some(cell) = self.lock().get(space).and_then(|cells| cells.get(key)) {
                return Ok(cell.now.clone());
            }
            let stored = self.base.get(space, key).await?;
            let cell = Cell { stored: Some(stored.clone()), now: stored };
            let mut cells = self.lock();
            let known = cells.entry(space).or_default().entry(key.to_vec()).or_insert(cell);
            Ok(known.now.clone())
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
