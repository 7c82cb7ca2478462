//! The session that owns a database: how one becomes owner, and how an owner that lost its
//! connection goes on.

use std::time::Duration;

use sqlx::{ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use tokio::time::{Instant, timeout};
use trestle_store::StoreError;

use super::{DEADLINE, late};
use crate::{OpenError, error::postgres, migrations};

/// Takes the advisory lock of this application; the owner table's id makes it one a schema.
const TAKE_LOCK: &str = "SELECT pg_try_advisory_lock(\
     (1414677332::bigint << 32) | 'trestle_owner'::regclass::oid::bigint)";

/// Who holds that lock: the process id at the server, and a description.
const LOCK_HOLDER: &str = "\
     SELECT l.pid, COALESCE(a.application_name, '') || ' at ' || \
     COALESCE(host(a.client_addr), 'a local socket') || ', server process ' || l.pid \
     FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid \
     WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
     AND l.classid::bigint = 1414677332 AND l.objid = 'trestle_owner'::regclass::oid \
     AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
     ORDER BY l.pid LIMIT 1";

/// How long to wait for an owner that is just ending.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(25);

/// The token.
pub(super) const SEE_TOKEN: &str = "SELECT token FROM trestle_owner WHERE id = 1";

/// The token, which nobody can raise before the transaction ends.
pub(super) const HOLD_TOKEN: &str = "SELECT token FROM trestle_owner WHERE id = 1 FOR SHARE";

/// The connection that writes.
pub(super) struct Session {
    pub(super) connection: PgConnection,
    /// Its process id at the server.
    pub(super) pid: i32,
}

impl Session {
    async fn connect(options: &PgConnectOptions) -> Result<Self, StoreError> {
        let connect = async {
            let mut connection = options.connect().await?;
            // "off" would acknowledge commits that a crash of the server can lose.
            let durable = "SELECT set_config('synchronous_commit', 'on', false) \
                 WHERE current_setting('synchronous_commit') = 'off'";
            sqlx::query(durable).execute(&mut connection).await?;
            let pid = "SELECT pg_backend_pid()";
            let pid = sqlx::query_scalar(pid).fetch_one(&mut connection).await?;
            Ok(Self { connection, pid })
        };
        let connected = timeout(DEADLINE, connect).await.map_err(|_| late("connecting"))?;
        connected.map_err(|e: sqlx::Error| postgres(&e))
    }

    /// Ends the session; the server lets go of its lock.
    pub(super) async fn close(self) {
        // Dropping it has the same effect a little later.
        let _ = timeout(DEADLINE, self.connection.close()).await;
    }
}

/// Becomes the owner, with a new token, and migrates.
pub(super) async fn claim(
    options: &PgConnectOptions,
    takeover: bool,
) -> Result<(Session, i64), OpenError> {
    let mut session = Session::connect(options).await?;
    let failed = |e: sqlx::Error| OpenError::from(postgres(&e));
    let connection = &mut session.connection;
    bootstrap(connection).await.map_err(failed)?;
    let evict = |_: i32| takeover;
    if let Some(holder) = acquire(connection, evict).await.map_err(failed)? {
        return Err(OpenError::Owned(holder));
    }
    // Before anything changes: a newer database keeps its token.
    let applied: Vec<migrations::Applied> =
        sqlx::query_as(migrations::APPLIED).fetch_all(&mut *connection).await.map_err(failed)?;
    let text = |migration: &migrations::Migration| migration.postgres;
    let pending = migrations::pending(migrations::ALL, &applied, text)?;
    // An owner without a session is stopped here, before the form of its data changes.
    let raise = "INSERT INTO trestle_owner (id, token) VALUES (1, 1) \
         ON CONFLICT (id) DO UPDATE SET token = trestle_owner.token + 1 RETURNING token";
    let token = sqlx::query_scalar(raise).fetch_one(&mut *connection).await.map_err(failed)?;
    for (id, migration) in pending {
        apply(connection, id, migration).await.map_err(failed)?;
        tracing::info!(migration = migration.name, "migrated the database");
    }
    Ok((session, token))
}

/// Goes on as the owner with `token`, whose session `last` ended or must end now.
pub(super) async fn resume(
    options: &PgConnectOptions,
    last: i32,
    token: i64,
) -> Result<Session, StoreError> {
    let mut session = Session::connect(options).await?;
    let connection = &mut session.connection;
    // Soon if it is lost already; again under the lock, since it can be lost until then.
    check_token(connection, SEE_TOKEN, token).await.map_err(StoreError::from)?;
    let holder = acquire(connection, |pid| pid == last).await.map_err(|e| postgres(&e))?;
    check_token(connection, SEE_TOKEN, token).await.map_err(StoreError::from)?;
    match holder {
        None => Ok(session),
        Some(holder) => Err(StoreError::Unavailable(format!("the lock is held by {holder}"))),
    }
}

/// Why a token was not confirmed.
pub(super) enum Refused {
    Sql(sqlx::Error),
    NotOwner(String),
}

impl From<Refused> for StoreError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Sql(e) => postgres(&e),
            Refused::NotOwner(why) => Self::NotOwner(why),
        }
    }
}

