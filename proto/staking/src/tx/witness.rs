//! Signatures of a committee on a witness stack.
//!
//! The script counts with NUMEQUAL: one signature too many is as bad as one too few. So exactly a
//! quorum is put there, and an empty item for each other key, in descending order of the keys,
//! since the script takes them from the top of the stack in ascending order.

use std::collections::BTreeMap;

use bitcoin::secp256k1::{XOnlyPublicKey, schnorr::Signature};
use thiserror::Error;

use super::spend::verifies;
use crate::Covenant;

/// Why signatures make no witness.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WitnessError {
    /// The staker's does not verify.
    #[error("the staker's signature of input {input} does not verify: sign again with key {key}")]
    Staker {
        /// Which input, from 0.
        input: usize,
        /// The staker's key.
        key: XOnlyPublicKey,
    },
    /// The finality provider's does not verify.
    #[error("the finality provider's signature does not verify: sign again with key {0}")]
    Provider(XOnlyPublicKey),
    /// A signature of someone who is no member.
    #[error("key {0} is not in the covenant committee of these parameters")]
    NotAMember(XOnlyPublicKey),
    /// A member's does not verify.
    #[error("the signature of covenant member {0} does not verify")]
    Member(XOnlyPublicKey),
    /// Not enough members signed.
    #[error("{got} covenant members signed, {quorum} must")]
    TooFew {
        /// How many did.
        got: usize,
        /// How many must.
        quorum: u32,
    },
    /// Not one staker's signature for each input.
    #[error("{got} signatures for {inputs} inputs")]
    Count {
        /// How many came.
        got: usize,
        /// How many are needed.
        inputs: usize,
    },
}

/// The committee's part of a stack, bottom first: of more than a quorum, those with the highest
/// keys are taken.
///
/// # Errors
/// [`WitnessError`] if any signature is a stranger's or does not verify, or there are too few.
pub fn quorum_stack(
    covenant: &Covenant,
    sighash: &[u8; 32],
    signatures: &BTreeMap<XOnlyPublicKey, Signature>,
) -> Result<Vec<Vec<u8>>, WitnessError> {
    for (key, signature) in signatures {
        if !covenant.contains(key) {
            return Err(WitnessError::NotAMember(*key));
        }
        if !verifies(sighash, key, signature) {
            return Err(WitnessError::Member(*key));
        }
    }
    let quorum = covenant.quorum();
    let enough = u32::try_from(signatures.len()).is_ok_and(|count| count >= quorum);
    if !enough {
        return Err(WitnessError::TooFew { got: signatures.len(), quorum });
    }
    let mut left = quorum;
    let item = |key: &XOnlyPublicKey| match signatures.get(key) {
        Some(signature) if left > 0 => {
            left -= 1;
            signature.serialize().to_vec()
        }
        Some(_) | None => Vec::new(),
    };
    Ok(covenant.keys().iter().rev().map(item).collect())
}
