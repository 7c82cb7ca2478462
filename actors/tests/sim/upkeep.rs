//! What a coordinator keeps in memory, how often it tries, and what it turns down.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use bitcoin::Amount;
use futures::executor::block_on;
use tokio::sync::oneshot;
use trestle_actors::coordinator::{
    CoordinatorInput,
    ingress::{Denied, Request},
    view::{PayRequest, PaymentPhase, PaymentView},
};
use trestle_store::{Scan, Store};

use super::world::{NAME, World, node::Role};

fn committee(seed: u64) -> World {
    let mut world = World::new(seed, 3, 2);
    world.must_make_key();
    world.must_fund(&[1_000_000, 900_000]);
    world
}

impl World {
    fn rows(&self, space: &'static str) -> usize {
        let scan = Scan { limit: 1_000, ..Scan::default() };
        let rows = block_on(self.nodes[0].store.rows().scan(space, scan));
        rows.expect("memory can be read").len()
    }

    pub(crate) fn listed(&mut self, limit: u32) -> Vec<PaymentView> {
        let listed = self.ask(|reply| Request::Payments(NAME.into(), limit, reply));
        listed.expect("the coordinator answers")
    }

    pub(crate) fn pay(&mut self, request: &PayRequest) -> Result<PaymentView, Denied> {
        let (reply, mut answer) = oneshot::channel();
        self.coordinator(CoordinatorInput::Request(Request::Pay(request.clone(), reply)));
        answer.try_recv().expect("the coordinator answers at once")
    }

    /// Milliseconds until the coordinator does something by itself.
    pub(crate) fn next_wake(&self) -> Option<u64> {
        let Role::Coordinator(actor) = &self.nodes[0].role else { panic!("it is up") };
        actor.next_wake().map(|at| at.saturating_sub(self.now))
    }
}

#[test]
fn payments_that_are_over__should_leave_what_is_read_at_the_start_and_stay_visible() {
    // Given
    let mut world = committee(81);
    for sats in [100_000, 200_000] {
        world.want_payment(sats, Some(5));
        assert!(world.run_until(120_000, World::all_paid));
    }
    assert_eq!(world.rows("coordinator.payments"), 2);

    // When
    for _ in 0..10 {
        world.mine();
        world.run(2_000);
    }
    world.want_payment(150_000, Some(5));
    world.run(1_000);

    // Then
    assert_eq!(world.rows("coordinator.payments"), 1, "only the open one");
    assert_eq!(world.rows("coordinator.final_payments"), 2);
    for boot in 1..=2 {
        let listed = world.listed(10);
        let keys: Vec<&str> = listed.iter().map(|view| view.idempotency_key.as_str()).collect();
        assert_eq!(keys, ["payment 2", "payment 1", "payment 0"], "boot {boot}");
        assert!(matches!(listed[1].phase, PaymentPhase::Settled { .. }), "{:?}", listed[1].phase);
        assert!(listed[1].sign_ms.is_some());
        assert_eq!(world.listed(2).len(), 2);
        let one = listed[2].payment;
        let found = world.ask(|reply| Request::Payment(one, reply));
        assert_eq!(found.map(|view| view.idempotency_key), Some("payment 0".to_owned()));

        // The same request is the same payment, over as it is; another one is refused.
        let request = world.client.payments[0].request.clone();
        assert_eq!(world.pay(&request).map(|view| view.payment), Ok(one));
        let mut other = request;
        other.recipients[0].1 = Amount::from_sat(5_000);
        assert!(matches!(world.pay(&other), Err(Denied::Invalid(_))));

        world.kill(0, 1);
        world.run(2_000);
    }
    world.want_payment(50_000, Some(5));
    assert!(world.run_until(120_000, World::all_paid), "{:?}", world.phases());
    assert_eq!(world.listed(1)[0].idempotency_key, "payment 3", "numbers go on");
    assert_eq!(world.checker.violations, []);
}

#[test]
fn payment_that_is_stuck__should_be_tried_less_and_less_until_there_is_a_block() {
    // Given
    let mut world = committee(82);
    world.faults.block = 0;
    world.run(2_000);
    assert_eq!(world.next_wake(), None, "nothing to do");

    // When
    world.want_payment(5_000_000, Some(5));

    // Then
    assert!(world.next_wake().is_some_and(|wait| wait <= 2_000), "{:?}", world.next_wake());
    let mut tries = 0;
    let mut before = 0;
    while world.now < 1_000_000 {
        let wait = world.next_wake().expect("it is tried again");
        assert!(wait >= before && wait <= 60_000, "{wait} after {before}");
        (before, tries) = (wait, tries + 1);
        world.run(wait + 1);
    }
    assert!(before > 59_000, "{before}");
    assert!(tries < 25, "{tries} tries");

    // When
    world.mine();
    world.run(2_000);

    // Then
    assert!(world.next_wake().is_some_and(|wait| wait <= 8_000), "{:?}", world.next_wake());
}

