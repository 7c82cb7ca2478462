//! Where conformance data is that others published. It is no part of the repository: the folder
//! named by `TRESTLE_VECTORS` is taken, else a folder `shared/vectors` in or beside any folder above
//! this crate or the current folder. Other crates include this file as a module of their own.

use std::{
    env,
    io::Write as _,
    path::{Path, PathBuf},
};

/// The folder with the data on staking. Without it, it says on stderr that a test is skipped; in CI,
/// where nothing may be skipped, it panics.
pub(crate) fn find() -> Option<PathBuf> {
    let named = env::var_os("TRESTLE_VECTORS").map(PathBuf::from);
    let found = named.or_else(beside).map(|folder| folder.join("babylon"));
    if let Some(folder) = found.filter(|folder| folder.is_dir()) {
        return Some(folder);
    }
    let ci = env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!ci, "no conformance data: set TRESTLE_VECTORS to the folder that holds babylon/");
    let text = "SKIPPED a conformance test: set TRESTLE_VECTORS to the folder that holds babylon/";
    // Nobody may listen.
    let _ = writeln!(std::io::stderr(), "{text}");
    None
}

fn beside() -> Option<PathBuf> {
    let current = env::current_dir().ok();
    let above = [Some(Path::new(env!("CARGO_MANIFEST_DIR"))), current.as_deref()];
    let above = above.into_iter().flatten().flat_map(Path::ancestors);
    above.map(|folder| folder.join("shared/vectors")).find(|folder| folder.is_dir())
}
