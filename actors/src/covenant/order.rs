//! One unbonding that somebody wants to have signed, with what was looked up for it.

use bitcoin::{PublicKey, ScriptBuf, Transaction, Txid, secp256k1::schnorr::Signature};
use trestle_wire::staking::AskedUnbonding;

use super::rows::SignatureKey;
use crate::staking::rows::DelegationRow;

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The staking transaction.
    pub(super) staking: Txid,
    /// The unbonding transaction as it came.
    pub(super) transaction: Transaction,
    /// The staker's signature.
    pub(super) staker: Signature,
    /// Which key is to sign.
    pub(super) key: PublicKey,
    /// The staking output's script, where whoever asks names it.
    pub(super) script: Option<ScriptBuf>,
}

impl Wanted {
    /// Of what a coordinator asked; `None` if it cannot be read.
    pub(super) fn read(asked: &AskedUnbonding) -> Option<Self> {
        use bitcoin::{consensus::encode::deserialize, hashes::Hash};
        Some(Self {
            staking: Txid::from_byte_array(asked.staking),
            transaction: deserialize(&asked.transaction).ok()?,
            staker: Signature::from_slice(&asked.staker).ok()?,
            key: PublicKey::from_slice(&asked.key).ok()?,
            script: None,
        })
    }

    /// Under what its signature is stored.
    pub(super) fn row(&self) -> SignatureKey {
        SignatureKey {
            staking: self.staking,
            unbonding: self.transaction.compute_txid(),
            key: self.key.inner.serialize(),
        }
    }
}

/// Something to check and sign.
#[derive(Clone, Debug)]
pub struct Order {
    pub(super) wanted: Wanted,
    /// What the index says of the stake.
    pub(super) row: Option<DelegationRow>,
}
