//! Proof that a member broke the rules, which anybody with the shared parameters can check.
//!
//! Always holds: what this module accepts could not have been made without the accused member's
//! committee key. A wrong *sealed* share is no such proof: its receiver could lie about the content.

use trestle_wire::committee::dkg::{DkgSession, Round1};

use crate::{
    committee::Committee,
    sign::{SignatureError, verify_round1},
};

/// Checks that one member signed two different round-1 packages of one attempt, and names it.
///
/// # Errors
/// [`EvidenceError`] if this proves nothing; then the accuser is the one to doubt.
pub fn equivocation(
    committee: &Committee,
    session: &DkgSession,
    first: &Round1,
    second: &Round1,
) -> Result<u16, EvidenceError> {
    if first.index != second.index {
        return Err(EvidenceError::TwoMembers { first: first.index, second: second.index });
    }
    // Two signatures over one package contradict nothing.
    if first.package == second.package {
        return Err(EvidenceError::SamePackage { index: first.index });
    }
    verify_round1(committee, session, first)?;
    verify_round1(committee, session, second)?;
    Ok(first.index)
}

/// Why an accusation proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// Two members may well have two packages.
    #[error("expected two packages of one member, got one of {first} and one of {second}")]
    TwoMembers {
        /// Index of one.
        first: u16,
        /// Index of the other.
        second: u16,
    },
    /// A package may well be sent twice.
    #[error("expected two different packages of member {index}, got the same one twice")]
    SamePackage {
        /// The accused.
        index: u16,
    },
    /// Not signed by the accused.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}
