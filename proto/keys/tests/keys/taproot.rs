//! FROST keys as Bitcoin keys: what signs what.

use bitcoin::secp256k1::{Message, Secp256k1, XOnlyPublicKey, schnorr};
use proptest::prelude::*;
use trestle_keys::taproot::{
    PointError, Tweak, commitment_from_wire, commitment_to_wire, internal_key, output_key,
    public_keys_from_wire, public_keys_to_wire, script_pubkey, signature_share_from_wire,
};
use trestle_wire::committee::{dkg::PublicKeys, sign::Commitment};

use crate::frost::{Frost, INDEXES, must_generate, must_generate_with_parity, sign};

pub(crate) const TWEAKS: [Tweak; 3] = [Tweak::None, Tweak::KeyPath, Tweak::Root([0x11; 32])];
const MESSAGE: [u8; 32] = [0x42; 32];
const QUORUMS: [&[u16]; 4] = [&[1, 2], &[1, 5], &[2, 5], &[1, 2, 5]];

pub(crate) fn verifies(key: XOnlyPublicKey, message: &[u8; 32], signature: &[u8; 64]) -> bool {
    let signature = schnorr::Signature::from_slice(signature).expect("64 bytes");
    let message = Message::from_digest(*message);
    Secp256k1::verification_only().verify_schnorr(&signature, &message, &key).is_ok()
}

fn must_wide(hex: &str) -> [u8; 64] {
    hex::decode(hex).expect("hex").try_into().expect("64 bytes")
}

fn must_internal(frost: &Frost) -> XOnlyPublicKey {
    internal_key(&frost.group()).expect("a point")
}

fn wire(frost: &Frost) -> PublicKeys {
    public_keys_to_wire(&frost.public, INDEXES).expect("three members")
}

#[test]
fn quorum__should_sign_for_the_output_key_of_each_tweak_and_parity() {
    for odd in [false, true] {
        let frost = must_generate_with_parity(odd);
        for tweak in TWEAKS {
            let key = output_key(must_internal(&frost), tweak);
            for quorum in QUORUMS {
                let signature = sign(&frost, quorum, tweak, &MESSAGE).expect("a quorum");
                assert!(verifies(key, &MESSAGE, &signature), "odd {odd}, {tweak:?}, {quorum:?}");
                assert!(!verifies(key, &[0; 32], &signature));
            }
        }
    }
}

#[test]
fn signature__should_not_verify_for_another_tweak() {
    for odd in [false, true] {
        let frost = must_generate_with_parity(odd);
        for signed in TWEAKS {
            let signature = sign(&frost, &[1, 5], signed, &MESSAGE).expect("a quorum");
            for other in [TWEAKS.as_slice(), &[Tweak::Root([0x12; 32])]].concat() {
                let key = output_key(must_internal(&frost), other);
                let expected = other == signed;
                assert_eq!(verifies(key, &MESSAGE, &signature), expected, "{signed:?}, {other:?}");
            }
        }
    }
}

#[test]
fn one_member__should_not_sign_where_two_are_needed() {
    let frost = must_generate(1);
    let refused = sign(&frost, &[2], Tweak::KeyPath, &MESSAGE);
    assert!(refused.is_err(), "one of two signed");
}

#[test]
fn script__should_be_op_1_and_the_output_key() {
    let internal = must_internal(&must_generate(1));
    for tweak in TWEAKS {
        let expected = [&[0x51, 0x20], output_key(internal, tweak).serialize().as_slice()].concat();
        assert_eq!(script_pubkey(internal, tweak).to_bytes(), expected);
    }
    assert_eq!(output_key(internal, Tweak::None), internal);
    assert_eq!(Tweak::default(), Tweak::KeyPath);
}

#[test]
fn public_keys__should_survive_the_wire() {
    for odd in [false, true] {
        let frost = must_generate_with_parity(odd);
        assert_eq!(public_keys_from_wire(&wire(&frost), 2), Ok(frost.public));
    }
}

#[test]
fn public_keys__should_be_refused_with_members_out_of_place() {
    let keys = wire(&must_generate(1));
    let refused = |edit: fn(&mut PublicKeys)| {
        let mut keys = keys.clone();
        edit(&mut keys);
        public_keys_from_wire(&keys, 2).map(|_| ())
    };
    let order = |first, second| Err(PointError::Order { first, second });
    assert_eq!(refused(|k| k.shares.swap(0, 1)), order(2, 1));
    assert_eq!(refused(|k| k.shares[1].index = 1), order(1, 1));
    assert_eq!(refused(|k| k.shares[0].index = 0), Err(PointError::ZeroIndex));
    assert_eq!(refused(|k| k.shares.truncate(1)), Err(PointError::Count { threshold: 2, got: 1 }));
    assert!(refused(|k| k.shares = vec![k.shares[0].clone(); 129]).is_err());
    let low = PointError::Count { threshold: 1, got: 3 };
    assert_eq!(public_keys_from_wire(&keys, 1), Err(low));

    let frost = must_generate(1);
    let asked = |indexes: &[u16]| public_keys_to_wire(&frost.public, indexes.iter().copied());
    assert_eq!(asked(&[1, 2, 4]), Err(PointError::NoShare { index: 4 }));
    assert_eq!(asked(&[1, 2]), Err(PointError::Leftover { asked: 2, got: 3 }));
    assert_eq!(asked(&[2, 1, 5]), Err(PointError::Order { first: 2, second: 1 }));
    assert_eq!(asked(&[0, 1, 2]), Err(PointError::ZeroIndex));
}

