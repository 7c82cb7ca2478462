//! Payments: accept, and carry each one's machine on.

use bitcoin::{Amount, FeeRate, OutPoint, Transaction, TxOut, Txid};
use trestle_chain::{
    payment::{Effect, Event as PaymentEvent, Notice, Payment, Reject, State, Terms},
    stored::Stored,
};
use trestle_keys::hash::tagged;
use trestle_machine::{Machine, Refusal, Step};
use trestle_store::Batch;
use trestle_wire::{
    Hash32,
    committee::{Signature, payment::MAX_RECIPIENTS, sign::Purpose},
};

use super::{
    CoordinatorActor, Job,
    ingress::{Denied, Reply},
    release,
    rows::{PAYMENTS, PaymentRow},
    sessions::Goal,
    view::{PayRequest, PaymentView, SignedText},
};
use crate::{
    ports::chain::{Accepted as Broadcast, ChainError},
    runtime::Fault,
};

/// Payments of one committee that are not over. Each is looked at with every block.
const MOST_OPEN: usize = 1_000;
/// The longest wait before a payment that is stuck is looked at again. What it waits for mostly
/// comes with a block, which does not wait for this.
const LONGEST_RETRY_MS: u64 = 60_000;

/// What a payment is taken on with, besides whom it pays.
pub(super) struct Accepted {
    pub(super) committee: String,
    pub(super) idempotency_key: String,
    /// In sat for 1,000 weight units.
    pub(super) rate: Option<u64>,
    /// The coin that it has to spend.
    pub(super) coin: Option<OutPoint>,
}

impl CoordinatorActor {
    pub(super) async fn pay(
        &mut self,
        request: PayRequest,
        reply: Reply<PaymentView>,
    ) -> Result<(), Fault> {
        let id = payment_id(&request.committee, &request.idempotency_key);
        let recipients = outputs(&request);
        if let Some(row) = self.find_payment(&id).await? {
            let answer = if row.payment.recipients() == recipients {
                let mut view = self.payment_view(&id, &row);
                view.notice = unchanged_rate(&request, &row);
                Ok(view)
            } else {
                let key = &request.idempotency_key;
                let text = format!("the idempotency key {key} belongs to another payment");
                Err(Denied::Invalid(text))
            };
            let _ = reply.send(answer);
            return Ok(());
        }
        if let Err(denied) = self.acceptable(&request, &recipients) {
            let _ = reply.send(Err(denied));
            return Ok(());
        }
        let accepted = Accepted {
            committee: request.committee,
            idempotency_key: request.idempotency_key,
            rate: request.fee_rate.map(FeeRate::to_sat_per_kwu),
            coin: None,
        };
        self.accept(id, accepted, recipients).await?;
        let view = self.find_payment(&id).await?.map(|row| self.payment_view(&id, &row));
        let _ = reply.send(view.ok_or(Denied::NoAnswer));
        Ok(())
    }

    fn acceptable(&self, request: &PayRequest, recipients: &[TxOut]) -> Result<(), Denied> {
        let seat = self.seat(&request.committee)?;
        let invalid = |text: String| Err(Denied::Invalid(text));
        if seat.keys.is_empty() {
            let name = &request.committee;
            return Err(Denied::Unavailable(format!(
                "{name} has no key yet: run `trestle committee dkg {name}`"
            )));
        }
        if request.idempotency_key.is_empty() || request.idempotency_key.len() > 128 {
            return invalid("an idempotency key has 1 to 128 bytes".into());
        }
        if recipients.is_empty() {
            return invalid("a payment needs a recipient".into());
        }
        // So many of the largest outputs that an address can stand for weigh half of what members
        // sign: too heavy a payment is one with too many inputs, and planning says so.
        if recipients.len() > MAX_RECIPIENTS {
            let got = recipients.len();
            return invalid(format!(
                "a payment has at most {MAX_RECIPIENTS} recipients, got {got}: split it"
            ));
        }
        for output in recipients {
            let least = output.script_pubkey.minimal_non_dust();
            if output.value < least {
                return invalid(format!(
                    "{} is less than the {least} that nodes relay",
                    output.value
                ));
            }
        }
        let total = recipients.iter().try_fold(Amount::ZERO, |sum, o| sum.checked_add(o.value));
        if total.is_none_or(|total| total > Amount::MAX_MONEY) {
            return invalid("the amounts add up to more than all bitcoin there can be".into());
        }
        self.has_room(&request.committee, request.fee_rate)
    }

