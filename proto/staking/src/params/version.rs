//! One version of the global parameters, and the values it is made of.

use std::fmt;

use bitcoin::{Amount, PublicKey};

use crate::Covenant;

/// The four bytes that mark a staking transaction's OP_RETURN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub [u8; 4]);

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// What limits the stakes of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    /// A stake is overflow if the confirmed value before it has reached this.
    Value(Amount),
    /// A stake is overflow above this height.
    Height(u64),
}

impl Cap {
    /// The value cap; zero if there is none.
    pub fn value(&self) -> Amount {
        match *self {
            Self::Value(cap) => cap,
            Self::Height(_) => Amount::ZERO,
        }
    }

    /// The last height of the window; 0 if there is none.
    pub fn height(&self) -> u64 {
        match *self {
            Self::Value(_) => 0,
            Self::Height(height) => height,
        }
    }

    /// Whether a valid stake in the block at `height` is overflow, given the confirmed value of all
    /// stakes before it. A stake that crosses the value cap is not; one at the cap is. Stakes in the
    /// cap height's own block are not.
    pub fn overflows(&self, height: u32, confirmed_before: Amount) -> bool {
        match *self {
            Self::Value(cap) => confirmed_before >= cap,
            Self::Height(last) => u64::from(height) > last,
        }
    }
}

/// The rules for stakes of a range of heights. Values inside a
/// [`GlobalParams`](super::GlobalParams) keep all rules of the format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionParams {
    /// The number of this version, one more than the version's before.
    pub version: u64,
    /// The first height of a staking transaction under these rules.
    pub activation_height: u64,
    /// What makes a stake overflow.
    pub cap: Cap,
    /// The mark of staking transactions.
    pub tag: Tag,
    /// The committee's full keys in the order of the file, for those that compare all 33 bytes.
    pub covenant_pks: Vec<PublicKey>,
    /// The same committee as scripts know it.
    pub covenant: Covenant,
    /// Blocks from an unbonding's confirmation to its withdrawal.
    pub unbonding_time: u16,
    /// The exact fee of an unbonding transaction.
    pub unbonding_fee: Amount,
    /// Inclusive.
    pub max_staking_amount: Amount,
    /// Inclusive.
    pub min_staking_amount: Amount,
    /// In blocks, inclusive.
    pub max_staking_time: u16,
    /// In blocks, inclusive.
    pub min_staking_time: u16,
    /// How many confirmations make a block final; its inclusion is the first.
    pub confirmation_depth: u16,
}
