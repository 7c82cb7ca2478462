//! Commits that are under way while the blocks behind them are looked at.
//!
//! Catching up, a commit takes as long as the work on the next blocks, and on different threads. So
//! one commit may be under way: what is planned meanwhile reads its rows as if they were stored.
//!
//! Always holds: what the index says of itself is stored; one commit at most is under way, and they
//! reach the store in their order; if one fails, nothing that was planned on it is committed.

use std::{fmt, sync::Arc};

use futures::future::{BoxFuture, FutureExt};
use tokio::sync::watch;
use trestle_store::{Batch, Op, Row, Scan, Space, Store, StoreError, plan::At};

use super::{Index, Planned, Taken, state::State};
use crate::runtime::Fault;

/// A commit under way, and what is true when it has happened.
pub(super) struct Behind {
    rows: Arc<Rows>,
    outcome: Outcome,
    pub(super) state: State,
    taken: Taken,
}

impl Behind {
    fn begin(store: Arc<dyn Store>, planned: Planned) -> Self {
        let Planned { batch, taken, state, .. } = planned;
        let rows = Arc::new(Rows::of(&batch));
        let (told, outcome) = watch::channel(None);
        // On a task of its own, so that it goes on whatever becomes of those who wait for it.
        tokio::spawn(async move {
            let result = store.commit(batch).await;
            told.send_replace(Some(result));
        });
        Self { rows, outcome: Outcome(outcome), state, taken }
    }
}

impl fmt::Debug for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Behind").field("rows", &self.rows.0.len()).finish_non_exhaustive()
    }
}

/// How a commit ended, once it has.
#[derive(Clone)]
struct Outcome(watch::Receiver<Option<Result<(), StoreError>>>);

impl Outcome {
    async fn wait(&self) -> Result<(), StoreError> {
        let mut outcome = self.0.clone();
        match outcome.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(result)) => result.clone(),
            Ok(None) | Err(_) => Err(StoreError::Unknown("nobody waits for the commit".into())),
        }
    }
}

impl Index {
    /// Whether a commit is under way.
    pub const fn is_behind(&self) -> bool {
        self.behind.is_some()
    }

    /// Begins to commit a plan, once what is under way is committed: gives what that changed. The
    /// index says of itself what the plan makes of it after [`Index::settle`], or the next one.
    ///
    /// # Errors
    /// [`Fault`] as in [`Index::commit`], of the commit before: the plan is dropped.
    pub async fn hand_over(&mut self, planned: Planned) -> Result<Option<Taken>, Fault> {
        self.is_next(&planned)?;
        let before = self.settle().await?;
        self.revision = self.revision.wrapping_add(1);
        self.behind = Some(Behind::begin(Arc::clone(&self.store), planned));
        Ok(before)
    }

    /// Waits for the commit that is under way, if there is one: gives what it changed.
    ///
    /// # Errors
    /// [`Fault`] as in [`Index::commit`].
    pub async fn settle(&mut self) -> Result<Option<Taken>, Fault> {
        let Some(behind) = &self.behind else { return Ok(None) };
        let result = behind.outcome.wait().await;
        let Some(Behind { state, taken, .. }) = self.behind.take() else { return Ok(None) };
        if let Err(error) = result {
            self.stale = true;
            return Err(error.into());
        }
        self.state = state;
        Ok(Some(taken))
    }

    /// What the next plan is made on.
    pub(super) fn base(&self) -> Arc<dyn Store> {
        let store = Arc::clone(&self.store);
        match &self.behind {
            Some(Behind { rows, outcome, .. }) => {
                Arc::new(Ahead { store, rows: Arc::clone(rows), outcome: outcome.clone() })
            }
            None => store,
        }
    }
}

/// The rows of a batch in the order of their keys; `None`: removed.
struct Rows(Vec<(Space, Vec<u8>, Option<Vec<u8>>)>);

impl Rows {
    fn of(batch: &Batch) -> Self {
        let row = |op: &Op| match op {
            Op::Put(space, key, value) | Op::Insert(space, key, value) => {
                Some((*space, key.clone(), Some(value.clone())))
            }
            Op::Delete(space, key) => Some((*space, key.clone(), None)),
            Op::Expect(..) => None,
        };
        let mut rows: Vec<_> = batch.ops.iter().filter_map(row).collect();
        // Of writes to one row the last one is found.
        rows.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        Self(rows)
    }

    /// What a read finds; `None`: nothing is known here.
    fn get(&self, space: Space, key: &[u8]) -> Option<Option<Vec<u8>>> {
        let behind = self.0.partition_point(|row| (row.0, row.1.as_slice()) <= (space, key));
        let (_, _, value) =
            self.0[..behind].last().filter(|row| (row.0, row.1.as_slice()) == (space, key))?;
        Some(value.clone())
    }
}

/// The store as it will be when the commit that is under way has happened.
struct Ahead {
    store: Arc<dyn Store>,
    rows: Arc<Rows>,
    outcome: Outcome,
}

impl Store for Ahead {
    fn get<'a>(
        &'a self,
        space: Space,
        key: &'a [u8],
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        match self.rows.get(space, key) {
            Some(known) => async move { Ok(known) }.boxed(),
            None => self.store.get(space, key),
        }
    }

    fn get_many<'a>(
        &'a self,
        at: &'a [At],
    ) -> BoxFuture<'a, Result<Vec<Option<Vec<u8>>>, StoreError>> {
        async move {
            let known: Vec<_> = at.iter().map(|(space, key)| self.rows.get(space, key)).collect();
            let unknown = at.iter().zip(&known).filter(|(_, known)| known.is_none());
            let unknown: Vec<At> = unknown.map(|(at, _)| at.clone()).collect();
            let mut stored = self.store.get_many(&unknown).await?.into_iter();
            let value = |known: Option<_>| known.unwrap_or_else(|| stored.next().flatten());
            Ok(known.into_iter().map(value).collect())
        }
        .boxed()
    }

    fn scan(&self, space: Space, scan: Scan) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        async move {
            // Few plans need ranges: they wait for the rows instead of mixing them in.
            self.outcome.wait().await?;
            self.store.scan(space, scan).await
        }
        .boxed()
    }

    fn commit(&self, _: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        let refused = StoreError::Unavailable("a plan is committed by its index".into());
        async move { Err(refused) }.boxed()
    }
}
