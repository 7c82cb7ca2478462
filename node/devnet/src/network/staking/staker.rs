//! Somebody who stakes: holds a key, builds every transaction of a stake's life and signs it.
//!
//! Coins come from the harness's own chain, so a stake costs its staker nothing but a name.

use bitcoin::consensus::encode::serialize_hex;
use bitcoin::secp256k1::{Keypair, Message, Secp256k1, XOnlyPublicKey, schnorr::Signature};
use bitcoin::{Amount, OutPoint, ScriptBuf, Transaction, TxOut};
use eyre::{Context as _, Result, ensure};
use serde_json::{Value, json};
use trestle_staking::tx::{StakePlan, Unbonding, Withdrawable, Withdrawal};
use trestle_staking::{Stake, VersionParams};

use crate::Bitcoind;

/// A staker and the finality provider it delegates to.
#[derive(Clone, Debug)]
pub struct Staker {
    key: Keypair,
    provider: XOnlyPublicKey,
}

impl Staker {
    /// One with a new key.
    #[must_use]
    pub fn new(provider: XOnlyPublicKey) -> Self {
        Self { key: keypair(), provider }
    }

    /// Its key as scripts, the API and the database know it.
    #[must_use]
    pub fn key(&self) -> XOnlyPublicKey {
        self.key.x_only_public_key().0
    }

    /// Hands a staking transaction to the mempool. Whether the block that takes it finds it valid
    /// is that block's matter: `params` only has to allow it somewhere.
    ///
    /// # Errors
    /// When `params` do not allow it, or bitcoind refuses.
    pub async fn stake(
        &self,
        bitcoind: &Bitcoind,
        params: &VersionParams,
        value: Amount,
        time: u16,
    ) -> Result<Stake> {
        let plan = StakePlan { staker: self.key(), finality_provider: self.provider, value, time };
        let outputs = plan.outputs(params).wrap_err("cannot stake")?;
        let outputs = outputs.map(|output| (output.script_pubkey, output.value));
        let txid = bitcoind.fund_all(&outputs).await?;
        Ok(plan.stake(OutPoint { txid, vout: 0 }, params))
    }

    /// The body of `POST /v1/unbonding`.
    ///
    /// # Errors
    /// When the stake is too small to be unbonded.
    pub fn unbonding_request(&self, stake: &Stake, params: &VersionParams) -> Result<Value> {
        let unbonding = Unbonding::new(stake, params)?;
        let signature = self.sign(unbonding.sighash());
        Ok(json!({
            "staking_tx_hash_hex": stake.outpoint.txid.to_string(),
            "unbonding_tx_hash_hex": unbonding.transaction().compute_txid().to_string(),
            "unbonding_tx_hex": serialize_hex(unbonding.transaction()),
            "staker_signed_signature_hex": hex::encode(signature.serialize()),
        }))
    }

    /// The unbonding transaction of a stake, without witness: there is exactly one.
    ///
    /// # Errors
    /// As [`unbonding_request`](Self::unbonding_request).
    pub fn unbonding(stake: &Stake, params: &VersionParams) -> Result<Transaction> {
        Ok(Unbonding::new(stake, params)?.transaction().clone())
    }

    /// A signed withdrawal of the stake itself, for when its own lock has ended.
    ///
    /// # Errors
    /// When the fee leaves nothing.
    pub fn withdraw(
        &self,
        stake: &Stake,
        params: &VersionParams,
        fee: Amount,
    ) -> Result<Transaction> {
        self.take_back(Withdrawable::stake(stake, params)?, fee)
    }

    /// A signed withdrawal of the output of the stake's unbonding.
    ///
    /// # Errors
    /// When the fee leaves nothing.
    pub fn withdraw_unbonded(
        &self,
        stake: &Stake,
        params: &VersionParams,
        fee: Amount,
    ) -> Result<Transaction> {
        let unbonding = Self::unbonding(stake, params)?;
        let TxOut { value, .. } = unbonding.output[0];
        let outpoint = OutPoint { txid: unbonding.compute_txid(), vout: 0 };
        self.take_back(Withdrawable::unbonding(stake, outpoint, value, params)?, fee)
    }

    fn take_back(&self, from: Withdrawable, fee: Amount) -> Result<Transaction> {
        let to = ScriptBuf::new_p2tr(&Secp256k1::verification_only(), self.key(), None);
        let withdrawal = Withdrawal::with_fee(vec![from], to, fee)?;
        let to_sign = withdrawal.to_sign();
        ensure!(to_sign.iter().all(|(key, _)| *key == self.key()), "this is another's stake");
        let signatures: Vec<_> = to_sign.into_iter().map(|(_, hash)| self.sign(hash)).collect();
        Ok(withdrawal.finish(&signatures)?)
    }

    fn sign(&self, hash: [u8; 32]) -> Signature {
        Secp256k1::new().sign_schnorr_no_aux_rand(&Message::from_digest(hash), &self.key)
    }
}

/// A new key.
pub(super) fn keypair() -> Keypair {
    loop {
        // All but one in 2^128 of these are keys.
        let made = Keypair::from_seckey_slice(&Secp256k1::new(), &rand::random::<[u8; 32]>());
        if let Ok(made) = made {
            return made;
        }
    }
}

/// The x-only key of somebody about whom nothing else matters.
#[must_use]
pub fn any_key() -> XOnlyPublicKey {
    keypair().x_only_public_key().0
}
