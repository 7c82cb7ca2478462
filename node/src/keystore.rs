//! Secret files on disk: the sealed key file and the admin token.
//!
//! Always holds: a secret file is mode 0600 and owned by this user, or it is not read; it appears
//! whole or not at all, and never replaces another.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rand::rngs::OsRng;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use trestle_keys::sealed::{Cost, CostPolicy, KeyFile, KeyFileError, MAX_SEALED};
use trestle_wire::Network;
use zeroize::Zeroizing;

/// Set to `1` by tests, together with network `regtest`: keys whose passphrase is cheap to guess.
pub const TEST_KEYS: &str = "TRESTLE_INSECURE_TEST_KEYS";

/// A passphrase, wiped when dropped.
pub type Passphrase = Zeroizing<Vec<u8>>;

/// How expensive passphrases are here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyCost {
    cost: Cost,
    accept: CostPolicy,
}

impl KeyCost {
    /// The cost to use for a network: production's, unless the environment asks for test keys.
    ///
    /// # Errors
    /// [`KeystoreError::TestKeys`] when it asks for them on another network than regtest.
    pub fn of(network: Option<Network>) -> Result<Self, KeystoreError> {
        let asked = std::env::var_os(TEST_KEYS).is_some_and(|value| value == "1");
        Self::choose(asked, network)
    }

    fn choose(test_keys: bool, network: Option<Network>) -> Result<Self, KeystoreError> {
        match (test_keys, network) {
            (false, _) => Ok(Self { cost: Cost::production(), accept: CostPolicy::Production }),
            (true, Some(Network::Regtest)) => {
                Ok(Self { cost: Cost::cheap_for_tests(), accept: CostPolicy::AnyForTests })
            }
            (true, other) => {
                Err(KeystoreError::TestKeys { network: other.map_or("no network", Network::name) })
            }
        }
    }
}

/// Makes new keys in a new file.
///
/// # Errors
/// [`KeystoreError`]; nothing is left behind then.
pub fn create(path: &Path, passphrase: &[u8], cost: KeyCost) -> Result<KeyFile, KeystoreError> {
    refuse_existing(path)?;
    let keys = KeyFile::generate(&mut OsRng);
    save(path, &keys, passphrase, cost)?;
    Ok(keys)
}

/// Writes keys to a new file under a passphrase.
///
/// # Errors
/// [`KeystoreError`]; nothing is left behind then.
pub fn save(
    path: &Path,
    keys: &KeyFile,
    passphrase: &[u8],
    cost: KeyCost,
) -> Result<(), KeystoreError> {
    write_new(path, &keys.seal(passphrase, cost.cost, &mut OsRng))
}

/// Opens a key file.
///
/// # Errors
/// [`KeystoreError`] for a wrong mode, passphrase or form.
pub fn open(path: &Path, passphrase: &[u8], cost: KeyCost) -> Result<KeyFile, KeystoreError> {
    let bytes = read(path)?;
    KeyFile::open(&bytes, passphrase, cost.accept)
        .map_err(|source| KeystoreError::Keys { path: path.to_owned(), source })
}

/// Reads a secret file after a look at its owner and mode.
///
/// # Errors
/// [`KeystoreError`]
pub fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
    let failed = |source: io::Error| {
        let path = path.to_owned();
        if source.kind() == io::ErrorKind::NotFound {
            KeystoreError::Missing { path }
        } else {
            KeystoreError::Io { path, source }
        }
    };
    let mut file = File::open(path).map_err(failed)?;
    // Of the open file, not of the name: nobody can swap it in between.
    let metadata = file.metadata().map_err(failed)?;
    let (mode, owner) = (metadata.mode() & 0o7777, metadata.uid());
    if !metadata.is_file() {
        return Err(KeystoreError::NotAFile { path: path.to_owned() });
    }
    if mode & 0o077 != 0 {
        return Err(KeystoreError::Mode { path: path.to_owned(), mode });
    }
    if owner != rustix::process::geteuid().as_raw() {
        return Err(KeystoreError::Owner { path: path.to_owned(), owner });
    }
    let mut bytes = Zeroizing::new(Vec::new());
    // One byte more than allowed, so that a longer file is seen to be longer.
    let limit = MAX_SEALED as u64 + 1;
    (&mut file).take(limit).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Writes a new file of mode 0600, whole or not at all, and durably.
///
/// # Errors
/// [`KeystoreError::Exists`] when there is one of that name.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), KeystoreError> {
    refuse_existing(path)?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or_else(|| KeystoreError::NotAFile { path: path.to_owned() })?;
    let mut half = name.to_owned();
    half.push(format!(".{}.tmp", std::process::id()));
    let half = folder.join(half);
    let written = write_and_move(&half, path, folder, bytes);
    if written.is_err() {
        // It may not be there; the error that counts is the first.
        let _ = fs::remove_file(&half);
    }
    written.map_err(|source| {
        let path = path.to_owned();
        if source.kind() == io::ErrorKind::AlreadyExists {
            KeystoreError::Exists { path }
        } else {
            KeystoreError::Io { path, source }
        }
    })
}

fn write_and_move(half: &Path, path: &Path, folder: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(half)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    renameat_with(CWD, half, CWD, path, RenameFlags::NOREPLACE)?;
    File::open(folder)?.sync_all()
}

fn refuse_existing(path: &Path) -> Result<(), KeystoreError> {
    match path.symlink_metadata() {
        Ok(_) => Err(KeystoreError::Exists { path: path.to_owned() }),
        Err(_) => Ok(()),
    }
}

/// Why a secret file was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// There is none.
    #[error("there is no {}: make keys with `trestle keys new`", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// There is one already.
    #[error("{} exists and is never overwritten: move it away, or name another file", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A folder or device.
    #[error("{} is not a plain file", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// Others may read it.
    #[error(
        "{} has mode {mode:04o}, so other users may read it: expected 0600; `chmod 600 {}` and \
         consider whether someone has",
        path.display(), path.display()
    )]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Someone else's file.
    #[error("{} belongs to user {owner}, not to the user of this process", path.display())]
    Owner {
        /// The file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// The file system says no.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not a key file that opens.
    #[error("{}: {source}", path.display())]
    Keys {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KeyFileError,
    },
    /// Not a token.
    #[error(
        "{} holds no token of at least 32 printable characters: remove it, and the next start \
         makes a new one",
        path.display()
    )]
    Token {
        /// The file.
        path: PathBuf,
    },
    /// Test keys outside of a test network.
    #[error("{TEST_KEYS}=1 is for network regtest only, and this is {network}: unset it")]
    TestKeys {
        /// The network.
        network: &'static str,
    },
}

#[cfg(test)]
mod tests;
