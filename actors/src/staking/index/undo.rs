//! The tip leaves the chain: what its block did is taken back, however deep it was.

use std::collections::BTreeSet;

use bitcoin::Txid;
use trestle_staking::{delegation::Event, tally::Share};

use super::work::Work;
use crate::{
    runtime::Fault,
    staking::{
        rows::{Entry, HeadTip},
        tables::{AT, AtKey, AtKind, DELEGATIONS, ORPHANS, TXIDS, TxKey, UNBONDINGS},
    },
};

impl Work<'_> {
    /// Takes the tip back.
    pub(super) async fn disconnect(&mut self, height: u32) -> Result<(), Fault> {
        let counts = &mut self.taken.counts;
        counts.disconnected = counts.disconnected.saturating_add(1);
        let head = &mut self.state.head;
        head.told_tip = Some(head.told_tip.map_or(height, |told| told.max(height)));
        let deep = height < head.unconfirmed_from;
        if deep {
            counts.deep = counts.deep.saturating_add(1);
            // Its blocks may be taken back in several commits: the first that counted says so.
            counts.major = counts.major.saturating_add(u32::from(!head.undoes_counted(height)));
            head.unconfirmed_from = height;
        } else {
            self.leave_window(height).await?;
        }
        // Of each delegation once: an undo takes back all that the block brought. The block's rows
        // are asked for only where it can have some.
        let kinds: &[AtKind] = if deep { &AtKind::ALL } else { &[AtKind::Ends] };
        let mut touched = BTreeSet::new();
        for kind in kinds {
            let key = AtKey { height, kind: *kind };
            if let Some(txids) = AT.get(&self.draft, &key).await? {
                touched.extend(txids.into_iter().map(|txid| *txid));
                self.draft.delete(&AT, &key);
            }
        }
        for txid in touched {
            self.take_back(txid, height).await?;
        }
        self.step_down(height).await
    }

    /// The head goes one block down.
    async fn step_down(&mut self, height: u32) -> Result<(), Fault> {
        let below = height.checked_sub(1).filter(|below| *below >= self.state.head.start);
        self.state.head.tip = match below {
            None => None,
            Some(below) => {
                let hash = self.cursor.hash(&self.draft, below).await?;
                let hash = hash.ok_or(Fault::Invariant("the block below the tip is not known"))?;
                let hash = bitcoin::hashes::Hash::to_byte_array(hash);
                // Nobody asks for the time of a block that was the tip before: with the block that
                // follows there is another.
                Some(HeadTip { height: below, hash, time: 0 })
            }
        };
        Ok(())
    }

    /// Takes the highest block out of the window.
    async fn leave_window(&mut self, height: u32) -> Result<(), Fault> {
        let Some(block) = self.state.window.pop_back() else {
            return Err(Fault::Invariant("the window of the staking index lacks a block"));
        };
        self.drop_window(height, &block);
        for entry in block.entries.iter().rev() {
            let (txid, share, confirmed) = match entry {
                Entry::Staked(found) => (*found.txid, Some(Share::from(&found.stake)), None),
                Entry::Unbonded { key, .. } | Entry::Left { key, .. } => {
                    let mark = self.state.marks.get(&*key.txid).and_then(|mark| mark.stake);
                    match mark {
                        Some(found) => (*key.txid, Some(Share::from(&found.stake)), None),
                        None => {
                            let row = self.row(key).await?.map(|row| row.delegation);
                            let share = row.as_ref().and_then(|row| row.stake().map(Share::from));
                            (*key.txid, share, row)
                        }
                    }
                }
            };
            let share = share.ok_or(Fault::Invariant("a spend of a stake that is not known"))?;
            let from = self.state.position(txid, confirmed.as_ref());
            self.state.forget_entry(entry);
            let to = self.state.position(txid, confirmed.as_ref());
            self.shift(&share, &from, &to).await?;
        }
        Ok(())
    }

    /// Takes back what the block at `height` brought for a delegation.
    async fn take_back(&mut self, txid: Txid, height: u32) -> Result<(), Fault> {
        let Some((key, _)) = self.key_of(txid).await? else {
            return Err(Fault::Invariant("a delegation to be undone is not stored"));
        };
        let Some(mut row) = self.row(&key).await? else {
            return Err(Fault::Invariant("a delegation to be undone has no row"));
        };
        let before = row.delegation;
        self.keep_told(txid, &before);
        let undone = self.applied(&before, &Event::BlockDisconnected { height })?;
        let Some((delegation, effects)) = undone else { return Ok(()) };
        let share = before.stake().map(Share::from);
        let share = share.ok_or(Fault::Invariant("a stored delegation without a stake"))?;
        let from = self.state.position(txid, Some(&before));
        let to = self.state.position(txid, Some(&delegation));
        row.delegation = delegation;
        if let Some(unbonding) = before.unbonding().filter(|_| delegation.unbonding().is_none()) {
            row.unbonding_tx = None;
            self.draft.delete(&UNBONDINGS, &TxKey(*unbonding.txid));
        }
        if delegation.stake().is_some() {
            self.draft.put(&DELEGATIONS, &key, &row);
        } else {
            self.draft.delete(&DELEGATIONS, &key);
            self.draft.delete(&TXIDS, &TxKey(txid));
            if !delegation.is_empty() {
                self.draft.put(&ORPHANS, &TxKey(txid), &delegation);
                self.state.orphans.insert(txid);
            }
        }
        self.follow_up(key, effects);
        self.shift(&share, &from, &to).await?;
        self.taken.changed.insert(txid, delegation);
        Ok(())
    }
}
