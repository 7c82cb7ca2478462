//! A member whose disk is full: it refuses at once, people see why, and nothing is given up.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use trestle_actors::{
    committee::metrics::Reason,
    coordinator::{CoordinatorInput, view::PaymentPhase},
};
use trestle_wire::committee::sign::RefusalCode;

use super::world::{World, faults::Lie};

/// What the first member says.
const SAID: &str = "member 1 refused (store): its store takes no writes: database or disk is full";

/// Two of three must sign, and the first one's disk is full.
fn with_a_full_disk(seed: u64) -> World {
    let mut world = World::new(seed, 3, 2);
    world.must_make_key();
    world.must_fund(&[1_000_000]);
    world.faults.block = 0;
    world.nodes[1].store.control().full = true;
    world
}

/// The same with the third one away.
fn with_another_away(seed: u64) -> World {
    let mut world = with_a_full_disk(seed);
    world.cut_off(3);
    world.run(3_000);
    world.want_payment(100_000, Some(5));
    world.run(300);
    world
}

/// The same, and the payment was tried so often that it is not tried again soon.
fn long_in_vain(seed: u64) -> World {
    let mut world = with_another_away(seed);
    world.run(200_000);
    while world.next_wake().is_none_or(|wait| wait < 40_000) {
        world.run(1_000);
    }
    world
}

fn note(world: &mut World) -> String {
    let view = world.listed(1).pop().expect("it is accepted");
    assert_eq!(view.phase, PaymentPhase::Signing);
    view.note.unwrap_or_default()
}

#[test]
fn payment__should_be_made_without_the_member() {
    let mut world = with_a_full_disk(110);
    world.want_payment(100_000, Some(5));
    world.run(500);
    assert_eq!(world.listed(1)[0].versions.len(), 1, "the other two sign");
    assert_eq!(world.checker.violations, []);
}

/// The second one says nothing, so that the session waits for it until its deadline.
#[test]
fn note__should_say_at_once_what_a_member_said_while_another_is_silent() {
    let mut world = with_a_full_disk(111);
    world.corrupt(2, Lie::Silent);
    world.want_payment(100_000, Some(5));
    world.run(300);
    assert_eq!(note(&mut world), format!("{SAID}; the others are asked"));

    world.run(11_000);
    let failed = note(&mut world);
    assert!(failed.contains(SAID) && failed.contains("no answer yet from members"), "{failed}");
    world.reform(2);
    world.run(30_000);
    assert_eq!(world.listed(1)[0].versions.len(), 1, "nothing is given up");
    assert_eq!(world.checker.violations, []);
}

#[test]
fn session__should_end_at_once_when_too_few_are_left() {
    let mut world = with_another_away(112);
    let expected = format!("{SAID}; members [3] are away, and too few are left");
    assert_eq!(note(&mut world), expected);

    // However often it is tried: the member goes on giving nonces, and so is asked and refuses.
    world.run(900_000);
    assert_eq!(note(&mut world), expected);

    world.nodes[1].store.control().full = false;
    world.run(61_000);
    assert_eq!(world.listed(1)[0].versions.len(), 1, "nothing is given up");
    assert_eq!(world.checker.violations, []);
}

/// The third one is gone before anybody notices, so that the session waits for it at first.
#[test]
fn session__should_end_when_the_member_that_it_waits_for_goes_away() {
    let mut world = with_a_full_disk(115);
    world.cut_off(3);
    world.want_payment(100_000, Some(5));
    world.run(1_000);
    assert_eq!(note(&mut world), format!("{SAID}; the others are asked"));

    world.run(1_000);
    let expected = format!("{SAID}; members [3] are away, and too few are left");
    assert_eq!(note(&mut world), expected);
    world.nodes[1].store.control().full = false;
    world.run(5_000);
    assert_eq!(world.listed(1)[0].versions.len(), 1, "it is tried again before the deadline");
    assert_eq!(world.checker.violations, []);
}

#[test]
fn payment__should_be_signed_soon_when_a_member_that_it_lacks_comes_back() {
    let mut world = long_in_vain(113);
    world.heal();
    world.faults.block = 0;
    world.run(3_000);
    assert_eq!(world.listed(1)[0].versions.len(), 1);
    assert_eq!(world.checker.violations, []);
}

/// The third one comes and goes all the time, and must not have the others asked each time.
#[test]
fn member_that_comes_and_goes__should_not_decide_how_often_others_are_asked() {
    let mut world = long_in_vain(114);
    let (peer, retry) = (world.nodes[3].peer, world.ground.settings.retry_ms);
    let before = refusals(&world);
    for _ in 0..100 {
        world.coordinator(CoordinatorInput::Connected(peer));
        world.run(50);
        world.coordinator(CoordinatorInput::Lost(peer));
        world.run(50);
    }
    let asked = refusals(&world) - before;
    assert!((1..=10_000 / retry).contains(&asked), "asked {asked} times in ten seconds");
}

/// How often the first one has refused.
fn refusals(world: &World) -> u64 {
    let reason = Reason { reason: RefusalCode::Store.label() };
    world.nodes[1].committee_metrics.refused.get_or_create(&reason).get()
}
