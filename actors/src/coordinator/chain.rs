//! Blocks: the committee's coins, and what they mean for its payments.

use std::collections::BTreeSet;

use bitcoin::{Block, BlockHash, OutPoint, Txid};
use trestle_chain::{
    payment::{Bound, Effect, Event as PaymentEvent},
    wallet::{Changes, Spend},
};
use trestle_store::Batch;
use trestle_wire::Hash32;

use super::{
    CoordinatorActor, Job,
    actor::start_of,
    ingress::Denied,
    rows::{COINS, CoinKey, FROZEN, KEYS, StoredKeyRef},
    seat::Following,
};
use crate::{
    follower::{Cursor, Step},
    runtime::Fault,
};

impl CoordinatorActor {
    /// Starts, or starts again, the feed of a committee's wallet.
    pub(super) fn follow(&mut self, committee: &str, reset: Option<u32>) {
        let Some(seat) = self.seats.get_mut(committee) else { return };
        let Some(start) = start_of(&seat.keys) else { return };
        let number = seat.feed.as_ref().map_or(1, |feed| feed.number + 1);
        let cursor = Cursor::new(format!("wallet.{committee}"), start);
        seat.feed = Some(Following { number, cursor });
        self.jobs.push(Job::Follow { committee: committee.to_owned(), feed: number, start, reset });
    }

    /// Takes blocks in. One commit has the coins, the payments and the cursor; only then is
    /// anything carried out.
    pub(super) async fn steps(
        &mut self,
        committee: &str,
        feed: u64,
        steps: Vec<Step>,
    ) -> Result<(), Fault> {
        let current = self.seats.get(committee).and_then(|seat| seat.feed.as_ref());
        if current.is_none_or(|current| current.number != feed) {
            return Ok(());
        }
        self.money_moved = true;
        let mut batch = Batch::new();
        let mut owed = Vec::new();
        for step in &steps {
            self.step(committee, step, &mut batch, &mut owed)?;
        }
        if !batch.is_empty() {
            self.setup.store.commit(batch).await?;
        }
        let open: Vec<Hash32> = self.open_payments(committee);
        for id in open {
            self.reserve(id)?;
        }
        for (id, effects) in owed {
            self.carry_out_all(id, effects).await?;
        }
        let over = self.payments.iter().filter(|(_, row)| row.payment.is_final());
        let over: Vec<Hash32> = over.map(|(id, _)| *id).collect();
        over.iter().for_each(|id| self.forget_final(id));
        self.broadcast_again(committee).await
    }

    /// With new blocks, whatever is signed and in none of them is handed to the own node again: a
    /// mempool forgets transactions, when it is full and when its node is started again.
    async fn broadcast_again(&mut self, committee: &str) -> Result<(), Fault> {
        let now = self.now();
        for id in self.open_payments(committee) {
            if let Some(retry) = self.retries.get_mut(&id) {
                // A payment that waits may have what it waits for now.
                *retry = now;
                self.stalls.remove(&id);
                continue;
            }
            let owed = self.payments.get(&id).map(|row| row.payment.owed()).unwrap_or_default();
            let broadcasts = owed.into_iter().filter(|e| matches!(e, Effect::Broadcast(_)));
            self.carry_out_all(id, broadcasts.collect()).await?;
        }
        Ok(())
    }

    fn step(
        &mut self,
        committee: &str,
        step: &Step,
        batch: &mut Batch,
        owed: &mut Vec<(Hash32, Vec<Effect>)>,
    ) -> Result<(), Fault> {
        let Some(seat) = self.seats.get_mut(committee) else { return Ok(()) };
        if let Some(feed) = &seat.feed {
            feed.cursor.record(batch, step);
        }
        match step {
            Step::Connect { height, hash, block } => {
                if *height <= seat.wallet.height() {
                    let changes = seat.wallet.rewind(height.saturating_sub(1));
                    store_coins(committee, &changes, batch);
                }
                let changes = seat
                    .wallet
                    .connect(*height, block)
                    .map_err(|_| Fault::Invariant("the wallet and its cursor disagree"))?;
                store_coins(committee, &changes, batch);
                self.spent(&changes.spends, block, *hash, batch, owed)?;
                self.named_spent(committee, batch, owed)?;
                let event = PaymentEvent::TipAdvanced { height: *height };
                self.all_payments(committee, &event, batch, owed)
            }
            Step::Disconnect { height, .. } => {
                let changes = seat
                    .wallet
                    .disconnect(*height)
                    .map_err(|_| Fault::Invariant("the wallet and its cursor disagree"))?;
                store_coins(committee, &changes, batch);
                let event = PaymentEvent::BlockDisconnected { height: *height };
                self.all_payments(committee, &event, batch, owed)
            }
        }
    }

