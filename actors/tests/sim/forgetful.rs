//! A coordinator that has lost its store, and so knows no more than a second one that the shared
//! parameters list: members teach it the keys, and nothing is paid twice.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use trestle_actors::coordinator::{ingress::Request, view::CommitteeView};
use trestle_keys::sign;
use trestle_wire::{
    Ack, Message, Refusal,
    committee::key::{KeyReady, MemberStatus},
};

use super::{
    byzantine::changing,
    world::{NAME, World, checker::keys, node, store::SimStore},
};

impl World {
    /// The coordinator's disk is lost; the process starts again with an empty one.
    fn lose_coordinator(&mut self) {
        self.nodes[0].store = SimStore::new(trestle_store::memory::MemoryStore::new());
        self.kill(0, 1);
        self.run(3_000);
    }

    fn must_view(&mut self) -> CommitteeView {
        self.view().expect("the coordinator answers")
    }

    /// Says something to the coordinator in a member's name.
    fn say_to_coordinator(&mut self, member: usize, message: impl Into<Message>) -> Option<Ack> {
        let bytes = self.envelope(member, &message.into());
        let from = self.nodes[member].peer;
        let ack = self.receive(0, from, &bytes);
        self.run(100);
        ack
    }

    fn must_pay(&mut self, sats: u64) {
        self.want_payment(sats, Some(5));
        assert!(self.run_until(300_000, Self::all_paid), "{:?}", self.phases());
        assert_eq!(self.checker.violations, []);
    }
}

/// A committee with a key and a coin.
fn committee(seed: u64) -> World {
    let mut world = World::new(seed, 3, 2);
    world.must_make_key();
    world.must_fund(&[1_000_000]);
    world
}

fn ready_of(world: &World, member: usize) -> KeyReady {
    let rows = keys(world.nodes[member].store.rows());
    rows.into_iter().find_map(|(_, row)| row.ready).expect("the member has the key")
}

#[test]
fn coordinator_without_its_store__should_learn_the_key_find_the_coins_and_pay() {
    // Given
    let mut world = committee(71);
    let before = world.must_view();

    // When
    world.lose_coordinator();

    // Then
    let view = world.must_view();
    let addresses = |view: &CommitteeView| -> Vec<_> {
        view.keys.iter().map(|key| (key.key.clone(), key.address.clone())).collect()
    };
    assert_eq!(addresses(&view), addresses(&before));
    assert_eq!(view.wallet.spendable, before.wallet.spendable);
    assert_eq!(view.wallet.spendable.to_sat(), 1_000_000);
    world.must_pay(200_000);

    // And it knows the key from now on by itself.
    world.members().for_each(|member| world.cut_off(member));
    world.kill(0, 1);
    world.run(2_000);
    assert_eq!(addresses(&world.must_view()), addresses(&before));
}

#[test]
fn coordinator_without_its_store__should_make_the_next_key_under_a_new_number() {
    // Given
    let mut world = committee(72);
    // It learns nothing, and hears all the same which numbers are taken.
    world.tamper = Some(Box::new(|_, to, message| {
        let lost = to == 0 && matches!(message, Message::KeyReady(_));
        if lost { Vec::new() } else { vec![message] }
    }));
    world.lose_coordinator();
    assert_eq!(world.must_view().keys.len(), 0);

    // When
    world.client.key = None;
    world.want_key();
    assert!(world.run_until(120_000, |world| world.client.key.is_some()));

    // Then
    let made = world.client.key.as_ref().map(|view| view.key.generation);
    assert_eq!(made, Some(2));
    assert_eq!(world.checker.violations, []);
}

/// Member 3 claims a key with the highest number there is.
#[test]
fn number_of_a_key_that_a_member_makes_up__should_not_use_up_all_numbers() {
    // Given
    let mut world = committee(73);
    let key = world.client.key.as_ref().expect("there is a key").key.clone();
    let mut status = MemberStatus {
        committee: NAME.into(),
        boot: world.nodes[3].boot_id(),
        sequence: 1_000,
        height: 1,
        keys: vec![trestle_wire::KeyRef { generation: u32::MAX, ..key }],
        by: trestle_wire::committee::MemberSignature { index: 3, signature: [0; 64] },
    };
    sign::sign_member_status(&node::key_file(73, 3).identity.committee, &mut status);
    // Nothing it says after that changes it.
    world.tamper = Some(changing(3, Some(0), |message| {
        matches!(message, Message::MemberStatus(_)).then(Vec::new)
    }));
    world.say_to_coordinator(3, status);

    // When
    world.client.key = None;
    world.want_key();
    assert!(world.run_until(120_000, |world| world.client.key.is_some()));

    // Then
    assert_eq!(world.client.key.as_ref().map(|view| view.key.generation), Some(2));
}

