//! The two secrets of a node.

use trestle_keys::identity::{CommitteeKey, Identity, PeerKey, verify};

use crate::frost::seeded;

#[test]
fn committee_key__should_verify_its_own_signature_and_no_other() {
    let mut rng = seeded(1);
    let (key, other) = (CommitteeKey::generate(&mut rng), CommitteeKey::generate(&mut rng));
    let signature = key.sign("trestle/test", &[b"a", b"b"]);

    assert!(verify(&key.xonly(), "trestle/test", &[b"a", b"b"], &signature));
    assert!(!verify(&other.xonly(), "trestle/test", &[b"a", b"b"], &signature));
    assert!(!verify(&key.xonly(), "trestle/other", &[b"a", b"b"], &signature));
    assert!(!verify(&key.xonly(), "trestle/test", &[b"ab", b""], &signature), "parts shifted");
    assert!(!verify(&key.xonly(), "trestle/test", &[b"a"], &signature));
    for byte in 0..64 {
        let mut altered = signature;
        altered[byte] ^= 1;
        assert!(!verify(&key.xonly(), "trestle/test", &[b"a", b"b"], &altered), "byte {byte}");
    }
}

#[test]
fn verify__should_refuse_keys_that_are_no_points() {
    let signature = CommitteeKey::generate(&mut seeded(2)).sign("trestle/test", &[]);

    assert!(!verify(&[0; 32], "trestle/test", &[], &signature));
    assert!(!verify(&[0xff; 32], "trestle/test", &[], &signature));
}

#[test]
fn committee_key__should_sign_the_same_bytes_twice() {
    let key = CommitteeKey::generate(&mut seeded(3));
    assert_eq!(key.sign("trestle/test", &[b"x"]), key.sign("trestle/test", &[b"x"]));
}

#[test]
fn committee_key__should_refuse_what_is_no_scalar() {
    assert!(CommitteeKey::from_bytes(&[0; 32]).is_err());
    assert!(CommitteeKey::from_bytes(&[0xff; 32]).is_err());
    let mut one = [0; 32];
    one[31] = 1;
    let generator = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    assert_eq!(hex::encode(CommitteeKey::from_bytes(&one).expect("1 is a key").xonly()), generator);
}

#[test]
fn peer_key__should_give_the_public_key_of_rfc_8032() {
    // Section 7.1, test 1.
    let secret = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let seed = hex::decode(secret).expect("hex").try_into().expect("32 bytes");
    assert_eq!(hex::encode(PeerKey::from_bytes(&seed).peer().0), public);
}

#[test]
fn identity__should_draw_different_secrets_for_its_two_keys() {
    let identity = Identity::generate(&mut seeded(4));
    assert_ne!(identity.peer.expose_secret(), &*identity.committee.expose_secret());
    let again = Identity::generate(&mut seeded(4));
    assert_eq!(identity.peer.peer(), again.peer.peer());
    assert_eq!(identity.committee.xonly(), again.committee.xonly());
    assert_ne!(identity.peer.peer(), Identity::generate(&mut seeded(5)).peer.peer());
}

/// Does not compile if the type has the trait: then two implementations fit.
macro_rules! assert_lacks {
    ($secret:ty, $forbidden:path) => {
        const _: fn() = || {
            struct Forbidden;
            trait Fits<Why> {
                fn fits() {}
            }
            impl<T: ?Sized> Fits<()> for T {}
            impl<T: ?Sized + $forbidden> Fits<Forbidden> for T {}
            <$secret as Fits<_>>::fits();
        };
    };
}

assert_lacks!(CommitteeKey, std::fmt::Debug);
assert_lacks!(CommitteeKey, Clone);
assert_lacks!(PeerKey, std::fmt::Debug);
assert_lacks!(PeerKey, Clone);
assert_lacks!(Identity, std::fmt::Debug);
assert_lacks!(trestle_keys::sealed::KeyFile, std::fmt::Debug);
assert_lacks!(trestle_keys::sealed::DataKey, std::fmt::Debug);
assert_lacks!(trestle_keys::sealed::DataKey, Clone);
