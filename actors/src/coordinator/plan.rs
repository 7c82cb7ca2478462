//! Which coins a payment spends.

use std::collections::BTreeSet;

use bitcoin::{FeeRate, OutPoint, ScriptBuf};
use trestle_chain::{
    payment::Event as PaymentEvent,
    plan::{self, BumpRequest, Coin, Limits, PlanError},
    stored::Stored,
};
use trestle_wire::{Hash32, committee::sign::most_messages};

use super::{CoordinatorActor, Settings, bindings::Avoided, seat::Seat};
use crate::runtime::Fault;

impl CoordinatorActor {
    /// Plans the first version.
    pub(super) async fn plan(&mut self, id: Hash32, rate: FeeRate) -> Result<(), Fault> {
        let Some(row) = self.payments.get(&id) else { return Ok(()) };
        let Some(seat) = self.seats.get(&row.committee) else { return Ok(()) };
        let recipients = row.payment.recipients();
        let coins = seat.wallet.for_plan(self.setup.settings.min_confirmations);
        let planned = match row.coin {
            Some(Stored(coin)) => self.plan_release(seat, &id, coin, &recipients, rate),
            None => self.plan_around(seat, &id, &coins, &recipients, rate),
        };
        let event = match planned {
            Ok(plan) => PaymentEvent::Planned(plan),
            Err(reason) => PaymentEvent::PlanFailed { reason },
        };
        self.advance_payment(id, event).await
    }

    /// A plan without the coins that some member would refuse, or else without those that too many
    /// would.
    pub(super) fn plan_around(
        &self,
        seat: &Seat,
        id: &Hash32,
        coins: &[Coin],
        recipients: &[bitcoin::TxOut],
        rate: FeeRate,
    ) -> Result<plan::Plan, String> {
        let Avoided { by_some, by_too_many } = self.bindings.avoided(&seat.committee, id);
        let first = self.plan_from(seat, &without(coins, &by_some), recipients, rate);
        let planned = match first {
            Err(_) if !by_some.is_empty() => {
                self.plan_from(seat, &without(coins, &by_too_many), recipients, rate)
            }
            first => first,
        };
        planned.map_err(|error| {
            let mut text = error.to_string();
            let refused = coins.iter().filter(|coin| by_too_many.contains(&coin.outpoint)).count();
            if refused > 0 {
                text.push_str(&format!(
                    "; {refused} coins cannot be used, because members bound them to other payments"
                ));
            }
            let scripts: BTreeSet<_> =
                coins.iter().map(|coin| &coin.output.script_pubkey).collect();
            if scripts.len() > 1 {
                text.push_str(
                    "; there are coins of several keys, and one payment spends those of one: pay \
                     the latest address from the older keys first",
                );
            }
            text
        })
    }

    /// The same on a given coin.
    pub(super) fn plan_onto(
        &self,
        seat: &Seat,
        id: &Hash32,
        anchor: &Coin,
        coins: &[Coin],
        recipients: &[bitcoin::TxOut],
        rate: FeeRate,
    ) -> Result<plan::Plan, PlanError> {
        let coins = of_script(coins, &anchor.output.script_pubkey);
        let change = change_script(seat).unwrap_or_default();
        let limits = limits(&self.setup.settings, seat.committee.threshold);
        let Avoided { by_some, by_too_many } = self.bindings.avoided(&seat.committee, id);
        let on = |avoided| {
            let coins = without(&coins, avoided);
            let height = lock_height(seat);
            plan::plan_on(anchor, &coins, recipients, &change, rate, height, &limits)
        };
        on(&by_some).or_else(|_| on(&by_too_many))
    }