/// Member 1 teaches the key with a certificate that is not member 2's.
#[test]
fn key_with_a_wrong_certificate__should_be_refused_and_learned_from_others() {
    // Given
    let mut world = committee(74);
    world.tamper = Some(changing(1, Some(0), |message| {
        let Message::KeyReady(ready) = message else { return None };
        let mut ready = ready.clone();
        ready.certificates[1].signature[5] ^= 1;
        Some(vec![ready.into()])
    }));
    world.cut_off(2);
    world.cut_off(3);

    // When
    world.lose_coordinator();
    world.run(30_000);

    // Then
    let view = world.must_view();
    assert!(view.members[0].online, "member 1 is heard");
    assert_eq!(view.keys.len(), 0, "and not believed");

    // And the honest ones are.
    world.heal();
    world.run(3_000);
    assert_eq!(world.must_view().keys.len(), 1);
    world.must_pay(100_000);
}

/// Member 1 sends the key without having been asked for it, and then one that nobody knows.
#[test]
fn key_that_was_not_asked_for__should_not_be_looked_at() {
    let mut world = committee(75);
    let ready = ready_of(&world, 1);
    let again = world.say_to_coordinator(1, ready.clone());
    assert_eq!(again, Some(Ack::Refused(Refusal::NotAllowed)));

    let mut other = ready;
    other.session.key.generation = 9;
    let unknown = world.say_to_coordinator(1, other);
    assert_eq!(unknown, Some(Ack::Refused(Refusal::NotAllowed)));
    assert_eq!(world.must_view().keys.len(), 1);
}

/// A coordinator that has learned its key from member 1 alone, which says that the key was made at
/// a height where its coin was there already.
fn taught_too_late(seed: u64) -> World {
    let mut world = World::new(seed, 3, 2);
    for _ in 0..200 {
        world.mine();
    }
    world.must_make_key();
    world.must_fund(&[1_000_000]);
    for _ in 0..200 {
        world.mine();
    }
    world.run(60_000);
    world.tamper = Some(changing(1, Some(0), |message| {
        let Message::KeyReady(ready) = message else { return None };
        Some(vec![KeyReady { birth: 540, ..ready.clone() }.into()])
    }));
    world.cut_off(2);
    world.cut_off(3);
    world.lose_coordinator();
    world.run(60_000);
    let view = world.must_view();
    assert_eq!(view.keys.first().map(|key| key.birth), Some(540 - 144));
    assert_eq!(view.wallet.spendable.to_sat(), 0, "it looks too late");
    world
}

#[test]
fn birth_that_is_too_late__should_be_mended_by_a_rescan() {
    // Given
    let mut world = taught_too_late(78);

    // When
    world.ask(|reply| Request::Rescan(NAME.into(), 100, reply)).expect("it is taken");
    world.run(60_000);

    // Then
    assert_eq!(world.must_view().wallet.spendable.to_sat(), 1_000_000);
    world.heal();
    world.must_pay(100_000);
}

#[test]
fn birth_that_is_too_late__should_be_mended_by_another_member() {
    // Given
    let mut world = taught_too_late(76);

    // When
    world.heal();
    world.run(60_000);

    // Then
    let view = world.must_view();
    let birth = view.keys.first().map_or(0, |key| key.birth);
    assert!((50..=200 - 144 + 50).contains(&birth), "{birth}");
    assert_eq!(view.wallet.spendable.to_sat(), 1_000_000);
    world.must_pay(100_000);
}

/// A payment is signed and sent, the coordinator loses its store, and people ask for the same
/// payment again. By then another coin would be spent first.
#[test]
fn payment_asked_for_again_after_a_loss__should_not_be_made_twice() {
    // Given
    let mut world = committee(77);
    world.faults.include = 0;
    world.want_payment(100_000, Some(5));
    world.run(5_000);
    let sent = world.ask(|reply| Request::Payments(NAME.into(), 1, reply));
    let sent = sent.and_then(|mut views| views.pop()).expect("it is accepted");
    assert_eq!(sent.versions.len(), 1, "it is signed");
    world.faults.include = 1_000;
    // The members that agreed remember one anchor; the new coordinator knows of none.
    world.checker.played = true;

    // When
    world.ground.bitcoind.chain().forget();
    world.fund(3_000_000);
    world.mine();
    world.lose_coordinator();
    world.client.payments[0].id = None;
    world.ask_for_payments();
    world.run(60_000);

    // Then
    let again = world.ask(|reply| Request::Payments(NAME.into(), 1, reply));
    let again = again.and_then(|mut views| views.pop()).expect("it is accepted");
    assert_eq!(again.payment, sent.payment, "the same payment on every coordinator");
    assert_ne!(again.anchor, sent.anchor, "planned on another coin");
    assert_eq!(again.versions.len(), 0, "the members that agreed to the first refuse");

    // And the first version is valid as before.
    world.ground.bitcoind.chain().broadcast(&sent.versions[0].transaction);
    world.mine();
    world.run(60_000);
    assert!(world.all_paid());
    assert_eq!(world.checker.violations, []);
}
