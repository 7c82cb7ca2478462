//! A member's own judgement of a payment: nobody's word but its own node's counts.
//!
//! Always holds for an [`Approval`]:
//!
//! - every input is a coin that the member's own node has confirmed deep enough, or change of a
//!   version that this member agreed to; scripts and amounts are taken from there, never from the
//!   proposal, and the hashes to sign commit to them;
//! - the anchor is the first input and is confirmed, is bound to this payment for ever, and no other
//!   input is another payment's anchor. Such an input is refused although it could not make anyone
//!   pay twice: it would let one payment kill another that has been agreed to, and a payment's fate
//!   must hang on its own anchor alone. Only a payment of which every output is the committee's own
//!   may spend what other payments are bound to: that is how a coin is had back whose payment is
//!   never finished. It pays nobody, and since every version of the other payment spends that coin,
//!   at most one of the two ever confirms;
//! - the outputs are the proposal's recipients, each once and in order, and at most one more, to a
//!   script that the member derived itself. Whatever is left over is the fee. Recipients and fee
//!   count as outflow, a recipient that is the committee itself included, unless all are: then only
//!   the fee leaves the committee;
//! - the row to store reserves that outflow, once for each payment.
//!
//! What this cannot stop: a coordinator that pays allowed recipients within the limits without
//! having been asked to, pays late or not at all, or binds coins to payments that it never
//! finishes; and a set of colluding members as large as the threshold.

mod proposal;
mod refused;
mod rules;
#[cfg(test)]
mod tests;

pub use proposal::{Malformed, Proposal};
pub use refused::Refused;
pub use rules::{Recipients, Rules, SeenCoin, View, Window};

use bitcoin::{Amount, TxOut, Txid, absolute::LockTime, transaction::Version};
use trestle_wire::Hash32;

use crate::{
    ledger::{Entry, Ledger, Terms},
    plan, sighash, weight,
};

/// What the member may sign once [`Self::entry`] is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// The payment.
    pub payment: Hash32,
    /// The version's id.
    pub txid: Txid,
    /// The BIP-341 hash of each input, in order.
    pub sighashes: Vec<[u8; 32]>,
    /// The outputs that the inputs spend, as the member itself knows them.
    pub spent: Vec<TxOut>,
    /// What miners get.
    pub fee: Amount,
    /// What leaves the committee, fee included.
    pub outflow: Amount,
    /// The row of this payment, to be stored before anything is signed.
    pub entry: Entry,
    /// Whether that row differs from the one stored; `false` for a version agreed to before.
    pub changed: bool,
}

/// Judges one version of one payment.
///
/// # Errors
/// [`Refused`], the first reason found. Nothing is reserved and no nonce is to be used then.
pub fn judge(
    proposal: &Proposal,
    view: &View,
    rules: &Rules,
    ledger: &Ledger,
) -> Result<Approval, Refused> {
    check_form(proposal, view, rules)?;
    check_outputs(proposal, rules)?;
    let spent = check_inputs(proposal, view, rules, ledger)?;
    let (fee, outflow) = check_money(proposal, &spent, rules)?;

    let txid = proposal.transaction().compute_txid();
    let terms = Terms {
        payment: proposal.payment(),
        anchor: proposal.anchor(),
        recipients: proposal.recipients(),
        own: rules.are_own(proposal.recipients()),
        txid,
        change: proposal.change(),
        outflow,
        tip: view.tip,
    };
    let entry = ledger.propose(&terms)?;
    let changed = check_window(&entry, &terms, rules, ledger)?;
    let sighashes = sighash::all(proposal.transaction(), &spent)
        .ok_or(Refused::MissingView { inputs: spent.len() })?;
    Ok(Approval { payment: terms.payment, txid, sighashes, spent, fee, outflow, entry, changed })
}

fn check_form(proposal: &Proposal, view: &View, rules: &Rules) -> Result<(), Refused> {
    let transaction = proposal.transaction();
    if transaction.version != Version::TWO {
        return Err(Refused::Version { got: transaction.version.0 });
    }
    match transaction.lock_time {
        LockTime::Blocks(height) if height.to_consensus_u32() <= view.tip => {}
        LockTime::Blocks(_) | LockTime::Seconds(_) => {
            let got = transaction.lock_time.to_consensus_u32();
            return Err(Refused::Locktime { got, tip: view.tip });
        }
    }
    for (index, input) in transaction.input.iter().enumerate() {
        if input.sequence != plan::SEQUENCE {
            return Err(Refused::Sequence { index, got: input.sequence.0 });
        }
    }
    let weight = weight::once_signed(transaction);
    let most = rules.max_weight.min(weight::MAX_STANDARD);
    if weight > most {
        return Err(Refused::TooHeavy { weight, most });
    }
    Ok(())
}

