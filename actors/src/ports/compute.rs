//! Heavy work, off the threads that answer everyone.

use futures::{
    channel::oneshot,
    future::{BoxFuture, FutureExt},
};

/// A piece of work.
pub type Work = Box<dyn FnOnce() + Send>;

/// A fixed pool of threads behind a bounded queue. The simulation runs work at once.
pub trait Compute: Send + Sync + 'static {
    /// Queues a piece of work; ready once it has a place in the queue.
    fn submit(&self, work: Work) -> BoxFuture<'_, ()>;
}

/// Runs `work` on the pool and waits for its result; `None` if the pool is shutting down.
pub async fn compute<T: Send + 'static>(
    pool: &dyn Compute,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (done, result) = oneshot::channel();
    let run = move || {
        // The receiver is gone when the actor that asked is being stopped.
        let _ = done.send(work());
    };
    pool.submit(Box::new(run)).await;
    result.map(Result::ok).await
}
