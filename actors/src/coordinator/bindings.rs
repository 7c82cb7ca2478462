//! What members say they have bound before: a payment to another anchor, a coin to another payment.
//! It comes with their refusals, and shows what this coordinator does not know or has forgotten.
//!
//! Any single member may lie. So
//!
//! - another anchor is taken only when fewer members than it takes can sign with the present one,
//!   and only a coin of the committee's own that as many may sign with as it takes. That happens
//!   while no version is signed, so that whatever is adopted, at most one version can ever confirm;
//! - a payment is declared to have been made before only when this node's own chain shows a
//!   transaction that spends the named coin, deep, and pays exactly the recipients, and that no
//!   other payment known here made; to be impossible under its id, only when more members than
//!   could all be liars name the coin;
//! - a payment waits for the chain only while such a transaction is not deep, or is looked up;
//! - a coin that somebody calls bound is used last; one that too many call bound is not used.
//!
//! A member's word on a payment's anchor is taken once: an honest one never changes it. All of this
//! is in memory, and heard again after a restart, except which coins are bound to which other
//! payments: that is stored, because whoever forgets it has the next payment bind such a coin too.

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::{FeeRate, OutPoint, Transaction, Txid, hashes::Hash};
use trestle_chain::{
    confirm::is_deep,
    payment::{Bound, Event as PaymentEvent, Spender},
    plan::{Coin, Plan},
    stored::Stored,
    wallet::SpentAt,
};
use trestle_keys::Committee;
use trestle_store::Batch;
use trestle_wire::{
    Hash32, SessionId,
    committee::{payment::OutPoint as WireOutPoint, sign::Binding},
};

use super::{
    CoordinatorActor, Job,
    rows::{BOUND, BoundKey, CoinKey},
};
use crate::{ports::chain::ChainError, runtime::Fault};

/// Coins that are remembered to be bound. Members name only inputs of what they are asked to sign;
/// past this all are forgotten, and heard again.
const MOST_COINS: usize = 10_000;
/// Payments that are over and looked through for the maker of a transaction.
const MOST_FINALS: u32 = 1_000;

/// What was heard.
#[derive(Default)]
pub(super) struct Bindings {
    /// The anchor that each member has bound an open payment to; `None`: it said two things.
    anchors: BTreeMap<Hash32, BTreeMap<u16, Option<OutPoint>>>,
    /// Members that were shown an open payment with an anchor and have not refused: each may have
    /// bound it, whether it was heard or not.
    asked: BTreeMap<Hash32, BTreeSet<(u16, OutPoint)>>,
    /// Coins that members have bound to a payment, by committee.
    coins: BTreeMap<(String, OutPoint), BTreeMap<u16, Hash32>>,
    /// Of them, what is not stored yet.
    unsaved: Vec<(BoundKey, Hash32)>,
    /// Payments whose last session failed.
    failed: BTreeSet<Hash32>,
    /// What spent an anchor that somebody named; `None` while it is looked up.
    spenders: BTreeMap<(Hash32, OutPoint), Option<Spender>>,
}

/// Coins that a payment should do without.
pub(super) struct Avoided {
    /// Some member says that it is bound.
    pub(super) by_some: BTreeSet<OutPoint>,
    /// So many do that too few are left to sign.
    pub(super) by_too_many: BTreeSet<OutPoint>,
}

impl Bindings {
    /// A member has bound a payment to an anchor, by its word or by its shares; `false` if it has
    /// said otherwise before, and so is not believed.
    pub(super) fn agreed(&mut self, payment: Hash32, member: u16, anchor: OutPoint) -> bool {
        let said = self.anchors.entry(payment).or_default();
        let first = *said.entry(member).or_insert(Some(anchor));
        if first != Some(anchor) {
            said.insert(member, None);
        }
        first == Some(anchor)
    }

    /// A member is shown a payment with an anchor.
    pub(super) fn shown(&mut self, payment: Hash32, member: u16, anchor: OutPoint) {
        self.asked.entry(payment).or_default().insert((member, anchor));
    }

    /// It has refused.
    pub(super) fn declined(&mut self, payment: &Hash32, member: u16, anchor: OutPoint) {
        if let Some(asked) = self.asked.get_mut(payment) {
            asked.remove(&(member, anchor));
        }
    }

