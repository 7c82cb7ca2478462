//! Messages between a committee's members and its coordinators.
//!
//! Every step of a key generation or signing session goes through the coordinator, who can delay
//! or withhold but not forge: what matters is signed by the member's committee key or sealed to it.

pub mod dkg;
pub mod key;
pub mod payment;
pub mod sign;

use bincode::{Decode, Encode};

use crate::{
    codec::{DecodeError, at_most},
    primitives::KeyRef,
};

/// Most members a committee may have.
pub const MAX_MEMBERS: usize = 128;
/// Most messages one signing session may have.
pub const MAX_BATCH: usize = 1_000;

/// A compressed secp256k1 point.
pub type Point = [u8; 33];
/// A secp256k1 point as its two coordinates, big-endian: X, then Y. To read it costs a hundredth of
/// reading a compressed one, which needs a square root.
pub type WidePoint = [u8; 64];
/// A 64-byte Schnorr signature.
pub type Signature = [u8; 64];

/// A committee-key signature by one member.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MemberSignature {
    /// The member's index in the shared parameters, from 1.
    pub index: u16,
    /// BIP-340 signature by the member's committee key.
    pub signature: Signature,
}

pub(crate) fn check_key(key: &KeyRef) -> Result<(), DecodeError> {
    at_most("committee name", key.committee.len(), 32)
}