    /// Whether a committee can take on one more payment at that rate.
    pub(super) fn has_room(&self, committee: &str, rate: Option<FeeRate>) -> Result<(), Denied> {
        if rate.is_some_and(|rate| rate > self.setup.settings.max_fee_rate) {
            let text = "the fee rate is above max_fee_rate in this node's config";
            return Err(Denied::Invalid(text.into()));
        }
        let is_open = |row: &&PaymentRow| row.committee == committee && !row.payment.is_final();
        if self.payments.values().filter(is_open).count() >= MOST_OPEN {
            return Err(Denied::Busy(format!("{MOST_OPEN} payments are open")));
        }
        Ok(())
    }

    pub(super) async fn accept(
        &mut self,
        id: Hash32,
        accepted: Accepted,
        recipients: Vec<TxOut>,
    ) -> Result<(), Fault> {
        let settings = &self.setup.settings;
        let terms = Terms {
            bump_after: settings.bump_after,
            max_versions: settings.max_versions,
            settle_depth: settings.settle_depth,
        };
        let tip = self.seats.get(&accepted.committee).map_or(0, |seat| seat.wallet.height());
        let (payment, effects) = Payment::accept(id, recipients, terms, tip);
        let row = PaymentRow {
            committee: accepted.committee,
            idempotency_key: accepted.idempotency_key,
            rate: accepted.rate,
            coin: release::stored(accepted.coin),
            number: self.next_number,
            sign_ms: None,
            payment,
        };
        let mut batch = Batch::new();
        PAYMENTS.insert(&mut batch, &id.0, &row);
        self.setup.store.commit(batch).await?;
        self.next_number += 1;
        let committee = row.committee.clone();
        self.payments.insert(id, row);
        self.accepted_ms.insert(id, self.now());
        self.tell(&committee, "payment_accepted", Some(id), "payment accepted".into());
        self.carry_out_all(id, effects).await
    }

    /// Feeds a payment one event, stores what came of it, and then carries it out.
    pub(super) async fn advance_payment(
        &mut self,
        id: Hash32,
        event: PaymentEvent,
    ) -> Result<(), Fault> {
        let mut batch = Batch::new();
        let effects = self.apply_payment(id, &event, &mut batch)?;
        if !batch.is_empty() {
            self.setup.store.commit(batch).await?;
        }
        self.money_moved = true;
        self.reserve(id)?;
        self.carry_out_all(id, effects).await?;
        self.forget_final(&id);
        Ok(())
    }

    /// The state after an event, written into `batch`; nothing is carried out. If the batch is not
    /// committed the actor must be loaded again.
    pub(super) fn apply_payment(
        &mut self,
        id: Hash32,
        event: &PaymentEvent,
        batch: &mut Batch,
    ) -> Result<Vec<Effect>, Fault> {
        let Some(row) = self.payments.get_mut(&id) else { return Ok(Vec::new()) };
        match row.payment.apply(event) {
            Ok(Step::Applied { state, effects }) => {
                row.payment = state;
                if is_progress(event) {
                    self.stalls.remove(&id);
                }
                self.store_payment(id, batch);
                Ok(effects)
            }
            Ok(Step::Duplicate) => Ok(Vec::new()),
            Err(Refusal::Rejected(reject)) => {
                if !matches!(reject, Reject::Final | Reject::NotHigher { .. }) {
                    tracing::debug!(payment = %id, %reject, "does not apply to the payment");
                }
                Ok(Vec::new())
            }
            Err(Refusal::Invariant(what)) => Err(Fault::Invariant(what)),
        }
    }

