//! What members sign with their committee keys, and how each signature is checked.
//!
//! Always holds: every statement has a tag of its own and covers the whole session, so a signature
//! for one purpose, attempt, generation, committee or set of parameters is worth nothing for
//! another; and a signature counts only as that of the listed member whose index it names.

use trestle_wire::{
    Hash32,
    committee::{
        MemberSignature, Signature,
        dkg::{DkgCertificate, DkgSession, Echo, PublicKeys, Round1, SealedShare},
        key::{KeyReady, MemberStatus},
    },
};

use crate::{
    committee::{Committee, Member},
    identity::{CommitteeKey, verify_hash},
};

/// The hashes that are signed. Each is the BIP-340 tagged hash of its fields in wire encoding.
pub mod statement {
    use trestle_wire::{
        Hash32,
        codec::encode,
        committee::{
            Point,
            dkg::{DkgSession, PublicKeys, Round1},
            key::MemberStatus,
        },
    };

    use crate::hash::tagged;

    /// "My round-1 package of this attempt is `package`." Tag `trestle/dkg/round1`.
    pub fn round1(session: &DkgSession, index: u16, package: &[u8]) -> Hash32 {
        tagged("trestle/dkg/round1", &[&encode(session), &encode(&index), package])
    }

    /// What echoes and certificates call the transcript: the hash of the attempt and of all
    /// packages in order, each with its index. Signatures are left out, because a member can make
    /// two for one package without contradicting itself. Tag `trestle/dkg/transcript`.
    pub fn transcript(session: &DkgSession, packages: &[Round1]) -> Hash32 {
        let parts: Vec<Vec<u8>> = std::iter::once(encode(session))
            .chain(packages.iter().map(|one| encode(&(one.index, &one.package))))
            .collect();
        tagged("trestle/dkg/transcript", &parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    /// "These are the packages I saw." Tag `trestle/dkg/echo`.
    pub fn echo(session: &DkgSession, index: u16, transcript: &Hash32) -> Hash32 {
        tagged("trestle/dkg/echo", &[&encode(session), &encode(&index), &transcript.0])
    }

    /// "My share of this key is stored." Tag `trestle/dkg/certificate`.
    pub fn certificate(
        session: &DkgSession,
        index: u16,
        public: &PublicKeys,
        transcript: &Hash32,
    ) -> Hash32 {
        tagged(
            "trestle/dkg/certificate",
            &[&encode(session), &encode(&index), &encode(public), &transcript.0],
        )
    }

    /// "This is what I sealed for `to`." Tag `trestle/dkg/share`.
    pub fn sealed_share(
        session: &DkgSession,
        from: u16,
        to: u16,
        ephemeral: &Point,
        ciphertext: &[u8],
    ) -> Hash32 {
        tagged(
            "trestle/dkg/share",
            &[&encode(session), &encode(&(from, to)), ephemeral, ciphertext],
        )
    }

    /// "This is how far I am", all fields but the signature. Tag `trestle/member/status`.
    pub fn member_status(status: &MemberStatus) -> Hash32 {
        let MemberStatus { committee, boot, sequence, height, keys, by } = status;
        tagged(
            "trestle/member/status",
            &[&encode(&(committee, boot, sequence, height, keys, by.index))],
        )
    }
}

/// Signs a round-1 package.
pub fn sign_round1(
    key: &CommitteeKey,
    session: &DkgSession,
    index: u16,
    package: Vec<u8>,
) -> Round1 {
    let signature = key.sign_hash(&statement::round1(session, index, &package));
    Round1 { index, package, signature }
}

/// Signs an echo.
pub fn sign_echo(key: &CommitteeKey, session: &DkgSession, index: u16, transcript: Hash32) -> Echo {
    let signature = key.sign_hash(&statement::echo(session, index, &transcript));
    Echo { transcript, by: MemberSignature { index, signature } }
}

/// Signs a certificate.
pub fn sign_certificate(
    key: &CommitteeKey,
    session: &DkgSession,
    index: u16,
    public: &PublicKeys,
    transcript: &Hash32,
) -> MemberSignature {
    let signature = key.sign_hash(&statement::certificate(session, index, public, transcript));
    MemberSignature { index, signature }
}

/// Signs a status in place; `status.by.index` names the signer.
pub fn sign_member_status(key: &CommitteeKey, status: &mut MemberStatus) {
    status.by.signature = key.sign_hash(&statement::member_status(status));
}

/// Checks a round-1 package's signature; what the package says is for FROST to check.
///
/// # Errors
/// [`SignatureError`] unless that member signed exactly this.
pub fn verify_round1(
    committee: &Committee,
    session: &DkgSession,
    round1: &Round1,
) -> Result<(), SignatureError> {
    let member = signer(committee, &session.key.committee, round1.index)?;
    let hash = statement::round1(session, round1.index, &round1.package);
    check(member, "round-1 package", &hash, &round1.signature)
}

/// Checks an echo's signature; whether echoes are equal is for the caller to check.
///
/// # Errors
/// [`SignatureError`] unless that member signed exactly this.
pub fn verify_echo(
    committee: &Committee,
    session: &DkgSession,
    echo: &Echo,
) -> Result<(), SignatureError> {
    let member = signer(committee, &session.key.committee, echo.by.index)?;
    let hash = statement::echo(session, echo.by.index, &echo.transcript);
    check(member, "echo", &hash, &echo.by.signature)
}

/// Checks one certificate over that key and transcript.
///
/// # Errors
/// [`SignatureError`] unless that member signed exactly this.
pub fn verify_certificate(
    committee: &Committee,
    session: &DkgSession,
    public: &PublicKeys,
    transcript: &Hash32,
    by: &MemberSignature,
) -> Result<(), SignatureError> {
    let member = signer(committee, &session.key.committee, by.index)?;
    let hash = statement::certificate(session, by.index, public, transcript);
    check(member, "certificate", &hash, &by.signature)
}

/// Checks a certificate as it comes from its member.
///
/// # Errors
/// [`SignatureError`] unless that member signed exactly this.
pub fn verify_certificate_message(
    committee: &Committee,
    certificate: &DkgCertificate,
) -> Result<(), SignatureError> {
    let DkgCertificate { session, public, transcript, by } = certificate;
    verify_certificate(committee, session, public, transcript, by)
}

/// Checks that a key carries one certificate of every member, in order of index. Its proof, the
/// threshold signature, is checked with [`crate::taproot`].
///
/// # Errors
/// [`SignatureError`] naming the first certificate that is missing or wrong.
pub fn verify_all_certificates(
    committee: &Committee,
    ready: &KeyReady,
) -> Result<(), SignatureError> {
    let KeyReady { session, public, transcript, certificates, proof: _, birth: _ } = ready;
    let signed: Vec<u16> = certificates.iter().map(|by| by.index).collect();
    let expected: Vec<u16> = committee.members.iter().map(|member| member.index).collect();
    if signed != expected {
        return Err(SignatureError::NotEveryMember { expected, got: signed });
    }
    certificates
        .iter()
        .try_for_each(|by| verify_certificate(committee, session, public, transcript, by))
}

/// Checks the signature on a sealed share. Anybody can; what is inside only its receiver sees.
///
/// # Errors
/// [`SignatureError`] unless the member `share.from` signed exactly this.
pub fn verify_sealed_share(
    committee: &Committee,
    session: &DkgSession,
    share: &SealedShare,
) -> Result<(), SignatureError> {
    let member = signer(committee, &session.key.committee, share.from)?;
    let SealedShare { from, to, ephemeral, ciphertext, signature } = share;
    let hash = statement::sealed_share(session, *from, *to, ephemeral, ciphertext);
    check(member, "sealed share", &hash, signature)
}

/// Checks a member's status.
///
/// # Errors
/// [`SignatureError`] unless the member `status.by.index` signed exactly this.
pub fn verify_member_status(
    committee: &Committee,
    status: &MemberStatus,
) -> Result<(), SignatureError> {
    let member = signer(committee, &status.committee, status.by.index)?;
    check(member, "status", &statement::member_status(status), &status.by.signature)
}

fn signer<'a>(
    committee: &'a Committee,
    named: &str,
    index: u16,
) -> Result<&'a Member, SignatureError> {
    if committee.name != named {
        return Err(SignatureError::OtherCommittee {
            expected: committee.name.clone(),
            got: named.to_owned(),
        });
    }
    committee
        .member(index)
        .ok_or_else(|| SignatureError::NotAMember { index, committee: named.to_owned() })
}

