//! Attacks on signing sessions by members. Whatever they do, the others finish.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use trestle_wire::{
    Hash32, KeyRef, Message, SessionId,
    committee::{
        MemberSignature,
        dkg::{AbortReason, DkgAbort},
        key::MemberStatus,
        sign::{NonceOffer, RefusalCode, SignRefused, SignShares},
    },
};

use super::{blamed, changing};
use crate::world::{NAME, World, node};

/// A 2-of-3 committee with a key and a coin.
fn committee() -> World {
    let mut world = World::new(41, 3, 2);
    world.must_make_key();
    world.must_fund(&[1_000_000]);
    world
}

/// Wants a payment and waits until the chain has it.
fn must_pay(world: &mut World) {
    world.want_payment(100_000, Some(5));
    assert!(world.run_until(300_000, World::all_paid), "{:?}", world.phases());
    assert_eq!(world.checker.violations, []);
}

/// Says something to the coordinator in a member's name.
fn say(world: &mut World, member: usize, message: impl Into<Message>) {
    let bytes = world.envelope(member, &message.into());
    let from = world.nodes[member].peer;
    world.receive(0, from, &bytes);
    world.run(100);
}

fn key(world: &World) -> KeyRef {
    world.client.key.as_ref().expect("there is a key").key.clone()
}

/// Member 1 gives shares that are wrong.
#[test]
fn wrong_shares__should_be_pinned_on_their_member() {
    let mut world = committee();
    world.tamper = Some(changing(1, Some(0), |message| {
        let Message::SignShares(answer) = message else { return None };
        let mut answer = answer.clone();
        answer.shares.iter_mut().for_each(|share| share[31] ^= 1);
        Some(vec![answer.into()])
    }));
    must_pay(&mut world);
    assert_eq!([1, 2, 3].map(|member| blamed(&mut world, member)), [1, 0, 0]);
}

/// Member 1 answers with no shares at all.
#[test]
fn empty_shares__should_be_pinned_on_their_member() {
    let mut world = committee();
    world.tamper = Some(changing(1, Some(0), |message| {
        let Message::SignShares(answer) = message else { return None };
        Some(vec![SignShares { shares: Vec::new(), ..answer.clone() }.into()])
    }));
    must_pay(&mut world);
    assert_eq!([1, 2, 3].map(|member| blamed(&mut world, member)), [1, 0, 0]);
}

/// Member 1 offers nonces that are no curve points.
#[test]
fn nonces_that_are_no_points__should_be_pinned_on_their_member() {
    let mut world = committee();
    world.tamper = Some(changing(1, Some(0), |message| {
        let Message::NonceOffer(offer) = message else { return None };
        let mut offer = offer.clone();
        offer.commitments.iter_mut().for_each(|commitment| commitment.hiding = [0xFF; 64]);
        Some(vec![offer.into()])
    }));
    // Only nonces offered from now on are bad: enough payments to use up the good ones.
    for _ in 0..6 {
        world.fund(300_000);
    }
    world.mine();
    for _ in 0..6 {
        must_pay(&mut world);
        world.mine();
        world.run(2_000);
    }
    assert_eq!([2, 3].map(|member| blamed(&mut world, member)), [0, 0]);
}

/// Member 1 is silent whenever it is asked for shares.
#[test]
fn silence__should_cost_a_grace_period_and_no_blame_for_others() {
    let mut world = committee();
    world.tamper = Some(changing(1, Some(0), |message| match message.label() {
        "sign_shares" => Some(Vec::new()),
        _ => None,
    }));
    must_pay(&mut world);
    assert_eq!([2, 3].map(|member| blamed(&mut world, member)), [0, 0]);
}

/// Member 1 refuses whatever it is asked.
#[test]
fn refusal__should_be_passed_over() {
    let mut world = committee();
    world.tamper = Some(changing(1, Some(0), |message| {
        let Message::SignShares(answer) = message else { return None };
        let SignShares { session, attempt, key, index, .. } = answer.clone();
        let (code, detail) = (RefusalCode::Policy, "no".into());
        Some(vec![SignRefused { session, attempt, key, index, code, detail, binding: None }.into()])
    }));
    must_pay(&mut world);
    assert_eq!([1, 2, 3].map(|member| blamed(&mut world, member)), [0, 0, 0]);
}

