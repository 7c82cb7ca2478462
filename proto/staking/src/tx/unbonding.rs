//! Unbonding: staker and committee end a lock early, for a fee that the parameters fix.

use std::collections::BTreeMap;

use bitcoin::{
    Psbt, PublicKey, Sequence, Transaction, TxOut,
    bip32::KeySource,
    secp256k1::{XOnlyPublicKey, schnorr::Signature},
};
use thiserror::Error;

use super::{
    psbt::{Signer, member_psbt, psbt},
    spend::{Spend, SpentLeaf, verifies},
    witness::{WitnessError, quorum_stack},
};
use crate::{Covenant, Stake, VersionParams, script::ScriptError};

/// Why a stake cannot be unbonded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UnbondingError {
    /// Its keys make no output.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// The parameters are not the stake's.
    #[error("the stake lives under version {stake} of the parameters, got version {got}")]
    OtherVersion {
        /// The stake's.
        stake: u64,
        /// What was given.
        got: u64,
    },
    /// Nothing would be left.
    #[error("the unbonding fee of {fee} sat leaves nothing of {value} sat")]
    NothingLeft {
        /// The stake's value.
        value: u64,
        /// The fee.
        fee: u64,
    },
}

/// The unbonding transaction of a stake; there is exactly one.
#[derive(Clone, Debug)]
pub struct Unbonding<'a> {
    spend: Spend,
    staker: XOnlyPublicKey,
    covenant: &'a Covenant,
}

impl<'a> Unbonding<'a> {
    /// With the parameters of the stake's version.
    ///
    /// # Errors
    /// [`UnbondingError`].
    pub fn new(stake: &Stake, params: &'a VersionParams) -> Result<Self, UnbondingError> {
        if stake.params_version != params.version {
            let (stake, got) = (stake.params_version, params.version);
            return Err(UnbondingError::OtherVersion { stake, got });
        }
        let nothing_left = || UnbondingError::NothingLeft {
            value: stake.value.to_sat(),
            fee: params.unbonding_fee.to_sat(),
        };
        let staking = stake.output(params)?;
        let output = stake.unbonding_tx_out(params)?.ok_or_else(nothing_left)?;
        let spent = SpentLeaf {
            outpoint: stake.outpoint,
            output: TxOut { value: stake.value, script_pubkey: staking.script_pubkey() },
            leaf: staking.unbonding(),
        };
        let spend = Spend::new(vec![(spent, Sequence::MAX)], vec![output]);
        Ok(Self { spend, staker: stake.staker, covenant: &params.covenant })
    }

    /// Unsigned, and what it spends.
    pub fn spend(&self) -> &Spend {
        &self.spend
    }

    /// Unsigned. Its id is that of the signed one.
    pub fn transaction(&self) -> &Transaction {
        self.spend.transaction()
    }

    /// What staker and members sign.
    pub fn sighash(&self) -> [u8; 32] {
        self.spend.sighashes()[0]
    }

    /// Whether this is the staker's signature.
    pub fn verify_staker(&self, signature: &Signature) -> bool {
        verifies(&self.sighash(), &self.staker, signature)
    }

    /// Whether this is a member's signature.
    pub fn verify_member(&self, key: &XOnlyPublicKey, signature: &Signature) -> bool {
        self.covenant.contains(key) && verifies(&self.sighash(), key, signature)
    }

    /// For the staker's wallet.
    pub fn staker_psbt(&self, origin: KeySource) -> Psbt {
        psbt(&self.spend, &[Signer::x_only(self.staker, origin)])
    }

    /// For the wallet of a member of the committee, with the key as the parameters write it.
    pub fn member_psbt(&self, member: &PublicKey) -> Psbt {
        member_psbt(&self.spend, member)
    }

    /// The transaction, ready for broadcast.
    ///
    /// # Errors
    /// [`WitnessError`] unless the staker and at least a quorum of members signed, and nobody else.
    pub fn finish(
        self,
        staker: &Signature,
        members: &BTreeMap<XOnlyPublicKey, Signature>,
    ) -> Result<Transaction, WitnessError> {
        let sighash = self.sighash();
        if !verifies(&sighash, &self.staker, staker) {
            return Err(WitnessError::Staker { input: 0, key: self.staker });
        }
        let mut stack = quorum_stack(self.covenant, &sighash, members)?;
        stack.push(staker.serialize().to_vec());
        let witness = self.spend.spent()[0].leaf.witness(stack);
        Ok(self.spend.with_witnesses(vec![witness]))
    }
}