    /// Reserves what a payment spends, and expects its change.
    pub(super) fn reserve(&mut self, id: Hash32) -> Result<(), Fault> {
        let Some(row) = self.payments.get(&id) else { return Ok(()) };
        let Some(seat) = self.seats.get_mut(&row.committee) else { return Ok(()) };
        let Some(bound) = row.payment.bound().filter(|_| !row.payment.is_final()) else {
            seat.wallet.release(&id);
            return Ok(());
        };
        seat.wallet
            .reserve(id, bound.inputs())
            .map_err(|_| Fault::Invariant("two payments have reserved the same coin"))?;
        // Once a version is in a block, the change of no other one will come.
        let version = match row.payment.state() {
            State::Confirmed { txid, .. } => bound.version(txid),
            State::Waiting
            | State::Signing { .. }
            | State::Broadcast { .. }
            | State::Settled { .. }
            | State::Failed { .. }
            | State::Ended { .. } => Some(bound.latest()),
        };
        let change = version.and_then(|version| version.plan.change());
        let change = change.map(|(outpoint, output)| (outpoint, output.clone()));
        seat.wallet.promise(id, change);
        Ok(())
    }

    /// Everything that a stored payment still waits for, to be carried out at the next tick.
    pub(super) fn owe(&mut self, id: Hash32) {
        if self.payments.get(&id).is_some_and(|row| !row.payment.owed().is_empty()) {
            let now = self.now();
            self.retries.insert(id, now);
        }
    }

    /// Looks at a payment again after a while: each time twice as long as the time before, until it
    /// gets on or there is a new block.
    pub(super) fn retry_later(&mut self, id: Hash32) {
        let tries = self.stalls.entry(id).or_default();
        let wait = self.setup.settings.retry_ms << (*tries).min(16);
        *tries = tries.saturating_add(1);
        let at = self.now() + wait.min(LONGEST_RETRY_MS);
        self.retries.insert(id, at);
    }

