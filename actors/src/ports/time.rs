//! Time for actors: milliseconds that only go forward, and no calendar.

/// A monotonic clock. The simulation owns its own.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since some fixed moment of this boot.
    fn now_ms(&self) -> u64;
}
