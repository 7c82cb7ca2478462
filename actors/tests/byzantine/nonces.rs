//! Attacks on nonces and sessions, by whoever coordinates.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use trestle_wire::{
    Hash32, Message,
    committee::sign::{NonceRequest, RefusalCode, SignRequest},
};

use super::code;
use crate::world::{
    World,
    checker::burns,
    played::{Played, Said, recipient},
};

const PAYMENT: Hash32 = Hash32([1; 32]);

/// A committee, and a request that members 1 and 2 would answer.
fn asked() -> (World, Played, SignRequest) {
    let (mut world, played) = World::must_play(21, 3, 2, &[500_000, 600_000]);
    let coins = world.coins(&played);
    let plan = world.plan(&played, &coins[..1], &[recipient(1, 100_000)], 5);
    let signers = world.signers(&played, &[1, 2], 1);
    let request = played.request(1, plan.proposal(PAYMENT), 1, signers);
    (world, played, request)
}

/// The coordinator plays a request back, to have the nonce used again.
#[test]
fn replayed_request__should_give_the_same_bytes_and_compute_nothing() {
    // Given
    let (mut world, _, request) = asked();
    let first = world.ask_shares(1, &request);
    let signed = world.nodes[1].committee_metrics.signed.get();

    // When
    let second = world.ask_shares(1, &request);

    // Then
    assert!(matches!(first, Said::Shares(_)));
    assert_eq!(first, second);
    let metrics = &world.nodes[1].committee_metrics;
    assert_eq!((metrics.signed.get(), metrics.resent.get()), (signed, 1));
    assert_eq!(world.checker.violations, []);
}

/// The coordinator asks for a share of another transaction with a nonce that was used.
#[test]
fn second_package_for_a_nonce__should_be_refused_and_counted() {
    // Given
    let (mut world, played, request) = asked();
    assert!(matches!(world.ask_shares(1, &request), Said::Shares(_)));
    let coins = world.coins(&played);
    let other = world.plan(&played, &coins[1..], &[recipient(2, 100_000)], 5);
    let second = played.request(2, other.proposal(Hash32([2; 32])), 1, request.signers);

    // When
    let said = world.ask_shares(1, &second);

    // Then
    assert_eq!(code(&said), Some(RefusalCode::Nonces));
    assert_eq!(world.nodes[1].committee_metrics.equivocations.get(), 1);
    assert_eq!(world.checker.violations, []);
}

/// The coordinator puts a commitment of its own in the place of the member's.
#[test]
fn changed_commitment__should_be_refused_and_burn_nothing() {
    // Given
    let (mut world, _, request) = asked();
    let mut changed = request.clone();
    changed.signers[0].commitments = changed.signers[1].commitments.clone();
    let burnt = burns(world.nodes[1].store.rows()).len();

    // When
    let said = world.ask_shares(1, &changed);

    // Then
    assert_eq!(code(&said), Some(RefusalCode::Nonces));
    assert_eq!(burns(world.nodes[1].store.rows()).len(), burnt);
    assert!(matches!(world.ask_shares(1, &request), Said::Shares(_)), "the nonce is still good");
}

/// Nonces of an earlier boot are asked for: the member was started again in between.
#[test]
fn nonces_of_another_boot__should_be_refused_without_blame() {
    let (mut world, _, request) = asked();
    world.kill(1, 1);
    world.run(500);
    assert_eq!(code(&world.ask_shares(1, &request)), Some(RefusalCode::Nonces));
    assert_eq!(world.nodes[1].committee_metrics.equivocations.get(), 0);
}

/// A request names another epoch, or a key that does not exist.
#[test]
fn request_for_another_key__should_be_stale() {
    let (mut world, _, request) = asked();
    let mut epoch = request.clone();
    epoch.key.epoch = 1;
    let mut generation = request.clone();
    generation.key.generation = 9;
    for wrong in [epoch, generation] {
        assert_eq!(code(&world.ask_shares(1, &wrong)), Some(RefusalCode::Stale));
    }
    assert!(matches!(world.ask_shares(1, &request), Said::Shares(_)), "nothing was used up");
}

/// A request that lists its signers twice, out of order, or not at all.
#[test]
fn malformed_signers__should_be_refused() {
    let (mut world, _, request) = asked();
    let changes: [fn(&mut SignRequest); 5] = [
        |request| request.signers.reverse(),
        |request| request.signers[1] = request.signers[0].clone(),
        |request| request.signers.truncate(1),
        |request| request.messages.clear(),
        |request| request.messages = vec![7],
    ];
    for change in changes {
        let mut wrong = request.clone();
        change(&mut wrong);
        let said = world.ask_shares(1, &wrong);
        assert_eq!(code(&said), Some(RefusalCode::Malformed), "{said:?}");
    }
    assert!(matches!(world.ask_shares(1, &request), Said::Shares(_)), "nothing was used up");
}

/// The coordinator asks for nonces without end.
#[test]
fn flood__should_be_held_to_the_budget() {
    // Given
    let (mut world, played, request) = asked();
    let flood: Message = NonceRequest { key: played.key(), count: 1_000 }.into();

    // When
    world.flood(1, &flood, 100);
    let answered = world.inbox.len();

    // Then
    assert!((1..50).contains(&answered), "{answered} of 100 floods were answered");
    let said = world.ask_shares(1, &request);
    assert_eq!(code(&said), Some(RefusalCode::Nonces), "it has pushed its own nonces out");
    world.run(60_000);
    assert!(!world.tell(1, &flood).is_empty(), "and go on when it has calmed down");
}

/// The coordinator asks for a signature on a text that the member's operator has not allowed.
#[test]
fn text_without_an_allowed_prefix__should_be_refused() {
    let (mut world, _, request) = asked();
    let text = |text: &str| SignRequest {
        purpose: trestle_wire::committee::sign::Purpose::Text(text.as_bytes().to_vec()),
        ..request.clone()
    };
    let refused = world.ask_shares(1, &text("I owe you all"));
    assert_eq!(code(&refused), Some(RefusalCode::Policy));
    assert!(matches!(world.ask_shares(1, &text("trestle: hello")), Said::Shares(_)));
}
