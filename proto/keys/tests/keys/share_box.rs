//! Shares on their way from one member to another.

use proptest::prelude::*;
use trestle_keys::{
    share_box::{MAX_SHARE, OpenError, Route, SealError, open_share, seal_share},
    sign::{SignatureError, statement},
};
use trestle_wire::committee::dkg::SealedShare;

use crate::{
    fixture::{Trio, trio},
    frost::seeded,
};

const SHARE: &[u8] = b"a share of the key, thirty-two b";

fn must_seal(trio: &Trio, from: u16, to: u16, share: &[u8]) -> SealedShare {
    let route = Route { committee: &trio.committee, session: &trio.session, from, to };
    seal_share(route, &trio.keys[&from], share, &mut seeded(10)).expect("both are members")
}

fn open_as(trio: &Trio, me: u16, share: &SealedShare) -> Result<Vec<u8>, OpenError> {
    let opened = open_share(&trio.committee, &trio.session, me, &trio.keys[&me], share);
    opened.map(|bytes| bytes.to_vec())
}

/// Signs a changed share again, as its maker could.
fn resign(trio: &Trio, share: &mut SealedShare) {
    use trestle_keys::identity::verify;
    let SealedShare { from, to, ephemeral, ciphertext, .. } = &*share;
    let session = trestle_wire::codec::encode(&trio.session);
    let route = trestle_wire::codec::encode(&(*from, *to));
    let parts: [&[u8]; 4] = [&session, &route, ephemeral, ciphertext];
    let key = &trio.keys[from];
    let signature = key.sign("trestle/dkg/share", &parts);
    assert!(verify(&key.xonly(), "trestle/dkg/share", &parts, &signature));
    let stated = statement::sealed_share(&trio.session, *from, *to, ephemeral, ciphertext);
    assert_eq!(trestle_keys::hash::tagged("trestle/dkg/share", &parts), stated);
    share.signature = signature;
}

#[test]
fn share__should_open_for_its_owner_whatever_the_parity_of_the_keys() {
    // Each seed draws new committee keys: among 8 trios there are owners of both parities.
    for seed in 0..8 {
        let trio = trio(seed);
        for (from, to) in [(1, 2), (2, 1), (1, 5), (5, 2)] {
            let sealed = must_seal(&trio, from, to, SHARE);
            assert_eq!(
                open_as(&trio, to, &sealed),
                Ok(SHARE.to_vec()),
                "seed {seed}, {from} to {to}"
            );
        }
    }
}

#[test]
fn share__should_not_open_for_another_member() {
    let trio = trio(1);
    let sealed = must_seal(&trio, 1, 2, SHARE);

    assert_eq!(open_as(&trio, 5, &sealed), Err(OpenError::NotForMe { me: 5, to: 2 }));
    // Even when member 5 says that it is member 2.
    let opened = open_share(&trio.committee, &trio.session, 2, &trio.keys[&5], &sealed);
    assert_eq!(opened.map(|_| ()), Err(OpenError::Undecryptable { from: 1 }));
}

#[test]
fn share__should_not_open_in_another_attempt() {
    let mut trio = trio(1);
    let sealed = must_seal(&trio, 1, 2, SHARE);
    trio.session.attempt = 2;

    let what = "sealed share";
    let unsigned = OpenError::Signature(SignatureError::Invalid { what, index: 1 });
    assert_eq!(open_as(&trio, 2, &sealed), Err(unsigned));
    // Nor when its maker signs it again for that attempt: the session enters the encryption too.
    let mut replayed = sealed;
    resign(&trio, &mut replayed);
    assert_eq!(open_as(&trio, 2, &replayed), Err(OpenError::Undecryptable { from: 1 }));
}

