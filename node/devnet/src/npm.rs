//! Packages of npm, for checks by code that is not ours.
//!
//! They are installed once into the user's cache, by exact versions and hashes, and without
//! running any script of theirs.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use eyre::{Context as _, Result, ensure, eyre};

/// A folder that holds `files` (name, text), among them `package.json` and `package-lock.json`, and
/// beside them the `node_modules` that they ask for. `name` tells it from others; a version belongs
/// into it. `None` on a machine without npm.
///
/// # Errors
/// When there is no cache folder, or the packages cannot be installed.
pub fn install(name: &str, files: &[(&str, &str)]) -> Result<Option<PathBuf>> {
    if !Command::new("npm").arg("--version").output().is_ok_and(|done| done.status.success()) {
        return Ok(None);
    }
    let cache = cache()?.join("trestle/npm");
    let folder = cache.join(name);
    if is_installed(&folder, files) {
        return Ok(Some(folder));
    }
    // Made beside its place and moved there whole: another run may do the same.
    fs::create_dir_all(&cache)?;
    let made = tempfile::tempdir_in(&cache)?;
    for (file, text) in files {
        fs::write(made.path().join(file), text)?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(made.path());
    let done = npm.output().wrap_err("cannot run npm")?;
    ensure!(done.status.success(), "npm ci: {}", String::from_utf8_lossy(&done.stderr));
    // It fails where there is nothing to remove.
    let _ = fs::remove_dir_all(&folder);
    let moved = fs::rename(made.path(), &folder);
    ensure!(is_installed(&folder, files), "cannot move packages to the cache: {moved:?}");
    Ok(Some(folder))
}

fn cache() -> Result<PathBuf> {
    let named = env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    named.or_else(home).ok_or_else(|| eyre!("neither XDG_CACHE_HOME nor HOME is set"))
}

fn is_installed(folder: &Path, files: &[(&str, &str)]) -> bool {
    let same = |(name, text): &(&str, &str)| {
        fs::read_to_string(folder.join(name)).is_ok_and(|found| found == *text)
    };
    files.iter().all(same) && folder.join("node_modules").is_dir()
}
