//! Attacks on the committee's money by a coordinator.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use std::collections::BTreeMap;

use bitcoin::{Amount, OutPoint, TxOut};
use trestle_chain::plan::Plan;
use trestle_wire::{
    Hash32, KeyRef, Message,
    committee::{
        dkg::{DkgBegin, DkgSession},
        sign::RefusalCode,
    },
};

use super::code;
use crate::world::{
    World, node,
    played::{Played, Said, recipient},
};

const PAYMENT: Hash32 = Hash32([1; 32]);

/// A committee in which two quorums always share an honest member.
fn committee() -> (World, Played, Vec<(OutPoint, TxOut)>) {
    let (world, played) = World::must_play(31, 4, 3, &[500_000, 600_000, 700_000]);
    let coins = world.coins(&played);
    (world, played, coins)
}

/// What members 1 says to a plan.
fn ask(world: &mut World, played: &Played, payment: Hash32, plan: &Plan) -> Said {
    let count = u16::try_from(plan.transaction().input.len()).expect("few inputs");
    let signers = world.signers(played, &[1, 2, 3], count);
    world.ask_shares(1, &played.request(1, plan.proposal(payment), count, signers))
}

/// The coordinator shows member 1 one transaction and the others another, in one session with the
/// same nonces.
#[test]
fn two_transactions_in_one_session__should_make_no_signature() {
    // Given
    let (mut world, played, coins) = committee();
    let one = world.plan(&played, &coins[..1], &[recipient(1, 100_000)], 5);
    let other = world.plan(&played, &coins[..1], &[recipient(1, 100_000)], 9);
    let signers = world.signers(&played, &[1, 2, 3], 1);
    let to_one = played.request(1, one.proposal(PAYMENT), 1, signers.clone());
    let to_others = played.request(1, other.proposal(PAYMENT), 1, signers);

    // When
    let mut answers = BTreeMap::new();
    for (member, request) in [(1, &to_one), (2, &to_others), (3, &to_others)] {
        let Said::Shares(answer) = world.ask_shares(member, request) else {
            panic!("each by itself is a version that may be signed");
        };
        answers.insert(answer.index, answer.shares);
    }

    // Then
    for (request, plan) in [(&to_one, &one), (&to_others, &other)] {
        let made = world.aggregate(&played, request, &plan.sighashes(), &answers);
        assert_eq!(made, None);
    }
    assert_eq!(world.checker.violations, []);
}

/// The coordinator has one quorum pay from one coin, and another quorum from another.
#[test]
fn payment_replanned_onto_other_coins__should_be_refused_by_whoever_is_in_both_quorums() {
    // Given
    let (mut world, played, coins) = committee();
    let first = world.plan(&played, &coins[..1], &[recipient(1, 100_000)], 5);
    let second = world.plan(&played, &coins[1..2], &[recipient(1, 100_000)], 5);
    let signed = world.sign_and_send(&played, &[1, 2, 3], 1, PAYMENT, &first);
    assert_eq!(signed, Ok(()));

    // When
    let again = world.sign_and_send(&played, &[2, 3, 4], 2, PAYMENT, &second);

    // Then
    assert_eq!(again.map_err(|refused| refused.code), Err(RefusalCode::Policy));
    assert_eq!(world.agreed_to(&second).len(), 0);
    world.look();
    assert_eq!(world.checker.violations, []);
}

/// The coordinator uses the anchor of one payment for another payment.
#[test]
fn anchor_of_another_payment__should_be_refused() {
    let (mut world, played, coins) = committee();
    let first = world.plan(&played, &coins[..1], &[recipient(1, 100_000)], 5);
    let second = world.plan(&played, &coins[..1], &[recipient(2, 100_000)], 5);
    assert!(matches!(ask(&mut world, &played, PAYMENT, &first), Said::Shares(_)));
    let said = ask(&mut world, &played, Hash32([2; 32]), &second);
    assert_eq!(code(&said), Some(RefusalCode::Policy));
}

