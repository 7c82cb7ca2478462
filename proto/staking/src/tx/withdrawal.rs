//! Withdrawal: what is past its lock goes back to the staker, from any number of stakes and
//! unbondings at once.

use bitcoin::{
    Amount, FeeRate, OutPoint, Psbt, ScriptBuf, Sequence, Transaction, TxOut, Weight, Witness,
    bip32::KeySource,
    secp256k1::{XOnlyPublicKey, schnorr::Signature},
};
use thiserror::Error;
use trestle_chain::weight;

use super::{
    psbt::{Signer, psbt},
    spend::{Spend, SpentLeaf, verifies},
    witness::WitnessError,
};
use crate::{
    Stake, VersionParams,
    script::{ScriptError, TimelockOutput},
};

/// A signature of the default kind.
const SIGNATURE: [u8; 64] = [0; 64];

/// Why a withdrawal cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WithdrawError {
    /// Keys make no output.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// Nothing to withdraw.
    #[error("nothing to withdraw was given")]
    Nothing,
    /// The same output twice.
    #[error("output {0} was given twice")]
    Twice(OutPoint),
    /// The fee leaves no output that nodes relay.
    #[error(
        "a fee of {fee} sat leaves {left} sat, below the {dust} sat that nodes relay: lower the \
         fee or withdraw more at once"
    )]
    Dust {
        /// The fee.
        fee: u64,
        /// What would be left.
        left: u64,
        /// The least that is relayed.
        dust: u64,
    },
    /// The fee is more than there is.
    #[error("a fee of {fee} sat is more than the {value} sat that are withdrawn")]
    Fee {
        /// The fee.
        fee: u64,
        /// All inputs.
        value: u64,
    },
}

/// An output that its staker can take back after a lock.
#[derive(Clone, Debug)]
pub struct Withdrawable {
    spent: SpentLeaf,
    staker: XOnlyPublicKey,
    time: u16,
}

impl Withdrawable {
    /// The stake itself, after its own lock.
    ///
    /// # Errors
    /// [`ScriptError`] if its keys make no output under these parameters.
    pub fn stake(stake: &Stake, params: &VersionParams) -> Result<Self, ScriptError> {
        let staking = stake.output(params)?;
        let output = TxOut { value: stake.value, script_pubkey: staking.script_pubkey() };
        let spent = SpentLeaf { outpoint: stake.outpoint, output, leaf: staking.timelock() };
        Ok(Self { spent, staker: stake.staker, time: stake.time })
    }

    /// The output of the stake's unbonding, after the unbonding time. `value` is what its
    /// transaction says.
    ///
    /// # Errors
    /// [`ScriptError`] if its keys make no output under these parameters.
    pub fn unbonding(
        stake: &Stake,
        outpoint: OutPoint,
        value: Amount,
        params: &VersionParams,
    ) -> Result<Self, ScriptError> {
        let unbonding = stake.unbonding_output(params)?;
        let output = TxOut { value, script_pubkey: unbonding.script_pubkey() };
        let spent = SpentLeaf { outpoint, output, leaf: unbonding.timelock() };
        Ok(Self { spent, staker: stake.staker, time: params.unbonding_time })
    }

    /// What a slashing left to the staker.
    pub fn slashed(staker: XOnlyPublicKey, time: u16, outpoint: OutPoint, value: Amount) -> Self {
        let change = TimelockOutput::new(&staker, time);
        let output = TxOut { value, script_pubkey: change.script_pubkey() };
        Self { spent: SpentLeaf { outpoint, output, leaf: change.timelock() }, staker, time }
    }

    /// What it is worth.
    pub fn value(&self) -> Amount {
        self.spent.output.value
    }

    /// The lock, in blocks after the inclusion of the output's transaction.
    pub fn time(&self) -> u16 {
        self.time
    }
}

/// A withdrawal to one script.
#[derive(Clone, Debug)]
pub struct Withdrawal {
    spend: Spend,
    stakers: Vec<XOnlyPublicKey>,
}

