//! SQLite: write-ahead log, every commit flushed, one connection that writes and a pool that reads.
//!
//! Opening reads the header and the schema, which finds a foreign, cut or overwritten file; it does
//! not read every page (`PRAGMA quick_check` does, and takes minutes on a large database). Damage
//! further in is found by the read that meets it, as [`StoreError::Corrupt`].

use std::{path::Path, time::Duration};

use sqlx::{
    ConnectOptions, Connection, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use trestle_store::{At, Plan, Row, Scan, Space, StoreError, scan::KeyRange};

use crate::{
    OpenError,
    engine::{AtRef, Engine, Merged, merge, required},
    error::{sqlite, sqlite_commit},
    lock::{OwnerLock, lock_database},
    migrations, sql,
};

/// Connections that read. Each has a thread; reads are short, so a few keep every core busy.
const READERS: u32 = 4;

/// Rows from which a commit is large: hundreds of them are a block, more are blocks caught up with.
const LARGE: usize = 4_096;

/// Of the connection that writes, while it writes what is large, in KiB behind the minus: what such a
/// commit changes. With less, its pages are written to the log before it ends, and again whenever they
/// change. A small commit on a large database only has more to look through.
const LARGE_CACHE: &str = "PRAGMA cache_size = -32768";
const SMALL_CACHE: &str = "PRAGMA cache_size = -2000";

/// Pages (32 MiB) after which the log is put into the database. A large commit has more than the 1,000
/// pages of the default: every one would write its pages twice, and most of them again in the next.
const WRITER_LOG: &str = "8000";

/// Only our own readers and a checkpoint can hold the file, and neither for long.
const BUSY: Duration = Duration::from_secs(5);

/// The writer's side of an open database.
pub(crate) struct SqliteEngine {
    options: SqliteConnectOptions,
    /// None after a failure: the next commit starts from a connection without a past.
    connection: Option<Writer>,
    _lock: OwnerLock,
}

/// The connection that writes.
struct Writer {
    connection: SqliteConnection,
    /// It has the cache for what is large.
    is_large: bool,
}

impl Writer {
    /// Gives it the cache for so many rows.
    async fn fit(&mut self, rows: usize) -> Result<(), StoreError> {
        let is_large = rows >= LARGE;
        if self.is_large != is_large {
            let pragma = if is_large { LARGE_CACHE } else { SMALL_CACHE };
            let done = sqlx::query(pragma).execute(&mut self.connection).await;
            done.map_err(|e| sqlite(&e))?;
            self.is_large = is_large;
        }
        Ok(())
    }
}

impl From<SqliteConnection> for Writer {
    fn from(connection: SqliteConnection) -> Self {
        Self { connection, is_large: false }
    }
}

/// Locks, opens and migrates a database.
pub(crate) async fn open(
    path: &Path,
    max_pages: Option<u32>,
) -> Result<(SqliteEngine, SqlitePool), OpenError> {
    let lock = lock_database(path).await?;
    let options = options(path);
    let writing = options.clone().pragma("wal_autocheckpoint", WRITER_LOG);
    let writes = match max_pages {
        Some(pages) => writing.pragma("max_page_count", pages.to_string()),
        None => writing,
    };
    let mut connection = writes.connect().await.map_err(|e| sqlite(&e))?;
    check(&mut connection, path).await?;
    migrate(&mut connection).await?;
    let engine = SqliteEngine { options: writes, connection: Some(connection.into()), _lock: lock };
    Ok((engine, readers(options)))
}

/// Opens a database for reading, beside its owner if there is one.
pub(crate) async fn open_reader(path: &Path) -> Result<SqlitePool, OpenError> {
    let options = options(path).create_if_missing(false).pragma("query_only", "ON");
    let mut connection = options.clone().connect().await.map_err(|e| sqlite(&e))?;
    check(&mut connection, path).await?;
    let applied = sqlx::query_as(migrations::APPLIED).fetch_all(&mut connection).await;
    let applied = applied.map_err(|e| sqlite(&e))?;
    migrations::current(migrations::ALL, &applied, |migration| migration.sqlite)?;
    discard(connection).await;
    Ok(readers(options))
}

fn readers(options: SqliteConnectOptions) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(Duration::from_secs(10))
        .idle_timeout(None)
        .max_lifetime(None)
        // A connection to a file does not go away.
        .test_before_acquire(false)
        .connect_lazy_with(options.create_if_missing(false).pragma("query_only", "ON"))
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
        // Finds damage inside a page before it is believed.
        .pragma("cell_size_check", "ON")
        // After one very large transaction the log shrinks again.
        .pragma("journal_size_limit", "67108864")
        .disable_statement_logging()
}