    fn taken(&mut self, committee: &str, coin: OutPoint, member: u16, payment: Hash32) {
        if self.coins.len() >= MOST_COINS {
            self.coins.clear();
        }
        let said = self.coins.entry((committee.to_owned(), coin)).or_default();
        if said.insert(member, payment) != Some(payment) {
            let coin = CoinKey { committee: committee.to_owned(), outpoint: coin };
            self.unsaved.push((BoundKey { coin, member }, payment));
        }
    }

    /// What members have bound to a payment that is given up, or may have.
    fn left_by(&self, payment: &Hash32) -> BTreeSet<(u16, OutPoint)> {
        let said = self.anchors.get(payment).into_iter().flatten();
        let said = said.filter_map(|(member, anchor)| Some((*member, (*anchor)?)));
        let asked = self.asked.get(payment).into_iter().flatten().copied();
        said.chain(asked).collect()
    }

    /// A payment is given up: whoever bound a coin to it keeps it bound.
    pub(super) fn leave(&mut self, committee: &str, payment: Hash32) {
        for (member, anchor) in self.left_by(&payment) {
            self.taken(committee, anchor, member, payment);
        }
    }

    pub(super) fn signing_failed(&mut self, payment: Hash32) {
        self.failed.insert(payment);
    }

    pub(super) fn forget(&mut self, payment: &Hash32) {
        self.anchors.remove(payment);
        self.asked.remove(payment);
        self.failed.remove(payment);
        self.spenders.retain(|(one, _), _| one != payment);
    }

    /// How many members may sign a payment with this anchor, or with one that nobody has bound.
    fn able(&self, committee: &Committee, payment: &Hash32, anchor: Option<OutPoint>) -> usize {
        let said = self.anchors.get(payment);
        let asked = self.asked.get(payment);
        let of = |anchor| self.coins.get(&(committee.name.clone(), anchor));
        let taken = anchor.and_then(of);
        // Whoever was shown another anchor and has not been heard may have bound that one.
        let may_be_bound = |index: u16| {
            let mut shown = asked.into_iter().flatten().filter(|(member, _)| *member == index);
            shown.any(|(_, shown)| Some(*shown) != anchor)
        };
        let free = |index: &u16| {
            let other = taken.and_then(|taken| taken.get(index));
            let can = match said.and_then(|said| said.get(index)) {
                Some(bound) => bound.is_some() && *bound == anchor,
                None => !may_be_bound(*index),
            };
            can && other.is_none_or(|other| other == payment)
        };
        committee.members.iter().filter(|member| free(&member.index)).count()
    }

    /// Whether too few members are left to spend a coin that the others have bound to this payment,
    /// or may have.
    pub(super) fn strands(
        &self,
        committee: &Committee,
        payment: &Hash32,
        anchor: OutPoint,
    ) -> bool {
        let left = self.left_by(payment).into_iter();
        let bound: BTreeSet<u16> =
            left.filter(|(_, one)| *one == anchor).map(|(member, _)| member).collect();
        committee.members.len() < bound.len() + usize::from(committee.threshold)
    }

    /// The coins that a payment should do without.
    pub(super) fn avoided(&self, committee: &Committee, payment: &Hash32) -> Avoided {
        let spare = committee.members.len().saturating_sub(usize::from(committee.threshold));
        let mut avoided = Avoided { by_some: BTreeSet::new(), by_too_many: BTreeSet::new() };
        let own = self.coins.iter().filter(|((name, _), _)| *name == committee.name);
        for ((_, coin), said) in own {
            let count = said.values().filter(|other| *other != payment).count();
            if count > 0 {
                avoided.by_some.insert(*coin);
            }
            if count > spare {
                avoided.by_too_many.insert(*coin);
            }
        }
        avoided
    }

    /// The anchors that members name besides the present one, and how many name each.
    fn named(&self, payment: &Hash32, present: Option<OutPoint>) -> BTreeMap<OutPoint, usize> {
        let mut named = BTreeMap::new();
        let said = self.anchors.get(payment).into_iter().flat_map(BTreeMap::values);
        for anchor in said.flatten().filter(|anchor| Some(**anchor) != present) {
            *named.entry(*anchor).or_default() += 1;
        }
        named
    }

    /// An anchor that was not the payment's own here.
    pub(super) fn elsewhere(&self, payment: &Hash32, bound: Option<&Bound>) -> Option<OutPoint> {
        let named = self.named(payment, bound.map(|bound| *bound.anchor));
        named.into_keys().next()
    }
}

