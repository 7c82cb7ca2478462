//! Temporary folders that do not outlive their use.
//!
//! A [`Folder`] is removed when dropped and when the harness is told to stop by a signal.
//! One left by a harness that was killed is removed by the next harness: a folder's name is
//! leased by its owner, so a name that can be leased has no owner.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Once;

use eyre::{Context as _, Result, bail};

use crate::cleanup;
use crate::lease::Lease;

const PREFIX: &str = "trestle-devnet-";

/// A folder of ours, mode 0700: a temporary one unless its place was chosen.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    keep: bool,
    _lease: Option<Lease>,
}

impl Folder {
    /// The folder at `path`, made where it is not there. It stays at the end.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn at(path: &Path) -> Result<Self> {
        let made = DirBuilder::new().mode(0o700).recursive(true).create(path);
        made.wrap_err_with(|| format!("cannot make the folder {}", path.display()))?;
        let path = path.canonicalize()?;
        Ok(Self { path, keep: true, _lease: None })
    }

    /// Makes an empty folder whose name contains `label` (letters and dashes).
    ///
    /// # Errors
    /// When the temporary folder cannot be written.
    pub fn new(label: &str) -> Result<Self> {
        static SWEEP: Once = Once::new();
        SWEEP.call_once(remove_orphans);
        let name = format!("{PREFIX}{label}-{:016x}", rand::random::<u64>());
        let Some(lease) = Lease::take(&lease_name(&name)).wrap_err("cannot lease a name")? else {
            bail!("the random folder name {name} is taken; try again");
        };
        let path = std::env::temp_dir().join(name);
        cleanup::note_folder(&path)?;
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .wrap_err_with(|| format!("cannot make the folder {}", path.display()))?;
        Ok(Self { path, keep: false, _lease: Some(lease) })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the folder where it is from now on, for a person to look into.
    ///
    /// The next harness removes it once this process has ended.
    pub fn keep(&mut self) {
        self.keep = true;
        cleanup::forget_folder(&self.path);
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(folder = %self.path.display(), %error, "a temporary folder stays behind");
        }
        cleanup::forget_folder(&self.path);
    }
}

/// Removes the folders of harnesses that are no more.
fn remove_orphans() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with(PREFIX) {
            continue;
        }
        // Held while removing, so that two sweeps do not meet in one folder.
        if let Ok(Some(_lease)) = Lease::take(&lease_name(&name)) {
            // One that belongs to another account cannot be removed, which is right.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn lease_name(folder: &str) -> String {
    format!("folder/{folder}")
}