impl Withdrawal {
    /// Everything to `to`, less a fee.
    ///
    /// # Errors
    /// [`WithdrawError`].
    pub fn with_fee(
        from: Vec<Withdrawable>,
        to: ScriptBuf,
        fee: Amount,
    ) -> Result<Self, WithdrawError> {
        let mut withdrawal = Self::gross(from, to)?;
        let output = &mut withdrawal.1;
        let (value, fee_sat) = (output.value.to_sat(), fee.to_sat());
        let left =
            output.value.checked_sub(fee).ok_or(WithdrawError::Fee { fee: fee_sat, value })?;
        let dust = output.script_pubkey.minimal_non_dust();
        if left < dust {
            let (left, dust) = (left.to_sat(), dust.to_sat());
            return Err(WithdrawError::Dust { fee: fee_sat, left, dust });
        }
        output.value = left;
        Ok(withdrawal.build())
    }

    /// Everything to `to`, less the fee of the signed transaction's virtual bytes at this rate.
    ///
    /// # Errors
    /// [`WithdrawError`].
    pub fn with_rate(
        from: Vec<Withdrawable>,
        to: ScriptBuf,
        rate: FeeRate,
    ) -> Result<Self, WithdrawError> {
        let weight = Self::gross(from.clone(), to.clone())?.build().weight();
        let fee = weight::fee(rate, weight).unwrap_or(Amount::MAX_MONEY);
        Self::with_fee(from, to, fee)
    }

    /// Unsigned, and what it spends.
    pub fn spend(&self) -> &Spend {
        &self.spend
    }

    /// Unsigned.
    pub fn transaction(&self) -> &Transaction {
        self.spend.transaction()
    }

    /// The key that signs each input, with what it signs.
    pub fn to_sign(&self) -> Vec<(XOnlyPublicKey, [u8; 32])> {
        self.stakers.iter().copied().zip(self.spend.sighashes()).collect()
    }

    /// What it will weigh once it is signed.
    pub fn weight(&self) -> Weight {
        let witnesses = self.spend.spent().iter().map(|spent| spent.leaf.witness([SIGNATURE]));
        self.spend.clone().with_witnesses(witnesses.collect()).weight()
    }

    /// For the staker's wallet; one origin for all of the stakers' keys.
    pub fn psbt(&self, origin: &KeySource) -> Psbt {
        let mut keys = self.stakers.clone();
        keys.sort_by_cached_key(XOnlyPublicKey::serialize);
        keys.dedup();
        let signers: Vec<Signer> =
            keys.into_iter().map(|key| Signer::x_only(key, origin.clone())).collect();
        psbt(&self.spend, &signers)
    }

    /// The transaction, ready for broadcast once every lock has ended.
    ///
    /// # Errors
    /// [`WitnessError`] unless there is a good signature for each input, in order.
    pub fn finish(self, signatures: &[Signature]) -> Result<Transaction, WitnessError> {
        let inputs = self.stakers.len();
        if signatures.len() != inputs {
            return Err(WitnessError::Count { got: signatures.len(), inputs });
        }
        for (input, ((key, hash), signature)) in self.to_sign().iter().zip(signatures).enumerate() {
            if !verifies(hash, key, signature) {
                return Err(WitnessError::Staker { input, key: *key });
            }
        }
        let leaves = self.spend.spent().iter().map(|spent| &spent.leaf);
        let witnesses: Vec<Witness> = leaves
            .zip(signatures)
            .map(|(leaf, signature)| leaf.witness([signature.serialize()]))
            .collect();
        Ok(self.spend.with_witnesses(witnesses))
    }

    fn gross(from: Vec<Withdrawable>, to: ScriptBuf) -> Result<Gross, WithdrawError> {
        if from.is_empty() {
            return Err(WithdrawError::Nothing);
        }
        let mut outpoints: Vec<OutPoint> = from.iter().map(|each| each.spent.outpoint).collect();
        outpoints.sort_unstable();
        if let Some(pair) = outpoints.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(WithdrawError::Twice(pair[0]));
        }
        let sats = from.iter().fold(0_u64, |sum, each| sum.saturating_add(each.value().to_sat()));
        Ok(Gross(from, TxOut { value: Amount::from_sat(sats), script_pubkey: to }))
    }
}

/// What goes in, and the output before any fee.
struct Gross(Vec<Withdrawable>, TxOut);

impl Gross {
    fn build(self) -> Withdrawal {
        let Self(from, output) = self;
        let stakers = from.iter().map(|each| each.staker).collect();
        let spent =
            from.into_iter().map(|each| (each.spent, Sequence::from_height(each.time))).collect();
        Withdrawal { spend: Spend::new(spent, vec![output]), stakers }
    }
}
