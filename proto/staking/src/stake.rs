//! A stake: an output locked under the rules of one version of the parameters.

use bitcoin::{Amount, OutPoint, TxOut, XOnlyPublicKey};

use crate::{
    Covenant, VersionParams,
    script::{Keys, ScriptError, StakingOutput, UnbondingOutput},
};

/// A staking output as its transaction tells it. It is what an indexer stores, and with the
/// parameters of its version all that is needed to rebuild every script and spend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stake {
    /// Where the value is locked.
    pub outpoint: OutPoint,
    /// Who gets it back.
    pub staker: XOnlyPublicKey,
    /// Whom it is delegated to.
    pub finality_provider: XOnlyPublicKey,
    /// What is locked.
    pub value: Amount,
    /// The lock, in blocks after inclusion.
    pub time: u16,
    /// Which version of the parameters it lives under, for ever.
    pub params_version: u64,
}

impl Stake {
    /// Everybody in its scripts.
    ///
    /// # Errors
    /// [`ScriptError`] if two keys are equal; never for a stake that was identified under this
    /// committee.
    pub fn keys<'a>(&self, covenant: &'a Covenant) -> Result<Keys<'a>, ScriptError> {
        Keys::new(covenant, self.staker, &[self.finality_provider])
    }

    /// The output's scripts.
    ///
    /// # Errors
    /// As [`Stake::keys`].
    pub fn output(&self, params: &VersionParams) -> Result<StakingOutput, ScriptError> {
        Ok(StakingOutput::new(&self.keys(&params.covenant)?, self.time))
    }

    /// The output as its transaction has it.
    ///
    /// # Errors
    /// As [`Stake::keys`].
    pub fn tx_out(&self, params: &VersionParams) -> Result<TxOut, ScriptError> {
        Ok(TxOut { value: self.value, script_pubkey: self.output(params)?.script_pubkey() })
    }

    /// The scripts of the output of its unbonding transaction.
    ///
    /// # Errors
    /// As [`Stake::keys`].
    pub fn unbonding_output(&self, params: &VersionParams) -> Result<UnbondingOutput, ScriptError> {
        Ok(UnbondingOutput::new(&self.keys(&params.covenant)?, params.unbonding_time))
    }

    /// The output of its unbonding transaction: all of the value but the fixed fee. `None` if the
    /// fee leaves nothing.
    ///
    /// # Errors
    /// As [`Stake::keys`].
    pub fn unbonding_tx_out(&self, params: &VersionParams) -> Result<Option<TxOut>, ScriptError> {
        let script_pubkey = self.unbonding_output(params)?.script_pubkey();
        let left = self.value.checked_sub(params.unbonding_fee);
        let value = left.filter(|left| *left > Amount::ZERO);
        Ok(value.map(|value| TxOut { value, script_pubkey }))
    }
}
