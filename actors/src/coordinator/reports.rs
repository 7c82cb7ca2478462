//! What people see.

use std::collections::BTreeMap;

use bitcoin::{Address, Amount};
use trestle_chain::{
    payment::{Ending, State},
    wallet,
};
use trestle_keys::taproot::{Tweak, address, bitcoin_network};
use trestle_wire::{Hash32, KeyRef, committee::Signature};

use super::{
    CoordinatorActor,
    ingress::{Denied, Reply},
    metrics::{Phase, State as CoinLabel},
    payments::signed,
    rows::PaymentRow,
    seat::{Seat, internal_of},
    sessions::NotSigned,
    view::{
        CoinState, CoinView, CommitteeView, KeyView, MemberView, PaymentPhase, PaymentView,
        SignedText, VersionView, WalletView,
    },
};
use crate::runtime::Fault;

impl CoordinatorActor {
    pub(super) fn committee_views(&self, name: Option<&str>) -> Result<Vec<CommitteeView>, Denied> {
        match name {
            Some(name) => Ok(vec![self.committee_view(self.seat(name)?)]),
            None => Ok(self.seats.values().map(|seat| self.committee_view(seat)).collect()),
        }
    }

    fn committee_view(&self, seat: &Seat) -> CommitteeView {
        let latest = seat.latest().map(|(key, _)| key.clone());
        let members = seat.members.iter().map(|(index, member)| MemberView {
            index: *index,
            peer: member.peer,
            online: member.online && !member.away,
            height: member.status.as_ref().map_or(0, |status| status.height),
            nonces: latest
                .as_ref()
                .and_then(|key| member.pools.get(key))
                .map_or(0, |pool| u32::try_from(pool.len()).unwrap_or(u32::MAX)),
            blamed: member.blamed,
        });
        CommitteeView {
            name: seat.committee.name.clone(),
            threshold: seat.committee.threshold,
            members: members.collect(),
            keys: seat.keys.keys().filter_map(|key| self.key_view(key)).collect(),
            quorums_intersect_honestly: seat.committee.quorums_intersect_honestly(),
            wallet: self.wallet_view(seat),
        }
    }

    pub(super) fn key_view(&self, key: &KeyRef) -> Option<KeyView> {
        let seat = self.seats.get(&key.committee)?;
        let row = seat.keys.get(key)?;
        let internal = internal_of(&row.ready.public)?;
        Some(KeyView {
            key: key.clone(),
            internal,
            address: address(internal, Tweak::KeyPath, self.setup.settings.network),
            birth: row.birth,
            took_ms: seat.took_ms.get(key).copied(),
        })
    }

    fn wallet_view(&self, seat: &Seat) -> WalletView {
        let least = self.setup.settings.min_confirmations;
        let balance = seat.wallet.balance(least);
        // No payment's own id: what is bound to any is bound.
        let by_too_many = self.bindings.avoided(&seat.committee, &Hash32([0; 32])).by_too_many;
        let mut bound = Amount::ZERO;
        let coins = seat.wallet.coins(least).into_iter().map(|listed| CoinView {
            outpoint: listed.outpoint,
            value: listed.output.value,
            height: listed.height,
            state: match listed.state {
                wallet::CoinState::Spendable if by_too_many.contains(&listed.outpoint) => {
                    bound = bound.checked_add(listed.output.value).unwrap_or(Amount::MAX);
                    CoinState::Bound
                }
                wallet::CoinState::Spendable => CoinState::Spendable,
                wallet::CoinState::Pending => CoinState::Pending,
                wallet::CoinState::Reserved => CoinState::Reserved,
                wallet::CoinState::Frozen => CoinState::Frozen,
            },
        });
        let coins = coins.collect();
        WalletView {
            height: seat.wallet.height(),
            spendable: balance.spendable.checked_sub(bound).unwrap_or(Amount::ZERO),
            pending: balance.pending,
            reserved: balance.reserved,
            frozen: balance.frozen,
            bound,
            coins,
        }
    }

    /// What a payment waits for or how it ended, and what has become of the coin since.
    fn note(&self, id: &Hash32, row: &PaymentRow) -> Option<String> {
        let note = self.refusals(id).or_else(|| row.payment.note().map(str::to_owned));
        let State::Ended { why: Ending::Cancelled, bound: Some(bound) } = row.payment.state()
        else {
            return note;
        };
        let anchor = *bound.anchor;
        let spent = self.seats.get(&row.committee).and_then(|seat| seat.wallet.spent(&anchor));
        let Some(by) = spent else { return note };
        let (txid, height) = (*by.txid, by.height);
        Some(format!(
            "{}; {txid} at height {height} has spent {anchor} since: unless you know what that is \
             (a release, another payment), look whether it pays these recipients before you pay \
             them under another id",
            note.unwrap_or_default()
        ))
    }

