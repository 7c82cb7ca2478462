//! Any bytes as a sealed key file, with the passphrase of the seed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trestle_keys::sealed::{CostPolicy, KeyFile};

fuzz_target!(|bytes: &[u8]| {
    if affordable(bytes) {
        drop(KeyFile::open(bytes, b"fuzz", CostPolicy::AnyForTests));
    }
});

/// Whether opening takes less than a millisecond. A header may ask for seconds of argon2, which is
/// within its rules; the fuzzer would do nothing else.
fn affordable(bytes: &[u8]) -> bool {
    let number = |at: usize| {
        let four = bytes.get(at..at + 4).and_then(|four| four.first_chunk());
        four.map_or(0, |four| u32::from_le_bytes(*four))
    };
    number(10) <= 64 && number(14) <= 2 || number(10) > 1024 * 1024
}
