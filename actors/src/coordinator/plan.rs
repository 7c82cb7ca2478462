//! Which coins a payment spends.

use std::collections::BTreeSet;

use bitcoin::{FeeRate, ScriptBuf};
use trestle_chain::{
    payment::Event as PaymentEvent,
    plan::{self, BumpRequest, Coin, Limits, PlanError},
};
use trestle_wire::Hash32;

use super::{CoordinatorActor, seat::Seat};
use crate::runtime::Fault;

impl CoordinatorActor {
    /// Plans the first version.
    pub(super) async fn plan(&mut self, id: Hash32, rate: FeeRate) -> Result<(), Fault> {
        let Some(row) = self.payments.get(&id) else { return Ok(()) };
        let Some(seat) = self.seats.get(&row.committee) else { return Ok(()) };
        let recipients = row.payment.recipients();
        let planned = self.plan_from(seat, &recipients, rate);
        let event = match planned {
            Ok(plan) => PaymentEvent::Planned(plan),
            Err(e) => PaymentEvent::PlanFailed { reason: e.to_string() },
        };
        self.advance_payment(id, event).await
    }

    /// One transaction spends coins of one key, since a signing session has one key: the oldest
    /// that suffices, so that retired keys run empty first.
    fn plan_from(
        &self,
        seat: &Seat,
        recipients: &[bitcoin::TxOut],
        rate: FeeRate,
    ) -> Result<plan::Plan, PlanError> {
        let coins = seat.wallet.for_plan(self.setup.settings.min_confirmations);
        let change = change_script(seat).unwrap_or_default();
        let mut last = None;
        for key in seat.keys.keys() {
            let Some(script) = seat.script(key) else { continue };
            let coins = of_script(&coins, &script);
            let height = lock_height(seat);
            match plan::plan(&coins, recipients, &change, rate, height, &self.limits()) {
                Ok(plan) => return Ok(plan),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or(PlanError::NoRecipients))
    }

    /// Plans a version that replaces all before it.
    pub(super) async fn bump(&mut self, id: Hash32, rate: FeeRate) -> Result<(), Fault> {
        let Some(row) = self.payments.get(&id) else { return Ok(()) };
        let Some(seat) = self.seats.get(&row.committee) else { return Ok(()) };
        let Some(bound) = row.payment.bound() else { return Ok(()) };
        let (previous, gone): (Vec<plan::Plan>, BTreeSet<_>) = (bound.plans(), bound.gone());
        let script = previous.first().and_then(|plan| plan.spent().into_iter().next());
        let script = script.map(|output| output.script_pubkey).unwrap_or_default();
        let coins = seat.wallet.for_plan(self.setup.settings.min_confirmations);
        let request = BumpRequest {
            previous: &previous,
            gone: &gone,
            extra: &of_script(&coins, &script),
            change_script: &change_script(seat).unwrap_or_default(),
            rate,
            height: lock_height(seat),
            limits: &self.limits(),
        };
        let event = match plan::bump(&request) {
            Ok(plan) => PaymentEvent::Planned(plan),
            Err(e) => PaymentEvent::PlanFailed { reason: e.to_string() },
        };
        self.advance_payment(id, event).await
    }

    fn limits(&self) -> Limits {
        let settings = &self.setup.settings;
        Limits { max_fee: settings.max_fee, max_rate: settings.max_fee_rate, ..Limits::default() }
    }
}

/// The locktime: a block below our own tip, since a member whose node is a block behind would
/// refuse a height that it has not seen.
fn lock_height(seat: &Seat) -> u32 {
    seat.wallet.height().saturating_sub(1)
}

/// Change goes to the latest key.
fn change_script(seat: &Seat) -> Option<ScriptBuf> {
    seat.script(seat.latest()?.0)
}

fn of_script(coins: &[Coin], script: &ScriptBuf) -> Vec<Coin> {
    coins.iter().filter(|coin| coin.output.script_pubkey == *script).cloned().collect()
}
