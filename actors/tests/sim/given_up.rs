//! Payments that are given up, and coins that members refuse.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use bitcoin::{Amount, Transaction, consensus::deserialize, hashes::Hash as _};
use tokio::sync::oneshot;
use trestle_actors::coordinator::{
    CoordinatorInput,
    ingress::{Denied, Request},
    view::{PaymentPhase, PaymentView},
};
use trestle_wire::{
    Hash32, Message,
    committee::{
        payment::OutPoint,
        sign::{Binding, Purpose, RefusalCode, SignRefused, SignShares},
    },
};

use super::world::{NAME, World, faults::Lie};

fn committee(seed: u64, coins: &[u64]) -> World {
    let mut world = World::new(seed, 3, 2);
    world.must_make_key();
    world.must_fund(coins);
    world.faults.block = 0;
    world
}

/// Three of four must sign, and two refuse the payment that is wanted.
fn refused_by_two_of_four(seed: u64, amount: u64) -> World {
    let mut world = World::new(seed, 4, 3);
    world.must_make_key();
    world.must_fund(&[1_000_000]);
    world.faults.block = 0;
    world.corrupt(3, Lie::Refuse);
    world.corrupt(4, Lie::Refuse);
    world.want_payment(amount, Some(5));
    world.run(30_000);
    world
}

impl World {
    fn cancel(&mut self, name: &str) -> Result<PaymentView, Denied> {
        let (reply, mut answer) = oneshot::channel();
        let request = Request::Cancel(NAME.into(), name.into(), reply);
        self.coordinator(CoordinatorInput::Request(request));
        answer.try_recv().expect("the coordinator answers at once")
    }

    fn release(&mut self, coin: bitcoin::OutPoint) -> Result<PaymentView, Denied> {
        let (reply, mut answer) = oneshot::channel();
        let request = Request::Release(NAME.into(), coin, None, reply);
        self.coordinator(CoordinatorInput::Request(request));
        answer.try_recv().expect("the coordinator answers at once")
    }

    fn spendable(&mut self) -> u64 {
        self.view().expect("the coordinator answers").wallet.spendable.to_sat()
    }

    fn restart_members(&mut self) {
        self.members().for_each(|member| self.kill(member, 1));
        self.run(3_000);
    }
}

/// Who is asked is bound: nobody is asked while too few are there, and all are when they are back.
#[test]
fn payment_with_too_few_members__should_bind_nobody() {
    // Given
    let mut world = World::new(93, 4, 3);
    world.must_make_key();
    world.must_fund(&[1_000_000]);
    world.faults.block = 0;
    world.cut_off(3);
    world.cut_off(4);
    world.run(30_000);

    // When
    world.want_payment(100_000, Some(5));
    world.run(30_000);

    // Then
    let view = world.listed(1).pop().expect("it is accepted");
    let note = view.note.unwrap_or_default();
    assert_eq!(note, "waits for members: 3 of 4 must sign, members [3, 4] are away");
    world.cancel("payment 0").expect("nothing is signed");
    world.kill(0, 1);
    world.run(3_000);
    world.want_payment(200_000, Some(5));
    world.run(30_000);
    world.heal();
    world.run(3_000);
    let view = world.listed(1).pop().expect("it is accepted");
    assert_eq!(view.versions.len(), 1, "the coin is as free as before: {:?}", view.note);
    assert_eq!(world.checker.violations, []);
}

/// A payment that members refuse waits ever longer, however often one of them connects.
#[test]
fn member_that_connects_again_and_again__should_not_bring_payments_forward() {
    let mut world = committee(94, &[1_000_000]);
    world.ground.policy.max_payment = Amount::from_sat(50_000);
    world.restart_members();
    world.want_payment(100_000, Some(5));
    world.run(20_000);
    let before = world.next_wake().expect("it is tried again");

    let peer = world.nodes[1].peer;
    world.coordinator(CoordinatorInput::Connected(peer));

    assert_eq!(world.next_wake(), Some(before));
}

/// Three of four must sign: with two of them bound, two are left, and nothing can spend the coin.
#[test]
fn payment_that_strands_its_anchor__should_say_so_when_it_is_cancelled() {
    // Given
    let mut world = refused_by_two_of_four(92, 100_000);

    // When
    let view = world.cancel("payment 0").expect("nothing is signed");

    // Then
    let (anchor, note) = (view.anchor.expect("planned"), view.note.unwrap_or_default());
    assert!(note.contains("too few are left") && note.contains(&anchor.to_string()), "{note}");
    let wallet = world.view().expect("the coordinator answers").wallet;
    assert_eq!((wallet.spendable.to_sat(), wallet.bound.to_sat()), (0, 1_000_000));
}

