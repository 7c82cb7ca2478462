//! The form that a transaction must have to be signed ahead of its broadcast.

use std::collections::BTreeSet;

use bitcoin::{
    Amount, OutPoint, Sequence, Transaction, Weight, absolute::LockTime, transaction::Version,
};
use thiserror::Error;

/// What nodes relay at the most.
const MAX_WEIGHT: Weight = Weight::from_wu(400_000);

/// Why a transaction is refused, in the order of the checks.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotPresigned {
    /// No inputs, or no outputs.
    #[error("a transaction must have inputs and outputs")]
    Empty,
    /// Without witnesses, larger than a block once could be.
    #[error("the transaction has {0} bytes without witnesses, at most 1000000 are valid")]
    TooLarge(usize),
    /// An output, or their sum, is more than all bitcoins.
    #[error("the outputs are worth more than all bitcoins")]
    Value,
    /// The same output is spent twice.
    #[error("output {0} is spent twice")]
    Twice(OutPoint),
    /// A coinbase's input.
    #[error("an input spends nothing, as a coinbase's does")]
    Null,
    /// More or less than one input.
    #[error("expected one input, got {0}")]
    Inputs(usize),
    /// More or less than one output.
    #[error("expected one output, got {0}")]
    Outputs(usize),
    /// Locked.
    #[error("expected lock time 0, got {0}")]
    LockTime(u32),
    /// Another version.
    #[error("expected transaction version 2, got {0}")]
    Version(i32),
    /// Replaceable or with a relative lock.
    #[error("expected sequence 0xffffffff, got {0:#010x}")]
    Sequence(u32),
    /// The input is not a bare witness input.
    #[error("expected an empty signature script, got {0} bytes")]
    ScriptSig(usize),
    /// Heavier than nodes relay.
    #[error("expected at most 400000 weight units, got {0}")]
    Weight(u64),
}

/// Whether a transaction has the form: sane by consensus, one input, one output, no lock, version
/// 2, final sequence, empty signature script, light enough to be relayed. A witness is allowed.
///
/// # Errors
/// [`NotPresigned`], the first that applies.
pub fn presigned_form(transaction: &Transaction) -> Result<(), NotPresigned> {
    sane(transaction)?;
    let Transaction { version, lock_time, input, output } = transaction;
    let [only] = input.as_slice() else { return Err(NotPresigned::Inputs(input.len())) };
    if output.len() != 1 {
        return Err(NotPresigned::Outputs(output.len()));
    }
    if *lock_time != LockTime::ZERO {
        return Err(NotPresigned::LockTime(lock_time.to_consensus_u32()));
    }
    if *version != Version::TWO {
        return Err(NotPresigned::Version(version.0));
    }
    if only.sequence != Sequence::MAX {
        return Err(NotPresigned::Sequence(only.sequence.0));
    }
    if !only.script_sig.is_empty() {
        return Err(NotPresigned::ScriptSig(only.script_sig.len()));
    }
    let weight = transaction.weight();
    if weight > MAX_WEIGHT { Err(NotPresigned::Weight(weight.to_wu())) } else { Ok(()) }
}

/// Consensus' rules for a transaction by itself.
fn sane(transaction: &Transaction) -> Result<(), NotPresigned> {
    if transaction.input.is_empty() || transaction.output.is_empty() {
        return Err(NotPresigned::Empty);
    }
    let size = transaction.base_size();
    if size > 1_000_000 {
        return Err(NotPresigned::TooLarge(size));
    }
    let add =
        |sum: Amount, value: Amount| sum.checked_add(value).filter(|sum| *sum <= Amount::MAX_MONEY);
    let mut values = transaction.output.iter().map(|output| output.value);
    if values.try_fold(Amount::ZERO, add).is_none() {
        return Err(NotPresigned::Value);
    }
    let mut seen = BTreeSet::new();
    for input in &transaction.input {
        if input.previous_output.is_null() {
            return Err(NotPresigned::Null);
        }
        if !seen.insert(input.previous_output) {
            return Err(NotPresigned::Twice(input.previous_output));
        }
    }
    Ok(())
}
