//! What a spend of a stake, or of its unbonding's output, is.
//!
//! The phase-1 indexer keeps a stake active for ever if its spend fits none of its two kinds; here
//! every spend has a kind. It takes the last witness item but one for the script without looking for
//! an annex; here an annex is taken off first. And it takes unbondings of any version; so does
//! this, but says when one is not version 2.

use bitcoin::{Transaction, Txid, transaction::Version};

use super::{InvalidUnbonding, witness::tapscript};
use crate::{
    Stake, VersionParams,
    script::{Keys, ScriptError},
};

/// What spent a stake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StakeSpend {
    /// Staker and quorum ended the lock early.
    Unbonding {
        /// The unbonding transaction; its only output is number 0.
        txid: Txid,
        /// Its version; any but 2 is not what the committee signs.
        version: i32,
    },
    /// The unbonding script was used for something else.
    InvalidUnbonding(InvalidUnbonding),
    /// The staker took it back after the lock.
    Withdrawal,
    /// Staker, provider and quorum slashed it.
    Slashing,
    /// None of its scripts was revealed; by consensus this cannot be.
    Unknown,
}

/// What spent the output of an unbonding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnbondingSpend {
    /// The staker took it back after the unbonding time.
    Withdrawal,
    /// Staker, provider and quorum slashed it.
    Slashing,
    /// None of its scripts was revealed; by consensus this cannot be.
    Unknown,
}

impl StakeSpend {
    /// Whether an unbonding has the version that the committee signs.
    pub fn is_standard_unbonding(&self) -> bool {
        match self {
            Self::Unbonding { version, .. } => *version == Version::TWO.0,
            Self::InvalidUnbonding(_) | Self::Withdrawal | Self::Slashing | Self::Unknown => false,
        }
    }
}

/// What the input with this index does to the stake that it spends. `params` are those of the
/// stake's version, whatever the height of the spend.
///
/// # Errors
/// [`ScriptError`] if the stake was not identified under these parameters.
pub fn spend_of_stake(
    stake: &Stake,
    params: &VersionParams,
    transaction: &Transaction,
    input: usize,
) -> Result<StakeSpend, ScriptError> {
    let keys = stake.keys(&params.covenant)?;
    let Some(script) = revealed(transaction, input) else { return Ok(StakeSpend::Unknown) };
    if script == keys.timelock(stake.time).as_bytes() {
        return Ok(StakeSpend::Withdrawal);
    }
    if script == keys.unbonding().as_bytes() {
        return Ok(match unbonding(stake, params, transaction)? {
            Ok(()) => StakeSpend::Unbonding {
                txid: transaction.compute_txid(),
                version: transaction.version.0,
            },
            Err(reason) => StakeSpend::InvalidUnbonding(reason),
        });
    }
    Ok(if is_slashing(script, &keys) { StakeSpend::Slashing } else { StakeSpend::Unknown })
}

/// What the input with this index does to the output of the stake's unbonding.
///
/// # Errors
/// [`ScriptError`] if the stake was not identified under these parameters.
pub fn spend_of_unbonding(
    stake: &Stake,
    params: &VersionParams,
    transaction: &Transaction,
    input: usize,
) -> Result<UnbondingSpend, ScriptError> {
    let keys = stake.keys(&params.covenant)?;
    Ok(match revealed(transaction, input) {
        Some(script) if script == keys.timelock(params.unbonding_time).as_bytes() => {
            UnbondingSpend::Withdrawal
        }
        Some(script) if is_slashing(script, &keys) => UnbondingSpend::Slashing,
        Some(_) | None => UnbondingSpend::Unknown,
    })
}

fn revealed(transaction: &Transaction, input: usize) -> Option<&[u8]> {
    tapscript(&transaction.input.get(input)?.witness)
}

fn is_slashing(script: &[u8], keys: &Keys<'_>) -> bool {
    script == keys.slashing().as_bytes()
}

/// The rules for an unbonding in the chain; its version is none of them.
fn unbonding(
    stake: &Stake,
    params: &VersionParams,
    transaction: &Transaction,
) -> Result<Result<(), InvalidUnbonding>, ScriptError> {
    let ([input], [output]) = (transaction.input.as_slice(), transaction.output.as_slice()) else {
        let (inputs, outputs) = (transaction.input.len(), transaction.output.len());
        return Ok(Err(InvalidUnbonding::Shape { inputs, outputs }));
    };
    if input.sequence != bitcoin::Sequence::MAX {
        return Ok(Err(InvalidUnbonding::Sequence(input.sequence.0)));
    }
    let lock_time = transaction.lock_time.to_consensus_u32();
    if lock_time != 0 {
        return Ok(Err(InvalidUnbonding::LockTime(lock_time)));
    }
    if output.script_pubkey != stake.unbonding_output(params)?.script_pubkey() {
        return Ok(Err(InvalidUnbonding::Output));
    }
    let expected = stake.value.to_sat().saturating_sub(params.unbonding_fee.to_sat());
    let got = output.value.to_sat();
    Ok(if got == expected { Ok(()) } else { Err(InvalidUnbonding::Value { expected, got }) })
}
