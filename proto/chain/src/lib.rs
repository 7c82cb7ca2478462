//! Header tree, payments and their policy, fees and BIP-322, all without IO.
//!
//! A payment's way through this crate: the coordinator's [`payment`] machine asks for a
//! [`plan`], made of coins that its [`wallet`] index knows; each member judges the proposal by
//! its [`policy`], against what its own node and its [`ledger`] say, and signs the hashes that it
//! computed itself.
//!
//! Always holds: nothing here reads a clock, a socket, a file or randomness, and no panic can be
//! caused by what a peer or the chain says.

pub mod bip322;
pub mod confirm;
pub mod headers;
pub mod ledger;
pub mod mock;
pub mod payment;
pub mod plan;
pub mod policy;
pub mod sighash;
pub mod stored;
pub mod wallet;
pub mod weight;

#[cfg(test)]
mod testing;

pub use stored::Stored;
