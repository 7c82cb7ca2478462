//! Whether a number is a square modulo the prime of the curve, in variable time: for public data
//! only.
//!
//! The Jacobi symbol, with the laws that it has: (f and g odd)
//!
//! - (g+f / f) = (g / f);
//! - (2g / f) = (g / f), or its negative where f is 3 or 5 modulo 8;
//! - (g / f) = (f / g), or its negative where both are 3 modulo 4;
//! - (g / 1) = 1.
//!
//! Halving g while it is even, and adding f to it where it is odd, swapping the two so often that both
//! shrink, leads to f = 1. What to do depends on the lowest bits alone, so many steps are worked out on
//! one limb of each, and then carried out together on all.

use super::field::{Field, PRIME};

/// Halvings that are carried out together. All but the first three of 64 bits: these say what happens
/// to the sign.
const TOGETHER: u32 = 61;
/// Rounds after which it gives up. Nearly all take ten.
const ROUNDS: u32 = 24;

/// `None` where it takes too long, or for zero: another way has to be taken.
pub(super) fn is_square(number: &Field) -> Option<bool> {
    let (mut f, mut g) = (PRIME, number.limbs());
    if g == [0; 4] {
        return None;
    }
    let mut steps = Steps { lead: 1, negative: 0 };
    for _ in 0..ROUNDS {
        let combined = steps.together(f[0], g[0]);
        (f, g) = (apply(&f, &g, combined.f), apply(&f, &g, combined.g));
        if f == [1, 0, 0, 0] {
            return Some(steps.negative & 1 == 0);
        }
    }
    None
}

/// How many of f and of g make up a new one, times 2^[`TOGETHER`].
type Parts = [u64; 2];

struct Combined {
    f: Parts,
    g: Parts,
}

struct Steps {
    /// How many more bits g may have than f; once it is above zero, they are swapped.
    lead: i64,
    /// Whose lowest bit says that the symbol is the negative.
    negative: u64,
}

impl Steps {
    /// As many halvings as there are bits for, from the lowest limbs.
    fn together(&mut self, mut f: u64, mut g: u64) -> Combined {
        let mut combined = Combined { f: [1, 0], g: [0, 1] };
        let mut left = TOGETHER;
        loop {
            let zeros = g.trailing_zeros().min(left);
            g >>= zeros;
            // Doubles f in place of halving g, so that the parts stay whole.
            combined.f = combined.f.map(|part| part << zeros);
            self.lead += i64::from(zeros);
            left -= zeros;
            // Bits 1 and 2 of f differ where it is 3 or 5 modulo 8.
            self.negative ^= u64::from(zeros) & (f >> 1 ^ f >> 2);
            if left == 0 {
                return combined;
            }
            if self.lead > 0 {
                self.lead = -self.lead;
                self.negative ^= (f & g) >> 1;
                (f, g) = (g, f);
                std::mem::swap(&mut combined.f, &mut combined.g);
            }
            g = g.wrapping_add(f);
            for (part, more) in combined.g.iter_mut().zip(combined.f) {
                *part += more;
            }
        }
    }
}

/// The combination of both, which is a multiple of 2^[`TOGETHER`], divided by that. The parts are
/// that many together at most, so it is not above the larger one of the two.
fn apply(f: &[u64; 4], g: &[u64; 4], [of_f, of_g]: Parts) -> [u64; 4] {
    let mut sum = [0_u64; 5];
    let mut carry = 0_u128;
    for ((sum, f), g) in sum.iter_mut().zip(f).zip(g) {
        let (one, other) = (u128::from(*f) * u128::from(of_f), u128::from(*g) * u128::from(of_g));
        carry += one + other;
        // Cut off on purpose: the rest is the carry.
        *sum = carry as u64;
        carry >>= 64;
    }
    // Below 2^64: the parts are below 2^62.
    sum[4] = carry as u64;
    let mut divided = [0; 4];
    for (limb, pair) in divided.iter_mut().zip(sum.windows(2)) {
        *limb = pair[0] >> TOGETHER | pair[1] << (64 - TOGETHER);
    }
    divided
}
