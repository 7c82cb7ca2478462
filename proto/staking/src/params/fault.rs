//! What can be wrong with a file of global parameters, in the words that operators of the
//! network know, and what to do about each.
//!
//! A fault of one version reads `invalid params with version N: …`, one between versions
//! `invalid params with version N. …`.

use std::fmt;

use bitcoin::Amount;
use thiserror::Error;

use crate::CovenantError;

/// The fields of a version, by their names in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "named as in the file; VersionParams says what they mean")]
pub enum Field {
    Version,
    ActivationHeight,
    StakingCap,
    CapHeight,
    Tag,
    CovenantPks,
    CovenantQuorum,
    UnbondingTime,
    UnbondingFee,
    MaxStakingAmount,
    MinStakingAmount,
    MaxStakingTime,
    MinStakingTime,
    ConfirmationDepth,
}

impl Field {
    /// All of them, in the order in which they are read.
    pub const ALL: [Self; 14] = [
        Self::Version,
        Self::ActivationHeight,
        Self::StakingCap,
        Self::CapHeight,
        Self::Tag,
        Self::CovenantPks,
        Self::CovenantQuorum,
        Self::UnbondingTime,
        Self::UnbondingFee,
        Self::MaxStakingAmount,
        Self::MinStakingAmount,
        Self::MaxStakingTime,
        Self::MinStakingTime,
        Self::ConfirmationDepth,
    ];

    /// The name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::ActivationHeight => "activation_height",
            Self::StakingCap => "staking_cap",
            Self::CapHeight => "cap_height",
            Self::Tag => "tag",
            Self::CovenantPks => "covenant_pks",
            Self::CovenantQuorum => "covenant_quorum",
            Self::UnbondingTime => "unbonding_time",
            Self::UnbondingFee => "unbonding_fee",
            Self::MaxStakingAmount => "max_staking_amount",
            Self::MinStakingAmount => "min_staking_amount",
            Self::MaxStakingTime => "max_staking_time",
            Self::MinStakingTime => "min_staking_time",
            Self::ConfirmationDepth => "confirmation_depth",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a file is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParamsError {
    /// Larger than any file of parameters.
    #[error("the file has {bytes} bytes, at most {most} are read")]
    TooLarge {
        /// How many came.
        bytes: usize,
        /// How many are allowed.
        most: usize,
    },
    /// No JSON, or not an object with a list `versions`.
    #[error("not a file of global parameters: {0}")]
    Json(String),
    /// An empty list, or none.
    #[error("global params must have at least one version")]
    NoVersions,
    /// More versions than are ever read.
    #[error("{0} versions are too many, at most {max} are read", max = super::parse::MAX_VERSIONS)]
    TooManyVersions(usize),
    /// One version breaks a rule by itself.
    #[error("invalid params with version {version}: {fault}")]
    Version {
        /// Its number, or its place in the list where it has none.
        version: u64,
        /// What is wrong.
        fault: Fault,
    },
    /// A version does not follow the ones before it.
    #[error("invalid params with version {version}. {fault}")]
    Sequence {
        /// Its number.
        version: u64,
        /// What is wrong.
        fault: SequenceFault,
    },
}

/// A rule that one version breaks.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The version is no JSON object.
    #[error("a version must be an object with fields, got {0}")]
    NotAnObject(String),
    /// A field stands twice, so that readers could differ about its value.
    #[error("{0} is given more than once")]
    Twice(Field),
    /// Not a JSON number at all.
    #[error("invalid {field}: expected a whole number, got {got}")]
    NotANumber {
        /// Which.
        field: Field,
        /// What stands there, cut short.
        got: String,
    },
    /// Below zero.
    #[error("invalid {field}: expected a whole number that is not negative, got {got}")]
    Negative {
        /// Which.
        field: Field,
        /// What stands there, cut short.
        got: String,
    },
    /// Too large for the field.
    #[error("invalid {field}: expected at most {most}, got {got}")]
    TooLarge {
        /// Which.
        field: Field,
        /// The field's largest value.
        most: u64,
        /// What stands there, cut short.
        got: String,
    },
    /// Zero or absent where it may not be.
    #[error("invalid {0}: value must be positive")]
    Zero(Field),
    /// Neither kind of cap.
    #[error("invalid cap: either of staking cap and cap height must be set")]
    NoCap,
    /// Both kinds of cap.
    #[error("invalid cap: only either of staking cap and cap height can be set")]
    TwoCaps,
    /// A cap that a single stake can exceed.
    #[error("invalid cap: staking cap {cap} must be at least max-staking-amount {max}", cap = .cap.to_sat(), max = .max.to_sat())]
    CapBelowMax {
        /// The cap.
        cap: Amount,
        /// The largest stake.
        max: Amount,
    },
    /// Text that should be hex.
    #[error("invalid {field}: expected hex text, got {got}")]
    NotHex {
        /// Which.
        field: Field,
        /// What stands there, cut short.
        got: String,
    },
    /// The tag is not four bytes.
    #[error("invalid tag length, expected 4, got {0}")]
    TagLength(usize),
    /// `covenant_pks` is no list.
    #[error("invalid covenant_pks: expected a list of public keys in hex, got {0}")]
    NotAList(String),
    /// An entry is no point of the curve.
    #[error(
        "invalid covenant public key {place}: expected 33 bytes of a compressed public key in hex, got {got}"
    )]
    Key {
        /// Its place in the list, from 1.
        place: usize,
        /// What stands there, cut short.
        got: String,
    },
    /// Keys and quorum make no committee.
    #[error("{0}")]
    Covenant(#[from] CovenantError),
    /// Largest stake below the smallest.
    #[error("max-staking-amount {max} must be larger than or equal to min-staking-amount {min}", max = .max.to_sat(), min = .min.to_sat())]
    Amounts {
        /// The largest stake.
        max: Amount,
        /// The smallest stake.
        min: Amount,
    },
    /// A stake could be too small to unbond.
    #[error("min_staking_amount {min} should not be less than unbonding fee {fee} plus 1000", min = .min.to_sat(), fee = .fee.to_sat())]
    MinBelowFee {
        /// The smallest stake.
        min: Amount,
        /// The fee.
        fee: Amount,
    },
    /// Longest lock below the shortest.
    #[error("max-staking-time {max} must be larger than or equal to min-staking-time {min}")]
    Times {
        /// The longest lock.
        max: u16,
        /// The shortest lock.
        min: u16,
    },
    /// Fewer than two confirmations.
    #[error("invalid confirmation_depth: confirmation depth value should be at least 2, got {0}")]
    Depth(u16),
}