/// The coordinator has a bound coin had back by the committee, and tries to have a stranger paid on
/// the way, or to pay the bound payment from another coin afterwards.
#[test]
fn stranger_paid_from_a_bound_coin_beside_the_committee__should_be_refused() {
    // Given
    let (mut world, played, coins) = committee();
    let first = world.plan(&played, &coins[..1], &[recipient(1, 100_000)], 5);
    assert!(matches!(ask(&mut world, &played, PAYMENT, &first), Said::Shares(_)));
    let own = TxOut { value: Amount::from_sat(200_000), ..coins[0].1.clone() };
    let height = world.ground.bitcoind.chain().height();
    let mine = recipient(9, 0).script_pubkey;

    // When
    let beside = world.plan(&played, &coins[..1], &[own.clone(), recipient(9, 100_000)], 5);
    let as_change =
        world.plan_with_change(&coins[..1], std::slice::from_ref(&own), &mine, 5, height);
    let back = world.plan(&played, &coins[..1], &[own], 5);

    // Then
    for (number, plan) in [(2, &beside), (3, &as_change)] {
        let said = ask(&mut world, &played, Hash32([number; 32]), plan);
        assert_eq!(code(&said), Some(RefusalCode::Policy));
    }
    let back = world.sign_and_send(&played, &[1, 2, 3], 4, Hash32([4; 32]), &back);
    assert_eq!(back, Ok(()));
    let elsewhere = world.plan(&played, &coins[1..2], &[recipient(1, 100_000)], 5);
    let said = ask(&mut world, &played, PAYMENT, &elsewhere);
    assert_eq!(code(&said), Some(RefusalCode::Policy));
    world.look();
    assert_eq!(world.checker.violations, []);
}

/// The coordinator pays somebody else, or more, under the id of a payment that was agreed to.
#[test]
fn changed_recipients__should_be_refused() {
    let (mut world, played, coins) = committee();
    let first = world.plan(&played, &coins[..1], &[recipient(1, 100_000)], 5);
    assert!(matches!(ask(&mut world, &played, PAYMENT, &first), Said::Shares(_)));
    for other in [recipient(2, 100_000), recipient(1, 100_001)] {
        let plan = world.plan(&played, &coins[..1], &[other], 9);
        assert_eq!(code(&ask(&mut world, &played, PAYMENT, &plan)), Some(RefusalCode::Policy));
    }
}

/// The coordinator calls an output change that is its own.
#[test]
fn change_to_a_stranger__should_be_refused() {
    let (mut world, played, coins) = committee();
    let height = world.ground.bitcoind.chain().height();
    let mine = recipient(9, 0).script_pubkey;
    let recipients = [recipient(1, 100_000)];
    let plan = world.plan_with_change(&coins[..1], &recipients, &mine, 5, height);
    assert_eq!(code(&ask(&mut world, &played, PAYMENT, &plan)), Some(RefusalCode::Policy));
}

/// The coordinator leaves the change to the miner.
#[test]
fn fee_hidden_in_missing_change__should_be_refused() {
    // Given
    let (mut world, played, coins) = committee();
    let mut poorer = coins[..1].to_vec();
    // As if the coin were worth just what is paid: the rest would go to the miner unseen.
    poorer[0].1.value = Amount::from_sat(103_000);
    let plan = world.plan(&played, &poorer, &[recipient(1, 100_000)], 5);
    assert!(plan.fee() < node::policy().max_fee, "by the coordinator's word it looks fine");

    // When
    let said = ask(&mut world, &played, PAYMENT, &plan);

    // Then
    assert_eq!(code(&said), Some(RefusalCode::Policy));
}

/// The coordinator says that a coin is worth more than it is, so that more could be paid from it.
#[test]
fn inflated_input_amount__should_be_refused() {
    let (mut world, played, coins) = committee();
    let mut richer = coins[..1].to_vec();
    richer[0].1.value = Amount::from_sat(5_000_000);
    let plan = world.plan(&played, &richer, &[recipient(1, 100_000)], 5);
    assert_eq!(code(&ask(&mut world, &played, PAYMENT, &plan)), Some(RefusalCode::Policy));
}

/// The coordinator understates a coin a little, so that the shares would be for another amount than
/// the one signed for.
#[test]
fn shares__should_commit_to_the_amounts_of_the_members_own_node() {
    // Given
    let (mut world, played, coins) = committee();
    let mut lied = coins[..1].to_vec();
    lied[0].1.value -= Amount::from_sat(500);
    let plan = world.plan(&played, &lied, &[recipient(1, 100_000)], 5);
    let signers = world.signers(&played, &[1, 2, 3], 1);
    let request = played.request(1, plan.proposal(PAYMENT), 1, signers);

    // When
    let mut answers = BTreeMap::new();
    for member in [1, 2, 3] {
        let Said::Shares(answer) = world.ask_shares(member, &request) else {
            panic!("the true fee is within the limits");
        };
        answers.insert(answer.index, answer.shares);
    }

    // Then
    assert_eq!(world.aggregate(&played, &request, &plan.sighashes(), &answers), None);
}