    fn open_payments(&self, committee: &str) -> Vec<Hash32> {
        let open = self
            .payments
            .iter()
            .filter(|(_, row)| row.committee == committee && !row.payment.is_final());
        open.map(|(id, _)| *id).collect()
    }

    fn all_payments(
        &mut self,
        committee: &str,
        event: &PaymentEvent,
        batch: &mut Batch,
        owed: &mut Vec<(Hash32, Vec<Effect>)>,
    ) -> Result<(), Fault> {
        for id in self.open_payments(committee) {
            owed.push((id, self.apply_payment(id, event, batch)?));
        }
        Ok(())
    }

    /// Tells each payment whose coins a block spends whether it was itself.
    fn spent(
        &mut self,
        spends: &[Spend],
        block: &Block,
        hash: BlockHash,
        batch: &mut Batch,
        owed: &mut Vec<(Hash32, Vec<Effect>)>,
    ) -> Result<(), Fault> {
        for spend in spends {
            for (id, event) in self.spend_events(spend, block, hash) {
                owed.push((id, self.apply_payment(id, &event, batch)?));
            }
        }
        Ok(())
    }

    /// Payments that members have bound to another coin end by what spends that, if it is deep,
    /// before they end by what spends their own.
    fn named_spent(
        &mut self,
        committee: &str,
        batch: &mut Batch,
        owed: &mut Vec<(Hash32, Vec<Effect>)>,
    ) -> Result<(), Fault> {
        for id in self.open_payments(committee) {
            let bound = self.payments.get(&id).and_then(|row| row.payment.bound());
            if bound.is_none_or(Bound::may_confirm) {
                continue;
            }
            self.looks_up(id);
            if let Some(event) = self.used_before(id) {
                self.end_sessions(id);
                owed.push((id, self.apply_payment(id, &event, batch)?));
            }
        }
        Ok(())
    }

    fn spend_events(
        &self,
        spend: &Spend,
        block: &Block,
        hash: BlockHash,
    ) -> Vec<(Hash32, PaymentEvent)> {
        let Spend { outpoint, txid, height, .. } = *spend;
        let mut events = Vec::new();
        for (id, row) in &self.payments {
            let Some(bound) = row.payment.bound().filter(|_| !row.payment.is_final()) else {
                continue;
            };
            if bound.version(&txid).is_some() {
                events.push((*id, PaymentEvent::VersionConfirmed { txid, height, block: hash }));
                events.extend(self.orphaned(*id, &txid, height));
            } else if *bound.anchor == outpoint {
                // It may be a version that this coordinator has forgotten.
                let own = self.seats.get(&row.committee).map(|seat| seat.wallet.scripts());
                let spender = block.txdata.iter().find(|one| one.compute_txid() == txid);
                let pays = spender
                    .zip(own)
                    .is_some_and(|(spender, own)| row.payment.is_made_by(spender, own));
                let elsewhere = self.bindings.elsewhere(id, Some(bound));
                let event = PaymentEvent::AnchorSpentByOther { txid, height, pays, elsewhere };
                events.push((*id, event));
            } else if bound.inputs().contains(&outpoint) {
                events.push((*id, PaymentEvent::InputSpentByOther { outpoint, height }));
            }
        }
        events
    }

    /// What other payments wanted to spend of versions that now cannot confirm: change of theirs,
    /// and change of whatever was built on that. A payment whose anchor is among it can as little
    /// confirm as one whose anchor is spent.
    fn orphaned(&self, confirmed: Hash32, txid: &Txid, height: u32) -> Vec<(Hash32, PaymentEvent)> {
        let lost = self.lost(confirmed, txid);
        let mut events = Vec::new();
        for (id, row) in self.payments.iter().filter(|(_, row)| !row.payment.is_final()) {
            let Some(bound) = row.payment.bound().filter(|_| *id != confirmed) else { continue };
            if lost.contains(&bound.anchor.txid) {
                let (txid, pays) = (*txid, false);
                let elsewhere = self.bindings.elsewhere(id, Some(bound));
                let event = PaymentEvent::AnchorSpentByOther { txid, height, pays, elsewhere };
                events.push((*id, event));
                continue;
            }
            let inputs = bound.inputs().into_iter().filter(|input| lost.contains(&input.txid));
            events.extend(
                inputs.map(|outpoint| (*id, PaymentEvent::InputSpentByOther { outpoint, height })),
            );
        }
        events
    }

