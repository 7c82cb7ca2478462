//! What can happen to an attempt.

use trestle_wire::committee::{
    Signature,
    dkg::{AbortReason, DkgCertificate, DkgEcho, Round1, SealedShare},
};

/// What happened. `from` is the member whose peer sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoordinatorEvent {
    /// A package came.
    PackageReceived {
        /// The sender.
        from: u16,
        /// The package.
        package: Round1,
    },
    /// An echo came.
    EchoReceived {
        /// The sender.
        from: u16,
        /// The echo.
        echo: DkgEcho,
    },
    /// A member's shares came.
    SharesReceived {
        /// The sender.
        from: u16,
        /// One for every other member.
        shares: Vec<SealedShare>,
    },
    /// A certificate came.
    CertificateReceived {
        /// The sender.
        from: u16,
        /// The certificate.
        certificate: DkgCertificate,
    },
    /// A member ended the attempt.
    AbortReceived {
        /// The sender.
        from: u16,
        /// Why.
        reason: AbortReason,
    },
    /// The proof was signed.
    ProofSigned(Signature),
    /// The proof could not be signed.
    ProofFailed,
    /// The attempt took too long.
    DeadlinePassed,
    /// Nobody wants it any more.
    Cancelled,
}
