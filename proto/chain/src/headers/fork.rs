//! Finding the last block that our branch and the node's have in common.

use std::ops::Range;

use bitcoin::BlockHash;

use super::{PAGE, Position};

/// How far below the tip the second look begins; most reorgs are a block or two deep.
const FIRST_STEP: u32 = 16;

/// A search downwards from the tip in steps that grow, so that a reorg of any depth is found in
/// few pages. Since blocks name their parents, branches that agree at a height agree below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForkSearch {
    start: u32,
    low: u32,
    high: u32,
    step: u32,
}

/// Where a search stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Search {
    /// The last common block; `None` if none from the start height on is common.
    Found(Option<Position>),
    /// Compare a window further down.
    Deeper(ForkSearch),
}

impl ForkSearch {
    /// A search for a branch from `start` to `tip`, against a chain whose tip is at height
    /// `theirs`, not below `start`.
    pub fn new(start: u32, tip: Option<Position>, theirs: u32) -> Self {
        let (low, high) = match tip {
            Some(tip) => (tip.height.min(theirs).max(start), tip.height.saturating_add(1)),
            None => (start, start),
        };
        Self { start, low, high, step: FIRST_STEP }
    }

    /// The heights at which hashes are to be compared next.
    pub fn window(&self) -> Range<u32> {
        self.low..self.high
    }

    /// Compares the hashes from the window's first height on: of our branch and of the node's.
    #[must_use]
    pub fn compare(self, ours: &[BlockHash], theirs: &[BlockHash]) -> Search {
        let pairs = ours.iter().zip(theirs).take(self.window().len());
        let common = (self.low..).zip(pairs).take_while(|(_, (our, their))| our == their).last();
        match common {
            Some((height, (hash, _))) => Search::Found(Some(Position { height, hash: *hash })),
            None if self.low == self.start => Search::Found(None),
            None => Search::Deeper(self.deeper()),
        }
    }

    fn deeper(self) -> Self {
        let low = self.low.saturating_sub(self.step).max(self.start);
        let step = self.step.saturating_mul(4).min(PAGE);
        Self { low, high: self.low, step, ..self }
    }
}