    /// One transaction spends coins of one key, since a signing session has one key: the oldest
    /// that suffices, so that retired keys run empty first.
    fn plan_from(
        &self,
        seat: &Seat,
        coins: &[Coin],
        recipients: &[bitcoin::TxOut],
        rate: FeeRate,
    ) -> Result<plan::Plan, PlanError> {
        let change = change_script(seat).unwrap_or_default();
        let limits = limits(&self.setup.settings, seat.committee.threshold);
        let mut last = None;
        for key in seat.keys.keys() {
            let Some(script) = seat.script(key) else { continue };
            let coins = of_script(coins, &script);
            let height = lock_height(seat);
            match plan::plan(&coins, recipients, &change, rate, height, &limits) {
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
        let Avoided { by_some, by_too_many } = self.bindings.avoided(&seat.committee, &id);
        let planned = match self.bumped(id, rate, &by_some) {
            Some(Err(_)) if !by_some.is_empty() => self.bumped(id, rate, &by_too_many),
            planned => planned,
        };
        let event = match planned {
            Some(Ok(plan)) => PaymentEvent::Planned(plan),
            Some(Err(e)) => PaymentEvent::PlanFailed { reason: e.to_string() },
            None => return Ok(()),
        };
        self.advance_payment(id, event).await
    }

    /// That version, without some coins.
    pub(super) fn bumped(
        &self,
        id: Hash32,
        rate: FeeRate,
        avoided: &BTreeSet<OutPoint>,
    ) -> Option<Result<plan::Plan, plan::BumpError>> {
        let row = self.payments.get(&id)?;
        let seat = self.seats.get(&row.committee)?;
        let bound = row.payment.bound()?;
        let (previous, mut gone): (Vec<plan::Plan>, BTreeSet<_>) = (bound.plans(), bound.gone());
        // Without its anchor there is no version at all.
        gone.extend(avoided.iter().filter(|coin| **coin != *bound.anchor));
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
            limits: &limits(&self.setup.settings, seat.committee.threshold),
        };
        Some(plan::bump(&request))
    }
}

/// What every plan keeps to. Each input is a message of one session with so many signers, all of
/// whose commitments are in one request, which must fit into an envelope.
fn limits(settings: &Settings, threshold: u16) -> Limits {
    Limits {
        max_inputs: most_messages(usize::from(threshold)),
        max_fee: settings.max_fee,
        max_rate: settings.max_fee_rate,
        ..Limits::default()
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

fn without(coins: &[Coin], avoided: &BTreeSet<OutPoint>) -> Vec<Coin> {
    coins.iter().filter(|coin| !avoided.contains(&coin.outpoint)).cloned().collect()
}

fn of_script(coins: &[Coin], script: &ScriptBuf) -> Vec<Coin> {
    coins.iter().filter(|coin| coin.output.script_pubkey == *script).cloned().collect()
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use bitcoin::{Amount, TxOut, Txid, hashes::Hash};
    use trestle_wire::Network;

    use super::*;

    fn settings() -> Settings {
        Settings {
            network: Network::Regtest,
            dkg_deadline_ms: 1,
            dkg_attempts: 1,
            sign_deadline_ms: 1,
            sign_grace_ms: 1,
            nonce_pool: 1,
            min_confirmations: 1,
            settle_depth: 6,
            bump_after: 6,
            max_versions: 5,
            max_fee: Amount::from_sat(1_000_000),
            max_fee_rate: FeeRate::from_sat_per_vb_u32(100),
            retry_ms: 1,
        }
    }

    fn output(sats: u64) -> TxOut {
        let script = [&[0x51, 0x20][..], &[7; 32]].concat();
        TxOut { value: Amount::from_sat(sats), script_pubkey: ScriptBuf::from_bytes(script) }
    }

    /// A plan that has to spend so many coins, for a committee of which 100 sign.
    fn spend(coins: u32) -> Result<usize, PlanError> {
        let coin = |vout| Coin {
            outpoint: OutPoint { txid: Txid::all_zeros(), vout },
            output: output(10_000),
            confirmed: true,
        };
        let all: Vec<Coin> = (0..coins).map(coin).collect();
        let (change, rate) = (output(1).script_pubkey, FeeRate::BROADCAST_MIN);
        // What is left of all coins after an input of 58 vbytes each: none can be left out.
        let recipients = [output(u64::from(coins) * (10_000 - 58) - 500)];
        let limits = limits(&settings(), 100);
        let made = plan::plan(&all, &recipients, &change, rate, 1, &limits)?;
        Ok(made.transaction().input.len())
    }

    #[test]
    fn plan__should_have_no_more_inputs_than_one_request_to_sign_has_room_for() {
        let most = most_messages(100);
        let coins = u32::try_from(most).expect("small");
        assert_eq!(spend(coins), Ok(most));
        assert_eq!(spend(coins + 1), Err(PlanError::TooManyInputs { inputs: most, most }));
    }
}