/// The cheap check at open: header and schema are readable, and the schema is ours or none.
async fn check(connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    const TABLES: &str = "SELECT CAST(COUNT(*) AS BIGINT), \
         CAST(COALESCE(SUM(name = 'trestle_migrations'), 0) AS BIGINT) FROM sqlite_schema";
    let (all, ours): (i64, i64) =
        sqlx::query_as(TABLES).fetch_one(connection).await.map_err(|e| sqlite(&e))?;
    if all > 0 && ours == 0 {
        return Err(OpenError::Foreign(path.display().to_string()));
    }
    Ok(())
}

async fn migrate(connection: &mut SqliteConnection) -> Result<(), OpenError> {
    let failed = |e: sqlx::Error| sqlite(&e);
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    sqlx::query(migrations::BOOTSTRAP).execute(&mut *tx).await.map_err(failed)?;
    let applied: Vec<migrations::Applied> =
        sqlx::query_as(migrations::APPLIED).fetch_all(&mut *tx).await.map_err(failed)?;
    let text = |migration: &migrations::Migration| migration.sqlite;
    for (id, migration) in migrations::pending(migrations::ALL, &applied, text)? {
        sqlx::query(migration.sqlite).execute(&mut *tx).await.map_err(failed)?;
        sqlx::query(migrations::REMEMBER)
            .bind(id)
            .bind(migration.name)
            .bind(migrations::hash(migration.sqlite))
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        tracing::info!(migration = migration.name, "migrated the database");
    }
    tx.commit().await.map_err(failed)?;
    Ok(())
}

impl Engine for SqliteEngine {
    async fn transact(
        &mut self,
        plans: &[Plan],
    ) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let mut writer = self.connect().await?;
        let outcome = match writer.fit(plans.iter().map(|plan| plan.writes().len()).sum()).await {
            Ok(()) => attempt(&mut writer.connection, plans).await,
            Err(error) => Err(error),
        };
        if outcome.is_ok() {
            self.connection = Some(writer);
        } else {
            discard(writer.connection).await;
        }
        outcome
    }

    async fn settle(&mut self) -> Result<(), StoreError> {
        // The failed connection is closed. What it may have left in the log is not part of the
        // database for any connection now, and the next commit is written over it.
        let writer = self.connect().await?;
        self.connection = Some(writer);
        Ok(())
    }

    async fn close(&mut self) {
        if let Some(writer) = self.connection.take() {
            discard(writer.connection).await;
        }
    }
}

impl SqliteEngine {
    async fn connect(&mut self) -> Result<Writer, StoreError> {
        match self.connection.take() {
            Some(writer) => Ok(writer),
            // Never a new file: if the old one is gone, so is the state.
            None => {
                let options = self.options.clone().create_if_missing(false);
                Ok(options.connect().await.map_err(|e| sqlite(&e))?.into())
            }
        }
    }
}

/// Waits until the connection is closed, and with it its locks are gone.
async fn discard(connection: SqliteConnection) {
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "closing the database");
    }
}

async fn attempt(
    connection: &mut SqliteConnection,
    plans: &[Plan],
) -> Result<Vec<Result<(), StoreError>>, StoreError> {
    let failed = |e: sqlx::Error| sqlite(&e);
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let wanted = required(plans);
    let stored = read(&mut tx, &wanted).await.map_err(failed)?;
    let merged = merge(plans, &wanted, &stored);
    write(&mut tx, &merged).await.map_err(failed)?;
    let outcomes = merged.outcomes;
    tx.commit().await.map_err(|e| sqlite_commit(&e))?;
    Ok(outcomes)
}

