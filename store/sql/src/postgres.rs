//! PostgreSQL: one session writes, a pool reads.
//!
//! The writing session holds an advisory lock for as long as it lives: nobody else becomes owner
//! meanwhile. Becoming owner raises the token in the owner row. Every commit holds that row and
//! compares the token, so an owner that was taken over from commits nothing more, whatever it
//! believes.

use std::time::Duration;

use sqlx::{
    ConnectOptions, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::timeout;
use trestle_store::{At, Plan, Row, Scan, Space, StoreError, scan::KeyRange};

use crate::{
    OpenError,
    engine::{AtRef, Engine, Merged, merge, required},
    error::{is_disconnected, is_serialization, postgres, postgres_commit},
    migrations,
    sql::{self, arrays},
};

mod session;

use session::Session;

/// Connections that read.
const READERS: u32 = 8;

/// For each of: connecting, the statements of a transaction, its COMMIT. A server that takes longer
/// is as good as gone.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A transaction that lost against another, or its connection before COMMIT, is tried this often.
/// With one writer neither happens twice in a row, unless something is wrong.
const ATTEMPTS: usize = 5;

/// The writer's side of an open database.
pub(crate) struct PostgresEngine {
    options: PgConnectOptions,
    /// None after a failure.
    session: Option<Session>,
    /// The process id of our last session at the server.
    last_pid: i32,
    token: i64,
    /// Set for good once another owner was seen.
    fenced: Option<StoreError>,
}

/// Becomes the owner of a database and migrates it.
pub(crate) async fn open(
    options: &PgConnectOptions,
    takeover: bool,
) -> Result<(PostgresEngine, PgPool), OpenError> {
    let options = options.clone().application_name("trestle").disable_statement_logging();
    let writes = options.clone().options([
        ("statement_timeout", "25s"),
        ("lock_timeout", "10s"),
        // The server lets go of an owner whose machine died within half a minute.
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "4"),
    ]);
    let (session, token) = session::claim(&writes, takeover).await?;
    let pool = readers(options);
    let last_pid = session.pid;
    let session = Some(session);
    Ok((PostgresEngine { options: writes, session, last_pid, token, fenced: None }, pool))
}

/// Opens a database for reading, beside its owner if there is one.
pub(crate) async fn open_reader(options: &PgConnectOptions) -> Result<PgPool, OpenError> {
    let options = options.clone().application_name("trestle reader").disable_statement_logging();
    let pool = readers(options);
    let applied = sqlx::query_as(migrations::APPLIED).fetch_all(&pool).await;
    let applied = applied.map_err(|e| postgres(&e))?;
    migrations::current(migrations::ALL, &applied, |migration| migration.postgres)?;
    Ok(pool)
}

fn readers(options: PgConnectOptions) -> PgPool {
    let reads =
        options.options([("default_transaction_read_only", "on"), ("statement_timeout", "25s")]);
    PgPoolOptions::new().max_connections(READERS).acquire_timeout(DEADLINE).connect_lazy_with(reads)
}

/// How far a transaction came.
enum Failed {
    /// It may do better on this session: it lost against another transaction.
    Lost(StoreError),
    /// It may do better on another session: nothing was committed on this one.
    Disconnected(StoreError),
    /// There is nothing more to try.
    Final(StoreError),
}

impl Engine for PostgresEngine {
    async fn transact(
        &mut self,
        plans: &[Plan],
    ) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let mut session = self.connect().await?;
            match attempt(&mut session.connection, self.token, plans).await {
                Ok(outcomes) => {
                    self.session = Some(session);
                    return Ok(outcomes);
                }
                Err(Failed::Lost(why)) => {
                    if rollback(&mut session.connection).await {
                        self.session = Some(session);
                    }
                    last = Some(why);
                }
                Err(Failed::Disconnected(why)) => last = Some(why),
                Err(Failed::Final(why)) => {
                    if rollback(&mut session.connection).await
                        && !matches!(why, StoreError::Unknown(_))
                    {
                        self.session = Some(session);
                    }
                    return Err(self.remember(why));
                }
            }
        }
        Err(last.unwrap_or_else(|| StoreError::Unavailable("no attempt was made".into())))
    }

    async fn settle(&mut self) -> Result<(), StoreError> {
        // The lock comes free only when the old session, and its transaction with it, has ended.
        self.session = Some(self.connect().await?);
        Ok(())
    }

    async fn close(&mut self) {
        if let Some(session) = self.session.take() {
            session.close().await;
        }
    }
}

impl PostgresEngine {
    /// What makes us the owner.
    pub(crate) const fn token(&self) -> i64 {
        self.token
    }

    async fn connect(&mut self) -> Result<Session, StoreError> {
        if let Some(fenced) = &self.fenced {
            return Err(fenced.clone());
        }
        if let Some(session) = self.session.take() {
            return Ok(session);
        }
        match session::resume(&self.options, self.last_pid, self.token).await {
            Ok(session) => {
                self.last_pid = session.pid;
                Ok(session)
            }
            Err(e) => Err(self.remember(e)),
        }
    }

    fn remember(&mut self, error: StoreError) -> StoreError {
        if matches!(error, StoreError::NotOwner(_)) {
            self.fenced = Some(error.clone());
            self.session = None;
        }
        error
    }
}

