//! Starting processes that cannot outlive the harness, and signalling them.
//!
//! The kernel kills a child when the *thread* that started it ends (`PR_SET_PDEATHSIG`), so
//! every child is started by one thread that lives as long as this process. That covers a
//! harness that is killed itself. A child whose program changes its account at `exec` loses
//! this, so change the account with `Command::uid`, not with a set-uid helper.
//!
//! All unsafe code of the harness is in this file.
#![expect(unsafe_code, reason = "prctl, kill and pre_exec have no safe form in std")]

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{self, Child, Command};
use std::sync::{OnceLock, mpsc};
use std::thread;

type Job = (Command, mpsc::SyncSender<io::Result<Child>>);

/// Starts `command` on the thread that never ends.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    let (answer, answered) = mpsc::sync_channel(1);
    starter()?
        .send((command, answer))
        .map_err(|_| io::Error::other("the thread that starts processes is gone"))?;
    answered.recv().map_err(io::Error::other)?
}

/// Sends SIGKILL to `pid`, a child that was not waited for yet.
pub(crate) fn kill(pid: u32) {
    send(pid, libc::SIGKILL);
}

/// Sends SIGTERM to `pid`, a child that was not waited for yet.
pub(crate) fn terminate(pid: u32) {
    send(pid, libc::SIGTERM);
}

fn send(pid: u32, signal: libc::c_int) {
    // Zero and negative numbers would name whole groups of processes.
    let Ok(pid @ 1..) = libc::pid_t::try_from(pid) else { return };
    // SAFETY: kill touches no memory of ours. The child was not waited for, so its number
    // still means it; if it ended by itself the signal changes nothing.
    unsafe { libc::kill(pid, signal) };
}

fn starter() -> io::Result<&'static mpsc::SyncSender<Job>> {
    static STARTER: OnceLock<Result<mpsc::SyncSender<Job>, String>> = OnceLock::new();
    STARTER
        .get_or_init(|| {
            // Whoever sends waits for its answer anyway.
            let (jobs, inbox) = mpsc::sync_channel::<Job>(1);
            thread::Builder::new()
                .name("devnet-starter".into())
                .spawn(move || {
                    for (command, answer) in inbox {
                        // Whoever asked waits; if it is gone, so is its interest.
                        let _ = answer.send(spawn_here(command));
                    }
                })
                .map(|_| jobs)
                .map_err(|error| error.to_string())
        })
        .as_ref()
        .map_err(|error| io::Error::other(error.as_str()))
}

fn spawn_here(mut command: Command) -> io::Result<Child> {
    // A group of its own: Ctrl-C at a terminal is for the harness, which then ends the child.
    command.process_group(0);
    let parent = process::id();
    // SAFETY: the closure runs between fork and exec and calls only prctl and getppid,
    // which are async-signal-safe and allocate nothing.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return Err(io::Error::last_os_error());
            }
            // The parent may have died before the line above took effect.
            if u32::try_from(libc::getppid()) != Ok(parent) {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            Ok(())
        });
    }
    command.spawn()
}
