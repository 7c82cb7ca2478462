//! The store: reads by pool, commits by the writer task.

use std::time::Duration;

use sqlx::{PgPool, SqlitePool};
use tokio::sync::{mpsc, oneshot, watch};
use trestle_store::{At, Batch, Plan, Row, Scan, Space, Store, StoreError};

use crate::{
    Config, OpenError, Place,
    engine::Engine,
    postgres, sqlite,
    writer::{self, Job},
};

type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How long a read waits for an unknown outcome to be settled. Callers have deadlines of their own;
/// this one is for those that forgot.
const SETTLE_WAIT: Duration = Duration::from_secs(10);

/// A store in SQLite or PostgreSQL.
#[derive(Debug)]
pub struct SqlStore {
    readers: Readers,
    jobs: mpsc::Sender<Job>,
    settled: watch::Receiver<bool>,
}

#[derive(Debug)]
pub(crate) enum Readers {
    Sqlite(SqlitePool),
    Postgres {
        pool: PgPool,
        /// Ours, as long as nobody took the database over.
        token: i64,
    },
}

impl SqlStore {
    /// Opens a database as its only owner, creates it if need be, and migrates it forward. Must be
    /// called within a tokio runtime, which must outlive the store.
    ///
    /// # Errors
    /// [`OpenError`]: another owner, a newer version, or a database that cannot be used.
    pub async fn open(config: Config) -> Result<Self, OpenError> {
        match config.place() {
            Place::Memory => {
                Err(OpenError::Url("expected sqlite:PATH or postgres://…, got memory".into()))
            }
            Place::Sqlite(path) => {
                let (engine, pool) = sqlite::open(path, config.max_pages).await?;
                Ok(Self::start(engine, Readers::Sqlite(pool)))
            }
            Place::Postgres(options) => {
                let (engine, pool) = postgres::open(options, config.takeover).await?;
                let token = engine.token();
                Ok(Self::start(engine, Readers::Postgres { pool, token }))
            }
        }
    }

    /// Opens a database for reading only, also while a node owns and writes it. Commits are refused.
    ///
    /// # Errors
    /// [`OpenError`]: a database that is not there, of another version, or cannot be used.
    pub async fn open_reader(config: Config) -> Result<Self, OpenError> {
        let readers = match config.place() {
            Place::Memory => {
                return Err(OpenError::Url(
                    "expected sqlite:PATH or postgres://…, got memory".into(),
                ));
            }
            Place::Sqlite(path) => Readers::Sqlite(sqlite::open_reader(path).await?),
            // Nobody asks a reader whether it is the owner.
            Place::Postgres(options) => {
                Readers::Postgres { pool: postgres::open_reader(options).await?, token: 0 }
            }
        };
        // Without a writer: its mailbox is closed, and there is nothing to settle.
        let (jobs, _) = mpsc::channel(1);
        let (_, settled) = watch::channel(true);
        Ok(Self { readers, jobs, settled })
    }

    /// Ends the writer after what waits is committed, and lets go of the database. Commits after
    /// this are refused. A store that is only dropped does the same in the background.
    ///
    /// SQLite's log is written into the database and removed.
    pub async fn close(&self) {
        // First: whoever closes last writes the log back, and that is to be the owner.
        match &self.readers {
            Readers::Sqlite(pool) => pool.close().await,
            Readers::Postgres { pool, .. } => pool.close().await,
        }
        let (closed, done) = oneshot::channel();
        if self.jobs.send(Job::Close(closed)).await.is_ok() {
            // The writer ended in another way, and let go too.
            let _ = done.await;
        }
    }

    /// Looks whether this process still owns the database. Commits look by themselves; this is for
    /// a process that has nothing to commit.
    ///
    /// # Errors
    /// [`StoreError::NotOwner`] once another process has taken it over; others as for reading.
    pub async fn check_owner(&self) -> Result<(), StoreError> {
        match &self.readers {
            // The lock on the file lasts as long as the process.
            Readers::Sqlite(_) => Ok(()),
            Readers::Postgres { pool, token } => postgres::check_owner(pool, *token).await,
        }
    }

    fn start(engine: impl Engine, readers: Readers) -> Self {
        let (jobs, waiting) = mpsc::channel(writer::QUEUE);
        let (settles, settled) = watch::channel(true);
        tokio::spawn(writer::run(engine, waiting, settles));
        Self { readers, jobs, settled }
    }

    async fn settled(&self) -> Result<(), StoreError> {
        let unsettled = || {
            let why = "the outcome of a commit is not settled yet; try again";
            StoreError::Unavailable(why.into())
        };
        if *self.settled.borrow() {
            return Ok(());
        }
        let mut settled = self.settled.clone();
        let wait = tokio::time::timeout(SETTLE_WAIT, settled.wait_for(|settled| *settled));
        wait.await.map_err(|_| unsettled())?.map(|_| ()).map_err(|_| unsettled())
    }

    async fn apply(&self, batch: Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let (answer, outcome) = oneshot::channel();
        let stopped = |_| StoreError::Unavailable("the writer has stopped; restart".into());
        self.jobs.send(Job::Commit(Plan::new(batch), answer)).await.map_err(stopped)?;
        let lost = |_| StoreError::Unknown("the writer stopped during the commit".into());
        outcome.await.map_err(lost)?
    }
}

impl Store for SqlStore {
    fn get<'a>(
        &'a self,
        space: Space,
        key: &'a [u8],
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(async move {
            self.settled().await?;
            match &self.readers {
                Readers::Sqlite(pool) => sqlite::get(pool, space, key).await,
                Readers::Postgres { pool, .. } => postgres::get(pool, space, key).await,
            }
        })
    }

    fn get_many<'a>(
        &'a self,
        at: &'a [At],
    ) -> BoxFuture<'a, Result<Vec<Option<Vec<u8>>>, StoreError>> {
        Box::pin(async move {
            self.settled().await?;
            match &self.readers {
                Readers::Sqlite(pool) => sqlite::get_many(pool, at).await,
                Readers::Postgres { pool, .. } => postgres::get_many(pool, at).await,
            }
        })
    }

    fn scan(&self, space: Space, scan: Scan) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        Box::pin(async move {
            let Some(keys) = scan.range() else { return Ok(Vec::new()) };
            self.settled().await?;
            match &self.readers {
                Readers::Sqlite(pool) => sqlite::scan(pool, space, &scan, &keys).await,
                Readers::Postgres { pool, .. } => postgres::scan(pool, space, &scan, &keys).await,
            }
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.apply(batch))
    }
}
