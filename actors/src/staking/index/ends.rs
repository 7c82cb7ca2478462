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
}

impl Ends {
    pub(super) fn watch(&mut self, due: &DueKey, key: DelegationKey) {
        self.fresh.insert(due.to_key(), (*due, key));
    }

    pub(super) fn unwatch(&mut self, due: &DueKey) {
        self.fresh.remove(&due.to_key());
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
    pub(super) async fn end_timelocks(&mut self, tip: u32) -> Result<(), Fault> {
        let mut ended: BTreeMap<u32, Vec<Stored<Txid>>> = BTreeMap::new();
        while self.state.next_due.is_some_and(|due| due <= tip) {
            let first = self.ends.first(&self.draft).await?;
            self.state.next_due = first.map(|(due, _)| due.at);
            let Some((due, key)) = first.filter(|(due, _)| due.at <= tip) else { break };
            if self.end(&due, key).await? {
                ended.entry(due.at).or_default().push(key.txid);
            }
        }
        for (height, txids) in ended {
            let key = AtKey { height, kind: AtKind::Ends };
            let mut all = AT.get(&self.draft, &key).await?.unwrap_or_default();
            all.extend(txids);
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
