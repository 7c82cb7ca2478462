//! A coordinator that has lost its store, and so knows no more than a second one that the shared
//! parameters list: members teach it the keys, and nothing is paid twice.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use bitcoin::hashes::Hash as _;
use trestle_actors::coordinator::{
    ingress::Request,
    view::{CommitteeView, PaymentPhase, PaymentView},
};
use trestle_keys::sign;
use trestle_wire::{
    Ack, Message, Refusal,
    committee::{
        key::{KeyReady, MemberStatus},
        payment::OutPoint,
        sign::{Binding, RefusalCode, SignRefused, SignShares},
    },
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
    pub(crate) fn say_to_coordinator(
        &mut self,
        member: usize,
        message: impl Into<Message>,
    ) -> Option<Ack> {
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

/// Member 3 has not heard that the key is usable. The coordinator that owed it that has lost its
/// store, and learns the key from the others only after member 3 has connected.
#[test]
fn key_that_is_learned__should_be_announced_to_members_that_lack_it() {
    // Given
    let mut world = World::new(79, 3, 2);
    // A new tip would have member 3 say again what it has.
    world.faults.block = 0;
    world.want_key();
    let rows = |world: &World| keys(world.nodes[3].store.rows());
    assert!(world.run_until(60_000, |world| !rows(world).is_empty()), "its share is stored");
    world.kill(3, 20_000);
    assert!(world.run_until(15_000, |world| world.client.key.is_some()));
    world.cut_off(1);
    world.cut_off(2);
    world.lose_coordinator();
    world.run(25_000);
    let deaf = |world: &World| rows(world).iter().all(|(_, row)| row.ready.is_none());
    let view = world.must_view();
    assert_eq!((view.keys.len(), view.members[2].online), (0, true));
    assert!(deaf(&world));

    // When
    world.heal();
    world.run(5_000);

    // Then
    assert_eq!(world.must_view().keys.len(), 1);
    assert!(!deaf(&world), "member 3 has heard of it");
    assert_eq!(world.checker.violations, []);
}

/// A payment of 100,000 that is signed under an id, and then forgotten; a larger coin is there that
/// would be spent first.
fn forgotten_payment(seed: u64, confirmed: bool) -> (World, PaymentView) {
    let mut world = committee(seed);
    world.faults.include = 0;
    world.want_payment(100_000, Some(5));
    world.run(5_000);
    let sent = world.listed(1).pop().expect("it is accepted");
    assert_eq!(sent.versions.len(), 1, "it is signed");
    world.faults.include = 1_000;
    // The members that agreed remember one anchor; the new coordinator knows of none, and a member
    // that has not agreed binds what it is shown.
    world.checker.played = true;
    if confirmed {
        for _ in 0..=8 {
            world.mine();
            world.run(1_000);
        }
    } else {
        world.ground.bitcoind.chain().forget();
    }
    world.lose_coordinator();
    world.fund(3_000_000);
    world.mine();
    world.run(5_000);
    world.client.payments[0].id = None;
    world.ask_for_payments();
    (world, sent)
}

#[test]
fn payment_asked_for_again_after_a_loss__should_take_its_old_anchor_and_be_made_once() {
    // When
    let (mut world, sent) = forgotten_payment(77, false);
    world.run(30_000);

    // Then
    let again = world.listed(1).pop().expect("it is accepted");
    assert_eq!(again.payment, sent.payment, "the same payment on every coordinator");
    assert_eq!(again.anchor, sent.anchor, "what the members had bound");
    assert_eq!(again.versions.len(), 1, "{:?}", again.note);

    // And whichever version confirms, it is paid once.
    world.ground.bitcoind.chain().broadcast(&sent.versions[0].transaction);
    for _ in 0..8 {
        world.mine();
        world.run(5_000);
    }
    assert!(world.all_paid());
    assert_eq!(world.checker.violations, []);
}

/// What a payment that was made before was made by, and whether that pays it.
fn used(view: &PaymentView) -> (bitcoin::Txid, bool) {
    let PaymentPhase::UsedBefore { txid, pays, .. } = &view.phase else {
        panic!("{:?}: {:?}", view.phase, view.note);
    };
    (*txid, *pays)
}

#[test]
fn payment_made_before_a_loss__should_be_found_and_not_made_again() {
    // When
    let (mut world, sent) = forgotten_payment(70, true);
    assert!(world.all_paid());
    world.run(60_000);

    // Then
    let again = world.listed(1).pop().expect("it is accepted");
    assert_eq!(again.payment, sent.payment);
    let (txid, pays) = used(&again);
    assert_eq!((txid, pays), (sent.versions[0].txid, true));
    let (note, anchor) = (again.note.unwrap_or_default(), sent.anchor.expect("planned"));
    assert!(note.contains(&anchor.to_string()) && note.contains(&txid.to_string()), "{note}");
    let left = world.must_view().wallet;
    assert_eq!(left.reserved.to_sat(), 0, "its coins are free");
    assert_eq!(world.checker.violations, []);
}

/// The same while the transaction that paid is not deep: nothing is signed meanwhile.
#[test]
fn payment_made_just_before_a_loss__should_be_waited_for() {
    // Given
    let (mut world, sent) = forgotten_payment(65, false);
    world.faults.block = 0;
    world.ground.bitcoind.chain().broadcast(&sent.versions[0].transaction);
    world.mine();
    world.run(60_000);
    let waiting = world.listed(1).pop().expect("it is accepted");
    assert_eq!((waiting.phase, waiting.versions.len()), (PaymentPhase::Signing, 0));

    // When
    for _ in 0..8 {
        world.mine();
        world.run(10_000);
    }

    // Then
    let over = world.listed(1).pop().expect("it is accepted");
    assert_eq!(used(&over), (sent.versions[0].txid, true));
    assert_eq!(world.checker.violations, []);
}

/// These members refuse everything, because the payment is bound to this coin, as they say.
fn accuse(world: &mut World, members: &[usize], coin: bitcoin::OutPoint) {
    for member in members {
        world.corrupt(*member, super::world::faults::Lie::Refuse);
    }
    world.lies.clear();
    let (members, coin) = (members.to_vec(), wire(coin));
    world.tamper = Some(Box::new(move |from, to, message| {
        let accuses = to == 0 && members.contains(&from);
        let Message::SignShares(answer) = &message else { return vec![message] };
        let SignShares { session, attempt, key, index, .. } = answer.clone();
        let (code, detail) = (RefusalCode::Policy, String::new());
        let binding = Some(Binding::Anchor(coin));
        let refused = SignRefused { session, attempt, key, index, code, detail, binding };
        vec![if accuses { refused.into() } else { message }]
    }));
}

fn wire(coin: bitcoin::OutPoint) -> OutPoint {
    OutPoint { txid: coin.txid.to_byte_array(), vout: coin.vout }
}

/// A committee that has made a payment of 100,000, deep in the chain, and what it was bound to.
fn with_payment(seed: u64) -> (World, PaymentView, bitcoin::OutPoint) {
    let mut world = committee(seed);
    world.fund(900_000);
    world.must_pay(100_000);
    let paid = world.listed(1).pop().expect("it is accepted");
    for _ in 0..8 {
        world.mine();
        world.run(1_000);
    }
    let anchor = paid.anchor.expect("planned");
    (world, paid, anchor)
}

#[test]
fn spent_anchor_that_one_member_makes_up__should_hold_nothing_up() {
    // Given
    let (mut world, _, anchor) = with_payment(69);
    accuse(&mut world, &[1], anchor);

    // When
    for _ in 0..3 {
        world.must_pay(50_000);
    }

    // Then
    assert_eq!(world.checker.violations, []);
}

/// The spender of a coin says something when it makes the same payment; only then is its depth
/// worth waiting for.
#[test]
fn coin_that_was_just_spent__should_not_be_waited_for_on_one_members_word() {
    // Given
    let mut world = committee(68);
    world.must_pay(20_000);
    world.faults.block = 0;
    let spent = world.listed(1).pop().and_then(|one| one.anchor).expect("it was paid");
    accuse(&mut world, &[1], spent);

    // When
    world.want_payment(50_000, Some(5));
    world.run(30_000);

    // Then
    let view = world.listed(1).pop().expect("it is accepted");
    assert_eq!(view.versions.len(), 1, "{:?}: {:?}", view.phase, view.note);
    assert_eq!(world.checker.violations, []);
}

/// The same amount to the same recipient each month: what paid the last one did not pay this one.
#[test]
fn anchor_of_another_payment_of_the_same__should_not_make_it_be_over() {
    // Given
    let (mut world, last, anchor) = with_payment(64);
    accuse(&mut world, &[1], anchor);

    // When
    world.want_the_same_again();
    world.run(60_000);

    // Then
    let this = world.listed(1).pop().expect("it is accepted");
    assert_ne!(this.payment, last.payment);
    assert_eq!(this.versions.len(), 1, "{:?}: {:?}", this.phase, this.note);
}

/// Two of three can not both be liars where one may be: the payment can never be made.
#[test]
fn spent_anchor_that_many_members_name__should_make_it_be_over() {
    // Given
    let (mut world, last, anchor) = with_payment(63);
    accuse(&mut world, &[1, 2], anchor);

    // When
    world.want_payment(50_000, Some(5));
    world.run(60_000);

    // Then
    let this = world.listed(1).pop().expect("it is accepted");
    assert_eq!(used(&this), (last.versions[0].txid, false));
    assert_eq!(world.must_view().wallet.reserved.to_sat(), 0, "its coins are free");
}
