//! Finding the node's program, and short runs of it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use eyre::{Context as _, Result, bail, ensure, eyre};
use serde_json::Value;
use tokio::process::Command;

const NAME: &str = "trestle";

/// `$TRESTLE_BIN`, else the one that cargo or nextest names, else this program itself, else
/// the one built beside it.
///
/// # Errors
/// When none of them exists.
pub fn find() -> Result<PathBuf> {
    if let Some(chosen) = env::var_os("TRESTLE_BIN").filter(|chosen| !chosen.is_empty()) {
        let chosen = PathBuf::from(chosen);
        if chosen.is_file() {
            return Ok(chosen);
        }
        bail!("$TRESTLE_BIN is {}, which is no file; correct or unset it", chosen.display());
    }
    let named = ["CARGO_BIN_EXE_trestle", "NEXTEST_BIN_EXE_trestle"];
    let named = named.iter().filter_map(env::var_os).map(PathBuf::from);
    let this = env::current_exe().wrap_err("cannot tell which program this is")?;
    // A test is built into a folder `deps` beside the program.
    let beside = this.ancestors().skip(1).take(2).map(|folder| folder.join(NAME));
    let itself = this.file_name().is_some_and(|name| name == NAME).then(|| this.clone());
    named
        .chain(itself)
        .chain(beside)
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| eyre!("there is no trestle to start; run: cargo build --bin trestle"))
}

/// Runs `trestle --json ARGUMENTS` to its end and gives its answer.
pub(super) async fn json(program: &Path, arguments: &[&str]) -> Result<Value> {
    let done = Command::new(program)
        .arg("--json")
        .args(arguments)
        .stdin(Stdio::null())
        // Ctrl-C at a terminal is for the harness: its end is not this command's failure.
        .process_group(0)
        .kill_on_drop(true)
        .output()
        .await
        .wrap_err_with(|| format!("cannot run {}", program.display()))?;
    let line = format!("trestle {}", arguments.join(" "));
    ensure!(
        done.status.success(),
        "{line} ended with {}: {}",
        done.status,
        String::from_utf8_lossy(&done.stderr).trim()
    );
    let text = String::from_utf8_lossy(&done.stdout);
    serde_json::from_str(text.trim()).wrap_err_with(|| format!("{line}: expected JSON, got {text}"))
}
