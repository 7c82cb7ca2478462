//! Which timelocks are waited for, by the tip at which they end.

use std::collections::BTreeSet;

use bitcoin::Txid;

use super::{Output, Timelock};

/// A timelock that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// [`Timelock::spendable_at`] of that output.
    pub at: u32,
    /// The staking transaction of the delegation.
    pub staking: Txid,
    /// Which of its outputs.
    pub output: Output,
}

/// The timelocks that are waited for: the model of a table with an index on
/// (`at`, staking transaction, output), whose primary key is that triple.
///
/// Holds two rows a delegation at most. Asking changes nothing: a row is taken out when its
/// delegation has applied the event, in the same commit, and put in again when a reorganisation
/// takes the event back. So a crash between the two repeats an event and loses none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule(BTreeSet<Due>);

impl Schedule {
    /// Waits for a timelock. Doing it twice changes nothing.
    pub fn watch(&mut self, staking: Txid, output: Output, timelock: Timelock) {
        self.0.insert(Due { at: timelock.spendable_at(), staking, output });
    }

    /// Waits no more. Doing it twice changes nothing.
    pub fn unwatch(&mut self, staking: Txid, output: Output, timelock: Timelock) {
        self.0.remove(&Due { at: timelock.spendable_at(), staking, output });
    }

    /// What has ended at `tip`, the earliest first, at most `limit` rows; the rest comes with the
    /// next call, after these are taken out.
    pub fn due(&self, tip: u32, limit: usize) -> Vec<Due> {
        let all = self.0.iter().take_while(|due| Timelock::due(tip).contains(&due.at));
        all.take(limit).copied().collect()
    }

    /// How many are waited for.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is waited for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
