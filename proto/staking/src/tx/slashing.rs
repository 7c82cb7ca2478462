//! Slashing: staker, finality provider and committee take a part of a stake or of its unbonding
//! output; the rest goes back to the staker behind a timelock. Phase 1 signs none.

use std::collections::BTreeMap;

use bitcoin::{
    Amount, OutPoint, Psbt, ScriptBuf, Sequence, Transaction, TxOut,
    bip32::KeySource,
    secp256k1::{XOnlyPublicKey, schnorr::Signature},
};
use thiserror::Error;

use super::{
    psbt::{Signer, psbt},
    spend::{Spend, SpentLeaf, verifies},
    witness::{WitnessError, quorum_stack},
};
use crate::{
    Covenant, Stake, VersionParams,
    script::{ScriptError, TimelockOutput},
};

/// Why a slashing cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SlashError {
    /// Keys make no output.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// The parts are more than the whole, or leave dust.
    #[error(
        "of {value} sat, {slashed} sat slashed and a fee of {fee} sat do not leave two outputs \
         that nodes relay"
    )]
    Parts {
        /// What is spent.
        value: u64,
        /// What is taken.
        slashed: u64,
        /// The fee.
        fee: u64,
    },
}

/// How to slash.
#[derive(Clone, Debug)]
pub struct SlashPlan {
    /// Where the slashed part goes.
    pub to: ScriptBuf,
    /// The slashed part.
    pub slashed: Amount,
    /// The fee.
    pub fee: Amount,
    /// The lock of what is left to the staker, in blocks.
    pub change_time: u16,
}

/// A slashing transaction.
#[derive(Clone, Debug)]
pub struct Slashing<'a> {
    spend: Spend,
    staker: XOnlyPublicKey,
    provider: XOnlyPublicKey,
    covenant: &'a Covenant,
}

impl<'a> Slashing<'a> {
    /// Of the stake itself.
    ///
    /// # Errors
    /// [`SlashError`].
    pub fn of_stake(
        stake: &Stake,
        params: &'a VersionParams,
        plan: &SlashPlan,
    ) -> Result<Self, SlashError> {
        let staking = stake.output(params)?;
        let output = TxOut { value: stake.value, script_pubkey: staking.script_pubkey() };
        let spent = SpentLeaf { outpoint: stake.outpoint, output, leaf: staking.slashing() };
        Self::new(stake, params, plan, spent)
    }

    /// Of the output of the stake's unbonding, at this place and worth this much.
    ///
    /// # Errors
    /// [`SlashError`].
    pub fn of_unbonding(
        stake: &Stake,
        (outpoint, value): (OutPoint, Amount),
        params: &'a VersionParams,
        plan: &SlashPlan,
    ) -> Result<Self, SlashError> {
        let unbonding = stake.unbonding_output(params)?;
        let output = TxOut { value, script_pubkey: unbonding.script_pubkey() };
        let spent = SpentLeaf { outpoint, output, leaf: unbonding.slashing() };
        Self::new(stake, params, plan, spent)
    }

    fn new(
        stake: &Stake,
        params: &'a VersionParams,
        plan: &SlashPlan,
        spent: SpentLeaf,
    ) -> Result<Self, SlashError> {
        let value = spent.output.value;
        let parts = || SlashError::Parts {
            value: value.to_sat(),
            slashed: plan.slashed.to_sat(),
            fee: plan.fee.to_sat(),
        };
        let rest = value.checked_sub(plan.slashed).and_then(|left| left.checked_sub(plan.fee));
        let change = TimelockOutput::new(&stake.staker, plan.change_time).script_pubkey();
        let outputs = vec![
            TxOut { value: plan.slashed, script_pubkey: plan.to.clone() },
            TxOut { value: rest.ok_or_else(parts)?, script_pubkey: change },
        ];
        if outputs.iter().any(|out| out.value < out.script_pubkey.minimal_non_dust()) {
            return Err(parts());
        }
        Ok(Self {
            spend: Spend::new(vec![(spent, Sequence::MAX)], outputs),
            staker: stake.staker,
            provider: stake.finality_provider,
            covenant: &params.covenant,
        })
    }

    /// Unsigned, and what it spends.
    pub fn spend(&self) -> &Spend {
        &self.spend
    }

    /// Unsigned.
    pub fn transaction(&self) -> &Transaction {
        self.spend.transaction()
    }

    /// What all sign.
    pub fn sighash(&self) -> [u8; 32] {
        self.spend.sighashes()[0]
    }

    /// For the wallets of staker and provider.
    pub fn psbt(&self, origin: &KeySource) -> Psbt {
        let signers = [self.staker, self.provider].map(|key| Signer::x_only(key, origin.clone()));
        psbt(&self.spend, &signers)
    }

    /// The transaction, ready for broadcast.
    ///
    /// # Errors
    /// [`WitnessError`] unless staker, provider and at least a quorum of members signed.
    pub fn finish(
        self,
        staker: &Signature,
        provider: &Signature,
        members: &BTreeMap<XOnlyPublicKey, Signature>,
    ) -> Result<Transaction, WitnessError> {
        let sighash = self.sighash();
        if !verifies(&sighash, &self.staker, staker) {
            return Err(WitnessError::Staker { input: 0, key: self.staker });
        }
        if !verifies(&sighash, &self.provider, provider) {
            return Err(WitnessError::Provider(self.provider));
        }
        let mut stack = quorum_stack(self.covenant, &sighash, members)?;
        stack.push(provider.serialize().to_vec());
        stack.push(staker.serialize().to_vec());
        let witness = self.spend.spent()[0].leaf.witness(stack);
        Ok(self.spend.with_witnesses(vec![witness]))
    }
}
