//! What the process promises the operating system, and the lock on its data folder.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use rustix::process::{Resource, Rlimit, setrlimit, umask};
use serde::{Deserialize, Serialize};

/// Files that this process makes are for its user only, and no core dump holds its memory. Call it
/// before the first file is made.
pub fn harden() {
    umask(rustix::fs::Mode::from_raw_mode(0o077));
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(e) = setrlimit(Resource::Core, none) {
        tracing::warn!(error = %e, "core dumps could not be switched off");
    }
}

/// The lock on a data folder: one process at a time. Held until dropped, also by a crash.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

impl DataLock {
    /// Takes the lock.
    ///
    /// # Errors
    /// [`LockError::Taken`] with the other process when there is one.
    pub fn take(data_dir: &Path) -> Result<Self, LockError> {
        let path = data_dir.join("lock");
        let failed = |e| LockError::Io { path: path.clone(), source: e };
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                // Only for the message, and a bounded part: the lock itself is the truth.
                let read = (&mut file).take(20).read_to_string(&mut owner);
                let owner = read.ok().map(|_| owner.trim().to_owned()).filter(|o| !o.is_empty());
                return Err(LockError::Taken {
                    data_dir: data_dir.to_owned(),
                    owner: owner.map_or_else(String::new, |pid| format!(" (process {pid})")),
                });
            }
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        let mut note = || -> io::Result<()> {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        note().map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error(
        "{} is in use by another trestle process{owner}: stop that one, or set another data_dir",
        data_dir.display()
    )]
    Taken {
        /// The folder.
        data_dir: PathBuf,
        /// The process id, as text for the message.
        owner: String,
    },
    /// The lock file cannot be made.
    #[error("the lock file {} cannot be used: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Where a running node is reached: written once all listeners are bound, removed when it stops.
/// The command line and the test harness find a node by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// The process.
    pub pid: u32,
    /// Its peer id.
    pub peer: String,
    /// `http://…` of the public listener.
    pub api: String,
    /// `http://…` of the admin listener.
    pub admin: String,
    /// The file with the admin token.
    pub token_file: PathBuf,
    /// Multiaddresses it listens on, each ending in `/p2p/PEER`.
    pub p2p: Vec<String>,
}

/// The file with the [`Endpoints`] in a data folder.
pub fn endpoints_file(data_dir: &Path) -> PathBuf {
    data_dir.join("endpoints.json")
}

/// The endpoints file, removed when dropped.
#[derive(Debug)]
pub struct EndpointsFile {
    path: PathBuf,
}

impl EndpointsFile {
    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(data_dir: &Path, endpoints: &Endpoints) -> io::Result<Self> {
        let path = endpoints_file(data_dir);
        let half = path.with_extension("tmp");
        std::fs::write(&half, serde_json::to_vec_pretty(endpoints)?)?;
        std::fs::rename(half, &path)?;
        Ok(Self { path })
    }
}

impl Drop for EndpointsFile {
    fn drop(&mut self) {
        if let Err(e) = std::fs::remove_file(&self.path) {
            tracing::debug!(error = %e, "the endpoints file was not removed");
        }
    }
}