#[test]
fn points__should_be_refused_in_any_form_but_the_canonical_one() {
    let good = wire(&must_generate(1)).group;
    let with_first = |first: u8| {
        let mut bytes = good;
        bytes[0] = first;
        bytes
    };
    // x = p + 1 would be the same as x = 1, which is on the curve.
    let mut above = [0xff; 33];
    above[0] = 2;
    above[29] = 0xfe;
    above[30..].copy_from_slice(&[0xff, 0xfc, 0x30]);
    // x = 5 is not on the curve.
    let mut off = [0; 33];
    off[0] = 2;
    off[32] = 5;
    let bad = [
        [0; 33],
        [0xff; 33],
        with_first(0),
        with_first(4),
        with_first(5),
        with_first(6),
        above,
        off,
    ];
    for bytes in bad {
        let group = PointError::NotAPoint { what: "group key" };
        assert_eq!(internal_key(&bytes), Err(group.clone()), "{bytes:?}");
        let mut keys = wire(&must_generate(1));
        keys.group = bytes;
        assert_eq!(public_keys_from_wire(&keys, 2), Err(group), "{bytes:?}");
        let mut keys = wire(&must_generate(1));
        keys.shares[1].point = bytes;
        let share = PointError::NotAPoint { what: "verifying share" };
        assert_eq!(public_keys_from_wire(&keys, 2), Err(share), "{bytes:?}");
    }
}

#[test]
fn commitment__should_be_refused_unless_both_halves_are_on_the_curve() {
    // The generator; its X with a wrong Y; X and Y swapped; not below the field's order; nothing.
    let good = must_wide(
        "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798\
         483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8",
    );
    let mut wrong = good;
    wrong[63] ^= 1;
    let mut swapped = good;
    swapped.rotate_left(32);
    for bytes in [wrong, swapped, [0xff; 64], [0; 64]] {
        let hiding = commitment_from_wire(&Commitment { hiding: bytes, binding: good });
        assert_eq!(hiding, Err(PointError::NotAPoint { what: "hiding commitment" }), "{bytes:?}");
        let binding = commitment_from_wire(&Commitment { hiding: good, binding: bytes });
        assert_eq!(binding, Err(PointError::NotAPoint { what: "binding commitment" }), "{bytes:?}");
    }
    let accepted = commitment_from_wire(&Commitment { hiding: good, binding: good });
    let accepted = accepted.expect("the generator is a point");
    assert_eq!(commitment_to_wire(&accepted), Commitment { hiding: good, binding: good });
}

#[test]
fn signature_share__should_be_refused_from_the_group_order_up() {
    let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    let mut bytes: [u8; 32] = hex::decode(order).expect("hex").try_into().expect("32 bytes");
    let refused = Err(PointError::NotAScalar { what: "signature share" });
    assert_eq!(signature_share_from_wire(&bytes), refused);
    assert_eq!(signature_share_from_wire(&[0xff; 32]), refused);
    bytes[31] -= 1;
    assert!(signature_share_from_wire(&bytes).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_quorum__should_sign_any_message_under_any_root(
        seed in 0u64..1_000,
        quorum in 0usize..QUORUMS.len(),
        message in any::<[u8; 32]>(),
        root in any::<[u8; 32]>(),
    ) {
        let frost = must_generate(seed);
        let tweak = Tweak::Root(root);
        let signature = sign(&frost, QUORUMS[quorum], tweak, &message).expect("a quorum");
        prop_assert!(verifies(output_key(must_internal(&frost), tweak), &message, &signature));
        let key_path = output_key(must_internal(&frost), Tweak::KeyPath);
        prop_assert!(!verifies(key_path, &message, &signature));
    }

    #[test]
    fn conversions__should_never_panic_and_never_accept_two_forms(
        first in 0u8..8, rest in any::<[u8; 32]>(),
    ) {
        let mut bytes = [first; 33];
        bytes[1..].copy_from_slice(&rest);
        let mut keys = wire(&must_generate(1));
        keys.shares[1].point = bytes;
        let accepted = public_keys_from_wire(&keys, 2);
        prop_assert_eq!(accepted.is_ok(), internal_key(&bytes).is_ok());
        if let Ok(accepted) = accepted {
            prop_assert_eq!(public_keys_to_wire(&accepted, INDEXES).expect("three members"), keys);
        }
    }
}
