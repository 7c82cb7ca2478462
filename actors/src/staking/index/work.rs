//! One run over steps: a draft of the rows and a copy of the state, changed step by step.

use std::{collections::BTreeSet, sync::Arc};

use bitcoin::{Block, BlockHash, hashes::Hash};
use trestle_machine::{Machine, Refusal, Step as Applied};
use trestle_staking::{
    GlobalParams, VersionParams,
    delegation::{Delegation, Effect, Event},
    tally::Totals,
};
use trestle_store::{Batch, StoreError};

use super::{
    Index, Prepared, Settings, Taken,
    draft::Draft,
    ends::Ends,
    figures::Figures,
    prepare::Content,
    state::{Prints, State},
};
use crate::{
    follower::{Cursor, Step},
    runtime::Fault,
    staking::{
        events::Gathered,
        rows::{DelegationKey, DelegationRow, Head, HeadTip, WindowBlock},
        tables::{DELEGATIONS, DueKey, EXPIRY, HEAD, TOTALS, TXIDS, TxKey, WINDOW},
    },
};

pub(super) struct Work<'i> {
    pub(super) params: Arc<GlobalParams>,
    pub(super) settings: Settings,
    pub(super) cursor: &'i Cursor,
    pub(super) prints: &'i mut Prints,
    before: (Head, Totals),
    /// Blocks that came into the window in this run: stored at its end, if they are still in it.
    pub(super) entered: BTreeSet<u32>,
    pub(super) ends: Ends,
    pub(super) figures: Figures,
    pub(super) events: Gathered,
    pub(super) draft: Draft,
    pub(super) state: State,
    pub(super) taken: Taken,
}

impl<'i> Work<'i> {
    pub(super) fn new(index: &'i mut Index) -> Self {
        let base = index.base();
        let state = index.behind.as_ref().map_or(&index.state, |behind| &behind.state);
        Self {
            params: Arc::clone(&index.params),
            settings: index.settings,
            cursor: &index.cursor,
            prints: &mut index.prints,
            before: (state.head, state.totals),
            entered: BTreeSet::new(),
            ends: Ends::default(),
            figures: Figures::default(),
            events: Gathered::default(),
            draft: Draft::new(base),
            state: state.clone(),
            taken: Taken::default(),
        }
    }

    /// Goes one step along the chain.
    pub(super) async fn step(&mut self, prepared: Prepared) -> Result<(), Fault> {
        let Prepared { step, content } = prepared;
        let tip = self.state.head.tip();
        match &step {
            Step::Connect { height, hash, block } => {
                if let Some(tip) = tip.filter(|tip| *height <= tip.height) {
                    return already(*height < tip.height || *hash == tip.hash);
                }
                let follows = tip.is_none_or(|tip| block.header.prev_blockhash == tip.hash);
                if *height != self.state.head.next() || !follows {
                    return Err(Fault::Invariant("a block that does not follow on the last one"));
                }
                self.connect(*height, *hash, block, content).await?;
            }
            Step::Disconnect { height, hash } => {
                match tip.filter(|tip| *height <= tip.height) {
                    // Undone before.
                    None => return Ok(()),
                    Some(tip) if (tip.height, tip.hash) == (*height, *hash) => {}
                    Some(_) => {
                        return Err(Fault::Invariant(
                            "a block is to be undone that is not the tip",
                        ));
                    }
                }
                self.disconnect(*height).await?;
            }
        }
        let mut batch = Batch::new();
        self.cursor.record(&mut batch, &step);
        self.draft.absorb(batch);
        Ok(())
    }

    async fn connect(
        &mut self,
        height: u32,
        hash: BlockHash,
        block: &Block,
        content: Content,
    ) -> Result<(), Fault> {
        let time = block.header.time;
        self.state.head.tip = Some(HeadTip { height, hash: hash.to_byte_array(), time });
        self.taken.counts.connected = self.taken.counts.connected.saturating_add(1);
        self.enter(height, block, content).await?;
        let depth = self.state.head.depth;
        while self.state.head.unconfirmed_from.saturating_add(depth - 1) <= height {
            self.confirm().await?;
        }
        self.end_timelocks(height).await?;
        if self.state.head.told_tip.is_some_and(|told| told <= height) {
            self.settle().await?;
        }
        Ok(())
    }

