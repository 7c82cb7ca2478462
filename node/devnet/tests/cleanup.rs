//! Whatever ends the harness, its processes end with it and its folders go.
#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use eyre::{Result, eyre};
use serde_json::Value;
use trestle_devnet::{Folder, wait};

const LIMIT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn signal__should_end_processes_and_remove_folders() -> Result<()> {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        // Given a harness in a process of its own, with a bitcoind.
        let mut harness = Harness::start()?;

        // When it is told to stop.
        harness.signal(signal)?;

        // Then it ends with the signal's code, and nothing of it is left.
        let status = harness.child.wait()?;
        assert_eq!(status.code(), Some(code));
        harness.wait_until_bitcoind_is_gone().await?;
        assert!(!harness.folder.exists(), "after SIG{signal}");
    }
    Ok(())
}

#[tokio::test]
async fn sigkill__should_take_the_processes_along_and_leave_the_folder_to_the_next() -> Result<()> {
    // Given a harness in a process of its own, with a bitcoind.
    let mut harness = Harness::start()?;

    // When it is killed.
    harness.signal("KILL")?;
    harness.child.wait()?;

    // Then its bitcoind ends too, and the next harness removes the folder.
    harness.wait_until_bitcoind_is_gone().await?;
    let next = Harness::start()?;
    assert!(!harness.folder.exists());
    assert!(next.folder.exists());
    Ok(())
}

#[test]
fn folder__should_outlive_its_drop_only_when_kept() -> Result<()> {
    let (dropped, mut kept) = (Folder::new("dropped")?, Folder::new("kept")?);
    let paths = (dropped.path().to_owned(), kept.path().to_owned());
    kept.keep();
    drop((dropped, kept));
    assert!(!paths.0.exists());
    assert!(paths.1.exists());
    std::fs::remove_dir_all(paths.1)?;
    Ok(())
}

struct Harness {
    child: Child,
    bitcoind: u64,
    folder: PathBuf,
}

impl Harness {
    fn start() -> Result<Self> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_devnet-bitcoind"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or_else(|| eyre!("a pipe was asked for"))?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let shown: Value = serde_json::from_str(&line)?;
        let bitcoind = shown["pid"].as_u64().ok_or_else(|| eyre!("no pid in {line}"))?;
        let folder = shown["folder"].as_str().ok_or_else(|| eyre!("no folder in {line}"))?.into();
        Ok(Self { child, bitcoind, folder })
    }

    fn signal(&self, name: &str) -> Result<()> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-s", name, &pid]).status()?;
        Ok(())
    }

    async fn wait_until_bitcoind_is_gone(&self) -> Result<()> {
        let entry = format!("/proc/{}/exe", self.bitcoind);
        wait::until("bitcoind to end", LIMIT, async || {
            // A zombie, which its new parent may be slow to take, has no program any more.
            Ok(std::fs::read_link(Path::new(&entry)).is_err().then_some(()))
        })
        .await
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        // Already ended in most tests, and waited for: then both do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
