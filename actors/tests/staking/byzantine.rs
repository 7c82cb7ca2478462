//! One attack a test, told in a sentence.

use trestle_staking::pipeline::Phase;
use trestle_wire::{
    Ack, Message, Peer, Refusal, SessionId,
    staking::{UnbondingAnswer, UnbondingAsk, UnbondingSigned},
};

use crate::world::{Behaviour, COORDINATOR, MEMBERS, Staked, World, full_key, peer};

/// A request with one member that lies: the other two carry it, and the liar's signature is not in
/// the witness.
async fn carried_without(liar: u8, behaviour: Behaviour) -> (World, Staked) {
    let mut world = World::new().await;
    world.behave(liar, behaviour);
    let staked = world.stake(1).await.remove(0);
    assert_eq!(world.request(staked.form()).await, Ok(()));
    let unbonding = staked.unbonding_txid();
    assert_eq!(world.phase(unbonding).await, Some(Phase::InMempool));
    let request = world.coordinator.stored(unbonding).await.expect("kept");
    let key = crate::world::x_only(liar).serialize();
    assert!(request.signers().all(|signer| *signer != key));
    (world, staked)
}

#[tokio::test]
async fn member_that_returns_garbage__should_be_counted_and_not_missed() {
    let (world, _) = carried_without(101, Behaviour::Garbage).await;

    assert_eq!(world.coordinator.metrics.misbehaved.get(), 1);
}

#[tokio::test]
async fn member_that_returns_anothers_signature__should_be_counted_and_not_missed() {
    let (world, staked) = carried_without(101, Behaviour::Foreign(102)).await;

    assert_eq!(world.coordinator.metrics.misbehaved.get(), 1);
    let request = world.coordinator.stored(staked.unbonding_txid()).await.expect("kept");
    let key = crate::world::x_only(101).serialize();
    assert_eq!(request.complaints()[&key].bad, 1);
}

#[tokio::test]
async fn member_that_answers_less_than_it_was_asked__should_not_be_believed_at_all() {
    let (world, _) = carried_without(101, Behaviour::Short).await;

    assert_eq!(world.coordinator.metrics.misbehaved.get(), 1);
}

#[tokio::test]
async fn member_that_answers_under_another_number__should_not_be_heard() {
    let (world, _) = carried_without(101, Behaviour::Misnumbering).await;

    assert_eq!(world.coordinator.metrics.unsolicited.get(), 1);
}

#[tokio::test]
async fn member_that_equivocates__should_be_heard_once() {
    // Given a member that answers twice, each time with another good signature
    let mut world = World::new().await;
    world.behave(101, Behaviour::Equivocating);
    world.behave(103, Behaviour::Silent);
    let staked = world.stake(1).await.remove(0);

    assert_eq!(world.request(staked.form()).await, Ok(()));

    assert_eq!(world.phase(staked.unbonding_txid()).await, Some(Phase::InMempool));
    assert_eq!(world.coordinator.metrics.unsolicited.get(), 1);
}

#[tokio::test]
async fn two_lying_members__should_stop_nobody_for_longer_than_they_lie() {
    // Given that only one of three is honest
    let mut world = World::new().await;
    world.behave(101, Behaviour::Garbage);
    world.behave(102, Behaviour::Foreign(103));
    let staked = world.stake(1).await.remove(0);
    assert_eq!(world.request(staked.form()).await, Ok(()));
    assert_eq!(world.phase(staked.unbonding_txid()).await, Some(Phase::Collecting));
    assert_eq!(world.coordinator.metrics.no_quorum.get(), 1);
    // When one of them is mended
    world.behave(102, Behaviour::Honest);
    world.wait(60_000).await;
    // Then
    assert_eq!(world.phase(staked.unbonding_txid()).await, Some(Phase::InMempool));
}

#[tokio::test]
async fn answer_of_a_member_that_was_not_asked__should_not_be_heard() {
    // Given a batch that only member 101 can answer
    let mut world = World::new().await;
    for member in MEMBERS {
        world.behave(member, Behaviour::Silent);
    }
    let staked = world.stake(1).await.remove(0);
    assert_eq!(world.request(staked.form()).await, Ok(()));
    let ask = first_ask(&world, 101);
    // When a stranger, and then another member, answer it
    let signature = UnbondingAnswer::Signed([1; 64]);
    let lie = UnbondingSigned { id: ask.id, answers: vec![signature] };
    for from in [55, 102] {
        world.deliver(peer(from), peer(COORDINATOR), lie.clone().into()).await;
        world.run().await;
    }
    // Then nothing is held against 101, whose answer is still waited for
    assert_eq!(world.coordinator.metrics.unsolicited.get(), 2);
    world.behave(101, Behaviour::Honest);
    world.deliver(peer(COORDINATOR), peer(101), Message::UnbondingAsk(ask)).await;
    world.run().await;
    let request = world.coordinator.stored(staked.unbonding_txid()).await.expect("kept");
    assert_eq!(request.signers().count(), 1);
    assert!(request.complaints().is_empty());
}

#[tokio::test]
async fn replayed_answer__should_change_nothing() {
    // Given an answer that was heard
    let mut world = World::new().await;
    world.behave(102, Behaviour::Silent);
    world.behave(103, Behaviour::Silent);
    let staked = world.stake(1).await.remove(0);
    assert_eq!(world.request(staked.form()).await, Ok(()));
    let answer = world.net.sent_to(peer(COORDINATOR)).remove(0);
    let before = world.coordinator.stored(staked.unbonding_txid()).await;
    // When it comes again, and after a restart
    world.deliver(peer(101), peer(COORDINATOR), answer.clone()).await;
    world.coordinator.restart().await;
    world.deliver(peer(101), peer(COORDINATOR), answer).await;
    world.run().await;
    // Then
    assert_eq!(world.coordinator.stored(staked.unbonding_txid()).await, before);
    assert_eq!(world.coordinator.metrics.unsolicited.get(), 2);
}

#[tokio::test]
async fn coordinator_that_is_not_listed__should_get_nothing() {
    let mut world = World::new().await;
    let staked = world.stake(1).await.remove(0);
    let ask = ask_for(&[staked]);
    let stranger: Peer = peer(55);

    let ack = world.member(101).ask(stranger, ask.into()).await;

    assert_eq!(ack, Ack::Refused(Refusal::NotAllowed));
    assert_eq!(world.net.sent_to(stranger), []);
    assert_eq!(world.member(101).metrics.not_allowed.get(), 1);
}

fn first_ask(world: &World, number: u8) -> UnbondingAsk {
    let sent = world.net.sent_to(peer(number)).remove(0);
    let Message::UnbondingAsk(ask) = sent else { panic!("{sent:?}") };
    ask
}

/// What a coordinator asks member 101 for these stakes.
pub(crate) fn ask_for(stakes: &[Staked]) -> UnbondingAsk {
    use bitcoin::{consensus::serialize, hashes::Hash};
    let one = |staked: &Staked| trestle_wire::staking::AskedUnbonding {
        staking: staked.txid().to_byte_array(),
        transaction: serialize(staked.unbonding().transaction()),
        staker: staked.form().signature.serialize(),
        key: full_key(101),
    };
    UnbondingAsk { id: SessionId([9; 16]), unbondings: stakes.iter().map(one).collect() }
}
