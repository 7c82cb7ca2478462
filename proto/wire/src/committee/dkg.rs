//! Distributed key generation: begin, round 1, echo, round 2, certificate.

use bincode::{Decode, Encode};

use super::{MAX_MEMBERS, MemberSignature, Point, Signature, check_key};
use crate::{
    codec::{DecodeError, at_most},
    primitives::{Hash32, KeyRef},
};

/// The most bytes a round-1 package may have: a commitment of 33 bytes per threshold and a proof.
pub const MAX_ROUND1: usize = 5 * 1024;

/// Names one attempt at one key. Every signature of the attempt covers all of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct DkgSession {
    /// Hash of the shared parameters.
    pub parameters: Hash32,
    /// The key to be made.
    pub key: KeyRef,
    /// Which attempt at it, from 1.
    pub attempt: u32,
}

/// Coordinator to member: start an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DkgBegin {
    /// The attempt.
    pub session: DkgSession,
    /// How long the attempt may take from its receipt, in milliseconds.
    pub deadline_ms: u32,
}

/// A member's signed round-1 package.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Round1 {
    /// The member.
    pub index: u16,
    /// The FROST round-1 package.
    pub package: Vec<u8>,
    /// Its committee key's signature over session, index and package.
    pub signature: Signature,
}

/// Member to coordinator.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DkgRound1 {
    /// The attempt.
    pub session: DkgSession,
    /// The member's package.
    pub round1: Round1,
}

/// Coordinator to member: everybody's packages, in order of index.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DkgRound1Set {
    /// The attempt.
    pub session: DkgSession,
    /// One for each member.
    pub packages: Vec<Round1>,
}

/// Member to coordinator: "these are the packages I saw".
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DkgEcho {
    /// The attempt.
    pub session: DkgSession,
    /// Hash of all packages in order.
    pub transcript: Hash32,
    /// The member's signature over session and transcript.
    pub by: MemberSignature,
}

/// Coordinator to member: everybody's echo, in order of index.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DkgEchoSet {
    /// The attempt.
    pub session: DkgSession,
    /// One for each member.
    pub echoes: Vec<Echo>,
}

/// One member's echo inside a [`DkgEchoSet`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Echo {
    /// Hash of the packages that this member saw.
    pub transcript: Hash32,
    /// Its signature over session and transcript.
    pub by: MemberSignature,
}

/// A secret share on its way from one member to another, which alone can open it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SealedShare {
    /// Who made it.
    pub from: u16,
    /// Who can open it.
    pub to: u16,
    /// One-time public key of the sealing.
    pub ephemeral: Point,
    /// Encrypted share and tag.
    pub ciphertext: Vec<u8>,
    /// The sender's signature over session, both indexes, one-time key and ciphertext.
    pub signature: Signature,
}

/// Member to coordinator: a share for every other member, in order of index.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DkgRound2 {
    /// The attempt.
    pub session: DkgSession,
    /// All by the same sender.
    pub shares: Vec<SealedShare>,
}

/// Coordinator to member: the shares made for it, in order of sender.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DkgRound2Set {
    /// The attempt.
    pub session: DkgSession,
    /// All for the same receiver.
    pub shares: Vec<SealedShare>,
}

/// Member to coordinator: "my share of this key is stored".
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DkgCertificate {
    /// The attempt.
    pub session: DkgSession,
    /// The key that this member computed.
    pub public: PublicKeys,
    /// Hash of the round-1 packages.
    pub transcript: Hash32,
    /// The member's signature over session, key and transcript.
    pub by: MemberSignature,
}

/// The public outcome of a key generation.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PublicKeys {
    /// The committee's verifying key; its x coordinate is the Taproot internal key.
    pub group: Point,
    /// Each member's verifying share, in order of index.
    pub shares: Vec<VerifyingShare>,
}

/// What a member's signature shares are checked against.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct VerifyingShare {
    /// The member.
    pub index: u16,
    /// Its verifying share.
    pub point: Point,
}

/// Either way: this attempt is over and nothing of it may be used.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DkgAbort {
    /// The attempt.
    pub session: DkgSession,
    /// Why.
    pub reason: AbortReason,
}

/// Why an attempt ended without a key. Numbered from 0 in the order below, which is on the wire: a
/// new reason goes to the end.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum AbortReason {
    /// The deadline passed; these members had not answered.
    Missing(Vec<u16>),
    /// The member was started again and has lost its unfinished secrets. Nobody is to blame.
    Restarted(u16),
    /// Two packages of one member, both signed by it: proof against that member.
    Equivocation {
        /// One.
        first: Round1,
        /// The other.
        second: Round1,
    },
    /// A package, signed by its member, with a proof or form that is wrong: proof against it.
    BadRound1(Round1),
    /// Echoes differ although no member signed two packages: the coordinator or one of these.
    EchoMismatch(Vec<u16>),
    /// `accuser` could not use `share`. Either of the two may be lying.
    BadShare {
        /// Who complains.
        accuser: u16,
        /// The share, signed by its maker.
        share: SealedShare,
    },
    /// Members certified different keys.
    CertificateMismatch(Vec<u16>),
    /// The coordinator gave up, for example because a new attempt begins.
    Cancelled,
}

impl DkgRound1 {
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        check_key(&self.session.key)?;
        self.round1.check()
    }
}

impl Round1 {
    fn check(&self) -> Result<(), DecodeError> {
        at_most("round-1 package", self.package.len(), MAX_ROUND1)
    }
}

impl DkgRound1Set {
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        check_key(&self.session.key)?;
        at_most("packages", self.packages.len(), MAX_MEMBERS)?;
        self.packages.iter().try_for_each(Round1::check)
    }
}

impl DkgEchoSet {
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        check_key(&self.session.key)?;
        at_most("echoes", self.echoes.len(), MAX_MEMBERS)
    }
}

pub(crate) fn check_shares(
    session: &DkgSession,
    shares: &[SealedShare],
) -> Result<(), DecodeError> {
    check_key(&session.key)?;
    at_most("shares", shares.len(), MAX_MEMBERS)?;
    shares.iter().try_for_each(|s| at_most("ciphertext", s.ciphertext.len(), 256))
}

impl PublicKeys {
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        at_most("verifying shares", self.shares.len(), MAX_MEMBERS)
    }
}

impl DkgAbort {
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        check_key(&self.session.key)?;
        match &self.reason {
            AbortReason::Missing(who)
            | AbortReason::EchoMismatch(who)
            | AbortReason::CertificateMismatch(who) => at_most("members", who.len(), MAX_MEMBERS),
            AbortReason::Equivocation { first, second } => {
                first.check()?;
                second.check()
            }
            AbortReason::BadRound1(package) => package.check(),
            AbortReason::BadShare { share, .. } => {
                check_shares(&self.session, std::slice::from_ref(share))
            }
            AbortReason::Restarted(_) | AbortReason::Cancelled => Ok(()),
        }
    }
}
