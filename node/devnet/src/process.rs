//! One child process of the harness and its log.
//!
//! A [`Process`] that is dropped is killed and waited for; one that ends by itself is
//! noticed by whoever waits for something from it.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use eyre::{Context as _, Result, bail};

use crate::{cleanup, spawn, wait};

/// How much of a log's end an error quotes: enough for a message and a few lines before it.
const QUOTED_BYTES: usize = 3_000;

/// A running or ended child process.
#[derive(Debug)]
pub struct Process {
    name: String,
    log: PathBuf,
    child: Child,
    status: Option<ExitStatus>,
}

impl Process {
    /// Starts `command`, known as `name` in errors, with its output appended to the file
    /// `log` and no input.
    ///
    /// # Errors
    /// When the program or the log cannot be opened.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let output = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .wrap_err_with(|| format!("cannot write the log {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = None;
        cleanup::note_process(|| {
            spawn::spawn(command).map(|started| {
                let pid = started.id();
                child = Some(started);
                pid
            })
        })?
        .wrap_err_with(|| format!("cannot start {name} ({program})"))?;
        let Some(child) = child else { bail!("{name} was started and has no process") };
        Ok(Self { name: name.to_owned(), log: log.to_owned(), child, status: None })
    }

    /// The process number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The file that its output goes to.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When the system cannot say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        if self.status.is_none() {
            let ended = self.child.try_wait();
            let ended = ended.wrap_err_with(|| format!("cannot ask about {}", self.name))?;
            if let Some(status) = ended {
                self.note_end(status);
            }
        }
        Ok(self.status)
    }

    /// An error with the end of the log, if the process has ended.
    ///
    /// # Errors
    /// When it has ended, or the system cannot say.
    pub fn check_running(&mut self) -> Result<()> {
        match self.ended()? {
            None => Ok(()),
            Some(status) => bail!("{} ended ({status}); its log:\n{}", self.name, self.log_tail()),
        }
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// When it still runs after `limit`.
    pub async fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("{} to end", self.name);
        wait::until(&what, limit, async || self.ended()).await
    }

    /// Asks it to stop (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// When it still runs after `limit`; it is left running.
    pub async fn stop(&mut self, limit: Duration) -> Result<ExitStatus> {
        if self.ended()?.is_none() {
            spawn::terminate(self.pid());
        }
        self.wait(limit).await
    }

    /// Ends it at once (SIGKILL), as a power cut would.
    ///
    /// # Errors
    /// When the system cannot say whether it ended.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.ended()? {
            return Ok(status);
        }
        spawn::kill(self.pid());
        let status =
            self.child.wait().wrap_err_with(|| format!("cannot wait for {}", self.name))?;
        self.note_end(status);
        Ok(status)
    }

    /// The end of its log, for errors.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        let start = bytes.len().saturating_sub(QUOTED_BYTES);
        String::from_utf8_lossy(bytes.get(start..).unwrap_or_default()).into_owned()
    }

    fn note_end(&mut self, status: ExitStatus) {
        cleanup::forget_process(self.pid());
        self.status = Some(status);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            tracing::warn!(process = self.name, %error, "a process may stay behind");
        }
    }
}
