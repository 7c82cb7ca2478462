//! What a member is to do.

use trestle_wire::{
    Hash32, Message,
    committee::dkg::{Round1, SealedShare},
};

/// What is to be done. All but [`MemberEffect::Send`] are for the key vault.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a handful exist at a time, each for a moment")]
pub enum MemberEffect {
    /// Make a polynomial and sign its package.
    MakePackage,
    /// Sign this transcript and send the echo.
    SendEcho(Hash32),
    /// Check everybody's packages, make a share for every other member, seal and sign each.
    MakeShares(Vec<Round1>),
    /// Open and check these shares, compute the key share and store it.
    Finish(Vec<SealedShare>, Hash32),
    /// Sign and send the certificate.
    SendCertificate,
    /// Send to the coordinator.
    Send(Message),
    /// Forget every secret of the attempt.
    Forget,
}
