//! A block that has become deep enough: its entries become facts of delegations.

use bitcoin::Txid;
use trestle_chain::Stored;
use trestle_staking::{
    delegation::{Delegation, Event, Leaving},
    tally::Share,
};

use super::work::Work;
use crate::{
    runtime::Fault,
    staking::{
        rows::{DelegationKey, DelegationRow, Entry, StakeEntry, TxidRow, UnbondingTx},
        tables::{AT, AtKey, AtKind, DELEGATIONS, ORPHANS, TXIDS, TxKey, UNBONDINGS},
    },
};

impl Work<'_> {
    /// Confirms the lowest block of the window.
    pub(super) async fn confirm(&mut self) -> Result<(), Fault> {
        let height = self.state.head.unconfirmed_from;
        let Some(block) = self.state.window.pop_front() else {
            return Err(Fault::Invariant("the window of the staking index lacks a block"));
        };
        self.state.head.unconfirmed_from = height.saturating_add(1);
        self.drop_window(height, &block);
        if block.is_empty() {
            return Ok(());
        }
        self.taken.counts.invalid_confirmed.add(&block.invalid);
        let (mut stakes, mut spends) = (Vec::new(), Vec::new());
        for entry in &block.entries {
            match entry {
                Entry::Staked(stake) => {
                    stakes.push(stake.txid);
                    self.stake_confirmed(entry, stake, block.time).await?;
                }
                Entry::Unbonded { key, .. } | Entry::Left { key, .. } => {
                    spends.push(key.txid);
                    self.spend_confirmed(*key, entry, block.time).await?;
                }
            }
        }
        for (kind, txids) in [(AtKind::Stakes, stakes), (AtKind::Spends, spends)] {
            self.note_at(AtKey { height, kind }, txids);
        }
        Ok(())
    }

    fn note_at(&self, key: AtKey, txids: Vec<Stored<Txid>>) {
        if !txids.is_empty() {
            self.draft.put(&AT, &key, &txids);
        }
    }

    async fn stake_confirmed(
        &mut self,
        entry: &Entry,
        found: &StakeEntry,
        time: u32,
    ) -> Result<(), Fault> {
        let (key, txid) = (found.key(), *found.txid);
        let from = self.state.position(txid, None);
        self.state.forget_entry(entry);
        let before = self.adopt(txid).await?;
        let event = Event::StakeConfirmed(found.stake);
        let Some((delegation, effects)) = self.applied(&before, &event)? else {
            return Err(Fault::Invariant("a stake that is confirmed twice"));
        };
        let row = DelegationRow {
            delegation,
            version: found.version,
            start_timestamp: time,
            staking_tx: found.tx.clone(),
            unbonding_tx: None,
        };
        let place = TxidRow {
            staker: key.staker,
            height: key.height,
            output_index: found.stake.output_index,
        };
        self.draft.put_new(&DELEGATIONS, &key, &row);
        self.draft.put_new(&TXIDS, &TxKey(txid), &place);
        self.follow_up(key, effects);
        let to = self.state.position(txid, Some(&delegation));
        self.shift(&Share::from(&found.stake), &from, &to).await?;
        self.taken.changed.insert(txid, delegation);
        self.tell(txid, &before, &row);
        Ok(())
    }

    /// What is left of a delegation whose stake had left the chain: a request at most.
    async fn adopt(&mut self, txid: Txid) -> Result<Delegation, Fault> {
        if !self.state.orphans.remove(&txid) {
            return Ok(Delegation::default());
        }
        let kept = ORPHANS.get(&self.draft, &TxKey(txid)).await?;
        self.draft.delete(&ORPHANS, &TxKey(txid));
        Ok(kept.unwrap_or_default())
    }

    async fn spend_confirmed(
        &mut self,
        key: DelegationKey,
        entry: &Entry,
        time: u32,
    ) -> Result<(), Fault> {
        let txid = *key.txid;
        let Some(mut row) = self.row(&key).await? else {
            return Err(Fault::Invariant("a spend of a delegation that is not stored"));
        };
        let before = row.delegation;
        let from = self.state.position(txid, Some(&before));
        self.state.forget_entry(entry);
        let event = match entry {
            Entry::Staked(_) => return Ok(()),
            Entry::Unbonded { unbonding, .. } => Event::UnbondingConfirmed(*unbonding),
            Entry::Left { from, exit, .. } => match exit.how {
                Leaving::Withdrawn => Event::Withdrawn { from: *from, by: exit.by },
                how @ (Leaving::Slashed | Leaving::Otherwise) => Event::SpentOtherwise {
                    from: *from,
                    slashed: how == Leaving::Slashed,
                    by: exit.by,
                },
            },
        };
        let applied = self.applied(&before, &event)?;
        if let Some((delegation, _)) = &applied {
            row.delegation = *delegation;
            if let Entry::Unbonded { unbonding, tx, .. } = entry {
                row.unbonding_tx = Some(UnbondingTx { bytes: tx.clone(), timestamp: time });
                self.draft.put_new(&UNBONDINGS, &TxKey(*unbonding.txid), &key.txid);
            }
            self.draft.put(&DELEGATIONS, &key, &row);
        }
        let share = row.delegation.stake().map(Share::from);
        let share = share.ok_or(Fault::Invariant("a stored delegation without a stake"))?;
        let to = self.state.position(txid, Some(&row.delegation));
        self.shift(&share, &from, &to).await?;
        if let Some((delegation, effects)) = applied {
            self.follow_up(key, effects);
            self.taken.changed.insert(txid, delegation);
            self.tell(txid, &before, &row);
        }
        Ok(())
    }
}