impl CoordinatorActor {
    /// Reads which coins are bound; those that are spent for good are forgotten.
    pub(super) async fn load_bound(&mut self) -> Result<(), Fault> {
        let depth = self.setup.settings.settle_depth.max(1);
        let mut batch = Batch::new();
        for (key, payment) in BOUND.all(&*self.setup.store).await? {
            let CoinKey { committee, outpoint } = &key.coin;
            let Some(seat) = self.seats.get(committee) else { continue };
            let spent = seat.wallet.spent(outpoint);
            if spent.is_some_and(|by| is_deep(seat.wallet.height(), by.height, depth)) {
                BOUND.delete(&mut batch, &key);
                continue;
            }
            let coins = self.bindings.coins.entry((committee.clone(), *outpoint)).or_default();
            coins.insert(key.member, Hash32(payment));
        }
        if !batch.is_empty() {
            self.setup.store.commit(batch).await?;
        }
        Ok(())
    }

    /// Who was asked before a restart is not known: everybody may have bound the anchor of a payment
    /// that was planned then.
    pub(super) fn recall(&mut self, id: Hash32) {
        let Some(row) = self.payments.get(&id) else { return };
        let bound = row.payment.bound().filter(|bound| !bound.may_confirm());
        let Some((seat, bound)) = self.seats.get(&row.committee).zip(bound) else { return };
        for member in &seat.committee.members {
            self.bindings.shown(id, member.index, *bound.anchor);
        }
    }

    /// Stores what was heard of bound coins.
    pub(super) async fn save_bound(&mut self) -> Result<(), Fault> {
        if self.bindings.unsaved.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new();
        for (key, payment) in std::mem::take(&mut self.bindings.unsaved) {
            BOUND.put(&mut batch, &key, &payment.0);
        }
        self.setup.store.commit(batch).await?;
        self.money_moved = true;
        Ok(())
    }

    /// Takes in what a member says it has bound; `true` if the session must not go on.
    pub(super) fn hear_binding(&mut self, id: SessionId, member: u16, said: Binding) -> bool {
        let Some(session) = self.sessions.get(&id) else { return false };
        let Some((payment, proposal)) = session.payment() else { return false };
        let shown = from_wire(&proposal.anchor);
        let Some(row) = self.payments.get(&payment) else { return false };
        let Some(bound) = row.payment.bound() else { return false };
        let Some(seat) = self.seats.get(&row.committee) else { return false };
        match said {
            Binding::Anchor(anchor) => {
                let anchor = from_wire(&anchor);
                let before = self.bindings.named(&payment, Some(shown));
                if anchor == shown {
                    return false;
                }
                // Its first word alone: else it could end one session after the other.
                let is_news =
                    self.bindings.agreed(payment, member, anchor) && !before.contains_key(&anchor);
                // It may have been paid with that coin: look before it is signed with another one.
                is_news && seat.wallet.spent(&anchor).is_some() && !bound.may_confirm()
            }
            Binding::Coin { coin, payment: other } => {
                let coin = from_wire(&coin);
                if other != payment && bound.latest().plan.spends(&coin) {
                    self.bindings.taken(&row.committee, coin, member, other);
                }
                false
            }
        }
    }

    /// After a session that failed: whether something else than another one follows.
    pub(super) async fn rethink(&mut self, id: Hash32) -> Result<bool, Fault> {
        if !self.bindings.failed.remove(&id) {
            return Ok(false);
        }
        let Some(row) = self.payments.get(&id) else { return Ok(false) };
        let Some(bound) = row.payment.bound() else { return Ok(false) };
        if !bound.may_confirm() {
            if let Some(event) = self.used_before(id) {
                self.end_sessions(id);
                Box::pin(self.advance_payment(id, event)).await?;
                return Ok(true);
            }
            if self.looks_up(id) {
                self.bindings.failed.insert(id);
                self.retry_later(id);
                return Ok(true);
            }
            if let Some(event) = self.other_anchor(id) {
                self.end_sessions(id);
                Box::pin(self.advance_payment(id, event)).await?;
                return Ok(true);
            }
        }
        if self.other_inputs_help(id) {
            Box::pin(self.advance_payment(id, PaymentEvent::InputRefused)).await?;
            return Ok(true);
        }
        Ok(false)
    }

