//! What can happen to a member during an attempt.

use trestle_wire::committee::dkg::{
    AbortReason, DkgEchoSet, DkgRound1Set, DkgRound2Set, PublicKeys, Round1, SealedShare,
};

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberEvent {
    /// The vault made and signed the package.
    PackageMade(Round1),
    /// The coordinator sent everybody's packages.
    PackagesReceived(DkgRound1Set),
    /// The coordinator sent everybody's echoes.
    EchoesReceived(DkgEchoSet),
    /// The vault made and sealed the shares.
    SharesMade(Vec<SealedShare>),
    /// A package could not be used: its proof does not verify.
    PackageUnusable {
        /// Whose.
        index: u16,
        /// The package.
        package: Round1,
    },
    /// The coordinator sent the shares made for this member.
    SharesReceived(DkgRound2Set),
    /// A share could not be opened, or does not fit its maker's package.
    ShareUnusable(SealedShare),
    /// The vault computed the share, and it is stored.
    KeyStored(PublicKeys),
    /// The coordinator ended the attempt.
    Aborted(AbortReason),
    /// The attempt took too long.
    DeadlinePassed,
}
