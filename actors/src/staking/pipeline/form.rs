//! The fields of a request to unbond.

use bitcoin::{Transaction, Txid, consensus::encode::deserialize, secp256k1::schnorr::Signature};

use super::RequestError;

/// A request whose fields have the right form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnbondingForm {
    /// The staking transaction.
    pub staking: Txid,
    /// What the request says is the unbonding transaction's id.
    pub unbonding: Txid,
    /// The unbonding transaction, with or without witness.
    pub transaction: Transaction,
    /// The staker's signature.
    pub signature: Signature,
}

impl UnbondingForm {
    /// Reads `staking_tx_hash_hex`, `unbonding_tx_hash_hex`, `unbonding_tx_hex` and
    /// `staker_signed_signature_hex`, in this order.
    ///
    /// # Errors
    /// [`RequestError::Field`] for the first that has another form.
    pub fn parse(
        staking: &str,
        unbonding: &str,
        transaction: &str,
        signature: &str,
    ) -> Result<Self, RequestError> {
        const HASH: &str = "a transaction hash, 64 hexadecimal digits";
        let wrong = |field, expected| RequestError::Field { field, expected };
        let hash = |text: &str, field| {
            let plain = text.len() == 64;
            text.parse::<Txid>().ok().filter(|_| plain).ok_or_else(|| wrong(field, HASH))
        };
        let bytes = |text: &str| hex::decode(text).ok();
        Ok(Self {
            staking: hash(staking, "staking_tx_hash_hex")?,
            unbonding: hash(unbonding, "unbonding_tx_hash_hex")?,
            transaction: bytes(transaction)
                .and_then(|bytes| deserialize(&bytes).ok())
                .ok_or_else(|| wrong("unbonding_tx_hex", "a serialized transaction in hex"))?,
            signature: bytes(signature)
                .and_then(|bytes| Signature::from_slice(&bytes).ok())
                .ok_or_else(|| {
                    let expected = "a Schnorr signature, 128 hexadecimal digits";
                    wrong("staker_signed_signature_hex", expected)
                })?,
        })
    }
}