    /// A coin that a member names is spent, deep, by what makes exactly this payment; or by whatever
    /// it is, and more members than could all be liars name it.
    pub(super) fn used_before(&self, id: Hash32) -> Option<PaymentEvent> {
        let row = self.payments.get(&id)?;
        let seat = self.seats.get(&row.committee)?;
        let spare = seat.committee.members.len().saturating_sub(seat.committee.threshold.into());
        let present = row.payment.bound().map(|bound| *bound.anchor);
        let depth = self.setup.settings.settle_depth.max(1);
        let mut named = self.bindings.named(&id, present).into_iter();
        named.find_map(|(anchor, count)| {
            let by = (*self.bindings.spenders.get(&(id, anchor))?)?;
            let stands = seat.wallet.spent(&anchor).is_some_and(|spent| is_by(&spent, &by))
                && is_deep(seat.wallet.height(), by.height, depth);
            let is_known = by.pays || count > spare;
            (stands && is_known).then_some(PaymentEvent::FoundUsed { anchor, by })
        })
    }

    /// Has what spent the coins that members name looked up. `true` while that is not known, or
    /// while a transaction that makes the payment is not deep: whoever names other coins holds
    /// nothing up for longer than the look takes.
    pub(super) fn looks_up(&mut self, id: Hash32) -> bool {
        let Some(row) = self.payments.get(&id) else { return false };
        let Some(seat) = self.seats.get(&row.committee) else { return false };
        let present = row.payment.bound().map(|bound| *bound.anchor);
        let depth = self.setup.settings.settle_depth.max(1);
        let mut waits = false;
        for anchor in self.bindings.named(&id, present).into_keys() {
            let Some(spent) = seat.wallet.spent(&anchor) else { continue };
            waits |= match self.bindings.spenders.get(&(id, anchor)) {
                // Any other spender says nothing, however deep it will be.
                Some(Some(by)) if is_by(&spent, by) => {
                    by.pays && !is_deep(seat.wallet.height(), by.height, depth)
                }
                Some(None) => true,
                Some(Some(_)) | None => {
                    self.bindings.spenders.insert((id, anchor), None);
                    let (txid, height) = (*spent.txid, spent.height);
                    self.jobs.push(Job::Inspect { payment: id, anchor, txid, height });
                    true
                }
            };
        }
        waits
    }

    /// What spent a coin that a member named is known.
    pub(super) async fn inspected(
        &mut self,
        id: Hash32,
        anchor: OutPoint,
        height: u32,
        result: Result<Option<Transaction>, ChainError>,
    ) -> Result<(), Fault> {
        let now = self.now();
        let by = self.spender(id, anchor, height, result).await?;
        match by {
            // Looked up again when the payment is tried again.
            None => self.bindings.spenders.remove(&(id, anchor)),
            Some(by) => self.bindings.spenders.insert((id, anchor), Some(by)),
        };
        if by.is_some() {
            self.retries.insert(id, now);
        }
        Ok(())
    }

    /// What a look-up shows; `None` if it shows nothing.
    async fn spender(
        &self,
        id: Hash32,
        anchor: OutPoint,
        height: u32,
        result: Result<Option<Transaction>, ChainError>,
    ) -> Result<Option<Spender>, Fault> {
        let Some(row) = self.payments.get(&id) else { return Ok(None) };
        let Some(seat) = self.seats.get(&row.committee) else { return Ok(None) };
        if matches!(result, Err(ChainError::Pruned(_))) {
            // It is not to be had any more: a word that nothing bears out.
            let spent = seat.wallet.spent(&anchor);
            return Ok(spent.map(|by| Spender { txid: by.txid, height: by.height, pays: false }));
        }
        let spends = |transaction: &Transaction| {
            transaction.input.iter().any(|input| input.previous_output == anchor)
        };
        let Some(transaction) = result.ok().flatten().filter(spends) else { return Ok(None) };
        let txid = transaction.compute_txid();
        let pays = row.payment.is_made_by(&transaction, seat.wallet.scripts())
            && !self.is_of_another(&row.committee, &id, &txid).await?;
        Ok(Some(Spender { txid: Stored(txid), height, pays }))
    }

    /// Whether a transaction is a version of another payment that is known here: one that pays the
    /// same recipients each month must not be taken for the next.
    async fn is_of_another(
        &self,
        committee: &str,
        id: &Hash32,
        txid: &Txid,
    ) -> Result<bool, Fault> {
        let rows = self.latest_payments(committee, MOST_FINALS).await?;
        Ok(rows.iter().any(|(other, row)| {
            let bound = row.payment.bound().filter(|_| other != id);
            bound.is_some_and(|bound| bound.version(txid).is_some())
        }))
    }

