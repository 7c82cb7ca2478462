//! Whether a key may be used: everyone certified it, and a quorum signed with it.

use trestle_wire::{Hash32, committee::key::KeyReady};

use crate::{
    Committee,
    dkg::everyone::is_everyone,
    identity::verify_hash,
    sign,
    taproot::{self, Tweak},
};

/// Why a finished key is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// Made under other parameters, or for another committee.
    #[error("the key was made under other shared parameters")]
    Parameters,
    /// Not exactly one certificate of each member.
    #[error("certificates must be exactly one from each member, in order of index")]
    NotEveryone,
    /// A certificate does not verify.
    #[error("the certificate of member {0} does not verify")]
    Certificate(u16),
    /// The group key is not a curve point.
    #[error("the key is not a valid point")]
    Key,
    /// The threshold signature over the mock transaction does not verify.
    #[error("the proof signature does not verify under the key")]
    Proof,
}

/// Checks certificates and proof. `proof_sighash` is the sighash of the key's mock transaction.
///
/// # Errors
/// [`NotReady`] says what does not hold; the key must not be used then.
pub fn check_ready(
    committee: &Committee,
    ready: &KeyReady,
    proof_sighash: &[u8; 32],
) -> Result<(), NotReady> {
    if ready.session.key.committee != committee.name {
        return Err(NotReady::Parameters);
    }
    if !is_everyone(committee, ready.certificates.iter().map(|by| by.index))
        || !is_everyone(committee, ready.public.shares.iter().map(|share| share.index))
    {
        return Err(NotReady::NotEveryone);
    }
    for by in &ready.certificates {
        sign::verify_certificate(committee, &ready.session, &ready.public, &ready.transcript, by)
            .map_err(|_| NotReady::Certificate(by.index))?;
    }
    let output = taproot::internal_key(&ready.public.group)
        .map(|internal| taproot::output_key(internal, Tweak::KeyPath))
        .map_err(|_| NotReady::Key)?;
    if verify_hash(&output.serialize(), &Hash32(*proof_sighash), &ready.proof) {
        Ok(())
    } else {
        Err(NotReady::Proof)
    }
}