#[test]
fn payment_with_more_recipients_than_members_read__should_be_turned_down() {
    // Given
    let mut world = committee(83);
    let address = world.client.key.as_ref().expect("there is a key").address.clone();
    let request = |key: &str, recipients: usize| PayRequest {
        committee: NAME.into(),
        idempotency_key: key.into(),
        recipients: vec![(address.clone(), Amount::from_sat(1_000)); recipients],
        fee_rate: None,
    };

    // When
    let most = world.pay(&request("most", 1_000));
    let more = world.pay(&request("more", 1_001));

    // Then
    assert!(most.is_ok(), "{most:?}");
    let text = "a payment has at most 1000 recipients, got 1001: split it";
    assert_eq!(more.err(), Some(Denied::Invalid(text.into())));
}

#[test]
fn rescan_from_above_the_tip__should_be_refused_and_change_nothing() {
    // Given
    let mut world = committee(84);

    // When
    let (reply, mut answer) = oneshot::channel();
    let rescan = Request::Rescan(NAME.into(), 1_000_000, reply);
    world.coordinator(CoordinatorInput::Request(rescan));
    let answer = answer.try_recv().expect("the coordinator answers at once");
    let tip = world.ground.bitcoind.chain().height();
    let text = format!("there is no block at height 1000000 yet: the best one is {tip}");
    assert_eq!(answer, Err(Denied::Invalid(text)));
    world.run(2_000);
    world.kill(0, 1);
    world.run(2_000);

    // Then
    world.want_payment(100_000, Some(5));
    assert!(world.run_until(120_000, World::all_paid), "{:?}", world.phases());
    assert_eq!(world.checker.violations, []);
}

/// The members go silent when they are to sign the proof of a new key.
#[test]
fn proof_of_a_key__should_end_with_the_key_generation() {
    // Given
    let mut world = World::new(85, 3, 2);
    world.ground.settings.dkg_attempts = 1;
    world.ground.settings.sign_deadline_ms = 600_000;
    world.faults.block = 0;
    world.kill(0, 1);
    world.run(1_000);
    world.tamper = Some(Box::new(|_, _, message| match message.label() {
        "sign_shares" | "nonce_offer" => Vec::new(),
        _ => vec![message],
    }));

    // When
    world.ask_key_once();
    assert!(world.run_until(60_000, |world| world.client.denied.is_some()));

    // Then
    assert!(matches!(world.client.denied, Some(Denied::DkgFailed(_))));
    assert_eq!(world.next_wake(), None, "no session is left to wait for");
}

#[test]
fn payment_asked_for_again_at_another_rate__should_say_that_its_rate_stays() {
    // Given
    let mut world = committee(86);
    world.want_payment(100_000, Some(5));
    let mut request = world.client.payments[0].request.clone();
    assert_eq!(world.pay(&request).map(|view| view.notice), Ok(None), "the same request");

    // When
    request.fee_rate = Some(bitcoin::FeeRate::from_sat_per_vb_u32(9));
    let again = world.pay(&request).expect("it is the same payment");

    // Then
    let notice = again.notice.expect("there is something to say");
    assert!(notice.contains("fee rate is what it was"), "{notice}");
}

#[test]
fn member_that_is_lost__should_be_shown_as_offline_until_it_is_back() {
    // Given
    let mut world = committee(87);
    world.faults.block = 0;
    let online = |world: &mut World| -> Vec<bool> {
        let view = world.view().expect("the coordinator answers");
        view.members.iter().map(|member| member.online).collect()
    };
    assert_eq!(online(&mut world), [true, true, true]);

    // When
    world.kill(2, 20_000);
    world.cut_off(3);
    world.run(3_000);

    // Then
    assert_eq!(online(&mut world), [true, false, false]);

    // When
    world.heal();
    world.run(3_000);

    // Then
    assert_eq!(online(&mut world), [true, true, true]);
}

#[test]
fn heights_of_members__should_follow_the_tip() {
    // Given
    let mut world = committee(88);
    world.faults.block = 0;

    // When
    for _ in 0..5 {
        world.mine();
    }
    world.run(4_000);

    // Then
    let tip = world.ground.bitcoind.chain().height();
    let view = world.view().expect("the coordinator answers");
    let heights: Vec<u32> = view.members.iter().map(|member| member.height).collect();
    assert_eq!(heights, [tip; 3]);
}
