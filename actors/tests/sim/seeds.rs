//! Many runs, each with another seed. They are four tests so that they can run side by side.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use super::{scenario, world::faults::Tally};

/// Runs one part of four of the seeds that the environment asks for.
fn run_part(part: u64) {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    if let Some(seed) = number("SEED") {
        if seed % 4 == part {
            scenario::run(seed);
        }
        return;
    }
    let long = std::env::var_os("TRESTLE_LONG").is_some();
    let seeds = number("SEEDS").unwrap_or(if long { 1_000 } else { 100 });
    let mut tally = Tally::default();
    for seed in (0..seeds).filter(|seed| seed % 4 == part) {
        tally += scenario::run(seed);
    }
    if seeds >= 100 {
        must_have_gone_wrong(&tally);
    }
}

/// Properties that hold while nothing goes wrong say nothing.
fn must_have_gone_wrong(tally: &Tally) {
    let Tally { lost, doubled, crashes, commits, cuts, reorgs, forgotten, versions, blamed } =
        *tally;
    let often = [lost, doubled, crashes, commits, cuts, reorgs, forgotten, versions];
    assert!(often.iter().all(|times| *times >= 5), "too little went wrong: {tally:?}");
    // What a coordinator counted before it died is not in this number.
    assert!(blamed >= 1, "no liar was caught: {tally:?}");
}

#[test]
fn seeds_0__should_keep_every_property() {
    run_part(0);
}

#[test]
fn seeds_1__should_keep_every_property() {
    run_part(1);
}

#[test]
fn seeds_2__should_keep_every_property() {
    run_part(2);
}

#[test]
fn seeds_3__should_keep_every_property() {
    run_part(3);
}
