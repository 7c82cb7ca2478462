//! Where a member is in an attempt.

use std::sync::Arc;

use trestle_wire::{
    Hash32,
    committee::dkg::{AbortReason, DkgSession, PublicKeys, Round1},
};

use crate::Committee;

/// One attempt, seen by one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberDkg {
    /// The committee.
    pub committee: Arc<Committee>,
    /// This member.
    pub index: u16,
    /// The attempt.
    pub session: DkgSession,
    /// How far it is.
    pub phase: Phase,
}

/// What is true at each point of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The vault is making the round-1 package.
    MakingPackage,
    /// The package is sent; everybody's are awaited.
    AwaitingPackages {
        /// This member's own.
        own: Round1,
    },
    /// The echo is sent; everybody's are awaited.
    AwaitingEchoes {
        /// Everybody's packages.
        packages: Vec<Round1>,
        /// Their hash.
        transcript: Hash32,
    },
    /// The vault is making, or has made and sent, the shares; those made for us are awaited.
    AwaitingShares {
        /// Hash of the packages.
        transcript: Hash32,
    },
    /// The vault is computing and storing this member's share.
    Finishing {
        /// Hash of the packages.
        transcript: Hash32,
    },
    /// The share is stored and certified. The key is not usable yet.
    Certified {
        /// The key.
        public: PublicKeys,
        /// Hash of the packages.
        transcript: Hash32,
    },
    /// Over, without a key.
    Ended(AbortReason),
}

impl MemberDkg {
    /// A new attempt. The first effect is [`super::MemberEffect::MakePackage`].
    pub fn begin(committee: Arc<Committee>, index: u16, session: DkgSession) -> Self {
        Self { committee, index, session, phase: Phase::MakingPackage }
    }

    pub(super) fn with(&self, phase: Phase) -> Self {
        Self { phase, ..self.clone() }
    }
}