async fn attempt(
    connection: &mut PgConnection,
    token: i64,
    plans: &[Plan],
) -> Result<Vec<Result<(), StoreError>>, Failed> {
    let prepared = timeout(DEADLINE, prepare(connection, token, plans)).await;
    let outcomes = prepared.map_err(|_| Failed::Disconnected(late("a transaction")))??;
    let Ok(committed) = timeout(DEADLINE, sqlx::raw_sql("COMMIT").execute(connection)).await else {
        let why = "the server did not answer COMMIT in time";
        return Err(Failed::Final(StoreError::Unknown(why.into())));
    };
    match committed {
        Ok(_) => Ok(outcomes),
        Err(e) if is_serialization(&e) => Err(Failed::Lost(postgres(&e))),
        Err(e) => Err(Failed::Final(postgres_commit(&e))),
    }
}

/// Everything up to COMMIT.
async fn prepare(
    connection: &mut PgConnection,
    token: i64,
    plans: &[Plan],
) -> Result<Vec<Result<(), StoreError>>, Failed> {
    sqlx::raw_sql("BEGIN ISOLATION LEVEL SERIALIZABLE").execute(&mut *connection).await?;
    session::check_token(connection, session::HOLD_TOKEN, token).await?;
    let wanted = required(plans);
    let stored = read(connection, &wanted).await?;
    let merged = merge(plans, &wanted, &stored);
    write(connection, &merged).await?;
    Ok(merged.outcomes)
}

async fn rollback(connection: &mut PgConnection) -> bool {
    let rolled_back = timeout(DEADLINE, sqlx::raw_sql("ROLLBACK").execute(connection)).await;
    matches!(rolled_back, Ok(Ok(_)))
}

fn late(what: &str) -> StoreError {
    StoreError::Unavailable(format!("the server did not finish {what} in {DEADLINE:?}"))
}

impl From<sqlx::Error> for Failed {
    fn from(e: sqlx::Error) -> Self {
        let why = postgres(&e);
        match () {
            () if is_serialization(&e) => Self::Lost(why),
            () if is_disconnected(&e) => Self::Disconnected(why),
            () => Self::Final(why),
        }
    }
}

impl From<session::Refused> for Failed {
    fn from(refused: session::Refused) -> Self {
        match refused {
            session::Refused::Sql(e) => e.into(),
            session::Refused::NotOwner(why) => Self::Final(StoreError::NotOwner(why)),
        }
    }
}

fn columns<'a>(rows: impl Iterator<Item = AtRef<'a>>) -> (Vec<&'static str>, Vec<&'a [u8]>) {
    rows.unzip()
}

async fn read(
    connection: &mut PgConnection,
    wanted: &[AtRef<'_>],
) -> Result<Vec<Option<Vec<u8>>>, sqlx::Error> {
    let mut stored = vec![None; wanted.len()];
    if wanted.is_empty() {
        return Ok(stored);
    }
    let (spaces, keys) = columns(wanted.iter().copied());
    let query = sqlx::query_as::<_, (i64, Vec<u8>)>(arrays::READ).bind(spaces).bind(keys);
    for (place, value) in query.fetch_all(connection).await? {
        let place = usize::try_from(place - 1).ok().and_then(|place| stored.get_mut(place));
        *place.expect("places are those of the arrays, from 1") = Some(value);
    }
    Ok(stored)
}

async fn write(connection: &mut PgConnection, merged: &Merged<'_>) -> Result<(), sqlx::Error> {
    if !merged.puts.is_empty() {
        let (spaces, keys) = columns(merged.puts.iter().map(|(at, _)| *at));
        let values: Vec<&[u8]> = merged.puts.iter().map(|(_, value)| *value).collect();
        let query = sqlx::query(arrays::PUT).bind(spaces).bind(keys).bind(values);
        query.execute(&mut *connection).await?;
    }
    if !merged.deletes.is_empty() {
        let (spaces, keys) = columns(merged.deletes.iter().copied());
        let query = sqlx::query(arrays::DELETE).bind(spaces).bind(keys);
        query.execute(connection).await?;
    }
    Ok(())
}

/// Looks whether the token is still ours.
pub(crate) async fn check_owner(pool: &PgPool, ours: i64) -> Result<(), StoreError> {
    let mut connection = pool.acquire().await.map_err(|e| postgres(&e))?;
    let checked = session::check_token(&mut connection, session::SEE_TOKEN, ours).await;
    checked.map_err(StoreError::from)
}

/// One value.
pub(crate) async fn get(
    pool: &PgPool,
    space: Space,
    key: &[u8],
) -> Result<Option<Vec<u8>>, StoreError> {
    let query = sqlx::query_scalar(sql::GET).bind(space).bind(key);
    query.fetch_optional(pool).await.map_err(|e| postgres(&e))
}

/// Many values, in few statements.
pub(crate) async fn get_many(pool: &PgPool, at: &[At]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
    if at.is_empty() {
        return Ok(Vec::new());
    }
    let wanted: Vec<AtRef<'_>> = at.iter().map(|(space, key)| (*space, key.as_slice())).collect();
    let mut connection = pool.acquire().await.map_err(|e| postgres(&e))?;
    read(&mut connection, &wanted).await.map_err(|e| postgres(&e))
}

/// A page of rows.
pub(crate) async fn scan(
    pool: &PgPool,
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
    query.fetch_all(pool).await.map_err(|e| postgres(&e))
}