fn check(
    member: &Member,
    what: &'static str,
    hash: &Hash32,
    signature: &Signature,
) -> Result<(), SignatureError> {
    if verify_hash(&member.key, hash, signature) {
        return Ok(());
    }
    Err(SignatureError::Invalid { what, index: member.index })
}

/// Why a member's signature does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A statement of one committee, checked against another.
    #[error("expected a statement of committee {expected}, got one of {got}")]
    OtherCommittee {
        /// The committee it was checked against.
        expected: String,
        /// The committee it names.
        got: String,
    },
    /// Nobody in the committee has that index.
    #[error(
        "expected a member of committee {committee}, got index {index}, which it does not list"
    )]
    NotAMember {
        /// The index that the signature names.
        index: u16,
        /// The committee.
        committee: String,
    },
    /// Not the member's signature, or not over this. Blames whoever sent it, not the member: anybody
    /// can make a wrong signature.
    #[error("the signature on a {what} in the name of member {index} is not that member's")]
    Invalid {
        /// What was signed.
        what: &'static str,
        /// The member it claims.
        index: u16,
    },
    /// A finished key has to be certified by all.
    #[error("expected one certificate of each of the members {expected:?}, in order, got {got:?}")]
    NotEveryMember {
        /// Indexes of the committee.
        expected: Vec<u16>,
        /// Indexes that signed.
        got: Vec<u16>,
    },
}