    pub(super) fn payment_view(&self, id: &Hash32, row: &PaymentRow) -> PaymentView {
        let network = bitcoin_network(self.setup.settings.network);
        let recipient = |output: bitcoin::TxOut| {
            let address = Address::from_script(&output.script_pubkey, network).ok()?;
            Some((address, output.value))
        };
        let versions = row.payment.bound().map(|bound| &bound.versions[..]).unwrap_or_default();
        let version = |version: &trestle_chain::payment::Version| {
            let transaction = signed(version)?.clone();
            let (txid, fee) = (version.plan.txid(), version.plan.fee());
            Some(VersionView { txid, fee, transaction })
        };
        PaymentView {
            payment: *id,
            committee: row.committee.clone(),
            idempotency_key: row.idempotency_key.clone(),
            recipients: row.payment.recipients().into_iter().filter_map(recipient).collect(),
            phase: phase(row.payment.state()),
            anchor: row.payment.bound().map(|bound| *bound.anchor),
            versions: versions.iter().filter_map(version).collect(),
            sign_ms: row.sign_ms,
            note: self.note(id, row),
            notice: None,
        }
    }

    pub(super) async fn payment_views(
        &self,
        committee: &str,
        limit: u32,
    ) -> Result<Result<Vec<PaymentView>, Denied>, Fault> {
        if let Err(denied) = self.seat(committee) {
            return Ok(Err(denied));
        }
        let rows = self.latest_payments(committee, limit).await?;
        Ok(Ok(rows.iter().map(|(id, row)| self.payment_view(id, row)).collect()))
    }

    pub(super) fn text_signed(
        &self,
        reply: Reply<SignedText>,
        key: &KeyRef,
        result: Result<Vec<Signature>, NotSigned>,
    ) {
        let denied = |NotSigned { why, is_refused }| {
            if is_refused { Denied::Refused(why) } else { Denied::SigningFailed(why) }
        };
        let answer = result.map_err(denied).and_then(|signatures| {
            let view = self.key_view(key).ok_or(Denied::NoAnswer)?;
            let signature = signatures.first().ok_or(Denied::NoAnswer)?;
            let signature = trestle_chain::bip322::encode(signature);
            Ok(SignedText { address: view.address, signature })
        });
        let _ = reply.send(answer);
    }

    /// Brings the gauges up to date.
    pub(super) fn gauge(&self) {
        let metrics = &self.setup.metrics;
        let mut sums = [Amount::ZERO; 5];
        if let Some(lowest) = self.seats.values().map(|seat| seat.wallet.height()).min() {
            metrics.wallet_height.set(i64::from(lowest));
        }
        for seat in self.seats.values() {
            let WalletView { spendable, pending, reserved, frozen, bound, .. } =
                self.wallet_view(seat);
            let parts = [spendable, pending, reserved, frozen, bound];
            for (sum, part) in sums.iter_mut().zip(parts) {
                *sum = sum.checked_add(part).unwrap_or(Amount::MAX);
            }
        }
        for (state, sum) in
            ["spendable", "pending", "reserved", "frozen", "bound"].into_iter().zip(sums)
        {
            let sats = i64::try_from(sum.to_sat()).unwrap_or(i64::MAX);
            metrics.balance.get_or_create(&CoinLabel { state }).set(sats);
        }
        let mut phases: BTreeMap<&'static str, u64> = PHASES.map(|phase| (phase, 0)).into();
        for row in self.payments.values().filter(|row| !row.payment.is_final()) {
            *phases.entry(phase_label(row.payment.state())).or_default() += 1;
        }
        for seat in self.seats.values() {
            *phases.entry("settled").or_default() += seat.totals.settled;
            *phases.entry("failed").or_default() += seat.totals.failed;
            *phases.entry("cancelled").or_default() += seat.totals.cancelled;
            *phases.entry("used_before").or_default() += seat.totals.used_before;
        }
        for (phase, count) in phases {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            metrics.payments.get_or_create(&Phase { phase }).set(count);
        }
    }
}

/// Every phase a payment can be in, as metrics name it.
const PHASES: [&str; 8] = [
    "waiting",
    "signing",
    "broadcast",
    "confirmed",
    "settled",
    "failed",
    "cancelled",
    "used_before",
];

fn phase_label(state: &State) -> &'static str {
    match state {
        State::Waiting => "waiting",
        State::Signing { .. } => "signing",
        State::Broadcast { .. } => "broadcast",
        State::Confirmed { .. } => "confirmed",
        State::Settled { .. } => "settled",
        State::Failed { .. } => "failed",
        State::Ended { why: Ending::Cancelled, .. } => "cancelled",
        State::Ended { why: Ending::UsedBefore { .. }, .. } => "used_before",
    }
}

fn phase(state: &State) -> PaymentPhase {
    match state {
        State::Waiting => PaymentPhase::Waiting,
        State::Signing { .. } => PaymentPhase::Signing,
        State::Broadcast { .. } => PaymentPhase::Broadcast,
        State::Confirmed { txid, height, .. } => {
            PaymentPhase::Confirmed { txid: txid.0, height: *height }
        }
        State::Settled { txid, height, .. } => {
            PaymentPhase::Settled { txid: txid.0, height: *height }
        }
        State::Failed { .. } => PaymentPhase::Failed,
        State::Ended { why: Ending::Cancelled, .. } => PaymentPhase::Cancelled,
        State::Ended { why: Ending::UsedBefore { by, .. }, .. } => {
            PaymentPhase::UsedBefore { txid: by.txid.0, height: by.height, pays: by.pays }
        }
    }
}
