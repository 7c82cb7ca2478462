//! Choices by seed.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

/// A generator of its own for each use, so that one more draw here does not change all else.
pub(crate) fn generator(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

/// A number below `most`; 0 if that is 0.
pub(crate) fn below(rng: &mut ChaCha8Rng, most: u64) -> u64 {
    if most == 0 { 0 } else { rng.next_u64() % most }
}

/// A number of `from..=to`.
pub(crate) fn between(rng: &mut ChaCha8Rng, from: u64, to: u64) -> u64 {
    from + below(rng, to - from + 1)
}

/// True `per_mille` times in a thousand.
pub(crate) fn chance(rng: &mut ChaCha8Rng, per_mille: u32) -> bool {
    below(rng, 1_000) < u64::from(per_mille)
}

/// One of them; `None` of none.
pub(crate) fn pick<'a, T>(rng: &mut ChaCha8Rng, of: &'a [T]) -> Option<&'a T> {
    of.get(usize::try_from(below(rng, of.len() as u64)).expect("an index fits"))
}
