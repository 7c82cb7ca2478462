//! Work on all cores, as fast as threads alone make it.

use std::{
    num::NonZero,
    sync::{Mutex, PoisonError},
    thread,
};

/// Cores that this process may use.
pub(crate) fn count() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Does `work` for every item, with one thread a core. The results come in any order.
pub(crate) fn spread<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let queue = Mutex::new(items);
    let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let worker = || {
        let mut done = Vec::new();
        while let Some(item) = take() {
            done.push(work(item));
        }
        done
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..count()).map(|_| scope.spawn(worker)).collect();
        let joined = threads.into_iter().flat_map(|thread| match thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.collect()
    })
}
