//! Timelocks that end at the tip.

use std::collections::{BTreeMap, VecDeque};

use bitcoin::Txid;
use trestle_chain::Stored;
use trestle_staking::{
    delegation::{Event, Output},
    tally::Share,
};
use trestle_store::{Scan, StoreError, table::Key};

use super::{draft::Draft, work::Work};
use crate::{
    runtime::Fault,
    staking::{
        rows::DelegationKey,
        tables::{AT, AtKey, AtKind, DELEGATIONS, DueKey, EXPIRY},
    },
};

/// Timelocks read at once.
const PAGE: u32 = 256;

/// The timelocks that are waited for, in their order: those that this run brought, and those of the
/// store, which are read once a run however many blocks it has.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// Of this run, by their stored keys.
    fresh: BTreeMap<Vec<u8>, (DueKey, DelegationKey)>,
    /// Read and not due yet.
    ahead: VecDeque<(DueKey, DelegationKey)>,
    /// Everything up to this key was read.
    after: Option<Vec<u8>>,
    /// There is nothing behind it.
    complete: bool,
    /// Due, and passed over at this tip.
    held: BTreeMap<Vec<u8>, (DueKey, DelegationKey)>,
}

impl Ends {
    pub(super) fn watch(&mut self, due: &DueKey, key: DelegationKey) {
        self.fresh.insert(due.to_key(), (*due, key));
    }

    pub(super) fn unwatch(&mut self, due: &DueKey) {
        self.fresh.remove(&due.to_key());
    }

    /// Passes a timelock over, which is the next to end, until [`Ends::give_back`].
    fn hold(&mut self, due: DueKey, key: DelegationKey) {
        if self.ahead.front().is_some_and(|(first, _)| *first == due) {
            self.ahead.pop_front();
        }
        self.fresh.remove(&due.to_key());
        self.held.insert(due.to_key(), (due, key));
    }

    /// What was passed over can end at the next tip; gives the first of it.
    fn give_back(&mut self) -> Option<u32> {
        let first = self.held.first_key_value().map(|(_, (due, _))| due.at);
        self.fresh.append(&mut self.held);
        first
    }

    /// The next timelock to end, which stays.
    async fn first(
        &mut self,
        draft: &Draft,
    ) -> Result<Option<(DueKey, DelegationKey)>, StoreError> {
        let stored = loop {
            match self.ahead.front() {
                // Waited for no more, or ended in this run.
                Some((due, _)) if draft.is_gone(&EXPIRY, due) => drop(self.ahead.pop_front()),
                Some(first) => break Some(*first),
                None if self.complete => break None,
                None => {
                    let scan = Scan { after: self.after.take(), limit: PAGE, ..Scan::default() };
                    let page = EXPIRY.scan(draft.base(), scan).await?;
                    self.complete = page.len() < PAGE as usize;
                    self.after = page.last().map(|(due, _)| due.to_key());
                    self.ahead.extend(page);
                }
            }
        };
        let fresh = self.fresh.first_key_value().map(|(_, first)| *first);
        let both = stored.into_iter().chain(fresh);
        Ok(both.min_by_key(|(due, _)| due.to_key()))
    }
}

impl Work<'_> {
    /// Everything that is due at this tip. Asking again changes nothing: a timelock that has ended
    /// is waited for no more, until a reorganisation takes its end back.
    ///
    /// An output that was spent before, in a block of the window, is not told to be free: it is not
    /// there any more. The spend becomes a fact when its block is deep; if its block is lost instead,
    /// so is the block at which the timelock ended, and the new one at that height ends it.
    pub(super) async fn end_timelocks(&mut self, tip: u32) -> Result<(), Fault> {
        let mut ended: BTreeMap<u32, Vec<Stored<Txid>>> = BTreeMap::new();
        while self.state.next_due.is_some_and(|due| due <= tip) {
            let first = self.ends.first(&self.draft).await?;
            self.state.next_due = first.map(|(due, _)| due.at);
            let Some((due, key)) = first.filter(|(due, _)| due.at <= tip) else { break };
            if self.state.is_leaving(&due) {
                self.ends.hold(due, key);
                continue;
            }
            if self.end(&due, key).await? {
                ended.entry(due.at).or_default().push(key.txid);
            }
        }
        if let Some(held) = self.ends.give_back() {
            self.state.next_due = Some(self.state.next_due.map_or(held, |next| next.min(held)));
        }
        for (height, txids) in ended {
            let key = AtKey { height, kind: AtKind::Ends };
            let mut all = AT.get(&self.draft, &key).await?.unwrap_or_default();
            all.extend(txids);
            // Some end later than others of their height: the same rows whichever way they came.
            all.sort_unstable();
            self.draft.put(&AT, &key, &all);
        }
        Ok(())
    }

    /// Whether it changed anything.
    async fn end(&mut self, due: &DueKey, key: DelegationKey) -> Result<bool, Fault> {
        self.draft.delete(&EXPIRY, due);
        self.ends.unwatch(due);
        let Some(mut row) = self.row(&key).await? else {
            return Err(Fault::Invariant("a timelock of a delegation that is not stored"));
        };
        let (before, at) = (row.delegation, due.at);
        let event = match due.output {
            Output::Staking => Event::Expired { at },
            Output::Unbonding => Event::UnbondingMatured { at },
        };
        let Some((delegation, effects)) = self.applied(&before, &event)? else { return Ok(false) };
        let from = self.state.position(due.txid, Some(&before));
        let to = self.state.position(due.txid, Some(&delegation));
        row.delegation = delegation;
        self.draft.put(&DELEGATIONS, &key, &row);
        self.follow_up(key, effects);
        if let Some(stake) = delegation.stake() {
            self.shift(&Share::from(stake), &from, &to).await?;
        }
        self.taken.changed.insert(due.txid, delegation);
        self.tell(due.txid, &before, &row);
        Ok(true)
    }
}
