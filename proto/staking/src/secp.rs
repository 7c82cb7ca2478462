//! Curve operations on public data: the one verification context of this crate, and the tweak that
//! every Taproot output here costs.
//!
//! Always holds: how a tweak is computed changes its time and never its result.

use std::sync::{
    LazyLock,
    atomic::{AtomicU32, Ordering},
};

use bitcoin::{
    XOnlyPublicKey,
    secp256k1::{
        Parity, PublicKey, Scalar, Secp256k1, VerifyOnly,
        constants::{GENERATOR_X, GENERATOR_Y},
    },
};

/// Verifies and tweaks; cannot sign.
pub(crate) static SECP: LazyLock<Secp256k1<VerifyOnly>> =
    LazyLock::new(Secp256k1::verification_only);

/// Tweaks after which the table pays: it takes as long to make as these take without it, and a
/// process that makes a few outputs never needs one.
const ENOUGH: u32 = 2_000;
/// Tweaks so far, until they are [`ENOUGH`].
static TWEAKS: AtomicU32 = AtomicU32::new(0);
static MULTIPLES: LazyLock<Multiples> = LazyLock::new(Multiples::new);

/// `key + tweak · generator`, and the parity of the sum; `None` if that is no point. The key is the
/// point with an even y.
pub(crate) fn tweaked(key: &XOnlyPublicKey, tweak: &Scalar) -> Option<(XOnlyPublicKey, Parity)> {
    // Only a count: nothing else is read or written because of it.
    if TWEAKS.load(Ordering::Relaxed) < ENOUGH {
        TWEAKS.fetch_add(1, Ordering::Relaxed);
        return key.add_tweak(&*SECP, tweak).ok();
    }
    MULTIPLES.tweaked(key, tweak)
}

/// Digits of a scalar: its bytes.
const DIGITS: usize = 32;
/// Values of a digit that is not zero.
const VALUES: usize = 255;

/// `value · 256^digit · generator` for every digit and value: half a MiB, with which a multiple of
/// the generator is one addition a byte, a third of the work without. The additions take the same
/// time for all points, but what is looked up does not: for public data only.
struct Multiples(Vec<PublicKey>);

impl Multiples {
    fn new() -> Self {
        let mut all = Vec::with_capacity(DIGITS * VALUES);
        let mut unit = generator();
        for _ in 0..DIGITS {
            let mut multiple = unit;
            for _ in 0..VALUES {
                all.push(multiple);
                multiple = multiple.combine(&unit).expect("no multiple here is that of the order");
            }
            unit = multiple;
        }
        Self(all)
    }

    fn tweaked(&self, key: &XOnlyPublicKey, tweak: &Scalar) -> Option<(XOnlyPublicKey, Parity)> {
        let key = key.public_key(Parity::Even);
        let mut summands = [&key; DIGITS + 1];
        let mut count = 1;
        let bytes = tweak.to_be_bytes();
        for (multiples, value) in self.0.chunks_exact(VALUES).zip(bytes.into_iter().rev()) {
            // Zero adds nothing.
            let Some(place) = usize::from(value).checked_sub(1) else { continue };
            summands[count] = &multiples[place];
            count += 1;
        }
        let sum = PublicKey::combine_keys(&summands[..count]).ok()?;
        Some(sum.x_only_public_key())
    }
}

fn generator() -> PublicKey {
    let mut bytes = [4; 65];
    bytes[1..33].copy_from_slice(&GENERATOR_X);
    bytes[33..].copy_from_slice(&GENERATOR_Y);
    PublicKey::from_slice(&bytes).expect("the generator is on the curve")
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use bitcoin::{
        hashes::{Hash, sha256},
        secp256k1::constants::CURVE_ORDER,
    };

    use super::*;
    use crate::script::internal_key;

    fn scalar(bytes: [u8; 32]) -> Scalar {
        Scalar::from_be_bytes(bytes).expect("below the order")
    }

    #[test]
    fn multiples__should_give_what_the_library_gives() {
        // Given the smallest, the largest, each digit alone, and some that are as good as random
        let mut below = CURVE_ORDER;
        below[31] -= 1;
        let digits = (0..32).flat_map(|digit| {
            [1, 2, 128, 254].map(|value| {
                let mut bytes = [0; 32];
                bytes[digit] = value;
                bytes
            })
        });
        let hashes = (0..200_u32).map(|n| sha256::Hash::hash(&n.to_le_bytes()).to_byte_array());
        let all = [[0; 32], below].into_iter().chain(digits).chain(hashes).map(scalar);

        for tweak in all {
            // When
            let ours = MULTIPLES.tweaked(&internal_key(), &tweak);

            // Then
            assert_eq!(ours, internal_key().add_tweak(&*SECP, &tweak).ok(), "{tweak:?}");
        }
    }

    #[test]
    fn multiples__should_double_and_cancel_the_key() {
        // Given the generator as the key: its tweaks by 1 and by the order less 1
        let (generator, parity) = generator().x_only_public_key();
        assert_eq!(parity, Parity::Even);
        let mut minus = CURVE_ORDER;
        minus[31] -= 1;

        // Then
        let twice = generator.add_tweak(&*SECP, &Scalar::ONE).ok();
        assert_eq!(MULTIPLES.tweaked(&generator, &Scalar::ONE), twice);
        assert_eq!(MULTIPLES.tweaked(&generator, &scalar(minus)), None);
    }

    #[test]
    fn tweaked__should_not_change_when_the_table_takes_over() {
        let tweak = scalar([7; 32]);
        let first = tweaked(&internal_key(), &tweak);
        for _ in 0..ENOUGH {
            assert_eq!(tweaked(&internal_key(), &tweak), first);
        }
        assert!(TWEAKS.load(Ordering::Relaxed) >= ENOUGH);
        assert_eq!(tweaked(&internal_key(), &tweak), first);
    }
}
