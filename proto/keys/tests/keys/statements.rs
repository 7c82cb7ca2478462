//! What members sign: each signature is good for one statement only.

use proptest::prelude::*;
use trestle_keys::{
    evidence::{EvidenceError, equivocation},
    sign::{self, SignatureError, statement},
};
use trestle_wire::{
    BootId, Hash32, KeyRef,
    committee::{
        MemberSignature,
        dkg::{DkgCertificate, DkgSession, PublicKeys, Round1, VerifyingShare},
        key::{KeyReady, MemberStatus},
    },
};

use crate::{
    fixture::{Trio, trio},
    frost::INDEXES,
};

fn public() -> PublicKeys {
    let shares = INDEXES.map(|index| VerifyingShare { index, point: [2; 33] });
    PublicKeys { group: [2; 33], shares: shares.to_vec() }
}

fn status(trio: &Trio, index: u16) -> MemberStatus {
    let mut status = MemberStatus {
        committee: "main".into(),
        boot: BootId([1; 8]),
        sequence: 4,
        height: 800_000,
        keys: vec![trio.session.key.clone()],
        by: MemberSignature { index, signature: [0; 64] },
    };
    sign::sign_member_status(&trio.keys[&index], &mut status);
    status
}

/// Every way in which an attempt can be another one.
fn other_sessions(session: &DkgSession) -> Vec<DkgSession> {
    let change = |edit: fn(&mut DkgSession)| {
        let mut other = session.clone();
        edit(&mut other);
        other
    };
    vec![
        change(|s| s.parameters = Hash32([8; 32])),
        change(|s| s.key.generation = 2),
        change(|s| s.key.epoch = 1),
        change(|s| s.attempt = 2),
    ]
}

fn ready(trio: &Trio) -> KeyReady {
    let transcript = Hash32([3; 32]);
    let certify = |index: u16| {
        sign::sign_certificate(&trio.keys[&index], &trio.session, index, &public(), &transcript)
    };
    KeyReady {
        session: trio.session.clone(),
        public: public(),
        transcript,
        certificates: INDEXES.map(certify).to_vec(),
        proof: [0; 64],
        birth: 0,
    }
}

#[test]
fn round1__should_verify_for_its_member_attempt_and_package_only() {
    let trio = trio(1);
    let signed = sign::sign_round1(&trio.keys[&2], &trio.session, 2, vec![1, 2, 3]);
    let invalid = |index| Err(SignatureError::Invalid { what: "round-1 package", index });

    assert_eq!(sign::verify_round1(&trio.committee, &trio.session, &signed), Ok(()));
    for other in other_sessions(&trio.session) {
        assert_eq!(sign::verify_round1(&trio.committee, &other, &signed), invalid(2), "{other:?}");
    }
    let mut altered = signed.clone();
    altered.package[0] ^= 1;
    assert_eq!(sign::verify_round1(&trio.committee, &trio.session, &altered), invalid(2));
    let mut claimed = signed.clone();
    claimed.index = 5;
    assert_eq!(sign::verify_round1(&trio.committee, &trio.session, &claimed), invalid(5));
}

#[test]
fn statement__should_be_refused_of_strangers_and_for_another_committee() {
    let trio = trio(1);
    let stranger = sign::sign_round1(&trio.keys[&2], &trio.session, 3, vec![1]);
    let refused = sign::verify_round1(&trio.committee, &trio.session, &stranger);
    assert_eq!(refused, Err(SignatureError::NotAMember { index: 3, committee: "main".into() }));

    let mut elsewhere = trio.session.clone();
    elsewhere.key.committee = "side".into();
    let signed = sign::sign_round1(&trio.keys[&2], &elsewhere, 2, vec![1]);
    let refused = sign::verify_round1(&trio.committee, &elsewhere, &signed);
    let expected = SignatureError::OtherCommittee { expected: "main".into(), got: "side".into() };
    assert_eq!(refused, Err(expected));
}

#[test]
fn echo__should_verify_for_its_member_attempt_and_transcript_only() {
    let trio = trio(1);
    let echo = sign::sign_echo(&trio.keys[&1], &trio.session, 1, Hash32([3; 32]));
    let invalid = Err(SignatureError::Invalid { what: "echo", index: 1 });

    assert_eq!(sign::verify_echo(&trio.committee, &trio.session, &echo), Ok(()));
    for other in other_sessions(&trio.session) {
        assert_eq!(sign::verify_echo(&trio.committee, &other, &echo), invalid);
    }
    let mut altered = echo;
    altered.transcript = Hash32([4; 32]);
    assert_eq!(sign::verify_echo(&trio.committee, &trio.session, &altered), invalid);
}

#[test]
fn certificate__should_verify_for_its_member_attempt_key_and_transcript_only() {
    let trio = trio(1);
    let ready = ready(&trio);
    let message = DkgCertificate {
        session: trio.session.clone(),
        public: public(),
        transcript: ready.transcript,
        by: ready.certificates[2].clone(),
    };
    let invalid = Err(SignatureError::Invalid { what: "certificate", index: 5 });

    assert_eq!(sign::verify_certificate_message(&trio.committee, &message), Ok(()));
    for session in other_sessions(&trio.session) {
        let other = DkgCertificate { session, ..message.clone() };
        assert_eq!(sign::verify_certificate_message(&trio.committee, &other), invalid);
    }
    let other = DkgCertificate { transcript: Hash32([4; 32]), ..message.clone() };
    assert_eq!(sign::verify_certificate_message(&trio.committee, &other), invalid);
    let mut other = message;
    other.public.shares[0].point = [3; 33];
    assert_eq!(sign::verify_certificate_message(&trio.committee, &other), invalid);
}

