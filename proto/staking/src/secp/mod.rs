//! Curve operations on public data: the one verification context of this crate, and the keys of many
//! Taproot outputs at once.
//!
//! Always holds: how something is computed changes its time and never its result: it is what the
//! library gives.

mod field;
mod residue;
mod sums;

use std::sync::{
    LazyLock,
    atomic::{AtomicUsize, Ordering},
};

use bitcoin::{
    XOnlyPublicKey,
    secp256k1::{
        Parity, PublicKey, Scalar, Secp256k1, VerifyOnly,
        constants::{GENERATOR_X, GENERATOR_Y},
    },
};

use self::{
    field::Field,
    residue::is_square,
    sums::{Point, sums},
};
use crate::script::internal_key;

/// Verifies and tweaks; cannot sign.
pub(crate) static SECP: LazyLock<Secp256k1<VerifyOnly>> =
    LazyLock::new(Secp256k1::verification_only);

/// Whether these bytes are a key: the x coordinate of a point.
pub(crate) fn is_key(bytes: &[u8; 32]) -> bool {
    let x = Field::from_be_bytes(bytes);
    // A key has one form only: the library refuses the other.
    if x.to_be_bytes() != *bytes {
        return XOnlyPublicKey::from_slice(bytes).is_ok();
    }
    let square = x.times(&x).times(&x).plus(&Field::from_limbs([7, 0, 0, 0]));
    // Whatever is not found to be one is looked at by the library.
    is_square(&square) == Some(true) || XOnlyPublicKey::from_slice(bytes).is_ok()
}

/// Tweaks after which the table pays: it takes as long to make as these take without it, and a
/// process that makes a few outputs never needs one.
const ENOUGH: usize = 2_000;
/// Tweaks at once from which on the table is worth it: a division is shared by so many.
const MANY: usize = 4;
/// Tweaks so far, until they are [`ENOUGH`].
static TWEAKS: AtomicUsize = AtomicUsize::new(0);
static MULTIPLES: LazyLock<Multiples> = LazyLock::new(Multiples::new);

/// The keys of the outputs whose internal key is the one of every output here, and whose tweaks are
/// these; `None` where that is no point.
pub(crate) fn output_keys(tweaks: &[Scalar]) -> Vec<Option<[u8; 32]>> {
    // Only a count: nothing else is read or written because of it.
    if tweaks.len() < MANY || TWEAKS.load(Ordering::Relaxed) < ENOUGH {
        TWEAKS.fetch_add(tweaks.len().min(ENOUGH), Ordering::Relaxed);
        return tweaks.iter().map(output_key).collect();
    }
    MULTIPLES.output_keys(tweaks)
}

/// The same for one, by the library.
pub(crate) fn output_key(tweak: &Scalar) -> Option<[u8; 32]> {
    let (key, _) = internal_key().add_tweak(&*SECP, tweak).ok()?;
    Some(key.serialize())
}

/// Digits of a scalar: its bytes.
const DIGITS: usize = 32;
/// Values of a digit that is not zero.
const VALUES: usize = 255;
/// Tweaks at a time: their points stay in the cache.
const GROUP: usize = 64;

/// `value · 256^digit · generator` for every digit and value: half a MiB, with which a multiple of
/// the generator is one addition a byte. What is looked up takes more or less time: for public data
/// only.
struct Multiples(Vec<Point>);

impl Multiples {
    fn new() -> Self {
        let mut all = Vec::with_capacity(DIGITS * VALUES);
        let mut unit = generator();
        for _ in 0..DIGITS {
            let mut multiple = unit;
            for _ in 0..VALUES {
                all.push(point(&multiple));
                multiple = multiple.combine(&unit).expect("no multiple here is that of the order");
            }
            unit = multiple;
        }
        Self(all)
    }

    fn output_keys(&self, tweaks: &[Scalar]) -> Vec<Option<[u8; 32]>> {
        let internal = point(&internal_key().public_key(Parity::Even));
        let mut keys = Vec::with_capacity(tweaks.len());
        for group in tweaks.chunks(GROUP) {
            let summands: Vec<Vec<Point>> =
                group.iter().map(|tweak| self.summands(internal, tweak)).collect();
            let summands: Vec<&[Point]> = summands.iter().map(Vec::as_slice).collect();
            keys.extend(sums(&summands).into_iter().zip(group).map(|(sum, tweak)| match sum {
                Some(x) => Some(x.to_be_bytes()),
                None => output_key(tweak),
            }));
        }
        keys
    }

    fn summands(&self, internal: Point, tweak: &Scalar) -> Vec<Point> {
        let mut summands = Vec::with_capacity(DIGITS + 1);
        summands.push(internal);
        let digits = tweak.to_be_bytes().into_iter().rev();
        summands.extend(self.0.chunks_exact(VALUES).zip(digits).filter_map(
            |(multiples, value)| {
                // Zero adds nothing.
                multiples.get(usize::from(value).checked_sub(1)?).copied()
            },
        ));
        summands
    }
}

fn point(key: &PublicKey) -> Point {
    let bytes = key.serialize_uncompressed();
    let (coordinates, _) = bytes[1..].as_chunks::<32>();
    Point { x: Field::from_be_bytes(&coordinates[0]), y: Field::from_be_bytes(&coordinates[1]) }
}

fn generator() -> PublicKey {
    let mut bytes = [4; 65];
    bytes[1..33].copy_from_slice(&GENERATOR_X);
    bytes[33..].copy_from_slice(&GENERATOR_Y);
    PublicKey::from_slice(&bytes).expect("the generator is on the curve")
}

#[cfg(test)]
mod tests;
