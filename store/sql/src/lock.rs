//! One owner of a database file: an exclusive lock on a file beside it, which the kernel lets go when
//! its process ends, however it ends. The file itself means nothing and is left behind. Two nodes
//! with a data folder each can name one database, which the lock on the folder does not see.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
    time::Duration,
};

use tokio::time::Instant;

/// Proof that this process alone uses a database. Ends when dropped.
#[derive(Debug)]
pub(crate) struct OwnerLock {
    _file: File,
}

/// Why a lock was not obtained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// Someone else holds it.
    #[error("{0} is in use: another process is using it; stop that one or choose another place")]
    Held(String),
    /// The lock file cannot be opened or locked.
    #[error("cannot lock {path}: {reason}; check that the folder exists and is writable")]
    Io {
        /// The lock file.
        path: String,
        /// What the system said.
        reason: String,
    },
}

/// Takes a database file. Waits briefly for an owner that is just ending: a restart, or a store
/// that was dropped while its writer finishes.
pub(crate) async fn lock_database(database: &Path) -> Result<OwnerLock, LockError> {
    const PATIENCE: Duration = Duration::from_secs(2);
    const PAUSE: Duration = Duration::from_millis(20);
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let end = Instant::now() + PATIENCE;
    loop {
        match take(path.as_ref(), database) {
            Err(LockError::Held(_)) if Instant::now() < end => tokio::time::sleep(PAUSE).await,
            outcome => return outcome,
        }
    }
}

fn take(path: &Path, owned: &Path) -> Result<OwnerLock, LockError> {
    let io = |e: &std::io::Error| LockError::Io {
        path: path.display().to_string(),
        reason: e.to_string(),
    };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(|e| io(&e))?;
    match file.try_lock() {
        Ok(()) => Ok(OwnerLock { _file: file }),
        Err(TryLockError::WouldBlock) => Err(LockError::Held(owned.display().to_string())),
        Err(TryLockError::Error(e)) => Err(io(&e)),
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    #[tokio::test]
    async fn lock__should_refuse_a_second_owner_and_name_the_database() {
        // Given
        let dir = tempfile::tempdir().expect("a temporary folder");
        let database = dir.path().join("node.sqlite");
        let first = lock_database(&database).await.expect("nobody has it");

        // When
        let second = lock_database(&database).await.expect_err("it is taken").to_string();

        // Then
        assert!(second.contains(&database.display().to_string()), "{second}");
        assert!(second.contains("another process is using it"), "{second}");
        drop(first);
        lock_database(&database).await.expect("free again");
    }

    #[tokio::test]
    async fn lock__should_say_that_the_folder_is_missing() {
        let missing = lock_database(Path::new("/nonexistent/node.sqlite")).await;
        let missing = missing.expect_err("no such folder");
        assert!(matches!(missing, LockError::Io { .. }), "{missing}");
    }
}
