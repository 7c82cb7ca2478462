//! Giving a payment up.
//!
//! Always holds: it is stored that a payment is over before anybody hears of it or its coins are
//! free; from then on nothing combines shares for it. Members have signed nothing that is worth
//! anything without that.

use trestle_chain::payment::{Ending, Event as PaymentEvent, State};
use trestle_machine::{Machine, Refusal};
use trestle_wire::Hash32;

use super::{
    CoordinatorActor, ingress::Denied, payments::payment_id, rows::PaymentRow, view::PaymentView,
};
use crate::runtime::Fault;

impl CoordinatorActor {
    /// Gives up a payment, named by its id or by its idempotency key.
    pub(super) async fn cancel(
        &mut self,
        committee: &str,
        name: &str,
    ) -> Result<Result<PaymentView, Denied>, Fault> {
        if let Err(denied) = self.seat(committee) {
            return Ok(Err(denied));
        }
        let Some((id, row)) = self.named(committee, name).await? else {
            return Ok(Err(Denied::NotFound(format!("a payment {name} of {committee}"))));
        };
        if matches!(row.payment.state(), State::Ended { why: Ending::Cancelled, .. }) {
            return Ok(Ok(self.payment_view(&id, &row)));
        }
        let elsewhere = self.bindings.elsewhere(&id, row.payment.bound());
        let stranded = self.stranded(&id, &row);
        let event = PaymentEvent::Cancelled { elsewhere, stranded };
        if let Err(Refusal::Rejected(reject)) = row.payment.apply(&event) {
            let text = format!("payment {id} cannot be cancelled: {reject}");
            return Ok(Err(Denied::Invalid(text)));
        }
        if row.coin.is_none() {
            // A release binds its coin to nothing.
            self.bindings.leave(committee, id);
            self.save_bound().await?;
        }
        self.advance_payment(id, event).await?;
        self.end_sessions(id);
        let view = self.find_payment(&id).await?.map(|row| self.payment_view(&id, &row));
        Ok(view.ok_or(Denied::NoAnswer))
    }

    async fn named(
        &self,
        committee: &str,
        name: &str,
    ) -> Result<Option<(Hash32, PaymentRow)>, Fault> {
        let ids = [name.parse().ok(), Some(payment_id(committee, name))];
        for id in ids.into_iter().flatten() {
            let found = self.find_payment(&id).await?;
            if let Some(row) = found.filter(|row| row.committee == committee) {
                return Ok(Some((id, row)));
            }
        }
        Ok(None)
    }
}
