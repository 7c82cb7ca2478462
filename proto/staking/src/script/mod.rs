//! The scripts of stakes, the Taproot outputs made of them, and the OP_RETURN that announces one.
//!
//! Always holds: the same keys and times give the same bytes, which are those of every other
//! implementation; the network does not change them; no two of the keys in one output are equal.

mod data;
mod leaf;
mod output;
mod scripts;
mod tweaks;

pub use data::{DATA_LEN, StakingData};
pub(crate) use data::{RawData, tag_of};
pub use leaf::Leaf;
pub use output::{StakingOutput, TimelockOutput, UnbondingOutput, internal_key};
pub use scripts::{Keys, ScriptError, timelock};
pub(crate) use tweaks::Tweaks;