#[test]
fn share__should_not_pass_as_another_members() {
    let trio = trio(1);
    let mut stolen = must_seal(&trio, 1, 2, SHARE);
    stolen.from = 5;
    let what = "sealed share";
    let unsigned = OpenError::Signature(SignatureError::Invalid { what, index: 5 });
    assert_eq!(open_as(&trio, 2, &stolen), Err(unsigned));

    resign(&trio, &mut stolen);
    assert_eq!(open_as(&trio, 2, &stolen), Err(OpenError::Undecryptable { from: 5 }));
    stolen.from = 9;
    let stranger = SignatureError::NotAMember { index: 9, committee: "main".into() };
    assert_eq!(open_as(&trio, 2, &stolen), Err(OpenError::Signature(stranger)));
}

#[test]
fn share__should_be_refused_with_any_byte_altered() {
    let trio = trio(1);
    let sealed = must_seal(&trio, 1, 2, SHARE);
    for byte in 0..sealed.ciphertext.len() {
        let mut altered = sealed.clone();
        altered.ciphertext[byte] ^= 1;
        assert!(matches!(open_as(&trio, 2, &altered), Err(OpenError::Signature(_))));
        resign(&trio, &mut altered);
        assert_eq!(open_as(&trio, 2, &altered), Err(OpenError::Undecryptable { from: 1 }));
    }
    for length in 0..sealed.ciphertext.len() {
        let mut cut = sealed.clone();
        cut.ciphertext.truncate(length);
        resign(&trio, &mut cut);
        assert_eq!(open_as(&trio, 2, &cut), Err(OpenError::Undecryptable { from: 1 }));
    }
}

#[test]
fn share__should_name_a_sender_that_signs_a_one_time_key_that_is_no_point() {
    let trio = trio(1);
    for ephemeral in [[0; 33], [0xff; 33], [5; 33]] {
        let mut bad = must_seal(&trio, 1, 2, SHARE);
        bad.ephemeral = ephemeral;
        resign(&trio, &mut bad);
        assert_eq!(open_as(&trio, 2, &bad), Err(OpenError::OneTimeKey { from: 1 }));
    }
}

#[test]
fn share__should_not_show_that_two_are_equal() {
    let trio = trio(1);
    let mut rng = seeded(11);
    let route = Route { committee: &trio.committee, session: &trio.session, from: 1, to: 2 };
    let one = seal_share(route, &trio.keys[&1], SHARE, &mut rng).expect("a member");
    let two = seal_share(route, &trio.keys[&1], SHARE, &mut rng).expect("a member");
    assert_ne!(one.ephemeral, two.ephemeral);
    assert_ne!(one.ciphertext, two.ciphertext);
}

#[test]
fn seal_share__should_refuse_strangers_and_long_shares() {
    let trio = trio(1);
    let route = Route { committee: &trio.committee, session: &trio.session, from: 1, to: 9 };
    let key = &trio.keys[&1];
    let refused = seal_share(route, key, SHARE, &mut seeded(1));
    assert_eq!(refused, Err(SealError::NoReceiver { to: 9, name: "main".into() }));
    let route = Route { to: 2, ..route };
    let refused = seal_share(route, key, &[0; MAX_SHARE + 1], &mut seeded(1));
    assert_eq!(refused, Err(SealError::TooLong { got: MAX_SHARE + 1 }));
    let longest = seal_share(route, key, &[0; MAX_SHARE], &mut seeded(1)).expect("fits");
    assert_eq!(longest.ciphertext.len(), 256, "the wire's limit");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn open_share__should_never_panic(
        ephemeral in proptest::array::uniform32(any::<u8>()),
        first in any::<u8>(),
        ciphertext in proptest::collection::vec(any::<u8>(), 0..300),
        signed in any::<bool>(),
    ) {
        let trio = trio(1);
        let mut point = [first; 33];
        point[1..].copy_from_slice(&ephemeral);
        let mut share = SealedShare { from: 1, to: 2, ephemeral: point, ciphertext, signature: [1; 64] };
        if signed {
            resign(&trio, &mut share);
        }
        prop_assert!(open_as(&trio, 2, &share).is_err());
    }
}