fn check_outputs(proposal: &Proposal, rules: &Rules) -> Result<(), Refused> {
    let outputs = &proposal.transaction().output;
    let recipients = proposal.recipients();
    for (index, recipient) in recipients.iter().enumerate() {
        if outputs.get(index) != Some(recipient) {
            return Err(Refused::RecipientNotPaid { index });
        }
        if !rules.may_receive(&recipient.script_pubkey) {
            let script = recipient.script_pubkey.clone();
            return Err(Refused::RecipientNotAllowed { index, script });
        }
    }
    if outputs.len() > recipients.len() + 1 {
        return Err(Refused::TooManyOutputs { got: outputs.len(), most: recipients.len() + 1 });
    }
    if let Some((_, change)) = proposal.change()
        && !rules.change_scripts.contains(&change.script_pubkey)
    {
        return Err(Refused::ChangeNotOurs { script: change.script_pubkey });
    }
    for (index, output) in outputs.iter().enumerate() {
        let least = output.script_pubkey.minimal_non_dust();
        if output.value < least {
            return Err(Refused::Dust { index, value: output.value, least });
        }
    }
    Ok(())
}

fn check_inputs(
    proposal: &Proposal,
    view: &View,
    rules: &Rules,
    ledger: &Ledger,
) -> Result<Vec<TxOut>, Refused> {
    let inputs = proposal.transaction().input.iter().map(|input| input.previous_output);
    let mut spent = Vec::with_capacity(proposal.transaction().input.len());
    let own = rules.are_own(proposal.recipients());
    for (index, outpoint) in inputs.enumerate() {
        let taken = ledger.anchored(&outpoint).filter(|by| *by != proposal.payment());
        if let Some(by) = taken.filter(|_| !own) {
            return Err(Refused::OthersAnchor { index, outpoint, by });
        }
        let output = match (view.coins.get(&outpoint), ledger.change(&outpoint)) {
            (Some(coin), change) => {
                let needed = rules.needed_confirmations(coin.coinbase);
                // Change that would do unconfirmed does with few confirmations, too.
                let is_change = index != 0 && change.is_some();
                if coin.confirmations < needed && !is_change {
                    let got = coin.confirmations;
                    return Err(Refused::TooFresh { index, outpoint, got, needed });
                }
                coin.output.clone()
            }
            // The anchor decides whether the payment can ever confirm, so it must exist already.
            (None, Some(_)) if index == 0 => return Err(Refused::AnchorUnconfirmed { outpoint }),
            (None, Some((payment, _))) if payment == proposal.payment() => {
                return Err(Refused::OwnVersion { index, outpoint });
            }
            (None, Some((_, output))) => output.clone(),
            (None, None) => return Err(Refused::UnknownCoin { index, outpoint }),
        };
        if !rules.input_scripts.contains(&output.script_pubkey) {
            return Err(Refused::InputNotOurs { index, outpoint });
        }
        spent.push(output);
    }
    Ok(spent)
}

fn check_money(
    proposal: &Proposal,
    spent: &[TxOut],
    rules: &Rules,
) -> Result<(Amount, Amount), Refused> {
    let transaction = proposal.transaction();
    let into = weight::sum(spent.iter().map(|o| o.value)).ok_or(Refused::Overflow)?;
    let out = weight::sum(transaction.output.iter().map(|o| o.value)).ok_or(Refused::Overflow)?;
    let fee = into.checked_sub(out).ok_or(Refused::SpendsMoreThanItHas { into, out })?;
    if fee > rules.max_fee {
        return Err(Refused::FeeTooHigh { fee, most: rules.max_fee });
    }
    let weight = weight::once_signed(transaction);
    let most = weight::fee(rules.max_fee_rate, weight).ok_or(Refused::Overflow)?;
    if fee > most {
        return Err(Refused::RateTooHigh { fee, most, rate: rules.max_fee_rate });
    }
    let own = rules.are_own(proposal.recipients());
    let paid = proposal.recipients().iter().filter(|_| !own).map(|recipient| recipient.value);
    let outflow = weight::sum(paid.chain([fee])).ok_or(Refused::Overflow)?;
    if outflow > rules.max_payment {
        return Err(Refused::PaymentTooHigh { outflow, most: rules.max_payment });
    }
    Ok((fee, outflow))
}

/// Whether the row is new. Room is needed only for what is not reserved yet: a version that costs no
/// more than an earlier one goes through however full the window is.
fn check_window(
    entry: &Entry,
    terms: &Terms<'_>,
    rules: &Rules,
    ledger: &Ledger,
) -> Result<bool, Refused> {
    let old = ledger.entry(&terms.payment);
    if old.is_some_and(|old| old.reserved == entry.reserved) {
        return Ok(old != Some(entry));
    }
    let window = rules.window;
    let used = ledger.window_without(&terms.payment, terms.tip, window.blocks);
    let wanted = *entry.reserved;
    let total = used.checked_add(wanted).ok_or(Refused::Overflow)?;
    if total > window.amount {
        return Err(Refused::WindowFull { used, wanted, window });
    }
    Ok(true)
}
