//! Identities, the FROST key generation and signing machines, and the one Taproot key convention.
//!
//! Always holds: nothing here reads a clock, a socket or the operating system's randomness; secrets
//! have no `Debug` and are zeroized; no panic can be caused by what a peer sends.

pub mod committee;
pub mod dkg;
pub mod evidence;
pub mod hash;
pub mod identity;
pub mod ready;
pub mod roast;
pub mod sealed;
pub mod share_box;
pub mod sign;
pub mod signer;
pub mod staking;
pub mod taproot;

pub use committee::{Committee, Member, Params, Scheme};
pub use staking::{CovenantMember, StakingParams};
