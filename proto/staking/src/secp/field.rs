//! Numbers modulo the prime of the curve, in variable time: for public data only.
//!
//! Always holds: four limbs, the lowest first, of any value below 2^256; a number has two forms where
//! it is small enough, and [`Field::to_be_bytes`] gives the smaller one.

/// The prime is 2^256 less this.
const GAP: u64 = 0x1_0000_03d1;
/// The prime.
pub(super) const PRIME: [u64; 4] = [0_u64.wrapping_sub(GAP), u64::MAX, u64::MAX, u64::MAX];

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field([u64; 4]);

/// The lower and the upper half.
const fn halves(wide: u128) -> (u64, u64) {
    // Cut off on purpose: the upper half is the other part of the result.
    (wide as u64, (wide >> 64) as u64)
}

impl Field {
    pub(super) const ONE: Self = Self([1, 0, 0, 0]);

    pub(super) const fn from_limbs(limbs: [u64; 4]) -> Self {
        Self(limbs)
    }

    /// The form below the prime.
    pub(super) fn limbs(&self) -> [u64; 4] {
        // At or above the prime is within the gap of 2^256: then the sum with the gap overflows.
        let (less, over) = add(self.0, [GAP, 0, 0, 0]);
        if over { less } else { self.0 }
    }

    pub(super) fn from_be_bytes(bytes: &[u8; 32]) -> Self {
        let mut limbs = [0; 4];
        for (limb, bytes) in limbs.iter_mut().rev().zip(bytes.as_chunks::<8>().0) {
            *limb = u64::from_be_bytes(*bytes);
        }
        Self(limbs)
    }

    pub(super) fn to_be_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (bytes, limb) in bytes.as_chunks_mut::<8>().0.iter_mut().rev().zip(self.limbs()) {
            *bytes = limb.to_be_bytes();
        }
        bytes
    }

    pub(super) fn is_zero(&self) -> bool {
        self.0 == [0; 4] || self.0 == PRIME
    }

    pub(super) fn plus(&self, other: &Self) -> Self {
        let (sum, over) = add(self.0, other.0);
        Self(sum).with_overflow(u64::from(over))
    }

    pub(super) fn minus(&self, other: &Self) -> Self {
        let mut limbs = self.0;
        let mut borrow = sub(&mut limbs, other.0);
        while borrow {
            // 2^256 too much: one prime is that less the gap. Twice at most.
            borrow = sub(&mut limbs, [GAP, 0, 0, 0]);
        }
        Self(limbs)
    }

    #[inline]
    pub(super) fn times(&self, other: &Self) -> Self {
        let mut wide = [0_u64; 8];
        for (i, a) in self.0.into_iter().enumerate() {
            let mut carry = 0;
            for (j, b) in other.0.into_iter().enumerate() {
                // At most (2^64 - 1)^2 + 2 (2^64 - 1), which is 2^128 - 1.
                let sum = u128::from(a) * u128::from(b) + u128::from(wide[i + j]);
                (wide[i + j], carry) = halves(sum + u128::from(carry));
            }
            wide[i + 4] = carry;
        }
        let (mut limbs, mut carry) = ([0; 4], 0);
        for (i, limb) in limbs.iter_mut().enumerate() {
            let sum = u128::from(wide[i + 4]) * u128::from(GAP) + u128::from(wide[i]);
            (*limb, carry) = halves(sum + u128::from(carry));
        }
        Self(limbs).with_overflow(carry)
    }

    /// What stands above 2^256, folded in; below 2^35.
    fn with_overflow(self, above: u64) -> Self {
        let (low, high) = halves(u128::from(above) * u128::from(GAP));
        let (limbs, over) = add(self.0, [low, high, 0, 0]);
        if !over {
            return Self(limbs);
        }
        // Small now, so that this cannot overflow again.
        Self(add(limbs, [GAP, 0, 0, 0]).0)
    }

    /// One over this; zero for zero. By Fermat: the power of the prime less two.
    pub(super) fn inverse(&self) -> Self {
        // Runs of ones: x_n is the power of 2^n - 1.
        let x2 = self.squared(1).times(self);
        let x3 = x2.squared(1).times(self);
        let x6 = x3.squared(3).times(&x3);
        let x9 = x6.squared(3).times(&x3);
        let x11 = x9.squared(2).times(&x2);
        let x22 = x11.squared(11).times(&x11);
        let x44 = x22.squared(22).times(&x22);
        let x88 = x44.squared(44).times(&x44);
        let x176 = x88.squared(88).times(&x88);
        let x220 = x176.squared(44).times(&x44);
        let x223 = x220.squared(3).times(&x3);
        // The exponent ends in 0, 22 ones, 0000, 1, 0, 11, 0, 1.
        let power = x223.squared(23).times(&x22);
        let power = power.squared(5).times(self);
        let power = power.squared(3).times(&x2);
        power.squared(2).times(self)
    }

    fn squared(&self, times: u32) -> Self {
        (0..times).fold(*self, |power, _| power.times(&power))
    }
}