/// The same, and the coin is had back, by a coordinator that was started again; then it is paid from.
#[test]
fn coin_that_a_cancelled_payment_strands__should_be_had_back() {
    // Given
    let mut world = refused_by_two_of_four(95, 900_000);
    let coin = world.listed(1)[0].anchor.expect("planned");
    let refused = world.release(coin).expect_err("an open payment spends it").to_string();
    assert!(refused.contains("cancel that one first"), "{refused}");
    world.cancel("payment 0").expect("nothing is signed");
    world.reform(3);
    world.reform(4);
    world.kill(0, 1);
    world.run(3_000);
    assert_eq!(world.spendable(), 0, "it is remembered to be bound");
    world.want_payment(800_000, Some(5));
    world.run(30_000);
    assert_eq!(world.listed(1)[0].phase, PaymentPhase::Waiting, "nothing can pay it");

    // When
    let release = world.release(coin).expect("it is spendable");
    assert_eq!(world.release(coin).map(|again| again.payment), Ok(release.payment));
    world.run(30_000);
    world.mine();
    world.run(30_000);

    // Then
    let find = |world: &mut World| {
        world.ask(|reply| Request::Payment(release.payment, reply)).expect("it is found")
    };
    let found = find(&mut world);
    assert!(matches!(found.phase, PaymentPhase::Confirmed { .. }), "{found:?}");
    assert_eq!(found.anchor, Some(coin));
    world.mine();
    world.run(30_000);
    assert!(world.is_paid(1), "{:?}", world.listed(3));
    assert!(!world.is_paid(0), "it was cancelled");
    let wallet = world.view().expect("the coordinator answers").wallet;
    assert_eq!(wallet.bound.to_sat(), 0);
    assert_eq!(world.checker.violations, []);
}

#[test]
fn payment_that_members_refuse__should_be_cancelled_for_good_and_free_its_coins() {
    // Given
    let mut world = committee(91, &[1_000_000]);
    let most = world.ground.policy.max_payment;
    world.ground.policy.max_payment = Amount::from_sat(50_000);
    world.restart_members();
    world.want_payment(100_000, Some(5));
    world.run(5_000);
    assert_eq!(world.phases(), [Some(PaymentPhase::Signing)]);
    assert_eq!(world.spendable(), 0);

    // When
    let view = world.cancel("payment 0").expect("nothing is signed");

    // Then
    assert_eq!(view.phase, PaymentPhase::Cancelled);
    assert_eq!(world.spendable(), 1_000_000);
    world.ground.policy.max_payment = most;
    world.restart_members();
    world.kill(0, 1);
    world.run(30_000);
    let request = world.client.payments[0].request.clone();
    let again = world.pay(&request).expect("it is found");
    assert_eq!(again.phase, PaymentPhase::Cancelled);
    assert!(again.note.is_some_and(|note| note.contains("cancelled")));
    let id = again.payment.to_string();
    assert_eq!(world.cancel(&id).map(|view| view.phase), Ok(PaymentPhase::Cancelled));
    assert!(!world.all_paid());
    assert_eq!(world.next_wake(), None, "nothing is tried any more");
    assert_eq!(world.checker.violations, []);
}

#[test]
fn payment_that_cannot_be_funded__should_be_cancelled() {
    let mut world = committee(92, &[1_000_000]);
    world.want_payment(5_000_000, Some(5));
    world.run(2_000);
    assert_eq!(world.phases(), [Some(PaymentPhase::Waiting)]);
    assert_eq!(world.cancel("payment 0").map(|view| view.phase), Ok(PaymentPhase::Cancelled));
    world.fund(9_000_000);
    world.mine();
    world.run(30_000);
    assert!(!world.all_paid());
    assert!(matches!(world.cancel("payment 1"), Err(Denied::NotFound(_))));
}

#[test]
fn payment_that_is_signed__should_not_be_cancelled() {
    let mut world = committee(93, &[1_000_000]);
    world.want_payment(100_000, Some(5));
    world.run(5_000);
    let refused = world.cancel("payment 0").expect_err("it is signed");
    assert!(refused.to_string().contains("a signed version can confirm for ever"), "{refused}");
    world.mine();
    world.run(5_000);
    assert!(world.all_paid());
    assert!(matches!(world.cancel("payment 0"), Err(Denied::Invalid(_))));
}

/// All shares are on their way when the payment is given up, and come afterwards.
#[test]
fn shares_that_come_after_a_cancellation__should_never_be_combined() {
    // Given
    let mut world = committee(94, &[1_000_000]);
    let late: Rc<RefCell<Vec<(usize, Message)>>> = Rc::default();
    let held = Rc::clone(&late);
    world.tamper = Some(Box::new(move |from, _, message| {
        if matches!(message, Message::SignShares(_)) {
            held.borrow_mut().push((from, message));
            return Vec::new();
        }
        vec![message]
    }));
    world.want_payment(100_000, Some(5));
    world.run(500);
    assert!(late.borrow().len() >= 2, "enough for a signature");

    // When
    let view = world.cancel("payment 0").expect("nothing is signed");
    world.tamper = None;
    for (member, shares) in late.take() {
        world.say_to_coordinator(member, shares);
    }
    world.run(30_000);
    world.mine();
    world.run(5_000);

    // Then
    assert!(!world.all_paid());
    let found = world.ask(|reply| Request::Payment(view.payment, reply)).expect("it is found");
    assert_eq!((found.phase, found.versions.len()), (PaymentPhase::Cancelled, 0));
    assert_eq!(world.checker.violations, []);
}