/// The coordinator spends a coin that does not exist, or is not in a block.
#[test]
fn unknown_coin__should_be_refused() {
    let (mut world, played, coins) = committee();
    let mut invented = coins[..1].to_vec();
    invented[0].0.vout = 77;
    let plan = world.plan(&played, &invented, &[recipient(1, 100_000)], 5);
    assert_eq!(code(&ask(&mut world, &played, PAYMENT, &plan)), Some(RefusalCode::Policy));
}

/// The coordinator pays out bit by bit more than the window allows.
#[test]
fn many_payments__should_be_held_to_the_window() {
    // Given
    let (mut world, played) = World::must_play(32, 3, 2, &[11_000_000; 12]);
    let coins = world.coins(&played);
    let most = node::policy().max_payment.to_sat() - 100_000;

    // When
    let mut paid = 0;
    let mut last = None;
    for (number, at) in (0_u8..).zip(0..coins.len()) {
        let plan = world.plan(&played, &coins[at..=at], &[recipient(number, most)], 1);
        let signed = world.sign_and_send(&played, &[1, 2], number, Hash32([number; 32]), &plan);
        match signed {
            Ok(()) => paid += most,
            Err(refused) => last = Some(refused.code),
        }
    }

    // Then
    assert_eq!(last, Some(RefusalCode::Policy));
    assert!(paid > 0 && Amount::from_sat(paid) <= node::policy().window.amount);
}

/// A member's disk is put back to an old copy, and the coordinator says what it heard from the
/// member since.
#[test]
fn member_restored_from_an_old_copy__should_refuse_to_sign() {
    // Given
    let (mut world, played) = World::must_play(33, 3, 2, &[500_000]);
    let old = world.nodes[1].store.rows().snapshot();
    let coins = world.coins(&played);
    let plan = world.plan(&played, &coins[..1], &[recipient(1, 100_000)], 5);
    let signers = world.signers(&played, &[1, 2], 1);
    let request = played.request(1, plan.proposal(PAYMENT), 1, signers);
    let said = world.tell(1, &request.clone().into());
    let status = said.into_iter().find(|message| message.label() == "member_status");
    let status = status.expect("a member says how far it is after each decision");

    // When
    world.nodes[1].store = crate::world::store::SimStore::new(old);
    world.kill(1, 1);
    world.run(500);
    world.tell(1, &status);

    // Then
    assert_eq!(code(&world.ask_shares(1, &request)), Some(RefusalCode::Rollback));
    assert_eq!(world.nonces(&played, 1, 1), None);
    // Nor does it take part in a new key: each thing it stored would hide some of what it forgot.
    let attempt = |generation| DkgSession {
        parameters: world.ground.params.hash(),
        key: KeyRef { generation, ..played.key() },
        attempt: 9,
    };
    let begin = |session| DkgBegin { session, deadline_ms: 10_000 };
    let (second, third) = (begin(attempt(2)), begin(attempt(3)));
    let labels = |said: Vec<Message>| said.iter().map(Message::label).collect::<Vec<_>>();
    assert_eq!(labels(world.tell(1, &second.into())), Vec::<&str>::new());
    assert_eq!(labels(world.tell(2, &third.into())), ["dkg_round1"], "which others do");
}

/// The same with the honest coordinator: it has heard of the payment, and says so when they meet.
#[test]
fn member_restored_from_an_old_copy__should_hear_it_from_the_coordinator() {
    // Given
    let mut world = World::new(34, 3, 2);
    world.must_make_key();
    world.must_fund(&[500_000]);
    let old = world.nodes[1].store.rows().snapshot();
    let before = world.nodes[1].committee_metrics.signed.get();
    world.want_payment(100_000, Some(5));
    assert!(world.run_until(120_000, World::all_paid));
    let signed = world.nodes[1].committee_metrics.signed.get();
    assert!(signed > before, "this test is about a member that signed");

    // When
    world.nodes[1].store = crate::world::store::SimStore::new(old);
    world.kill(1, 1);
    world.run(2_000);

    // Then
    let node::Role::Member(actor) = &world.nodes[1].role else { panic!("member 1 is up") };
    assert!(actor.is_rolled_back());
}