#[test]
fn certificates__should_be_one_of_each_member_in_order() {
    let trio = trio(1);
    let whole = ready(&trio);
    assert_eq!(sign::verify_all_certificates(&trio.committee, &whole), Ok(()));

    let refused = |edit: fn(&mut KeyReady)| {
        let mut ready = whole.clone();
        edit(&mut ready);
        sign::verify_all_certificates(&trio.committee, &ready)
    };
    let not_every = |got: &[u16]| {
        Err(SignatureError::NotEveryMember { expected: INDEXES.to_vec(), got: got.to_vec() })
    };
    assert_eq!(refused(|r| r.certificates.truncate(2)), not_every(&[1, 2]));
    assert_eq!(refused(|r| r.certificates.swap(0, 1)), not_every(&[2, 1, 5]));
    assert_eq!(refused(|r| r.certificates[1] = r.certificates[0].clone()), not_every(&[1, 1, 5]));
    let invalid = Err(SignatureError::Invalid { what: "certificate", index: 2 });
    assert_eq!(refused(|r| r.certificates[1].signature = r.certificates[0].signature), invalid);
}

#[test]
fn status__should_verify_with_all_its_fields_only() {
    let trio = trio(1);
    let signed = status(&trio, 2);
    assert_eq!(sign::verify_member_status(&trio.committee, &signed), Ok(()));

    let edits: [fn(&mut MemberStatus); 6] = [
        |s| s.boot = BootId([2; 8]),
        |s| s.sequence += 1,
        |s| s.height += 1,
        |s| s.keys.clear(),
        |s| s.keys.push(KeyRef { committee: "main".into(), generation: 9, epoch: 0 }),
        |s| s.by.signature[0] ^= 1,
    ];
    for (number, edit) in edits.into_iter().enumerate() {
        let mut altered = signed.clone();
        edit(&mut altered);
        let invalid = Err(SignatureError::Invalid { what: "status", index: 2 });
        assert_eq!(sign::verify_member_status(&trio.committee, &altered), invalid, "{number}");
    }
    let mut claimed = signed;
    claimed.by.index = 1;
    assert!(sign::verify_member_status(&trio.committee, &claimed).is_err());
}

#[test]
fn statements__should_be_hashes_of_their_own() {
    let session = trio(1).session;
    let transcript = Hash32([3; 32]);
    let hashes = [
        statement::round1(&session, 1, &transcript.0),
        statement::echo(&session, 1, &transcript),
        statement::certificate(&session, 1, &public(), &transcript),
        statement::sealed_share(&session, 1, 2, &[2; 33], &transcript.0),
        statement::transcript(&session, &[]),
    ];
    let distinct: std::collections::BTreeSet<_> = hashes.iter().collect();
    assert_eq!(distinct.len(), hashes.len());
}

#[test]
fn transcript__should_cover_packages_and_indexes_in_order_and_no_signature() {
    let trio = trio(1);
    let one = sign::sign_round1(&trio.keys[&1], &trio.session, 1, vec![1]);
    let two = sign::sign_round1(&trio.keys[&2], &trio.session, 2, vec![2]);
    let hash = |packages: &[_]| statement::transcript(&trio.session, packages);
    let base = hash(&[one.clone(), two.clone()]);

    assert_ne!(base, hash(&[two.clone(), one.clone()]));
    assert_ne!(base, hash(std::slice::from_ref(&one)));
    let mut other = two.clone();
    other.package = vec![3];
    assert_ne!(base, hash(&[one.clone(), other]));
    for session in other_sessions(&trio.session) {
        assert_ne!(base, statement::transcript(&session, &[one.clone(), two.clone()]));
    }
    let mut resigned = two;
    resigned.signature = [9; 64];
    assert_eq!(base, hash(&[one, resigned]));
}

#[test]
fn equivocation__should_name_who_signed_two_packages() {
    let trio = trio(1);
    let package = |index: u16, content: u8| {
        sign::sign_round1(&trio.keys[&index], &trio.session, index, vec![content])
    };
    let judge = |first: &Round1, second: &Round1| {
        equivocation(&trio.committee, &trio.session, first, second)
    };

    assert_eq!(judge(&package(2, 1), &package(2, 2)), Ok(2));
    let same = Err(EvidenceError::SamePackage { index: 2 });
    assert_eq!(judge(&package(2, 1), &package(2, 1)), same);
    let two = Err(EvidenceError::TwoMembers { first: 1, second: 2 });
    assert_eq!(judge(&package(1, 1), &package(2, 2)), two);
    // An accuser that makes the second package up.
    let forged = sign::sign_round1(&trio.keys[&1], &trio.session, 2, vec![2]);
    let what = "round-1 package";
    let unsigned = Err(EvidenceError::Signature(SignatureError::Invalid { what, index: 2 }));
    assert_eq!(judge(&package(2, 1), &forged), unsigned);
    assert_eq!(judge(&forged, &package(2, 1)), unsigned);
    // An accuser that takes the second package from another attempt.
    let mut later = trio.session.clone();
    later.attempt = 2;
    let old = sign::sign_round1(&trio.keys[&2], &later, 2, vec![2]);
    assert_eq!(judge(&package(2, 1), &old), unsigned);
}

proptest! {
    #[test]
    fn round1_statement__should_differ_wherever_its_fields_do(
        a in (any::<u16>(), proptest::collection::vec(any::<u8>(), 0..8), 0u32..3),
        b in (any::<u16>(), proptest::collection::vec(any::<u8>(), 0..8), 0u32..3),
    ) {
        let mut session = trio(1).session;
        session.attempt = a.2;
        let left = statement::round1(&session, a.0, &a.1);
        session.attempt = b.2;
        let right = statement::round1(&session, b.0, &b.1);
        prop_assert_eq!(left == right, a == b);
    }
}
