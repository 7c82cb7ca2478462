//! What coordinator and members both check of a request to unbond, in the order that clients know.

use bitcoin::{Transaction, Txid, secp256k1::schnorr::Signature};
use thiserror::Error;

use super::{
    presigned::{NotPresigned, presigned_form},
    unbonding::{Unbonding, UnbondingError},
};
use crate::{Stake, VersionParams};

/// Why a request is refused, in the order of the checks.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RequestFault {
    /// The transaction is not fit for signing ahead.
    #[error("invalid unbonding transaction: {0}")]
    Form(#[from] NotPresigned),
    /// The named id is another's.
    #[error("the unbonding transaction's hash is {is}, the request says {said}")]
    Txid {
        /// What it is.
        is: Txid,
        /// What the request says.
        said: Txid,
    },
    /// It spends another transaction.
    #[error("the unbonding transaction spends {0}, which is not the staking transaction")]
    PrevTxid(Txid),
    /// It spends another output of the staking transaction.
    #[error("the unbonding transaction spends output {got}, the stake is output {expected}")]
    PrevIndex {
        /// The stake's.
        expected: u32,
        /// What it spends.
        got: u32,
    },
    /// Nothing to build to compare with.
    #[error(transparent)]
    Unbondable(#[from] UnbondingError),
    /// Another value.
    #[error("the unbonding output must be worth {expected} sat, got {got} sat")]
    Value {
        /// Stake minus fee.
        expected: u64,
        /// What it is.
        got: u64,
    },
    /// Another script.
    #[error("the unbonding output's script is not the one that the stake's parameters give")]
    Script,
    /// The staker did not sign this.
    #[error("the staker's signature does not verify for this unbonding transaction")]
    Signature,
}

/// Checks an unbonding transaction that somebody sent, with or without witness: form, id if one was
/// named, input, value left, output, staker's signature. What is returned is built anew and has the
/// same id.
///
/// # Errors
/// [`RequestFault`], the first that applies.
pub fn check_request<'a>(
    transaction: &Transaction,
    said: Option<Txid>,
    stake: &Stake,
    params: &'a VersionParams,
    staker: &Signature,
) -> Result<Unbonding<'a>, RequestFault> {
    presigned_form(transaction)?;
    let is = transaction.compute_txid();
    if let Some(said) = said.filter(|said| *said != is) {
        return Err(RequestFault::Txid { is, said });
    }
    let spends = transaction.input[0].previous_output;
    if spends.txid != stake.outpoint.txid {
        return Err(RequestFault::PrevTxid(spends.txid));
    }
    if spends.vout != stake.outpoint.vout {
        let expected = stake.outpoint.vout;
        return Err(RequestFault::PrevIndex { expected, got: spends.vout });
    }
    let unbonding = Unbonding::new(stake, params)?;
    let (expected, got) = (&unbonding.transaction().output[0], &transaction.output[0]);
    if expected.value != got.value {
        let (expected, got) = (expected.value.to_sat(), got.value.to_sat());
        return Err(RequestFault::Value { expected, got });
    }
    if expected.script_pubkey != got.script_pubkey {
        return Err(RequestFault::Script);
    }
    if !unbonding.verify_staker(staker) {
        return Err(RequestFault::Signature);
    }
    Ok(unbonding)
}
