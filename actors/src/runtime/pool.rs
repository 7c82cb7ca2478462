//! Threads for signing and verifying: one for each core. The threads that answer everyone are others,
//! and the operating system lets all take turns.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use futures::future::{BoxFuture, FutureExt};
use tokio::sync::mpsc;

use crate::ports::compute::{Compute, Work};

/// Pieces of work that may wait. An actor has at most a few under way, and waits for room.
const QUEUE: usize = 64;

/// The pool. Its threads end when the last handle is gone.
#[derive(Clone, Debug)]
pub struct Pool {
    queue: mpsc::Sender<Work>,
}

impl Pool {
    /// Starts `threads` threads.
    ///
    /// # Errors
    /// The operating system's, if it cannot start a thread.
    pub fn start(threads: usize) -> std::io::Result<Self> {
        let (queue, work) = mpsc::channel::<Work>(QUEUE);
        let work = Arc::new(Mutex::new(work));
        for number in 0..threads.max(1) {
            let work = Arc::clone(&work);
            thread::Builder::new().name(format!("crypto-{number}")).spawn(move || {
                while let Some(piece) = next(&work) {
                    piece();
                }
            })?;
        }
        Ok(Self { queue })
    }

    /// Starts a thread for each core.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn for_this_machine() -> std::io::Result<Self> {
        Self::start(thread::available_parallelism().map_or(1, std::num::NonZero::get))
    }
}

fn next(work: &Mutex<mpsc::Receiver<Work>>) -> Option<Work> {
    // Held while waiting, so that exactly one idle thread waits on the channel.
    work.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv()
}

impl Compute for Pool {
    fn submit(&self, work: Work) -> BoxFuture<'_, ()> {
        // A closed queue drops the work, and whoever waits for its result hears that.
        async move { self.queue.send(work).await.unwrap_or_default() }.boxed()
    }
}