    /// The versions that cannot confirm once `txid` has: the payment's other ones, and all that
    /// spend of these, directly or not.
    fn lost(&self, confirmed: Hash32, txid: &Txid) -> BTreeSet<Txid> {
        let bound = self.payments.get(&confirmed).and_then(|row| row.payment.bound());
        let versions = bound.into_iter().flat_map(|bound| bound.plans());
        let mut lost: BTreeSet<Txid> =
            versions.map(|plan| plan.txid()).filter(|other| other != txid).collect();
        loop {
            let before = lost.len();
            let open = self.payments.values().filter(|row| !row.payment.is_final());
            for plan in open.filter_map(|row| row.payment.bound()).flat_map(|b| b.plans()) {
                let inputs = &plan.transaction().input;
                if inputs.iter().any(|input| lost.contains(&input.previous_output.txid)) {
                    lost.insert(plan.txid());
                }
            }
            if lost.is_empty() || lost.len() == before {
                return lost;
            }
        }
    }

    pub(super) async fn freeze(
        &mut self,
        committee: &str,
        outpoint: OutPoint,
        frozen: bool,
    ) -> Result<Result<(), Denied>, Fault> {
        if let Err(denied) = self.seat(committee) {
            return Ok(Err(denied));
        }
        let Some(seat) = self.seats.get_mut(committee) else { return Ok(Err(Denied::NoAnswer)) };
        if !seat.wallet.freeze(outpoint, frozen) {
            return Ok(Err(Denied::NotFound(format!("an unspent coin {outpoint}"))));
        }
        self.money_moved = true;
        let key = CoinKey { committee: committee.to_owned(), outpoint };
        let mut batch = Batch::new();
        if frozen {
            FROZEN.put(&mut batch, &key, &());
        } else {
            FROZEN.delete(&mut batch, &key);
        }
        self.setup.store.commit(batch).await?;
        Ok(Ok(()))
    }

    /// Reads the blocks again from a height. What is known stays until the blocks replace it. Where
    /// the coins of a learned key begin is what members said; the operator may know better.
    pub(super) async fn rescan(
        &mut self,
        committee: &str,
        height: u32,
    ) -> Result<Result<(), Denied>, Fault> {
        if let Err(denied) = self.seat(committee) {
            return Ok(Err(denied));
        }
        let Some(seat) = self.seats.get_mut(committee) else { return Ok(Err(Denied::NoAnswer)) };
        let tip = self.tip.max(seat.wallet.height());
        if height > tip {
            let text = format!("there is no block at height {height} yet: the best one is {tip}");
            return Ok(Err(Denied::Invalid(text)));
        }
        let mut batch = Batch::new();
        for (key, row) in seat.keys.iter_mut().filter(|(_, row)| row.learned) {
            if row.birth > height.max(1) {
                row.birth = height.max(1);
                KEYS.put(&mut batch, &StoredKeyRef(key.clone()), row);
            }
        }
        let Some(start) = start_of(&seat.keys) else {
            return Ok(Err(Denied::Unavailable(format!("{committee} has no key yet"))));
        };
        self.money_moved = true;
        self.go_back(committee, height.max(start), &mut batch);
        if !batch.is_empty() {
            self.setup.store.commit(batch).await?;
        }
        self.follow(committee, None);
        Ok(Ok(()))
    }

    /// Undoes what was read from a height on, so that following reads it again; `false` if nothing
    /// from there on was read. A start that has become lower begins there.
    pub(super) fn go_back(&mut self, committee: &str, from: u32, batch: &mut Batch) -> bool {
        let Some(seat) = self.seats.get_mut(committee) else { return false };
        let Some(start) = start_of(&seat.keys) else { return false };
        let cursor = Cursor::new(format!("wallet.{committee}"), start);
        if seat.feed.is_none() {
            let changes = seat.wallet.restart(start.saturating_sub(1));
            store_coins(committee, &changes, batch);
            cursor.reset(batch, start);
            return true;
        }
        if from > seat.wallet.height() {
            return false;
        }
        let changes = seat.wallet.rewind(from.saturating_sub(1));
        store_coins(committee, &changes, batch);
        cursor.reset(batch, from);
        true
    }
}

fn store_coins(committee: &str, changes: &Changes, batch: &mut Batch) {
    for (outpoint, row) in &changes.rows {
        let key = CoinKey { committee: committee.to_owned(), outpoint: *outpoint };
        match row {
            Some(row) => COINS.put(batch, &key, row),
            None => COINS.delete(batch, &key),
        }
    }
}
