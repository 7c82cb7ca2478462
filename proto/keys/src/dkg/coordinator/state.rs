//! Where an attempt is.

use std::{collections::BTreeMap, sync::Arc};

use trestle_wire::{
    Hash32,
    committee::{
        MemberSignature, Signature,
        dkg::{AbortReason, DkgCertificate, DkgSession, Echo, PublicKeys, Round1, SealedShare},
        key::KeyReady,
    },
};

use crate::Committee;

/// One attempt, seen by the coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoordinatorDkg {
    /// The committee.
    pub committee: Arc<Committee>,
    /// The attempt.
    pub session: DkgSession,
    /// How far it is.
    pub phase: Phase,
}

/// What is true at each point of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Collecting packages.
    Packages(BTreeMap<u16, Round1>),
    /// Packages are handed on; collecting echoes.
    Echoes {
        /// All packages, in order.
        packages: Vec<Round1>,
        /// Echoes so far.
        echoes: BTreeMap<u16, Echo>,
    },
    /// Echoes are equal and handed on; collecting shares, by maker.
    Shares {
        /// Hash of the packages.
        transcript: Hash32,
        /// Shares so far.
        shares: BTreeMap<u16, Vec<SealedShare>>,
    },
    /// Shares are handed on; collecting certificates.
    Certificates {
        /// Hash of the packages.
        transcript: Hash32,
        /// Certificates so far.
        certificates: BTreeMap<u16, DkgCertificate>,
    },
    /// Everyone certified the same key; its proof is being signed.
    Proving(Agreed),
    /// The key is usable.
    Ready(Box<KeyReady>),
    /// Over, without a key.
    Failed(AbortReason),
}

/// What everyone certified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The key.
    pub public: PublicKeys,
    /// Hash of the packages.
    pub transcript: Hash32,
    /// Everyone's signature, in order.
    pub certificates: Vec<MemberSignature>,
}

impl Agreed {
    /// The message that makes the key usable; its hint of a height is the sender's to fill in.
    pub fn ready(&self, session: &DkgSession, proof: Signature) -> KeyReady {
        KeyReady {
            session: session.clone(),
            public: self.public.clone(),
            transcript: self.transcript,
            certificates: self.certificates.clone(),
            proof,
            birth: 0,
        }
    }
}

impl CoordinatorDkg {
    /// A new attempt. The first thing to do is to send everyone a `DkgBegin`.
    pub fn begin(committee: Arc<Committee>, session: DkgSession) -> Self {
        Self { committee, session, phase: Phase::Packages(BTreeMap::new()) }
    }

    pub(super) fn with(&self, phase: Phase) -> Self {
        Self { phase, ..self.clone() }
    }
}
