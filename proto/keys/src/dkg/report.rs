//! Checks the evidence in a report: who is proven to have lied, if anybody.

use trestle_wire::committee::dkg::{AbortReason, DkgSession, Round1};

use crate::{Committee, dkg::secrets, evidence, sign::verify_round1};

/// The members that a reason proves guilty to anyone who knows the committee. Empty where nobody
/// is to blame, where either of two may be, or where the evidence does not hold.
pub fn proven_guilty(
    committee: &Committee,
    session: &DkgSession,
    reason: &AbortReason,
) -> Vec<u16> {
    let signed = |package: &Round1| verify_round1(committee, session, package).is_ok();
    match reason {
        AbortReason::Equivocation { first, second } => {
            evidence::equivocation(committee, session, first, second).into_iter().collect()
        }
        AbortReason::BadRound1(package) => {
            let proven = signed(package) && !secrets::round1_is_valid(committee, package);
            if proven { vec![package.index] } else { Vec::new() }
        }
        AbortReason::Missing(_)
        | AbortReason::Restarted(_)
        | AbortReason::EchoMismatch(_)
        | AbortReason::BadShare { .. }
        | AbortReason::CertificateMismatch(_)
        | AbortReason::Cancelled => Vec::new(),
    }
}