    /// What all steps came to.
    pub(super) async fn finish(mut self) -> Result<(Batch, Taken, State), Fault> {
        let (head, totals) = self.before;
        self.tell_figures(&head).await?;
        self.store_events();
        if self.state.head != head {
            self.draft.put(&HEAD, &[], &self.state.head);
        }
        if self.state.totals != totals {
            self.draft.put(&TOTALS, &[], &self.state.totals);
        }
        self.store_figures();
        self.store_window();
        self.taken.tip = self.state.head.tip();
        self.taken.confirmed = self.state.head.confirmed();
        self.taken.last_event = self.state.head.last_event;
        Ok((self.draft.into_batch(), self.taken, self.state))
    }

    /// Only what is still in the window: catching up, most blocks leave it in the run they came in.
    fn store_window(&self) {
        let heights = self.state.head.unconfirmed_from..;
        for (height, block) in heights.zip(&self.state.window) {
            if self.entered.contains(&height) && !block.is_empty() {
                self.draft.put(&WINDOW, &height, block.as_ref());
            }
        }
    }

    /// Removes a block from the stored window.
    pub(super) fn drop_window(&mut self, height: u32, block: &WindowBlock) {
        if !self.entered.remove(&height) && !block.is_empty() {
            self.draft.delete(&WINDOW, &height);
        }
    }

    /// The delegation after an event and what follows; `None` if the event changes nothing, or
    /// contradicts what is held, which no valid chain does.
    pub(super) fn applied(
        &mut self,
        delegation: &Delegation,
        event: &Event,
    ) -> Result<Option<(Delegation, Vec<Effect>)>, Fault> {
        match delegation.apply(event) {
            Ok(Applied::Applied { state, effects }) => Ok(Some((state, effects))),
            Ok(Applied::Duplicate) => Ok(None),
            Err(Refusal::Rejected(reject)) => {
                tracing::error!(%reject, ?event, "the chain contradicts a delegation");
                let rejected = &mut self.taken.counts.rejected;
                *rejected = rejected.saturating_add(1);
                Ok(None)
            }
            Err(Refusal::Invariant(what)) => Err(Fault::Invariant(what)),
        }
    }

    /// Carries out what follows for timelocks, and passes on the rest.
    pub(super) fn follow_up(&mut self, key: DelegationKey, effects: Vec<Effect>) {
        let txid = *key.txid;
        for effect in effects {
            match effect {
                Effect::Watch { output, timelock } => {
                    let at = timelock.spendable_at();
                    let due = DueKey { at, output, txid };
                    self.draft.put(&EXPIRY, &due, &key);
                    self.ends.watch(&due, key);
                    let next = self.state.next_due.map_or(at, |next| next.min(at));
                    self.state.next_due = Some(next);
                }
                Effect::Unwatch { output, timelock } => {
                    let at = timelock.spendable_at();
                    let due = DueKey { at, output, txid };
                    self.draft.delete(&EXPIRY, &due);
                    self.ends.unwatch(&due);
                }
                Effect::Unbond(_) | Effect::RecheckRequest(_) | Effect::StopUnbonding(_) => {
                    self.taken.effects.push((txid, effect));
                }
            }
        }
    }

    /// A delegation's row.
    pub(super) async fn row(
        &self,
        key: &DelegationKey,
    ) -> Result<Option<DelegationRow>, StoreError> {
        DELEGATIONS.get(&self.draft, key).await
    }

    /// Where the delegation of a confirmed stake is.
    pub(super) async fn key_of(
        &self,
        txid: bitcoin::Txid,
    ) -> Result<Option<(DelegationKey, u32)>, StoreError> {
        let row = TXIDS.get(&self.draft, &TxKey(txid)).await?;
        Ok(row.map(|row| {
            let (staker, height) = (row.staker, row.height);
            (DelegationKey { staker, height, txid: txid.into() }, row.output_index)
        }))
    }

    /// The parameters that a stake was found under.
    pub(super) fn version(&self, number: u64) -> Result<&VersionParams, Fault> {
        let missing = Fault::Invariant("a stake of a version that the parameters do not have");
        self.params.version(number).ok_or(missing)
    }
}

/// A block that comes once more is passed over, another at its height is not.
const fn already(same: bool) -> Result<(), Fault> {
    if same { Ok(()) } else { Err(Fault::Invariant("two blocks of one height without an undo")) }
}