    pub(super) async fn retry_payments(&mut self, now: u64) -> Result<(), Fault> {
        let due: Vec<Hash32> =
            self.retries.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).collect();
        for id in due {
            self.retries.remove(&id);
            let Some(row) = self.payments.get(&id) else { continue };
            let effects = row.payment.owed();
            self.carry_out_all(id, effects).await?;
        }
        Ok(())
    }

    pub(super) async fn carry_out_all(
        &mut self,
        id: Hash32,
        effects: Vec<Effect>,
    ) -> Result<(), Fault> {
        for effect in effects {
            Box::pin(self.carry_out_payment(id, effect)).await?;
        }
        Ok(())
    }

    async fn carry_out_payment(&mut self, id: Hash32, effect: Effect) -> Result<(), Fault> {
        match effect {
            Effect::Plan => match self.payments.get(&id).and_then(|row| row.rate) {
                Some(rate) => self.plan(id, FeeRate::from_sat_per_kwu(rate)).await?,
                None => self.jobs.push(Job::Quote { payment: id }),
            },
            Effect::QuoteRate => self.jobs.push(Job::Quote { payment: id }),
            Effect::Bump { rate } => self.bump(id, FeeRate::from_sat_per_kwu(rate)).await?,
            Effect::Sign { proposal, .. } => self.sign_payment(id, proposal).await?,
            Effect::Broadcast(transaction) => {
                self.jobs.push(Job::Broadcast { payment: id, transaction: transaction.0 });
            }
            Effect::RetryLater => self.retry_later(id),
            Effect::Release => {
                let seat = self.payments.get(&id).and_then(|r| self.seats.get_mut(&r.committee));
                if let Some(seat) = seat {
                    seat.wallet.release(&id);
                }
            }
            Effect::Notify(notice) => self.notify(id, &notice),
        }
        Ok(())
    }

    async fn sign_payment(
        &mut self,
        id: Hash32,
        proposal: trestle_wire::committee::payment::PaymentProposal,
    ) -> Result<(), Fault> {
        if self.rethink(id).await? {
            return Ok(());
        }
        if let Some(reason) = self.too_few(&id) {
            // Who agrees is bound to the coin for ever: nobody is asked in vain.
            let event = PaymentEvent::SigningFailed { reason };
            return Box::pin(self.advance_payment(id, event)).await;
        }
        self.refusers.remove(&id);
        let Some(row) = self.payments.get(&id) else { return Ok(()) };
        let Some(seat) = self.seats.get(&row.committee) else { return Ok(()) };
        let Some(plan) = row.payment.bound().map(|bound| &bound.latest().plan) else {
            return Err(Fault::Invariant("a payment is signed before it is bound"));
        };
        let script = plan.spent().into_iter().next().map(|output| output.script_pubkey);
        let key = script.and_then(|script| seat.key_of(&script).cloned());
        let public = key.as_ref().and_then(|key| seat.keys.get(key));
        let (Some(key), Some(public)) = (key, public.map(|row| row.ready.public.clone())) else {
            return Err(Fault::Invariant("a payment spends coins of no key of its committee"));
        };
        let sighashes = plan.sighashes();
        let purpose = Purpose::Payment(proposal);
        self.start_session(&key, &public, purpose, sighashes, Goal::Payment(id)).await
    }

    pub(super) async fn payment_signed(
        &mut self,
        id: Hash32,
        result: Result<Vec<Signature>, String>,
    ) -> Result<(), Fault> {
        let finished = result.and_then(|signatures| {
            let row = self.payments.get(&id).ok_or("the payment is gone")?;
            let bound = row.payment.bound().ok_or("the payment is not bound")?;
            bound.latest().plan.finish(&signatures).map_err(|e| e.to_string())
        });
        let event = match finished {
            Ok(transaction) => {
                let took = self.accepted_ms.get(&id).map(|at| self.now().saturating_sub(*at));
                if let Some(row) = self.payments.get_mut(&id) {
                    row.sign_ms = row.sign_ms.or(took);
                }
                PaymentEvent::VersionSigned { transaction }
            }
            Err(reason) => {
                self.bindings.signing_failed(id);
                PaymentEvent::SigningFailed { reason }
            }
        };
        self.advance_payment(id, event).await
    }

    pub(super) async fn broadcast_done(
        &mut self,
        id: Hash32,
        txid: Txid,
        result: Result<Broadcast, ChainError>,
    ) -> Result<(), Fault> {
        match result {
            Ok(Broadcast::Mempool | Broadcast::Confirmed) => {
                self.stalls.remove(&id);
                Ok(())
            }
            Ok(Broadcast::Rejected(reason)) => {
                self.advance_payment(id, PaymentEvent::BroadcastRejected { txid, reason }).await
            }
            Err(error) => {
                tracing::warn!(payment = %id, %error, "a transaction could not be handed over");
                self.retry_later(id);
                Ok(())
            }
        }
    }

    pub(super) async fn quoted(
        &mut self,
        id: Hash32,
        result: Result<FeeRate, ChainError>,
    ) -> Result<(), Fault> {
        let Some(row) = self.payments.get(&id) else { return Ok(()) };
        let planned = row.payment.bound().is_some();
        match result {
            Ok(rate) => {
                let rate = rate.min(self.setup.settings.max_fee_rate);
                if planned {
                    self.advance_payment(id, PaymentEvent::BumpRequested { rate }).await
                } else {
                    self.plan(id, rate).await
                }
            }
            Err(error) if planned => {
                tracing::debug!(payment = %id, %error, "no fee rate to compare with");
                Ok(())
            }
            Err(error) => {
                let reason = error.to_string();
                self.advance_payment(id, PaymentEvent::PlanFailed { reason }).await
            }
        }
    }

    fn notify(&self, id: Hash32, notice: &Notice) {
        let Some(row) = self.payments.get(&id) else { return };
        let (kind, text) = match notice {
            Notice::Planned(txid) => ("payment_planned", format!("{} is with the members", txid.0)),
            Notice::Signed(txid) => ("payment_signed", format!("{} is signed", txid.0)),
            Notice::Stalled(reason) => ("payment_stalled", reason.clone()),
            Notice::Confirmed(txid, height) => {
                ("payment_confirmed", format!("{} is in block {height}", txid.0))
            }
            Notice::Reorganised => {
                ("payment_reorganised", "its block has left the best chain".into())
            }
            Notice::AnchorSpent(txid) => {
                ("payment_anchor_spent", format!("{} spent its anchor", txid.0))
            }
            Notice::Settled(txid) => ("payment_settled", format!("{} is final", txid.0)),
            Notice::Failed(txid) => {
                ("payment_failed", format!("{} spent its anchor for good", txid.0))
            }
            Notice::Rebound(anchor) => {
                ("payment_rebound", format!("too few could sign: its anchor is {} now", anchor.0))
            }
            Notice::UsedBefore(txid) => {
                ("payment_used_before", format!("{} spent what its id was bound to", txid.0))
            }
            Notice::Cancelled => ("payment_cancelled", "given up by the operator".into()),
        };
        self.tell(&row.committee, kind, Some(id), text);
    }

    pub(super) async fn sign_text(
        &mut self,
        committee: &str,
        text: Vec<u8>,
        reply: Reply<SignedText>,
    ) -> Result<(), Fault> {
        let found = self.seat(committee).and_then(|seat| {
            let (key, row) = seat
                .latest()
                .ok_or_else(|| Denied::Unavailable(format!("{committee} has no key yet")))?;
            let script = seat.script(key).ok_or(Denied::NoAnswer)?;
            Ok((key.clone(), row.ready.public.clone(), script))
        });
        if text.len() > trestle_wire::committee::sign::MAX_TEXT {
            let _ = reply.send(Err(Denied::Invalid("a text has at most 64 KiB".into())));
            return Ok(());
        }
        let (key, public, script) = match found {
            Ok(found) => found,
            Err(denied) => {
                let _ = reply.send(Err(denied));
                return Ok(());
            }
        };
        let sighash = trestle_chain::bip322::sighash(&script, &text);
        let purpose = Purpose::Text(text);
        self.start_session(&key, &public, purpose, vec![sighash], Goal::Text(reply, key.clone()))
            .await
    }
}

