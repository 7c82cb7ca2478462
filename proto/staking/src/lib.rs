//! Bitcoin staking, phase 1, without IO: parameters, scripts, transactions, identification.
//!
//! Always holds: nothing here reads a clock, a socket, a file or randomness, and no panic can be
//! caused by what a peer, a file or the chain says.

pub mod covenant;
pub mod delegation;
pub mod events;
pub mod expiry;
pub mod export;
pub mod identify;
pub mod params;
pub mod pipeline;
pub mod providers;
pub mod script;
mod secp;
pub mod stake;
pub mod tally;
pub mod tx;

pub use covenant::{Covenant, CovenantError};
pub use params::{Cap, GlobalParams, Tag, VersionParams};
pub use stake::Stake;
