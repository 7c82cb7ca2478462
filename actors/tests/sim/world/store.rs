//! A node's durable state: survives its crashes, and crashes it where the scheduler says.
//!
//! Always holds: after a crash nothing is committed until the node is started again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::{BoxFuture, FutureExt, ready};
use trestle_store::{Batch, Op, Row, Scan, Space, Store, StoreError, memory::MemoryStore};

/// Which side of a commit the process dies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The commit is lost.
    Before,
    /// The commit is kept; whoever asked never hears of it.
    After,
}

/// What the next commit does instead of succeeding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It fails, and says so.
    Unavailable,
    /// It is lost, and the store cannot say so.
    UnknownLost,
    /// It is kept, and the store cannot say so.
    UnknownKept,
}

/// What the scheduler wants of a store.
#[derive(Default)]
pub(crate) struct Control {
    /// Commits so far, in all boots.
    pub(crate) commits: u64,
    /// Die at this commit, counted from 1.
    pub(crate) die_at: Option<(u64, Moment)>,
    /// What the next commit does.
    pub(crate) trouble: Option<Trouble>,
    /// Every commit fails, and says so.
    pub(crate) full: bool,
    /// One has failed so.
    pub(crate) found_full: bool,
    /// The process is dead.
    pub(crate) dead: bool,
    /// Spaces whose writes are lost without a word: a planted bug.
    pub(crate) forgets: Vec<Space>,
}

/// What a full disk says.
pub(crate) fn full() -> StoreError {
    StoreError::Unavailable("database or disk is full".into())
}

/// A store under the scheduler's control.
#[derive(Clone)]
pub(crate) struct SimStore {
    rows: MemoryStore,
    control: Arc<Mutex<Control>>,
}

impl SimStore {
    pub(crate) fn new(rows: MemoryStore) -> Self {
        Self { rows, control: Arc::default() }
    }

    pub(crate) fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether its disk is full, and whoever uses it knows.
    pub(crate) fn is_away(&self) -> bool {
        let mut control = self.control();
        control.found_full &= control.full;
        control.found_full
    }

    /// What is stored.
    pub(crate) fn rows(&self) -> &MemoryStore {
        &self.rows
    }

    fn put(&self, batch: Batch) -> Result<(), StoreError> {
        // The scheduler waits for an actor already, so there is nothing to wait with here.
        self.rows.commit(batch).now_or_never().expect("memory never waits")
    }

    fn write(&self, mut batch: Batch) -> Result<(), StoreError> {
        let mut control = self.control();
        let unknown = || Err(StoreError::Unknown("simulated".into()));
        if control.dead {
            return unknown();
        }
        control.commits += 1;
        let forgotten = |op: &Op| match op {
            Op::Put(space, ..) | Op::Insert(space, ..) | Op::Delete(space, _) => {
                control.forgets.contains(space)
            }
            Op::Expect(..) => false,
        };
        batch.ops.retain(|op| !forgotten(op));
        if let Some((_, moment)) = control.die_at.filter(|(at, _)| *at == control.commits) {
            control.dead = true;
            if moment == Moment::After {
                self.put(batch)?;
            }
            return unknown();
        }
        if control.full {
            control.found_full = true;
            return Err(full());
        }
        match control.trouble.take() {
            Some(Trouble::Unavailable) => Err(StoreError::Unavailable("simulated".into())),
            Some(Trouble::UnknownLost) => unknown(),
            Some(Trouble::UnknownKept) => {
                self.put(batch)?;
                unknown()
            }
            None => self.put(batch),
        }
    }
}

impl Store for SimStore {
    fn get<'a>(
        &'a self,
        space: Space,
        key: &'a [u8],
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        self.rows.get(space, key)
    }

    fn scan(&self, space: Space, scan: Scan) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        self.rows.scan(space, scan)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        ready(self.write(batch)).boxed()
    }
}
