//! One version of a payment: the unsigned transaction with all that is needed to sign and to
//! replace it.
//!
//! Always holds: there is one spent output for each input, at least one input, and the inputs are
//! worth at least the outputs.

use bincode::{Decode, Encode};
use bitcoin::{
    Amount, OutPoint, ScriptBuf, Transaction, TxIn, TxOut, Txid, Weight, Witness, XOnlyPublicKey,
    absolute::LockTime,
    consensus::serialize,
    hashes::Hash,
    secp256k1::{Message, Secp256k1, schnorr},
    transaction::Version,
};
use trestle_wire::{
    Hash32,
    committee::payment::{OutPoint as WireOutPoint, PaymentProposal, Recipient},
};

use super::{Coin, Frame, SEQUENCE};
use crate::{sighash, stored::Stored, weight};

/// An unsigned payment transaction and the outputs that it spends.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Plan {
    transaction: Stored<Transaction>,
    spent: Vec<Stored<TxOut>>,
    confirmed: Vec<bool>,
    has_change: bool,
}

/// A signature that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// Not one for each input.
    #[error("expected {expected} signatures, one for each input, got {got}")]
    Count {
        /// Inputs.
        expected: usize,
        /// Signatures.
        got: usize,
    },
    /// One that the spent output's key did not make over this transaction.
    #[error("the signature of input {0} does not verify under the key of the coin that it spends")]
    Invalid(usize),
}

impl Plan {
    pub(crate) fn assemble(frame: &Frame<'_>, coins: &[&Coin], change: Option<TxOut>) -> Self {
        let has_change = change.is_some();
        let input = |coin: &&Coin| TxIn {
            previous_output: coin.outpoint,
            script_sig: ScriptBuf::new(),
            sequence: SEQUENCE,
            witness: Witness::new(),
        };
        let transaction = Transaction {
            version: Version::TWO,
            // A height above 499,999,999 would be a time; no chain gets there.
            lock_time: LockTime::from_height(frame.height).unwrap_or(LockTime::ZERO),
            input: coins.iter().map(input).collect(),
            output: frame.recipients.iter().cloned().chain(change).collect(),
        };
        Self {
            transaction: Stored(transaction),
            spent: coins.iter().map(|coin| Stored(coin.output.clone())).collect(),
            confirmed: coins.iter().map(|coin| coin.confirmed).collect(),
            has_change,
        }
    }

    /// The unsigned transaction.
    pub fn transaction(&self) -> &Transaction {
        &self.transaction
    }

    /// Its id, which signing does not change.
    pub fn txid(&self) -> Txid {
        self.transaction.compute_txid()
    }

    /// The outpoint that every version spends: the first input's.
    pub fn anchor(&self) -> OutPoint {
        self.transaction.input[0].previous_output
    }

    /// The outputs that the inputs spend, in order.
    pub fn spent(&self) -> Vec<TxOut> {
        self.spent.iter().map(|output| output.0.clone()).collect()
    }

    /// The coins that the inputs spend, in order.
    pub fn coins(&self) -> Vec<Coin> {
        let parts = self.transaction.input.iter().zip(&self.spent).zip(&self.confirmed);
        parts
            .map(|((input, output), confirmed)| Coin {
                outpoint: input.previous_output,
                output: output.0.clone(),
                confirmed: *confirmed,
            })
            .collect()
    }

    /// Whether an input spends this outpoint.
    pub fn spends(&self, outpoint: &OutPoint) -> bool {
        self.transaction.input.iter().any(|input| input.previous_output == *outpoint)
    }

    /// The outputs that the payment exists for.
    pub fn recipients(&self) -> &[TxOut] {
        let outputs = &self.transaction.output;
        &outputs[..outputs.len() - usize::from(self.has_change)]
    }

    /// The change output, if there is one.
    pub fn change(&self) -> Option<(OutPoint, &TxOut)> {
        let last = self.has_change.then(|| self.transaction.output.last()).flatten()?;
        let vout = u32::try_from(self.transaction.output.len() - 1).ok()?;
        Some((OutPoint { txid: self.txid(), vout }, last))
    }

    /// What miners get.
    pub fn fee(&self) -> Amount {
        let into: u64 = self.spent.iter().map(|output| output.value.to_sat()).sum();
        let out: u64 = self.transaction.output.iter().map(|output| output.value.to_sat()).sum();
        Amount::from_sat(into.saturating_sub(out))
    }

    /// The weight once signed.
    pub fn weight(&self) -> Weight {
        weight::once_signed(&self.transaction)
    }

    /// What the inputs' keys sign, in order.
    pub fn sighashes(&self) -> Vec<[u8; 32]> {
        sighash::all(&self.transaction, &self.spent())
            .expect("a plan has one spent output for each input")
    }

    /// This version as it is shown to members.
    pub fn proposal(&self, payment: Hash32) -> PaymentProposal {
        let anchor = self.anchor();
        PaymentProposal {
            payment,
            anchor: WireOutPoint { txid: anchor.txid.to_byte_array(), vout: anchor.vout },
            recipients: self
                .recipients()
                .iter()
                .map(|output| Recipient {
                    script: output.script_pubkey.to_bytes(),
                    sats: output.value.to_sat(),
                })
                .collect(),
            transaction: serialize(self.transaction()),
        }
    }

    /// The signed transaction. Every signature is verified, so that what this returns is valid as
    /// long as its coins are unspent.
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn finish(&self, signatures: &[[u8; 64]]) -> Result<Transaction, BadSignature> {
        let (expected, got) = (self.spent.len(), signatures.len());
        if expected != got {
            return Err(BadSignature::Count { expected, got });
        }
        let secp = Secp256k1::verification_only();
        let mut signed = self.transaction.0.clone();
        for (index, hash) in self.sighashes().into_iter().enumerate() {
            let bytes = &signatures[index];
            let valid = output_key(&self.spent[index].script_pubkey)
                .zip(schnorr::Signature::from_slice(bytes).ok())
                .is_some_and(|(key, signature)| {
                    secp.verify_schnorr(&signature, &Message::from_digest(hash), &key).is_ok()
                });
            if !valid {
                return Err(BadSignature::Invalid(index));
            }
            signed.input[index].witness = Witness::from_slice(&[bytes]);
        }
        Ok(signed)
    }
}

/// The key in a P2TR script: version 1, then 32 bytes.
fn output_key(script: &ScriptBuf) -> Option<XOnlyPublicKey> {
    script.is_p2tr().then(|| XOnlyPublicKey::from_slice(&script.as_bytes()[2..]).ok()).flatten()
}
