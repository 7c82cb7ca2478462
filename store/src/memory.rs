//! The store in memory: for tests, simulations and nodes that keep nothing (`url = "memory"`).

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::future::{BoxFuture, FutureExt, ready};

use crate::{Batch, Op, Row, Scan, Space, Store, StoreError};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// An in-memory store. A clone is another handle on the same data, as after a restart.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    spaces: Arc<Mutex<BTreeMap<Space, Rows>>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// An independent copy of the data, as a backup has it.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        Self { spaces: Arc::new(Mutex::new(self.lock().clone())) }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Space, Rows>> {
        // Every change is applied to a copy and swapped in, so a panic leaves whole data.
        self.spaces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, space: Space, scan: &Scan) -> Vec<Row> {
        let spaces = self.lock();
        let Some(rows) = spaces.get(space) else { return Vec::new() };
        let from = (Bound::Included(scan.prefix.clone()), Bound::Unbounded);
        let rows = rows.range(from).take_while(|(key, _)| key.starts_with(&scan.prefix));
        let row = |(key, value): (&Vec<u8>, &Vec<u8>)| (key.clone(), value.clone());
        let limit = scan.limit as usize;
        match (scan.reverse, &scan.after) {
            (false, None) => rows.take(limit).map(row).collect(),
            (false, Some(after)) => rows.filter(|(k, _)| *k > after).take(limit).map(row).collect(),
            (true, after) => {
                let rows: Vec<_> = rows.collect();
                let before = |key: &Vec<u8>| after.as_ref().is_none_or(|after| key < after);
                rows.into_iter().rev().filter(|(k, _)| before(k)).take(limit).map(row).collect()
            }
        }
    }

    fn apply(&self, batch: Batch) -> Result<(), StoreError> {
        let mut spaces = self.lock();
        check(&spaces, &batch)?;
        for op in batch.ops {
            match op {
                Op::Put(space, key, value) | Op::Insert(space, key, value) => {
                    spaces.entry(space).or_default().insert(key, value);
                }
                Op::Delete(space, key) => {
                    spaces.entry(space).or_default().remove(&key);
                }
                Op::Expect(..) => {}
            }
        }
        Ok(())
    }
}

/// Finds the first precondition that fails, seeing the batch's earlier operations.
fn check(spaces: &BTreeMap<Space, Rows>, batch: &Batch) -> Result<(), StoreError> {
    let mut pending: BTreeMap<(Space, &[u8]), Option<&[u8]>> = BTreeMap::new();
    for op in &batch.ops {
        let (Op::Put(space, key, _)
        | Op::Insert(space, key, _)
        | Op::Delete(space, key)
        | Op::Expect(space, key, _)) = op;
        let stored = || spaces.get(space).and_then(|rows| rows.get(key)).map(Vec::as_slice);
        let now = pending.get(&(*space, key.as_slice())).copied().unwrap_or_else(stored);
        let (holds, next) = match op {
            Op::Put(_, _, value) => (true, Some(value.as_slice())),
            Op::Insert(_, _, value) => (now.is_none(), Some(value.as_slice())),
            Op::Delete(..) => (true, None),
            Op::Expect(_, _, expected) => (now == expected.as_deref(), now),
        };
        if !holds {
            let key = key.iter().map(|byte| format!("{byte:02x}")).collect();
            return Err(StoreError::Conflict { space, key });
        }
        pending.insert((space, key), next);
    }
    Ok(())
}

impl Store for MemoryStore {
    fn get<'a>(
        &'a self,
        space: Space,
        key: &'a [u8],
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        ready(Ok(self.lock().get(space).and_then(|rows| rows.get(key)).cloned())).boxed()
    }

    fn scan(&self, space: Space, scan: Scan) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        ready(Ok(self.read(space, &scan))).boxed()
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        ready(self.apply(batch)).boxed()
    }
}