/// Member 3 answers in the name of member 1, with wrong shares and with a refusal.
#[test]
fn shares_in_anothers_name__should_harm_nobody() {
    let mut world = committee();
    world.tamper = Some(changing(1, Some(0), |_| None));
    world.tamper = Some(Box::new(|from, to, message| {
        // Whatever member 1 is asked, member 3 answers first.
        let Message::SignShares(answer) = &message else { return vec![message] };
        if (from, to) != (2, 0) {
            return vec![message];
        }
        let SignShares { session, attempt, key, .. } = answer.clone();
        let forged =
            SignShares { shares: vec![[7; 32]; answer.shares.len()], index: 1, ..answer.clone() };
        let (code, detail) = (RefusalCode::Policy, "no".into());
        let refused = SignRefused { session, attempt, key, index: 1, code, detail, binding: None };
        vec![forged.into(), refused.into(), message]
    }));
    must_pay(&mut world);
    assert_eq!([1, 2, 3].map(|member| blamed(&mut world, member)), [0, 0, 0]);
    assert_eq!(
        world.checker.agreed(&super::super::world::checker::What::Proof(key(&world))).len(),
        2
    );
}

/// Member 2 offers nonces in the name of member 1, unasked and from far ahead.
#[test]
fn nonces_in_anothers_name__should_not_be_taken() {
    // Given
    let mut world = committee();
    let before = world.view().expect("the coordinator answers").members[0].nonces;
    let offer = NonceOffer {
        key: key(&world),
        index: 1,
        boot: world.nodes[1].boot_id(),
        first: u64::MAX - 1,
        commitments: vec![
            trestle_wire::committee::sign::Commitment {
                hiding: [2; 64],
                binding: [2; 64]
            };
            8
        ],
    };

    // When
    say(&mut world, 2, offer.clone());
    say(&mut world, 1, offer);

    // Then
    let after = world.view().expect("the coordinator answers").members[0].nonces;
    assert_eq!(before, after);
    must_pay(&mut world);
}

/// A status that its member did not sign, and one that is another member's.
#[test]
fn malformed_status__should_be_ignored() {
    // Given
    let mut world = committee();
    let status = |index: u16, signature: [u8; 64]| MemberStatus {
        committee: NAME.into(),
        boot: trestle_wire::BootId([9; 8]),
        sequence: 1_000,
        height: 777,
        keys: Vec::new(),
        by: MemberSignature { index, signature },
    };
    let mut others = status(2, [0; 64]);
    let committee_key = node::key_file(world.seed(), 2).identity.committee;
    trestle_keys::sign::sign_member_status(&committee_key, &mut others);

    // When
    say(&mut world, 1, status(1, [0; 64]));
    say(&mut world, 1, others.clone());

    // Then
    let view = world.view().expect("the coordinator answers");
    assert!(view.members.iter().all(|member| member.height != 777), "{:?}", view.members);
    must_pay(&mut world);

    // And a member does not take either for its own.
    let from = world.nodes[0].peer;
    for wrong in [status(1, [0; 64]), others] {
        let bytes = world.envelope(0, &wrong.into());
        world.receive(1, from, &bytes);
    }
    let node::Role::Member(actor) = &world.nodes[1].role else { panic!("member 1 is up") };
    assert!(!actor.is_rolled_back());
}

/// Messages of sessions, attempts and keys that do not exist, or are over.
#[test]
fn messages_of_other_sessions__should_be_stale_without_blame() {
    // Given
    let mut world = committee();
    let (key, session) = (key(&world), SessionId([5; 16]));
    let other = KeyRef { generation: 9, ..key.clone() };
    let reason = AbortReason::Cancelled;
    let attempt = trestle_wire::committee::dkg::DkgSession {
        parameters: Hash32([1; 32]),
        key: key.clone(),
        attempt: 1,
    };

    // When
    for key in [key, other] {
        let shares = vec![[1; 32]];
        say(&mut world, 1, SignShares { session, attempt: 1, key: key.clone(), index: 1, shares });
        let (code, detail) = (RefusalCode::Rollback, String::new());
        say(
            &mut world,
            1,
            SignRefused { session, attempt: 1, key, index: 1, code, detail, binding: None },
        );
    }
    say(&mut world, 1, DkgAbort { session: attempt, reason });

    // Then
    assert_eq!([1, 2, 3].map(|member| blamed(&mut world, member)), [0, 0, 0]);
    must_pay(&mut world);
}