    /// Another anchor, if too few can sign with the present one and enough with that.
    fn other_anchor(&self, id: Hash32) -> Option<PaymentEvent> {
        // What is asked for to have a coin back spends that one or nothing.
        let row = self.payments.get(&id).filter(|row| row.coin.is_none())?;
        let (seat, bound) = (self.seats.get(&row.committee)?, row.payment.bound()?);
        let threshold = usize::from(seat.committee.threshold);
        let able = |anchor| self.bindings.able(&seat.committee, &id, anchor);
        if able(Some(*bound.anchor)) >= threshold {
            return None;
        }
        // As if this payment had nothing yet.
        let mut wallet = seat.wallet.clone();
        wallet.release(&id);
        let coins = wallet.for_plan(self.setup.settings.min_confirmations);
        let rate = FeeRate::from_sat_per_kwu(row.rate.unwrap_or_else(|| bound.highest_rate()));
        let recipients = row.payment.recipients();
        let named = self.bindings.named(&id, Some(*bound.anchor));
        let mut candidates: Vec<(usize, &Coin)> = coins
            .iter()
            .filter(|coin| coin.confirmed && named.contains_key(&coin.outpoint))
            .map(|coin| (able(Some(coin.outpoint)), coin))
            .filter(|(able, _)| *able >= threshold)
            .collect();
        candidates.sort_by_key(|(able, coin)| (std::cmp::Reverse(*able), coin.outpoint));
        let adopt = |(_, coin): &(usize, &Coin)| {
            self.plan_onto(seat, &id, coin, &coins, &recipients, rate).ok()
        };
        if let Some(plan) = candidates.iter().find_map(adopt) {
            return Some(PaymentEvent::Rebound { plan, adopted: true });
        }
        if able(None) < threshold {
            return None;
        }
        let is_free =
            |coin: &&Coin| coin.outpoint != *bound.anchor && !named.contains_key(&coin.outpoint);
        let free: Vec<Coin> = coins.iter().filter(is_free).cloned().collect();
        let plan: Plan = self.plan_around(seat, &id, &free, &recipients, rate).ok()?;
        let adopted = bound.adopted || !named.is_empty();
        (able(Some(plan.anchor())) >= threshold).then_some(PaymentEvent::Rebound { plan, adopted })
    }

    /// Whether a version without some of the inputs has better prospects.
    fn other_inputs_help(&self, id: Hash32) -> bool {
        let Some(row) = self.payments.get(&id) else { return false };
        let Some(bound) = row.payment.bound() else { return false };
        let Some(seat) = self.seats.get(&row.committee) else { return false };
        let Avoided { by_some, by_too_many } = self.bindings.avoided(&seat.committee, &id);
        let plan = &bound.latest().plan;
        let spends = |coins: &BTreeSet<OutPoint>| {
            coins.iter().any(|coin| *coin != *bound.anchor && plan.spends(coin))
        };
        if spends(&by_too_many) {
            return true;
        }
        let rate = bound.highest_rate().saturating_add(FeeRate::BROADCAST_MIN.to_sat_per_kwu());
        let without = || self.bumped(id, FeeRate::from_sat_per_kwu(rate), &by_some);
        spends(&by_some) && matches!(without(), Some(Ok(_)))
    }
}

/// Whether what spent a coin is still what was looked up: a reorg may have put another in its place.
fn is_by(spent: &SpentAt, by: &Spender) -> bool {
    (*spent.txid, spent.height) == (*by.txid, by.height)
}

/// An outpoint as members send it.
pub(super) fn from_wire(outpoint: &WireOutPoint) -> OutPoint {
    OutPoint { txid: Txid::from_byte_array(outpoint.txid), vout: outpoint.vout }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    #[test]
    fn member_that_names_one_coin_after_another__should_be_believed_once() {
        let coin = |vout| OutPoint { txid: Txid::all_zeros(), vout };
        let payment = Hash32([1; 32]);
        let mut bindings = Bindings::default();
        assert!(bindings.agreed(payment, 1, coin(0)));
        assert!(bindings.agreed(payment, 1, coin(0)));
        assert!(bindings.agreed(payment, 2, coin(0)));
        assert_eq!(bindings.named(&payment, None), [(coin(0), 2)].into());

        for other in 1..5 {
            assert!(!bindings.agreed(payment, 1, coin(other)));
        }
        assert_eq!(bindings.named(&payment, None), [(coin(0), 1)].into());
    }
}
