//! Following the Bitcoin chain: blocks in order, with every reorg undone step by step.
//!
//! A consumer has a [`Cursor`], its own branch in the store, and takes [`Step`]s from a [`Feed`].
//! It commits what a step does to its data and the change of its cursor in one batch. After a
//! crash, or a commit that failed, [`Feed::reload`] goes on from the committed cursor, whatever
//! the chain did meanwhile.
//!
//! ```ignore
//! loop {
//!     let steps = feed.next_many(64, 8 << 20).await?;
//!     let mut batch = Batch::new();
//!     for step in &steps {
//!         self.apply(&mut batch, step);
//!         cursor.record(&mut batch, step);
//!     }
//!     store.commit(batch).await?;
//! }
//! ```
//!
//! Always holds: steps follow one another (a connect on the tip, a disconnect of the tip), so each
//! connected block is disconnected before another takes its height; blocks have the hash asked
//! for, link to the tip and meet their own target; nothing bitcoind does ends the feed; blocks held
//! ahead of the consumer are bounded in number and bytes.

mod cursor;
mod engine;
mod feed;
mod prefetch;
mod step;
#[cfg(test)]
mod tests;

pub use cursor::Cursor;
pub use feed::{Feed, FeedConfig};
pub use step::{FeedStatus, FollowError, Step};
