//! Staking: an output that locks, and an OP_RETURN that says how.

use bitcoin::{
    Amount, OutPoint, Psbt, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness, XOnlyPublicKey,
    absolute::LockTime, transaction::Version,
};
use thiserror::Error;

use crate::{
    Stake, VersionParams,
    script::{Keys, ScriptError, StakingData, StakingOutput},
};

/// Why a stake cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StakeError {
    /// Its keys make no output.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// Too little or too much.
    #[error("{value} sat is not from {min} to {max} sat, what version {version} allows")]
    Value {
        /// What was asked for.
        value: u64,
        /// The least.
        min: u64,
        /// The most.
        max: u64,
        /// Of the parameters.
        version: u64,
    },
    /// Too short or too long.
    #[error("a lock of {time} blocks is not from {min} to {max}, what version {version} allows")]
    Time {
        /// What was asked for.
        time: u16,
        /// The shortest.
        min: u16,
        /// The longest.
        max: u16,
        /// Of the parameters.
        version: u64,
    },
    /// Nothing to spend.
    #[error("no coins were given to pay for the stake")]
    NoInputs,
    /// The coins do not pay for the outputs.
    #[error("the coins are worth {inputs} sat, the outputs {outputs} sat: add coins")]
    TooPoor {
        /// What is spent.
        inputs: u64,
        /// What is made of it.
        outputs: u64,
    },
}

/// What pays for a stake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Funding {
    /// Outputs that are spent, in order, and what they hold.
    pub coins: Vec<(OutPoint, TxOut)>,
    /// What goes back, if anything.
    pub change: Vec<TxOut>,
    /// Of every input.
    pub sequence: Sequence,
    /// Of the transaction.
    pub lock_time: LockTime,
}

impl Funding {
    /// Not replaceable, since a stake's id is what everything later refers to, and locked to the
    /// height before the parameters' activation, so that no block of an earlier version takes it.
    pub fn new(coins: Vec<(OutPoint, TxOut)>, change: Vec<TxOut>, params: &VersionParams) -> Self {
        let sequence = Sequence::ENABLE_LOCKTIME_NO_RBF;
        Self { coins, change, sequence, lock_time: lock_time(params) }
    }
}

/// A stake to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StakePlan {
    /// Who gets it back.
    pub staker: XOnlyPublicKey,
    /// Whom it is delegated to.
    pub finality_provider: XOnlyPublicKey,
    /// What is locked.
    pub value: Amount,
    /// The lock, in blocks.
    pub time: u16,
}

impl StakePlan {
    /// The two outputs: the locking one, and the OP_RETURN without value.
    ///
    /// # Errors
    /// [`StakeError`] if these parameters do not allow the stake.
    pub fn outputs(&self, params: &VersionParams) -> Result<[TxOut; 2], StakeError> {
        self.allowed(params)?;
        let keys = Keys::new(&params.covenant, self.staker, &[self.finality_provider])?;
        let script_pubkey = StakingOutput::new(&keys, self.time).script_pubkey();
        let data = StakingData {
            tag: params.tag,
            staker: self.staker,
            finality_provider: self.finality_provider,
            time: self.time,
        };
        Ok([
            TxOut { value: self.value, script_pubkey },
            TxOut { value: Amount::ZERO, script_pubkey: data.to_script() },
        ])
    }

    /// The transaction, unsigned: outputs in the order stake, OP_RETURN, change. What the coins are
    /// worth beyond the outputs is the fee.
    ///
    /// # Errors
    /// [`StakeError`].
    pub fn transaction(
        &self,
        params: &VersionParams,
        funding: &Funding,
    ) -> Result<Transaction, StakeError> {
        let mut output = self.outputs(params)?.to_vec();
        output.extend(funding.change.iter().cloned());
        if funding.coins.is_empty() {
            return Err(StakeError::NoInputs);
        }
        let sats = |sum: u64, output: &TxOut| sum.saturating_add(output.value.to_sat());
        let inputs = funding.coins.iter().map(|(_, output)| output).fold(0, sats);
        let outputs = output.iter().fold(0, sats);
        if inputs < outputs {
            return Err(StakeError::TooPoor { inputs, outputs });
        }
        let input = funding.coins.iter().map(|(outpoint, _)| TxIn {
            previous_output: *outpoint,
            script_sig: ScriptBuf::new(),
            sequence: funding.sequence,
            witness: Witness::new(),
        });
        Ok(Transaction {
            version: Version::TWO,
            lock_time: funding.lock_time,
            input: input.collect(),
            output,
        })
    }

    /// As [`StakePlan::transaction`], with the spent outputs for a wallet.
    ///
    /// # Errors
    /// [`StakeError`].
    pub fn psbt(&self, params: &VersionParams, funding: &Funding) -> Result<Psbt, StakeError> {
        let transaction = self.transaction(params, funding)?;
        let mut psbt =
            Psbt::from_unsigned_tx(transaction).expect("built above without any signature");
        for (input, (_, output)) in psbt.inputs.iter_mut().zip(&funding.coins) {
            input.witness_utxo = Some(output.clone());
        }
        Ok(psbt)
    }

    /// The stake, once its transaction has an id.
    pub fn stake(&self, outpoint: OutPoint, params: &VersionParams) -> Stake {
        Stake {
            outpoint,
            staker: self.staker,
            finality_provider: self.finality_provider,
            value: self.value,
            time: self.time,
            params_version: params.version,
        }
    }

    fn allowed(&self, params: &VersionParams) -> Result<(), StakeError> {
        let (min, max) = (params.min_staking_amount, params.max_staking_amount);
        let version = params.version;
        if self.value < min || self.value > max {
            let (min, max) = (min.to_sat(), max.to_sat());
            return Err(StakeError::Value { value: self.value.to_sat(), min, max, version });
        }
        let (min, max) = (params.min_staking_time, params.max_staking_time);
        if self.time < min || self.time > max {
            return Err(StakeError::Time { time: self.time, min, max, version });
        }
        Ok(())
    }
}

/// The last height at which an earlier version holds; no lock where that is no height.
fn lock_time(params: &VersionParams) -> LockTime {
    u32::try_from(params.activation_height.saturating_sub(1))
        .ok()
        .and_then(|height| LockTime::from_height(height).ok())
        .unwrap_or(LockTime::ZERO)
}
