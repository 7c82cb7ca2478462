//! Many runs, each with another seed. They are four tests so that they can run side by side.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use super::scenario;

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
    (0..seeds).filter(|seed| seed % 4 == part).for_each(scenario::run);
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
