//! The store in memory: for tests, simulations and nodes that keep nothing (`url = "memory"`).

use std::{
    collections::BTreeMap,
    fmt,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::future::{BoxFuture, FutureExt, lazy};

use crate::{Batch, Plan, Row, Scan, Space, Store, StoreError, plan::At};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// An in-memory store. A clone is another handle on the same data, as after a restart.
#[derive(Clone, Default)]
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
        // Nothing panics while the rows are changed, so a poisoned lock still guards whole data.
        self.spaces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, space: Space, scan: &Scan) -> Vec<Row> {
        let spaces = self.lock();
        let (Some(rows), Some(keys)) = (spaces.get(space), scan.range()) else {
            return Vec::new();
        };
        let to = keys.to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let rows = rows.range::<[u8], _>((Bound::Included(keys.from.as_slice()), to));
        let row = |(key, value): (&Vec<u8>, &Vec<u8>)| (key.clone(), value.clone());
        let limit = scan.limit as usize;
        if scan.reverse {
            rows.rev().take(limit).map(row).collect()
        } else {
            rows.take(limit).map(row).collect()
        }
    }

    fn apply(&self, batch: Batch) -> Result<(), StoreError> {
        let plan = Plan::new(batch);
        let mut spaces = self.lock();
        plan.check(|(space, key): &At| {
            spaces.get(space).and_then(|rows| rows.get(key)).map(Vec::as_slice)
        })?;
        for ((space, key), value) in plan.writes() {
            let rows = spaces.entry(space).or_default();
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        Ok(())
    }
}

impl fmt::Debug for MemoryStore {
    /// Sizes only: rows do not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes: BTreeMap<Space, usize> =
            self.lock().iter().map(|(space, rows)| (*space, rows.len())).collect();
        f.debug_struct("MemoryStore").field("rows", &sizes).finish()
    }
}

impl Store for MemoryStore {
    fn get<'a>(
        &'a self,
        space: Space,
        key: &'a [u8],
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        lazy(move |_| Ok(self.lock().get(space).and_then(|rows| rows.get(key)).cloned())).boxed()
    }

    fn scan(&self, space: Space, scan: Scan) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        lazy(move |_| Ok(self.read(space, &scan))).boxed()
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        // Lazy: a commit whose future is never polled does nothing.
        lazy(move |_| self.apply(batch)).boxed()
    }
}

#[cfg(all(test, feature = "suite"))]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;
    use crate::{Op, suite};

    #[tokio::test]
    async fn memory__should_pass_the_suite() {
        suite::run(async || Arc::new(MemoryStore::new()) as Arc<dyn Store>).await;
    }

    #[test]
    fn commit__should_do_nothing_before_it_is_polled() {
        // Given
        let store = MemoryStore::new();
        let batch = Batch { ops: vec![Op::Put("s", vec![1], vec![2])] };

        // When
        drop(store.commit(batch));

        // Then
        assert_eq!(store.read("s", &Scan { limit: 1, ..Scan::default() }), []);
    }

    #[test]
    fn snapshot__should_not_follow_later_changes() {
        // Given
        let store = MemoryStore::new();
        let copy = store.snapshot();

        // When
        store.apply(Batch { ops: vec![Op::Put("s", vec![1], vec![2])] }).expect("nothing required");

        // Then
        let all = Scan { limit: 1, ..Scan::default() };
        assert_eq!(copy.read("s", &all), []);
        assert_eq!(store.read("s", &all), [(vec![1], vec![2])]);
    }
}
