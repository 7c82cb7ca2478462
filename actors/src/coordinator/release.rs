//! Having a coin back that members bound to a payment which is never finished.
//!
//! A member that agreed to a payment spends its anchor for no other payment to anybody, for ever,
//! because it cannot know whether the others signed. What it does agree to is that the coin goes to
//! the committee itself: that pays nobody, and ends the bound payment once it is deep, whoever still
//! holds shares of it. So a release is a payment like any other, of half the coin to the committee's
//! latest address, with the other half as change from which fees can rise; its anchor is the coin
//! and never another one.
//!
//! Always holds: a coin has at most one release that is not cancelled; no release is begun with a
//! coin that an open payment of this coordinator spends.

use bitcoin::{Amount, FeeRate, OutPoint, TxOut};
use trestle_chain::{
    payment::{Ending, State},
    plan::{Coin, Plan},
    stored::Stored,
    wallet::CoinState,
};
use trestle_wire::Hash32;

use super::{
    CoordinatorActor,
    ingress::Denied,
    payments::{Accepted, payment_id},
    rows::PaymentRow,
    seat::Seat,
    view::PaymentView,
};
use crate::runtime::Fault;

/// Releases of one coin that may have been cancelled before the next: each needs an operator.
const MOST_TRIES: u32 = 100;

impl CoordinatorActor {
    /// Begins to pay a coin to the committee itself, or finds what does so already.
    pub(super) async fn release(
        &mut self,
        committee: &str,
        coin: OutPoint,
        rate: Option<FeeRate>,
    ) -> Result<Result<PaymentView, Denied>, Fault> {
        if let Err(denied) = self.seat(committee) {
            return Ok(Err(denied));
        }
        let Some((id, idempotency_key, found)) = self.release_id(committee, coin).await? else {
            let text = format!("{MOST_TRIES} releases of {coin} were cancelled");
            return Ok(Err(Denied::Busy(text)));
        };
        if let Some(row) = found {
            return Ok(Ok(self.payment_view(&id, &row)));
        }
        let recipient = match self.half_of(committee, coin) {
            Ok(recipient) => recipient,
            Err(denied) => return Ok(Err(denied)),
        };
        if let Err(denied) = self.has_room(committee, rate) {
            return Ok(Err(denied));
        }
        let rate = rate.map(FeeRate::to_sat_per_kwu);
        let committee = committee.to_owned();
        let accepted = Accepted { committee, idempotency_key, rate, coin: Some(coin) };
        self.accept(id, accepted, vec![recipient]).await?;
        let view = self.find_payment(&id).await?.map(|row| self.payment_view(&id, &row));
        Ok(view.ok_or(Denied::NoAnswer))
    }

    /// The release of a coin that is not cancelled, or the name of the next one.
    async fn release_id(
        &self,
        committee: &str,
        coin: OutPoint,
    ) -> Result<Option<(Hash32, String, Option<PaymentRow>)>, Fault> {
        for number in 1..=MOST_TRIES {
            let key = format!("release:{coin}:{number}");
            let id = payment_id(committee, &key);
            let found = self.find_payment(&id).await?;
            let is_cancelled = found.as_ref().is_some_and(|row| {
                matches!(row.payment.state(), State::Ended { why: Ending::Cancelled, .. })
            });
            if !is_cancelled {
                return Ok(Some((id, key, found)));
            }
        }
        Ok(None)
    }

    /// What a release pays, if the coin can be spent.
    fn half_of(&self, committee: &str, coin: OutPoint) -> Result<TxOut, Denied> {
        let seat = self.seat(committee)?;
        let listed = seat.wallet.coins(self.setup.settings.min_confirmations);
        let listed = listed.into_iter().find(|one| one.outpoint == coin && one.height.is_some());
        let Some(listed) = listed else {
            return Err(Denied::NotFound(format!("an unspent coin {coin} of {committee}")));
        };
        let invalid = |text: String| Err(Denied::Invalid(text));
        match listed.state {
            CoinState::Spendable => {}
            CoinState::Pending => return invalid(format!("{coin} has too few confirmations yet")),
            CoinState::Frozen => return invalid(format!("{coin} is frozen: unfreeze it first")),
            CoinState::Reserved => {
                let by = seat.wallet.reserved_by(&coin).map(|by| by.to_string());
                let by = by.unwrap_or_default();
                return invalid(format!("payment {by} spends {coin}: cancel that one first"));
            }
        }
        let address = seat.latest().and_then(|(key, _)| seat.script(key));
        let script_pubkey = address.ok_or(Denied::NoAnswer)?;
        let value = Amount::from_sat(listed.output.value.to_sat() / 2);
        let least = script_pubkey.minimal_non_dust();
        if value < least {
            return invalid(format!(
                "half of {coin} is {value}, less than the {least} of an output"
            ));
        }
        Ok(TxOut { value, script_pubkey })
    }

    /// The plan of a release: on its coin alone.
    pub(super) fn plan_release(
        &self,
        seat: &Seat,
        id: &Hash32,
        coin: OutPoint,
        recipients: &[TxOut],
        rate: FeeRate,
    ) -> Result<Plan, String> {
        let coins = seat.wallet.for_plan(self.setup.settings.min_confirmations);
        let is_it = |one: &&Coin| one.outpoint == coin && one.confirmed;
        let Some(anchor) = coins.iter().find(is_it) else {
            return Err(format!("{coin} cannot be spent now; `cancel` ends its release"));
        };
        self.plan_onto(seat, id, anchor, &coins, recipients, rate).map_err(|e| e.to_string())
    }

    /// Whether the anchor of a payment that is given up can be spent by a release alone.
    pub(super) fn stranded(&self, id: &Hash32, row: &PaymentRow) -> bool {
        let anchor = row.payment.bound().filter(|_| row.coin.is_none()).map(|b| *b.anchor);
        let seat = self.seats.get(&row.committee).zip(anchor);
        seat.is_some_and(|(seat, anchor)| self.bindings.strands(&seat.committee, id, anchor))
    }
}

/// The coin that a payment has to spend, as it is stored.
pub(super) fn stored(coin: Option<OutPoint>) -> Option<Stored<OutPoint>> {
    coin.map(Stored)
}