/// Members 2 and 3 have bound the second input of the plan to another payment.
#[test]
fn coin_that_too_many_members_refuse__should_be_left_out_of_the_next_plan() {
    // Given
    let mut world = committee(95, &[1_000_000, 900_000, 800_000]);
    let mut coin: Option<OutPoint> = None;
    let mut spending = BTreeMap::new();
    world.tamper = Some(Box::new(move |from, _, message| {
        if let Message::SignRequest(request) = &message
            && let Purpose::Payment(proposal) = &request.purpose
        {
            let transaction: Transaction =
                deserialize(&proposal.transaction).expect("the coordinator is honest");
            let inputs = transaction.input.iter().map(|input| input.previous_output);
            let inputs: Vec<OutPoint> = inputs
                .map(|at| OutPoint { txid: at.txid.to_byte_array(), vout: at.vout })
                .collect();
            let refused = *coin.get_or_insert(inputs[1]);
            spending.insert(request.session, inputs.contains(&refused).then_some(refused));
        }
        let Message::SignShares(answer) = &message else { return vec![message] };
        let spent = spending.get(&answer.session).copied().flatten();
        let Some(coin) = spent.filter(|_| from > 1) else { return vec![message] };
        let SignShares { session, attempt, key, index, .. } = answer.clone();
        let (code, detail) = (RefusalCode::Policy, "taken".into());
        let binding = Some(Binding::Coin { coin, payment: Hash32([9; 32]) });
        vec![SignRefused { session, attempt, key, index, code, detail, binding }.into()]
    }));

    // When
    world.want_payment(1_500_000, Some(5));
    world.run(30_000);
    let view = world.listed(1).pop().expect("it is accepted");
    world.mine();
    world.run(5_000);

    // Then
    assert_eq!(view.versions.len(), 1, "{:?}", view.note);
    assert!(world.all_paid());
    assert_eq!(world.checker.violations, []);
}

/// The coordinator has forgotten who was asked, and asks nobody before the payment is given up.
#[test]
fn payment_cancelled_right_after_a_restart__should_leave_its_coin_bound() {
    // Given
    let mut world = refused_by_two_of_four(98, 100_000);
    (1..=4).for_each(|member| world.cut_off(member));
    world.kill(0, 1);
    world.run(3_000);

    // When
    world.cancel("payment 0").expect("nothing is signed");

    // Then
    let wallet = world.view().expect("the coordinator answers").wallet;
    assert_eq!((wallet.spendable.to_sat(), wallet.bound.to_sat()), (0, 1_000_000));
}

/// Members 1 and 2 of four have bound the coin elsewhere; 3 and 4 bind it to the payment. Nobody can
/// make it, and the second coin must not be lost to it as well; nor is it forgotten after a restart.
#[test]
fn coin_that_some_have_bound_elsewhere__should_cost_no_second_coin_and_be_remembered() {
    // Given
    let mut world = World::new(97, 4, 3);
    world.must_make_key();
    world.must_fund(&[1_000_000, 900_000]);
    world.faults.block = 0;
    let mut coin: Option<OutPoint> = None;
    let mut refused = BTreeMap::new();
    world.tamper = Some(Box::new(move |from, _, message| {
        if let Message::SignRequest(request) = &message
            && let Purpose::Payment(proposal) = &request.purpose
        {
            let first = *coin.get_or_insert(proposal.anchor);
            refused.insert(request.session, (proposal.anchor == first).then_some(first));
        }
        let Message::SignShares(answer) = &message else { return vec![message] };
        let coin = refused.get(&answer.session).copied().flatten();
        let Some(coin) = coin.filter(|_| from < 3) else { return vec![message] };
        let SignShares { session, attempt, key, index, .. } = answer.clone();
        let (code, detail) = (RefusalCode::Policy, "taken".into());
        let binding = Some(Binding::Coin { coin, payment: Hash32([9; 32]) });
        vec![SignRefused { session, attempt, key, index, code, detail, binding }.into()]
    }));
    world.want_payment(800_000, Some(5));
    world.run(1_000);
    let first = world.listed(1)[0].anchor.expect("planned");

    // When
    world.run(60_000);

    // Then
    let view = world.listed(1).pop().expect("it is accepted");
    assert_eq!((view.anchor, view.phase), (Some(first), PaymentPhase::Signing), "{:?}", view.note);
    let lost = world.view().expect("the coordinator answers").wallet.reserved.to_sat();
    world.cancel("payment 0").expect("nothing is signed");
    for _ in 0..2 {
        let wallet = world.view().expect("the coordinator answers").wallet;
        assert_eq!((wallet.bound.to_sat(), wallet.spendable.to_sat()), (lost, 1_900_000 - lost));
        world.kill(0, 1);
        world.run(3_000);
    }
    world.want_payment(700_000, Some(5));
    world.run(30_000);
    world.mine();
    world.run(10_000);
    assert!(world.is_paid(1), "{:?}", world.listed(1));
    assert_eq!(world.checker.violations, []);
}
