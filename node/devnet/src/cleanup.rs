//! What must be gone when the harness is told to stop: its processes and its folders.
//!
//! The first folder or process starts a thread that waits for SIGINT, SIGTERM and SIGHUP.
//! On one of them it kills every process of the harness, removes every folder and ends this
//! process with 128 + the signal's number. SIGKILL cannot be waited for: then the kernel
//! kills the processes (see `spawn`), and the next harness removes the folders.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use eyre::{Context as _, Result, eyre};
use tokio::signal::unix::{SignalKind, signal};

use crate::spawn;

/// How long removing waits for killed processes to let go of their files.
const REMOVE_LIMIT: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
struct Held {
    processes: BTreeSet<u32>,
    folders: BTreeSet<PathBuf>,
}

static HELD: Mutex<Held> =
    Mutex::new(Held { processes: BTreeSet::new(), folders: BTreeSet::new() });
type Words = Box<dyn FnOnce() + Send>;

static LAST_WORDS: Mutex<Option<Words>> = Mutex::new(None);
static LEFT_TO_CALLER: AtomicBool = AtomicBool::new(false);

/// Leaves SIGINT, SIGTERM and SIGHUP to the caller.
///
/// For a program that wants to stop its network in good order: it waits for the signals
/// itself and then drops everything it got from this crate.
pub fn leave_signals_to_caller() {
    LEFT_TO_CALLER.store(true, Ordering::SeqCst);
}

/// Has this called once when a signal tells the harness to stop, before anything is ended: for
/// last words. It must not wait for the network.
pub fn before_the_end(words: impl FnOnce() + Send + 'static) {
    *last_words() = Some(Box::new(words));
}

pub(crate) fn note_folder(path: &Path) -> Result<()> {
    watch_signals()?;
    held().folders.insert(path.to_owned());
    Ok(())
}

pub(crate) fn forget_folder(path: &Path) {
    held().folders.remove(path);
}

/// Starts a process and notes it in one step: none can slip past a signal that comes in
/// between.
pub(crate) fn note_process<E>(start: impl FnOnce() -> Result<u32, E>) -> Result<Result<u32, E>> {
    watch_signals()?;
    let mut held = held();
    let started = start();
    if let Ok(pid) = &started {
        held.processes.insert(*pid);
    }
    Ok(started)
}

pub(crate) fn forget_process(pid: u32) {
    held().processes.remove(&pid);
}

fn held() -> MutexGuard<'static, Held> {
    // A panic elsewhere must not keep us from cleaning up; the sets are valid at any time.
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

fn last_words() -> MutexGuard<'static, Option<Words>> {
    LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn watch_signals() -> Result<()> {
    static WATCH: OnceLock<Result<(), String>> = OnceLock::new();
    WATCH
        .get_or_init(|| {
            // One answer is ever sent.
            let (ready, is_ready) = sync_channel(1);
            thread::Builder::new()
                .name("devnet-signals".into())
                .spawn(move || clean_up_on_signal(&ready))
                .map_err(|error| error.to_string())?;
            is_ready.recv().map_err(|error| error.to_string())?
        })
        .clone()
        .map_err(|error| eyre!("cannot wait for signals: {error}"))
}

fn clean_up_on_signal(ready: &SyncSender<Result<(), String>>) {
    let waiting = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .wrap_err("cannot start a runtime")
        .and_then(|runtime| {
            let signals = {
                let _entered = runtime.enter();
                (
                    signal(SignalKind::interrupt())?,
                    signal(SignalKind::terminate())?,
                    signal(SignalKind::hangup())?,
                )
            };
            Ok((runtime, signals))
        });
    let (runtime, (mut interrupt, mut terminate, mut hangup)) = match waiting {
        Ok(waiting) => waiting,
        Err(error) => {
            // The receiver waits for exactly this answer.
            let _ = ready.send(Err(format!("{error:#}")));
            return;
        }
    };
    let _ = ready.send(Ok(()));
    loop {
        let number = runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => SignalKind::interrupt(),
                _ = terminate.recv() => SignalKind::terminate(),
                _ = hangup.recv() => SignalKind::hangup(),
            }
            .as_raw_value()
        });
        if !LEFT_TO_CALLER.load(Ordering::SeqCst) {
            let words = last_words().take();
            if let Some(words) = words {
                words();
            }
            let _held = clean_up();
            end(128 + number);
        }
    }
}

/// Gives the lock back held: nothing new may start until this process has ended.
#[expect(clippy::disallowed_methods, reason = "this thread has no runtime to block")]
fn clean_up() -> MutexGuard<'static, Held> {
    let held = held();
    for pid in &held.processes {
        spawn::kill(*pid);
    }
    let deadline = Instant::now() + REMOVE_LIMIT;
    for folder in &held.folders {
        while fs::remove_dir_all(folder).is_err() && folder.exists() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
        }
    }
    held
}

#[expect(clippy::disallowed_methods, reason = "what drops would clean up has been cleaned up")]
fn end(code: i32) -> ! {
    std::process::exit(code)
}
