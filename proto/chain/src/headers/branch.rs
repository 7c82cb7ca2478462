//! The branch itself: hashes by height, the newest in memory.

use std::{collections::VecDeque, ops::Range};

use bitcoin::{BlockHash, block::Header};

use super::{PAGE, Position, Reject};

/// The hashes from a start height to the tip, of which any number at the lower end may be in a
/// store only.
///
/// Always holds: the hash of the tip is in memory, unless the branch is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    start: u32,
    /// Height of the first hash in memory.
    base: u32,
    hashes: VecDeque<BlockHash>,
}

/// Going on needs the hashes at these heights from the store: see [`Branch::extend_below`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored hashes at heights {} to {} are needed first", .0.start, .0.end)]
pub struct NeedsOlder(pub Range<u32>);

impl Branch {
    /// An empty branch that begins at `start`.
    pub const fn new(start: u32) -> Self {
        Self { start, base: start, hashes: VecDeque::new() }
    }

    /// A stored branch from `start` whose newest hashes, from height `base`, are `newest`: a page
    /// of the store. `None` if there is nothing to stand on: no hash although `base` is above
    /// `start`, `base` below `start`, or heights that overflow.
    pub fn stored(start: u32, base: u32, newest: Vec<BlockHash>) -> Option<Self> {
        let count = u32::try_from(newest.len()).ok()?;
        base.checked_add(count)?;
        let stands = base == start || (base > start && count > 0);
        stands.then(|| Self { start, base, hashes: newest.into() })
    }

    /// The first height of the branch.
    pub const fn start(&self) -> u32 {
        self.start
    }

    /// The height that the next block must have.
    pub fn next_height(&self) -> u32 {
        let count = u32::try_from(self.hashes.len()).expect("connect keeps heights within u32");
        self.base.checked_add(count).expect("connect keeps heights within u32")
    }

    /// The last block, `None` while the branch is empty.
    pub fn tip(&self) -> Option<Position> {
        let hash = *self.hashes.back()?;
        Some(Position { height: self.next_height() - 1, hash })
    }

    /// Adds a block.
    ///
    /// # Errors
    /// [`Reject`] if it is not the next one or does not link to the tip. Its proof of work is
    /// what [`super::check_run`] looks at.
    pub fn connect(&mut self, at: Position, header: &Header) -> Result<(), Reject> {
        let expected = self.next_height();
        if at.height != expected || expected == u32::MAX {
            return Err(Reject::Height { expected, got: at.height });
        }
        if let Some(expected) = self.hashes.back().filter(|hash| **hash != header.prev_blockhash) {
            let got = header.prev_blockhash;
            return Err(Reject::Unlinked { height: at.height, expected: *expected, got });
        }
        self.hashes.push_back(at.hash);
        Ok(())
    }

    /// Takes the tip off; `None` if the branch is empty.
    ///
    /// # Errors
    /// [`NeedsOlder`] if the new tip's hash is in the store only.
    pub fn disconnect(&mut self) -> Result<Option<Position>, NeedsOlder> {
        if self.hashes.len() < 2
            && let Some(missing) = self.below()
        {
            return Err(NeedsOlder(missing));
        }
        let tip = self.tip();
        self.hashes.pop_back();
        Ok(tip)
    }

    /// The hashes at these heights, cut off above the tip.
    ///
    /// # Errors
    /// [`NeedsOlder`] if some are in the store only.
    pub fn hashes(&self, heights: Range<u32>) -> Result<Vec<BlockHash>, NeedsOlder> {
        if heights.start < self.base && heights.start >= self.start {
            return Err(NeedsOlder(heights.start..self.base));
        }
        let skip = (heights.start.max(self.base) - self.base) as usize;
        let take = heights.len();
        Ok(self.hashes.iter().skip(skip).take(take).copied().collect())
    }

    /// Puts stored hashes below those in memory: the ones that end right below them.
    pub fn extend_below(&mut self, older: &[BlockHash]) {
        for hash in older.iter().rev() {
            if self.base == self.start {
                return;
            }
            self.base -= 1;
            self.hashes.push_front(*hash);
        }
    }

    /// Forgets all but the newest `keep` hashes (at least one), which must be in the store.
    pub fn trim(&mut self, keep: usize) {
        let excess = self.hashes.len().saturating_sub(keep.max(1));
        self.hashes.drain(..excess);
        self.base += u32::try_from(excess).expect("no more than the heights held");
    }

    /// The page of heights right below memory.
    fn below(&self) -> Option<Range<u32>> {
        let from = self.base.saturating_sub(PAGE).max(self.start);
        (from < self.base).then_some(from..self.base)
    }
}