/// Whether an event brings a payment nearer to its end, or changes what it waits for.
fn is_progress(event: &PaymentEvent) -> bool {
    match event {
        PaymentEvent::Planned(_)
        | PaymentEvent::VersionSigned { .. }
        | PaymentEvent::VersionConfirmed { .. }
        | PaymentEvent::BlockDisconnected { .. }
        | PaymentEvent::AnchorSpentByOther { .. }
        | PaymentEvent::InputSpentByOther { .. }
        | PaymentEvent::Rebound { .. }
        | PaymentEvent::FoundUsed { .. }
        | PaymentEvent::Cancelled { .. } => true,
        PaymentEvent::PlanFailed { .. }
        | PaymentEvent::SigningFailed { .. }
        | PaymentEvent::BroadcastRejected { .. }
        | PaymentEvent::RetryDue
        | PaymentEvent::BumpRequested { .. }
        | PaymentEvent::InputRefused
        | PaymentEvent::TipAdvanced { .. } => false,
    }
}

fn outputs(request: &PayRequest) -> Vec<TxOut> {
    let output = |(address, value): &(bitcoin::Address, Amount)| TxOut {
        value: *value,
        script_pubkey: address.script_pubkey(),
    };
    request.recipients.iter().map(output).collect()
}

/// What a repeated request says that does not count any more.
fn unchanged_rate(request: &PayRequest, row: &PaymentRow) -> Option<String> {
    let asked = request.fee_rate.map(FeeRate::to_sat_per_kwu)?;
    (row.rate != Some(asked)).then(|| {
        "this payment was accepted before: its fee rate is what it was, and is not changed by \
         asking again"
            .to_owned()
    })
}

/// The same for the same committee and idempotency key, on every coordinator.
pub(super) fn payment_id(committee: &str, idempotency_key: &str) -> Hash32 {
    tagged("trestle/payment", &[committee.as_bytes(), idempotency_key.as_bytes()])
}

/// Keeps the type of signed transactions in one place for readers of the state.
pub(super) fn signed(version: &trestle_chain::payment::Version) -> Option<&Transaction> {
    version.signed.as_ref().map(|Stored(transaction)| transaction)
}
