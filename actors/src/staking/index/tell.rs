//! Telling outsiders: which events are stored, and when.

use bitcoin::Txid;
use trestle_staking::{
    delegation::{Delegation, Exit, Fact, Leaving, Notice, Output, announce},
    tally::CompatStats,
};

use super::{Events, Found, work::Work};
use crate::{
    runtime::Fault,
    staking::{
        events::{EventRow, What, height},
        rows::{DelegationRow, Head},
        tables::{EVENTS, ORPHANS, TOLD, TxKey},
    },
};

/// Something to be told, with what is needed for it.
struct News {
    txid: Txid,
    notice: Notice,
    what: Option<What>,
}

impl Work<'_> {
    /// Tells what changed of a delegation, unless outsiders are to hear of it at the end of a
    /// reorganisation.
    pub(super) fn tell(&mut self, txid: Txid, before: &Delegation, now: &DelegationRow) {
        if self.state.told.contains(&txid) {
            return;
        }
        for notice in announce(before, &now.delegation) {
            let what = describe(txid, notice, before, Some(now));
            self.publish(News { txid, notice, what });
        }
    }

    /// Keeps what outsiders know of a delegation that a reorganisation is about to change.
    pub(super) fn keep_told(&mut self, txid: Txid, known: &Delegation) {
        if self.state.told.insert(txid) {
            self.draft.put(&TOLD, &TxKey(txid), known);
        }
    }

    /// The new branch is as long as the old one was: tells what is different.
    pub(super) async fn settle(&mut self) -> Result<(), Fault> {
        let (mut gone, mut fresh) = (Vec::new(), Vec::new());
        for txid in std::mem::take(&mut self.state.told) {
            let known = TOLD.get(&self.draft, &TxKey(txid)).await?.unwrap_or_default();
            self.draft.delete(&TOLD, &TxKey(txid));
            let row = match self.key_of(txid).await? {
                Some((key, _)) => self.row(&key).await?,
                None => None,
            };
            let now = match &row {
                Some(row) => row.delegation,
                None => ORPHANS.get(&self.draft, &TxKey(txid)).await?.unwrap_or_default(),
            };
            for notice in announce(&known, &now) {
                let what = describe(txid, notice, &known, row.as_ref());
                let news = News { txid, notice, what };
                match notice {
                    Notice::Reverted(fact) => gone.push((height(&fact), news)),
                    Notice::Happened(fact) => fresh.push((height(&fact), news)),
                }
            }
        }
        self.state.head.told_tip = None;
        // What is taken back, the latest first; then what is new, in the order of the chain.
        gone.sort_by_key(|(height, _)| std::cmp::Reverse(*height));
        fresh.sort_by_key(|(height, _)| *height);
        for (_, news) in gone.into_iter().chain(fresh) {
            self.publish(news);
        }
        Ok(())
    }

    /// The locked value at the end of a run that brought blocks.
    pub(super) async fn tell_figures(&mut self, before: &Head) -> Result<(), Fault> {
        let head = self.state.head;
        let Some(tip) = head.tip.filter(|_| self.taken.counts.connected > 0) else { return Ok(()) };
        if Some(tip) == before.tip {
            return Ok(());
        }
        let CompatStats { active_tvl, unconfirmed_tvl, .. } = self.state.totals.compat();
        if let Some(height) = head.confirmed().filter(|height| Some(*height) > before.confirmed())
            && self.settings.events == (Events::On { confirmed_info: true })
        {
            let block = self.cursor.hash(&self.draft, height).await?;
            let block = block.map(bitcoin::hashes::Hash::to_byte_array).unwrap_or_default();
            self.store_event(What::Confirmed { block, height, tvl: active_tvl });
        }
        self.store_event(What::Tip {
            block: tip.hash,
            height: tip.height,
            confirmed_tvl: active_tvl,
            unconfirmed_tvl,
        });
        Ok(())
    }

    fn publish(&mut self, news: News) {
        let News { txid, notice, what } = news;
        self.count(&notice);
        match notice {
            Notice::Happened(fact) => tracing::debug!(%txid, ?fact, "a delegation changed"),
            Notice::Reverted(fact) => {
                tracing::warn!(%txid, ?fact, "what was told of a delegation is not true any more");
            }
        }
        if let Some(what) = what {
            self.store_event(what);
        }
    }

    fn store_event(&mut self, what: What) {
        if self.settings.events == Events::Off {
            return;
        }
        let number = self.state.head.last_event.saturating_add(1);
        self.state.head.last_event = number;
        let tip = self.state.head.tip.map_or(0, |tip| tip.height);
        if let Some(row) = self.events.add(EventRow { tip, what }) {
            self.draft.put_new(&EVENTS, &number, &row);
        }
    }

    /// Stores the events that no row holds yet: the last of them is the last there is.
    pub(super) fn store_events(&mut self) {
        if let Some(row) = self.events.take() {
            self.draft.put_new(&EVENTS, &self.state.head.last_event, &row);
        }
    }

    fn count(&mut self, notice: &Notice) {
        let (counts, found) = (&mut self.taken.counts, &mut self.taken.found);
        let counter = match notice {
            Notice::Reverted(_) => &mut counts.reverted,
            Notice::Happened(fact) => {
                note(found, fact);
                match fact {
                    Fact::Staked(stake) if stake.overflow => &mut counts.overflow,
                    Fact::Staked(_) => &mut counts.active,
                    Fact::Unbonded(_) => &mut counts.unbonding,
                    Fact::Expired { .. } => &mut counts.expired,
                    Fact::Left { from, exit } => match (exit.how, from) {
                        (Leaving::Withdrawn, Output::Staking) => &mut counts.withdrawn_staking,
                        (Leaving::Withdrawn, Output::Unbonding) => &mut counts.withdrawn_unbonding,
                        (Leaving::Slashed, _) => &mut counts.slashed,
                        (Leaving::Otherwise, _) => &mut counts.otherwise,
                    },
                }
            }
        };
        *counter = counter.saturating_add(1);
    }
}

fn note(found: &mut Found, fact: &Fact) {
    let place = match fact {
        Fact::Staked(_) => &mut found.staking,
        Fact::Unbonded(_) => &mut found.unbonding,
        Fact::Left { from, exit: Exit { how: Leaving::Withdrawn, .. } } => match from {
            Output::Staking => &mut found.withdraw_staking,
            Output::Unbonding => &mut found.withdraw_unbonding,
        },
        Fact::Expired { .. } | Fact::Left { .. } => return,
    };
    *place = Some(height(fact));
}

/// The event of a notice; `None` if there was no stake, and so nothing to tell.
fn describe(
    txid: Txid,
    notice: Notice,
    before: &Delegation,
    row: Option<&DelegationRow>,
) -> Option<What> {
    let (stake, (tx, timestamp)) = match notice {
        Notice::Reverted(_) => (before.stake()?, (Vec::new(), 0)),
        Notice::Happened(fact) => {
            let row = row?;
            let tx = match fact {
                Fact::Staked(_) => (row.staking_tx.clone(), row.start_timestamp),
                Fact::Unbonded(_) => {
                    let tx = row.unbonding_tx.as_ref();
                    tx.map(|tx| (tx.bytes.clone(), tx.timestamp)).unwrap_or_default()
                }
                Fact::Expired { .. } | Fact::Left { .. } => (Vec::new(), 0),
            };
            (row.delegation.stake()?, tx)
        }
    };
    Some(What::Delegation { txid: txid.into(), notice, stake: *stake, tx, timestamp })
}
