//! The canonical branch: which blocks a follower has gone through, and which to leave and to enter
//! when its node names another tip.
//!
//! Always holds: every header that is entered meets the target it names itself and links to the
//! one before it; blocks are left top down and entered bottom up; a switch of any depth ends in
//! exactly the node's branch. Which branch is best is the node's word: it has checked difficulty
//! and transactions. The branch begins at a start height (a birth height), whose block is taken as
//! the node gives it; memory is 32 bytes for each hash held, and older hashes can stay in a store.

mod branch;
mod check;
mod fork;
#[cfg(test)]
mod tests;

pub use branch::{Branch, NeedsOlder};
pub use check::{Reject, check_run};
pub use fork::{ForkSearch, Search};

use bitcoin::BlockHash;

/// How many headers or stored hashes one page has: as many as peers send in one message.
pub const PAGE: u32 = 2_000;

/// A block by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Its height.
    pub height: u32,
    /// Its hash.
    pub hash: BlockHash,
}