async fn read(
    tx: &mut SqliteConnection,
    wanted: &[AtRef<'_>],
) -> Result<Vec<Option<Vec<u8>>>, sqlx::Error> {
    let mut stored = Vec::with_capacity(wanted.len());
    for (chunk, rows) in sql::chunked(wanted) {
        let mut query = sqlx::query_as::<_, (i64, Vec<u8>)>(chunk.read.as_str());
        for (space, key) in rows {
            query = query.bind(*space).bind(*key);
        }
        let mut found = vec![None; rows.len()];
        for (place, value) in query.fetch_all(&mut *tx).await? {
            let place = usize::try_from(place - 1).ok().and_then(|place| found.get_mut(place));
            *place.expect("places are those that the statement names") = Some(value);
        }
        stored.extend(found);
    }
    Ok(stored)
}

async fn write(tx: &mut SqliteConnection, merged: &Merged<'_>) -> Result<(), sqlx::Error> {
    for (chunk, rows) in sql::chunked(&merged.puts) {
        let mut query = sqlx::query(chunk.put.as_str());
        for ((space, key), value) in rows {
            query = query.bind(*space).bind(*key).bind(*value);
        }
        query.execute(&mut *tx).await?;
    }
    for of_one_space in merged.deletes.chunk_by(|(one, _), (other, _)| one == other) {
        for (chunk, rows) in sql::chunked(of_one_space) {
            let mut query = sqlx::query(chunk.delete.as_str());
            for (place, (space, key)) in rows.iter().enumerate() {
                if place == 0 {
                    query = query.bind(*space);
                }
                query = query.bind(*key);
            }
            query.execute(&mut *tx).await?;
        }
    }
    Ok(())
}

/// One value.
pub(crate) async fn get(
    pool: &SqlitePool,
    space: Space,
    key: &[u8],
) -> Result<Option<Vec<u8>>, StoreError> {
    let query = sqlx::query_scalar(sql::GET).bind(space).bind(key);
    query.fetch_optional(pool).await.map_err(|e| sqlite(&e))
}

/// Many values, in few statements.
pub(crate) async fn get_many(
    pool: &SqlitePool,
    at: &[At],
) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
    if at.is_empty() {
        return Ok(Vec::new());
    }
    let wanted: Vec<AtRef<'_>> = at.iter().map(|(space, key)| (*space, key.as_slice())).collect();
    let mut connection = pool.acquire().await.map_err(|e| sqlite(&e))?;
    read(&mut connection, &wanted).await.map_err(|e| sqlite(&e))
}

/// A page of rows.
pub(crate) async fn scan(
    pool: &SqlitePool,
    space: Space,
    scan: &Scan,
    keys: &KeyRange,
) -> Result<Vec<Row>, StoreError> {
    let text = sql::scan(scan.reverse, keys.to.is_some());
    let mut query =
        sqlx::query_as(text).bind(space).bind(keys.from.as_slice()).bind(i64::from(scan.limit));
    if let Some(to) = &keys.to {
        query = query.bind(to.as_slice());
    }
    query.fetch_all(pool).await.map_err(|e| sqlite(&e))
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use trestle_store::Batch;

    use super::*;

    #[tokio::test]
    async fn writer__should_have_a_large_cache_for_large_commits_only() {
        // Given
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (mut engine, readers) =
            open(&dir.path().join("cache.sqlite"), None).await.expect("opens");
        let of = |rows: usize| {
            let mut batch = Batch::new();
            for row in 0..rows {
                let key = row.to_be_bytes().to_vec();
                batch.ops.push(trestle_store::Op::Put("cache", key, vec![1]));
            }
            [Plan::new(batch)]
        };
        for (rows, expected) in [(LARGE, -32_768), (LARGE, -32_768), (LARGE - 1, -2_000)] {
            // When
            let outcomes = engine.transact(&of(rows)).await.expect("commits");
            // Then
            assert_eq!(outcomes, [Ok(())]);
            let writer = engine.connection.as_mut().expect("it is kept");
            let size = sqlx::query_scalar::<_, i64>("PRAGMA cache_size");
            let size = size.fetch_one(&mut writer.connection).await.expect("a size");
            assert_eq!(size, expected);
        }
        readers.close().await;
        engine.close().await;
    }

    /// Each statement must find its rows by the primary key: a scan of the table would make every
    /// commit as slow as the database is large.
    #[tokio::test]
    async fn statements__should_search_by_primary_key() {
        // Given
        let dir = tempfile::tempdir().expect("a temporary folder");
        let options = options(&dir.path().join("plan.sqlite"));
        let mut connection = options.connect().await.expect("opens");
        migrate(&mut connection).await.expect("migrates");
        let chunks = sql::CHUNKS.iter().flat_map(|chunk| [chunk.read.as_str(), &chunk.delete]);
        let scans = [(false, false), (false, true), (true, false), (true, true)];
        let scans = scans.map(|(reverse, end)| sql::scan(reverse, end));

        for statement in chunks.chain(scans).chain([sql::GET]) {
            // When
            let explain = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
            let plan: Vec<(i64, i64, i64, String)> =
                sqlx::query_as(explain).fetch_all(&mut connection).await.expect("explains");
            let steps: Vec<String> = plan.into_iter().map(|(.., step)| step).collect();

            // Then
            let searches = |step: &String| step.starts_with("SEARCH") && step.contains("space=?");
            assert!(steps.iter().any(searches), "{statement}: {steps:?}");
            let scans = |step: &String| step.starts_with("SCAN kv") || step.contains("trestle_kv");
            let scanned = steps.iter().any(|step| scans(step) && !step.starts_with("SEARCH"));
            assert!(!scanned, "{statement}: {steps:?}");
        }
    }
}
