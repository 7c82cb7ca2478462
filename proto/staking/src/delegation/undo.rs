//! What a reorganisation takes back.

use super::{Delegation, fact::Facts};

impl Facts {
    /// Without what the block at `height` and those above it brought. A timelock that ended at tip
    /// `at` runs again once the tip is below. The request stays: no block brought it.
    pub(super) fn without_from(&self, height: u32) -> Self {
        Self {
            stake: self.stake.filter(|stake| stake.height < height),
            request: self.request,
            expired: self.expired.filter(|at| *at < height),
            spend: self.spend.filter(|spend| spend.spender().height < height),
            matured: self.matured.filter(|at| *at < height),
            end: self.end.filter(|exit| exit.by.height < height),
        }
    }
}

impl Delegation {
    /// The highest block that brought something. A block above that can be disconnected without
    /// this delegation; the store keeps it as an indexed column to find whom a block concerns.
    pub fn latest_height(&self) -> Option<u32> {
        let facts = &self.facts;
        let heights = [
            facts.stake.map(|stake| stake.height),
            facts.expired,
            facts.spend.map(|spend| spend.spender().height),
            facts.matured,
            facts.end.map(|exit| exit.by.height),
        ];
        heights.into_iter().flatten().max()
    }
}