fn add(mut limbs: [u64; 4], more: [u64; 4]) -> ([u64; 4], bool) {
    let mut carry = 0;
    for (limb, more) in limbs.iter_mut().zip(more) {
        (*limb, carry) = halves(u128::from(*limb) + u128::from(more) + u128::from(carry));
    }
    (limbs, carry != 0)
}

/// Whether it was more than there was: then 2^256 was added.
fn sub(limbs: &mut [u64; 4], less: [u64; 4]) -> bool {
    let mut borrow = false;
    for (limb, less) in limbs.iter_mut().zip(less) {
        let (difference, first) = limb.overflowing_sub(less);
        let (difference, second) = difference.overflowing_sub(u64::from(borrow));
        (*limb, borrow) = (difference, first | second);
    }
    borrow
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use bitcoin::hashes::{Hash, sha256};

    use super::*;

    /// The ends of both forms, and some that are as good as random.
    fn samples() -> Vec<Field> {
        let near = |limbs: [u64; 4]| {
            (0..3).flat_map(move |by| {
                let mut below = limbs;
                sub(&mut below, [by, 0, 0, 0]);
                [below, add(limbs, [by, 0, 0, 0]).0]
            })
        };
        let ends = [[0; 4], PRIME, [GAP, 0, 0, 0], [0, 0, 0, 1 << 63]].into_iter().flat_map(near);
        let random = (0..24_u32).map(|n| sha256::Hash::hash(&n.to_le_bytes()).to_byte_array());
        ends.map(Field).chain(random.map(|bytes| Field::from_be_bytes(&bytes))).collect()
    }

    /// Bit by bit, with nothing but doubling and adding.
    fn slow_product(a: &Field, b: &Field) -> [u64; 4] {
        let mut product = Field([0; 4]);
        for limb in b.limbs().into_iter().rev() {
            for bit in (0..64).rev() {
                product = product.plus(&product);
                if limb >> bit & 1 == 1 {
                    product = product.plus(a);
                }
            }
        }
        product.limbs()
    }

    #[test]
    fn plus_and_minus__should_undo_each_other() {
        for a in samples() {
            for b in samples() {
                assert_eq!(a.plus(&b).minus(&b).limbs(), a.limbs(), "{a:?} {b:?}");
                assert_eq!(a.minus(&b).plus(&b).limbs(), a.limbs(), "{a:?} {b:?}");
            }
            assert!(a.minus(&a).is_zero());
            assert_eq!(a.is_zero(), a.limbs() == [0; 4], "{a:?}");
        }
    }

    #[test]
    fn plus__should_wrap_at_the_prime() {
        let minus_one = Field([PRIME[0] - 1, u64::MAX, u64::MAX, u64::MAX]);
        assert!(minus_one.plus(&Field::ONE).is_zero());
        assert_eq!(minus_one.limbs(), minus_one.0);
        assert_eq!(Field([u64::MAX; 4]).limbs(), [GAP - 1, 0, 0, 0]);
        assert_eq!(minus_one.times(&minus_one).limbs(), Field::ONE.limbs());
    }

    #[test]
    fn times__should_be_repeated_addition() {
        for a in samples() {
            for b in samples() {
                assert_eq!(a.times(&b).limbs(), slow_product(&a, &b), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn inverse__should_give_one() {
        for a in samples() {
            let expected = if a.is_zero() { [0; 4] } else { Field::ONE.limbs() };
            assert_eq!(a.inverse().times(&a).limbs(), expected, "{a:?}");
        }
    }

    #[test]
    fn bytes__should_come_back() {
        for a in samples() {
            let bytes = a.to_be_bytes();
            assert_eq!(Field::from_be_bytes(&bytes).limbs(), a.limbs());
        }
    }
}
