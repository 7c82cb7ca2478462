//! What a transaction of the chain is to staking: a stake, a spend of one, or nothing.
//!
//! Always holds: pure functions of the transaction and the parameters of its height; signatures
//! are not verified again, consensus did that; no input causes a panic. Nothing is allocated for a
//! transaction that the first look turns away.

mod block;
mod filter;
mod reason;
mod spend;
mod stake;
mod witness;

pub use block::Staking;
pub use filter::is_candidate;
pub use reason::{InvalidStake, InvalidUnbonding, NotStaking};
pub use spend::{StakeSpend, UnbondingSpend, spend_of_stake, spend_of_unbonding};
pub use stake::{Identified, Identifier, identify};
pub use witness::tapscript;
