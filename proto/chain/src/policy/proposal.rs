//! A proposal with the form that every payment has, parsed from a peer's bytes.
//!
//! Always holds: at least one input, no input twice, no witness and no input script, the first input
//! is the anchor; at least one recipient; no amount above 21 million bitcoin.

use std::collections::BTreeSet;

use bitcoin::{
    Amount, OutPoint, ScriptBuf, Transaction, TxOut, Txid, consensus::deserialize, hashes::Hash,
};
use trestle_wire::{
    Hash32,
    committee::{
        MAX_BATCH,
        payment::{PaymentProposal, Recipient},
    },
};

/// One version of one payment, as proposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    payment: Hash32,
    anchor: OutPoint,
    recipients: Vec<TxOut>,
    transaction: Transaction,
}

/// Why a proposal contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not a transaction, or bytes after it.
    #[error("expected one consensus-encoded transaction: {0}")]
    NotATransaction(String),
    /// No input.
    #[error("the transaction has no input")]
    NoInputs,
    /// More inputs than one session signs.
    #[error("the transaction has {0} inputs, one session signs at most {MAX_BATCH}")]
    TooManyInputs(usize),
    /// No recipient.
    #[error("the payment has no recipient")]
    NoRecipients,
    /// An input with a script or witness.
    #[error("input {0} is signed already: propose the unsigned transaction")]
    Signed(usize),
    /// An input twice.
    #[error("the coin {0} is spent twice")]
    SpentTwice(OutPoint),
    /// The anchor is not the first input.
    #[error("the first input must be the anchor {anchor}, got {first}")]
    AnchorNotFirst {
        /// As the proposal names it.
        anchor: OutPoint,
        /// The first input.
        first: OutPoint,
    },
    /// An impossible amount.
    #[error("an amount of {0} satoshis is more than all bitcoin there can be")]
    Amount(u64),
}

impl Proposal {
    /// Parses what came over the wire.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(wire: &PaymentProposal) -> Result<Self, Malformed> {
        let transaction: Transaction = deserialize(&wire.transaction)
            .map_err(|e| Malformed::NotATransaction(e.to_string()))?;
        let anchor =
            OutPoint { txid: Txid::from_byte_array(wire.anchor.txid), vout: wire.anchor.vout };
        check_inputs(&transaction, anchor)?;
        if wire.recipients.is_empty() {
            return Err(Malformed::NoRecipients);
        }
        let recipients = wire.recipients.iter().map(output).collect::<Result<_, _>>()?;
        if let Some(output) = transaction.output.iter().find(|o| o.value > Amount::MAX_MONEY) {
            return Err(Malformed::Amount(output.value.to_sat()));
        }
        Ok(Self { payment: wire.payment, anchor, recipients, transaction })
    }

    /// The payment's id.
    pub fn payment(&self) -> Hash32 {
        self.payment
    }

    /// The outpoint that every version spends; the first input's.
    pub fn anchor(&self) -> OutPoint {
        self.anchor
    }

    /// The outputs that the payment exists for, in order.
    pub fn recipients(&self) -> &[TxOut] {
        &self.recipients
    }

    /// The unsigned transaction.
    pub fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    /// Every outpoint spent, in order: what to look up at one's own node.
    pub fn outpoints(&self) -> Vec<OutPoint> {
        self.transaction.input.iter().map(|input| input.previous_output).collect()
    }

    /// The output after the recipients', if there is one, with its number.
    pub fn change(&self) -> Option<(u32, TxOut)> {
        let number = self.recipients.len();
        let output = self.transaction.output.get(number)?;
        Some((u32::try_from(number).ok()?, output.clone()))
    }
}

fn check_inputs(transaction: &Transaction, anchor: OutPoint) -> Result<(), Malformed> {
    let first = transaction.input.first().ok_or(Malformed::NoInputs)?.previous_output;
    if transaction.input.len() > MAX_BATCH {
        return Err(Malformed::TooManyInputs(transaction.input.len()));
    }
    if first != anchor {
        return Err(Malformed::AnchorNotFirst { anchor, first });
    }
    let mut seen = BTreeSet::new();
    for (index, input) in transaction.input.iter().enumerate() {
        if !input.witness.is_empty() || !input.script_sig.is_empty() {
            return Err(Malformed::Signed(index));
        }
        if !seen.insert(input.previous_output) {
            return Err(Malformed::SpentTwice(input.previous_output));
        }
    }
    Ok(())
}

fn output(recipient: &Recipient) -> Result<TxOut, Malformed> {
    let value = Amount::from_sat(recipient.sats);
    if value > Amount::MAX_MONEY {
        return Err(Malformed::Amount(recipient.sats));
    }
    Ok(TxOut { value, script_pubkey: ScriptBuf::from_bytes(recipient.script.clone()) })
}
