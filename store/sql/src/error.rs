//! What databases report, in the terms of the store.

use sqlx::error::DatabaseError;
use trestle_store::StoreError;

use crate::LockError;

/// Why a store could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The URL has another form.
    #[error("store url: {0}")]
    Url(String),
    /// Another process has the SQLite database open.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// Another process owns the PostgreSQL database.
    #[error(
        "the database is in use by another process ({0}); stop that one, or take the database over \
         from it"
    )]
    Owned(String),
    /// A migration was applied that this binary does not know.
    #[error(
        "the database was written by a newer Trestle (it has migration {0:?}); run that version or \
         a later one"
    )]
    Newer(String),
    /// A migration is not applied yet, and whoever only reads cannot do it.
    #[error(
        "the database was written by an older Trestle (it lacks migration {0:?}); start the node \
         of this version once"
    )]
    Older(String),
    /// An applied migration is not the one this binary has under that name.
    #[error(
        "migration {0:?} of the database is not the one this Trestle has; the database belongs to \
         another build"
    )]
    Altered(String),
    /// The SQLite file holds something else.
    #[error("{0} is a SQLite database of another program; choose another path")]
    Foreign(String),
    /// The database could not be reached, read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a failure of SQLite means for work that was not committed.
pub(crate) fn sqlite(error: &sqlx::Error) -> StoreError {
    const CORRUPT: u32 = 11;
    const NOT_A_DATABASE: u32 = 26;
    // An I/O error when the file that connections share does not get its size.
    const NO_ROOM: u32 = 10 | (19 << 8);
    if extended_code(error) == Some(NO_ROOM) {
        return StoreError::Unavailable(format!("{error}; is the disk full?"));
    }
    match sqlite_code(error) {
        Some(CORRUPT | NOT_A_DATABASE) => StoreError::Corrupt(error.to_string()),
        Some(_) | None => common(error),
    }
}

/// What a failure of SQLite's COMMIT means. After a failed write or flush of the log, the commit
/// record may be on the disk all the same: only a full disk and a lock are sure to have stopped it.
pub(crate) fn sqlite_commit(error: &sqlx::Error) -> StoreError {
    const IO: u32 = 10;
    match sqlite_code(error) {
        Some(IO) | None => StoreError::Unknown(error.to_string()),
        Some(_) => sqlite(error),
    }
}

/// The primary result code.
fn sqlite_code(error: &sqlx::Error) -> Option<u32> {
    Some(extended_code(error)? & 0xff)
}

fn extended_code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse().ok()
}

/// What a failure of PostgreSQL means for work that was not committed.
pub(crate) fn postgres(error: &sqlx::Error) -> StoreError {
    match sqlstate(error).as_deref() {
        Some("XX001" | "XX002") => StoreError::Corrupt(error.to_string()),
        Some(_) | None => common(error),
    }
}

/// What a failure of PostgreSQL's COMMIT means. A server that refused says so; one that is going
/// down, or a connection that ended, leaves it open.
pub(crate) fn postgres_commit(error: &sqlx::Error) -> StoreError {
    match sqlstate(error).as_deref() {
        Some(code) if code.starts_with("57P") || code.starts_with("08") => {
            StoreError::Unknown(error.to_string())
        }
        Some(_) => postgres(error),
        None => StoreError::Unknown(error.to_string()),
    }
}

/// Whether the transaction may succeed when it is tried again from its start: it lost against
/// another one.
pub(crate) fn is_serialization(error: &sqlx::Error) -> bool {
    matches!(sqlstate(error).as_deref(), Some("40001" | "40P01"))
}

/// Whether the connection is gone, so that another one may do better.
pub(crate) fn is_disconnected(error: &sqlx::Error) -> bool {
    match sqlstate(error).as_deref() {
        Some(code) => code.starts_with("57P") || code.starts_with("08") || code == "25P03",
        None => matches!(error, sqlx::Error::Io(_) | sqlx::Error::Protocol(_)),
    }
}

fn sqlstate(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(DatabaseError::code).map(|code| code.into_owned())
}

fn common(error: &sqlx::Error) -> StoreError {
    if matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)) {
        return StoreError::Corrupt(error.to_string());
    }
    StoreError::Unavailable(error.to_string())
}
