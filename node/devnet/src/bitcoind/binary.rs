//! Finding the bitcoind to start.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use eyre::{Context as _, Result, bail, eyre};

/// `$BITCOIND`, else the one on `PATH`, else the one that `scripts/setup` put into the
/// user's cache.
///
/// # Errors
/// When none of them exists.
pub fn find() -> Result<PathBuf> {
    if let Some(chosen) = env::var_os("BITCOIND").filter(|chosen| !chosen.is_empty()) {
        let chosen = PathBuf::from(chosen);
        if chosen.is_file() {
            return Ok(chosen);
        }
        bail!("$BITCOIND is {}, which is no file; correct or unset it", chosen.display());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|folder| folder.join("bitcoind"))
        .chain(cached())
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| eyre!("there is no bitcoind; run scripts/setup, or set $BITCOIND"))
}

fn cached() -> Option<PathBuf> {
    let cache = env::var_os("XDG_CACHE_HOME")
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))?;
    Some(cache.join("trestle/bin/bitcoind"))
}

/// Whether `program` has `-corepolicy`: Knots does and by default relays less than Core;
/// Core ends at an option that it does not know.
pub(super) fn knows_corepolicy(program: &Path) -> Result<bool> {
    // Asking takes longer than all the rest of a start, and a test starts several.
    static KNOWN: Mutex<BTreeMap<PathBuf, bool>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(answer) = known.get(program) {
        return Ok(*answer);
    }
    let help = Command::new(program)
        .arg("-help")
        .output()
        .wrap_err_with(|| format!("cannot run {}", program.display()))?;
    let answer = String::from_utf8_lossy(&help.stdout).contains("-corepolicy");
    known.insert(program.to_owned(), answer);
    Ok(answer)
}