/// A rule between a version and those before it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SequenceFault {
    /// Its number is not the next.
    #[error("versions should be monotonically increasing by 1")]
    Number,
    /// It starts when the version before it does, or sooner.
    #[error("activation height cannot be overlapping between earlier and later versions")]
    Activation,
    /// The value cap falls.
    #[error("staking cap cannot be decreased in later versions, last non-zero staking cap: {last}, got: {got}", last = .last.to_sat(), got = .got.to_sat())]
    Cap {
        /// The last value cap before it.
        last: Amount,
        /// Its own.
        got: Amount,
    },
}

impl ParamsError {
    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } | Self::TooManyVersions(_) => {
                "check that this is the file of global parameters"
            }
            Self::Json(_) => {
                "the file must be one JSON object: {\"versions\": [ … ]}; a missing comma or \
                 bracket is the usual cause"
            }
            Self::NoVersions => "write at least one object into \"versions\"",
            Self::Version { fault, .. } => fault.advice(),
            Self::Sequence { fault, .. } => fault.advice(),
        }
    }
}

impl Fault {
    fn advice(&self) -> &'static str {
        match self {
            Self::NotAnObject(_) => "each entry of \"versions\" is an object in braces",
            Self::Twice(_) => "remove all but one",
            Self::NotANumber { .. } => "write a plain integer: no quotes, fraction or exponent",
            Self::Negative { .. } | Self::TooLarge { .. } => {
                "amounts are in satoshi, times and depths in blocks, heights absolute"
            }
            Self::Zero(_) => "the field is missing or zero: write a value of 1 or more",
            Self::NoCap => "set staking_cap (satoshi) or cap_height (last height of the window)",
            Self::TwoCaps => "remove staking_cap or cap_height, or set one of them to 0",
            Self::CapBelowMax { .. } => "raise staking_cap or lower max_staking_amount",
            Self::NotHex { .. } => "write an even number of the digits 0-9 and a-f, in quotes",
            Self::TagLength(_) => "write 8 hex digits, the same as in the network's other versions",
            Self::NotAList(_) => "write [\"02…\", \"03…\"]",
            Self::Key { .. } => "66 hex digits that begin with 02 or 03; ask the key's owner",
            Self::Covenant(fault) => covenant_advice(fault),
            Self::Amounts { .. } | Self::Times { .. } => "swap the two, or correct one",
            Self::MinBelowFee { .. } => {
                "raise min_staking_amount or lower unbonding_fee, so that an unbonding's output \
                 is above dust"
            }
            Self::Depth(_) => "write 2 or more; 10 is what the public networks use",
        }
    }
}

fn covenant_advice(fault: &CovenantError) -> &'static str {
    match fault {
        CovenantError::Empty => "list the committee's public keys in covenant_pks",
        CovenantError::TooMany(_) => "shorten the list of covenant_pks",
        CovenantError::ZeroQuorum => "write how many members must sign, 1 or more",
        CovenantError::QuorumTooLarge { .. } => "lower covenant_quorum or add the missing keys",
        CovenantError::Duplicate(_) => {
            "remove it: no output can be built with it twice, so nobody could stake"
        }
    }
}

impl SequenceFault {
    fn advice(&self) -> &'static str {
        match self {
            Self::Number => "number the versions 0, 1, 2, … in the order of the file",
            Self::Activation => "give it a height above the previous version's activation_height",
            Self::Cap { .. } => "raise staking_cap to the earlier one at least, or use cap_height",
        }
    }
}