/// Checks that the token read by `query` is ours.
pub(super) async fn check_token(
    connection: &mut PgConnection,
    query: &'static str,
    ours: i64,
) -> Result<(), Refused> {
    let now: Option<i64> =
        sqlx::query_scalar(query).fetch_optional(connection).await.map_err(Refused::Sql)?;
    match now {
        Some(now) if now == ours => Ok(()),
        Some(now) => Err(Refused::NotOwner(format!("our token is {ours}, the owner's is {now}"))),
        None => Err(Refused::NotOwner(format!("our token is {ours}, the owner row is gone"))),
    }
}

/// Creates the tables that exist before any migration, one process at a time.
async fn bootstrap(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    const OWNER: &str = "CREATE TABLE IF NOT EXISTS trestle_owner \
         (id BIGINT NOT NULL PRIMARY KEY, token BIGINT NOT NULL)";
    let exists = "SELECT to_regclass('trestle_owner') IS NOT NULL";
    if sqlx::query_scalar(exists).fetch_one(&mut *connection).await? {
        return Ok(());
    }
    let mut tx = connection.begin().await?;
    let alone = "SELECT pg_advisory_xact_lock(1414677332)";
    sqlx::query(alone).execute(&mut *tx).await?;
    sqlx::query(migrations::BOOTSTRAP).execute(&mut *tx).await?;
    sqlx::query(OWNER).execute(&mut *tx).await?;
    tx.commit().await
}

async fn apply(
    connection: &mut PgConnection,
    id: i64,
    migration: &migrations::Migration,
) -> Result<(), sqlx::Error> {
    let mut tx = connection.begin().await?;
    sqlx::query(migration.postgres).execute(&mut *tx).await?;
    sqlx::query(migrations::REMEMBER)
        .bind(id)
        .bind(migration.name)
        .bind(migrations::hash(migration.postgres))
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

/// Takes the owner's lock, ending the sessions that `evict` names by process id. Returns who holds
/// it if it does not come free.
async fn acquire(
    connection: &mut PgConnection,
    evict: impl Fn(i32) -> bool,
) -> Result<Option<String>, sqlx::Error> {
    let end = Instant::now() + PATIENCE;
    loop {
        if sqlx::query_scalar(TAKE_LOCK).fetch_one(&mut *connection).await? {
            return Ok(None);
        }
        let holder: Option<(i32, String)> =
            sqlx::query_as(LOCK_HOLDER).fetch_optional(&mut *connection).await?;
        if let Some((pid, _)) = &holder
            && evict(*pid)
        {
            let end = "SELECT pg_terminate_backend($1)";
            sqlx::query(end).bind(*pid).execute(&mut *connection).await?;
        }
        if Instant::now() >= end {
            let unknown = || "an unknown session".to_owned();
            return Ok(Some(holder.map_or_else(unknown, |(_, who)| who)));
        }
        tokio::time::sleep(PAUSE).await;
    }
}
