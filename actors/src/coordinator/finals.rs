//! Payments that are over. They are in the store alone: what is looked at with every block is bounded
//! by the payments that are open, however many there ever were.
//!
//! Always holds: a payment is either open, in memory and stored as open, or over, and stored as
//! that; it goes over in the commit of the event that ended it.
//!
//! Nothing brings one back. A reorg deeper than the settle depth, which the operator chose to take
//! for impossible, gives the wallet its coins back, as any reorg does. The payment stays what it was
//! declared to be: its id answers a repeated request, so that nobody is paid anew; its versions are
//! out and valid for ever; and the members that signed them never let another payment spend its
//! anchor, so a payment that is planned on that coin by mistake stalls, and pays nobody twice.

use trestle_chain::payment::{Ending, State};
use trestle_store::{Batch, Scan};
use trestle_wire::Hash32;

use super::{
    CoordinatorActor,
    rows::{FINAL_ORDER, FINALS, FinalKey, PAYMENTS, PaymentRow, TOTALS},
};
use crate::runtime::Fault;

/// Payments that one answer lists.
const MOST_LISTED: u32 = 1_000;

impl CoordinatorActor {
    /// One payment, open or over.
    pub(super) async fn find_payment(&self, id: &Hash32) -> Result<Option<PaymentRow>, Fault> {
        match self.payments.get(id) {
            Some(row) => Ok(Some(row.clone())),
            None => Ok(FINALS.get(&*self.setup.store, &id.0).await?),
        }
    }

    /// A committee's payments, the latest first.
    pub(super) async fn latest_payments(
        &self,
        committee: &str,
        limit: u32,
    ) -> Result<Vec<(Hash32, PaymentRow)>, Fault> {
        let limit = limit.min(MOST_LISTED);
        let open = self.payments.iter().filter(|(_, row)| row.committee == committee);
        let mut rows: Vec<_> = open.map(|(id, row)| (*id, row.clone())).collect();
        for (_, id) in self.last_finals(committee, limit).await? {
            // One that was open a moment ago is in both until what it owes is carried out.
            if !self.payments.contains_key(&Hash32(id))
                && let Some(row) = FINALS.get(&*self.setup.store, &id).await?
            {
                rows.push((Hash32(id), row));
            }
        }
        rows.sort_unstable_by_key(|(_, row)| std::cmp::Reverse(row.number));
        rows.truncate(limit as usize);
        Ok(rows)
    }

    /// A number above those of all payments that are over.
    pub(super) async fn after_finals(&self) -> Result<u64, Fault> {
        let mut next = 0;
        for committee in self.seats.keys() {
            let last = self.last_finals(committee, 1).await?;
            next = last.into_iter().fold(next, |next, (key, _)| next.max(key.number + 1));
        }
        Ok(next)
    }

    async fn last_finals(
        &self,
        committee: &str,
        limit: u32,
    ) -> Result<Vec<(FinalKey, [u8; 32])>, Fault> {
        let prefix = FinalKey::prefix(committee);
        let scan = Scan { prefix, reverse: true, limit, ..Scan::default() };
        Ok(FINAL_ORDER.scan(&*self.setup.store, scan).await?)
    }

    /// Writes a payment's row where it belongs.
    pub(super) fn store_payment(&mut self, id: Hash32, batch: &mut Batch) {
        let Some(row) = self.payments.get(&id) else { return };
        let Some(seat) = self.seats.get_mut(&row.committee).filter(|_| row.payment.is_final())
        else {
            return PAYMENTS.put(batch, &id.0, row);
        };
        match row.payment.state() {
            State::Settled { .. } => seat.totals.settled += 1,
            State::Ended { why: Ending::Cancelled, .. } => seat.totals.cancelled += 1,
            State::Ended { why: Ending::UsedBefore { .. }, .. } => seat.totals.used_before += 1,
            State::Failed { .. }
            | State::Waiting
            | State::Signing { .. }
            | State::Broadcast { .. }
            | State::Confirmed { .. } => seat.totals.failed += 1,
        }
        TOTALS.put(batch, &row.committee, &seat.totals);
        let place = FinalKey { committee: row.committee.clone(), number: row.number };
        FINAL_ORDER.put(batch, &place, &id.0);
        FINALS.put(batch, &id.0, row);
        PAYMENTS.delete(batch, &id.0);
    }

    /// Lets go of a payment that is over, once all that it owed is carried out.
    pub(super) fn forget_final(&mut self, id: &Hash32) {
        if self.payments.get(id).is_some_and(|row| row.payment.is_final()) {
            if let Some(seat) =
                self.payments.get(id).and_then(|row| self.seats.get_mut(&row.committee))
            {
                seat.wallet.release(id);
            }
            self.payments.remove(id);
            self.retries.remove(id);
            self.stalls.remove(id);
            self.refusers.remove(id);
            self.accepted_ms.remove(id);
            self.bindings.forget(id);
        }
    }
}
