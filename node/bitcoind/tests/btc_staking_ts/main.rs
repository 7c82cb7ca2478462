//! The same stakes, unbondings, withdrawals and slashings, built by this project and by Babylon's
//! own library for JavaScript, compared byte for byte.
#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

mod case;
mod ours;
mod theirs;

use std::{env, io::Write as _};

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

/// How many of each are built.
const CASES: usize = 520;
/// Unless `TRESTLE_SEED` names another.
const SEED: u64 = 864_790;

#[test]
fn transactions__should_be_those_of_btc_staking_ts() {
    let seed = env::var("TRESTLE_SEED").map_or(SEED, |text| text.parse().expect("a number"));
    let mut stderr = std::io::stderr();
    writeln!(stderr, "{CASES} cases of TRESTLE_SEED={seed}").expect("somebody listens");
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let cases: Vec<_> = (0..CASES).map(|_| case::Case::random(&mut rng)).collect();

    let Some(answers) = theirs::build(&cases) else {
        let ci = env::var_os("CI").is_some_and(|value| value == "true");
        assert!(!ci, "no npm: install Node.js");
        writeln!(stderr, "SKIPPED the comparison with btc-staking-ts: no npm").expect("as above");
        return;
    };

    assert_eq!(answers.len(), CASES);
    for (number, (case, theirs)) in cases.iter().zip(answers).enumerate() {
        let ours = ours::build(case, &theirs);
        assert_eq!(ours, theirs, "case {number} of TRESTLE_SEED={seed}: {case:?}");
    }
}
