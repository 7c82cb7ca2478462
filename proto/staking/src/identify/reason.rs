//! Why a transaction is no stake, no valid stake, or no valid unbonding.

use thiserror::Error;

/// Why a transaction is not a staking transaction. Indexers pass over it in silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotStaking {
    /// A stake needs two outputs.
    #[error("fewer than two outputs")]
    FewOutputs,
    /// No OP_RETURN of the right form with this tag.
    #[error("no OP_RETURN with the tag of the parameters")]
    NoTag,
    /// More than one of them.
    #[error("more than one OP_RETURN with the tag of the parameters")]
    SeveralTags,
    /// The tagged OP_RETURN has a key that is no x coordinate of the curve, and there is no other.
    #[error("the OP_RETURN holds a key that is not on the curve")]
    InvalidKey,
    /// Beside it there is another well-formed one, of whatever tag. So a look-alike with a foreign
    /// tag makes a good stake invisible; the other indexers do the same, and all have to agree.
    #[error("more than one well-formed staking OP_RETURN, of whatever tag")]
    SeveralCandidates,
    /// The tagged one holds an invalid key, and the only well-formed one has another tag.
    #[error("the only well-formed staking OP_RETURN has a foreign tag")]
    ForeignTag,
    /// Staker, provider or a covenant member are the same.
    #[error("staker, finality provider and covenant keys are not all different")]
    DuplicateKeys,
    /// No output is locked by the scripts that the OP_RETURN announces.
    #[error("no output has the announced staking script")]
    NoStakingOutput,
    /// More than one is.
    #[error("more than one output has the announced staking script")]
    SeveralStakingOutputs,
}

/// Why a staking transaction is not valid under its parameters. Counted, not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidStake {
    /// Less than the smallest stake.
    #[error("value below min_staking_amount")]
    ValueTooLow,
    /// More than the largest stake.
    #[error("value above max_staking_amount")]
    ValueTooHigh,
    /// Shorter than the shortest lock.
    #[error("staking time below min_staking_time")]
    TimeTooShort,
    /// Longer than the longest lock.
    #[error("staking time above max_staking_time")]
    TimeTooLong,
}

/// Why a spend through the unbonding script is not the unbonding that the parameters demand. Staker
/// and a quorum signed it all the same, and the stake is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidUnbonding {
    /// Not one input and one output.
    #[error("{inputs} inputs and {outputs} outputs, expected one of each")]
    Shape {
        /// How many it has.
        inputs: usize,
        /// How many it has.
        outputs: usize,
    },
    /// Replaceable, or with a relative lock.
    #[error("sequence {0:#010x}, expected 0xffffffff")]
    Sequence(u32),
    /// Locked.
    #[error("lock time {0}, expected 0")]
    LockTime(u32),
    /// Pays to another script.
    #[error("the output's script is not the unbonding script of the parameters")]
    Output,
    /// Pays another fee.
    #[error("the output is worth {got} sat, expected {expected} sat")]
    Value {
        /// The stake less the fee.
        expected: u64,
        /// What it is.
        got: u64,
    },
}

impl InvalidUnbonding {
    /// Whether the phase-1 indexer counts it as an invalid withdrawal and not as an invalid
    /// unbonding: it takes everything that is not one input and one output for no unbonding at all.
    pub fn counts_as_withdrawal(&self) -> bool {
        match self {
            Self::Shape { .. } => true,
            Self::Sequence(_) | Self::LockTime(_) | Self::Output | Self::Value { .. } => false,
        }
    }
}
