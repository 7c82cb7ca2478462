//! Identities, the FROST key generation and signing machines, and the one Taproot key convention.
//!
//! Always holds: nothing here reads a clock, a socket or the operating system's randomness; secrets
//! have no `Debug` and are zeroized; no panic can be caused by what a peer sends.

pub mod committee;
pub mod hash;

pub use committee::{Committee, Member, Params, Scheme};
