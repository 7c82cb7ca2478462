//! Attacks by peers that have no part in a committee, and by bytes that are no message.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use trestle_wire::{
    Ack, Message, Peer, Refusal,
    codec::MAX_ENVELOPE,
    committee::sign::{NonceRequest, SignShares},
    envelope::Envelope,
};

use crate::world::{World, checker::keys};

const STRANGER: Peer = Peer([0xEE; 32]);

fn committee() -> World {
    let mut world = World::new(51, 3, 2);
    world.must_make_key();
    world
}

fn ask_nonces(world: &World) -> Message {
    let key = world.client.key.as_ref().expect("there is a key").key.clone();
    NonceRequest { key, count: 1 }.into()
}

/// A peer that coordinates nothing asks a member for nonces; so does another member.
#[test]
fn stranger__should_get_nothing_from_a_member() {
    let mut world = committee();
    let message = ask_nonces(&world);
    let bytes = world.envelope(0, &message);
    for from in [STRANGER, world.nodes[2].peer] {
        let ack = world.receive(1, from, &bytes);
        assert_eq!(ack, Some(Ack::Refused(Refusal::NotAllowed)));
    }
    assert_eq!(world.nodes[1].committee_metrics.not_allowed.get(), 2);
}

/// A peer that is no member answers the coordinator in a member's place.
#[test]
fn stranger__should_not_be_heard_by_the_coordinator() {
    let mut world = committee();
    let key = world.client.key.as_ref().expect("there is a key").key.clone();
    let session = trestle_wire::SessionId([0; 16]);
    let shares = SignShares { session, attempt: 1, key, index: 1, shares: Vec::new() };
    let bytes = world.envelope(1, &shares.into());
    let ack = world.receive(0, STRANGER, &bytes);
    assert_eq!(ack, Some(Ack::Refused(Refusal::NotAllowed)));
}

/// A message for a committee that the node is not in, and one for another role.
#[test]
fn message_for_another_role__should_be_refused() {
    let mut world = committee();
    let key = world.client.key.as_ref().expect("there is a key").key.clone();
    let elsewhere = trestle_wire::KeyRef { committee: "elsewhere".into(), ..key };
    let from = world.nodes[0].peer;
    let bytes = world.envelope(0, &NonceRequest { key: elsewhere, count: 1 }.into());
    assert_eq!(world.receive(1, from, &bytes), Some(Ack::Refused(Refusal::NoSuchRole)));
    let message = ask_nonces(&world);
    let (member, bytes) = (world.nodes[1].peer, world.envelope(1, &message));
    assert_eq!(world.receive(0, member, &bytes), Some(Ack::Refused(Refusal::NoSuchRole)));
}

/// Every message of a key generation arrives cut short at some byte.
#[test]
fn truncated_envelopes__should_be_refused_at_every_length() {
    let mut world = committee();
    let ready = keys(world.nodes[1].store.rows()).into_iter().find_map(|(_, row)| row.ready);
    let message: Message = ready.expect("there is a key").into();
    let (from, bytes) = (world.nodes[0].peer, world.envelope(0, &message));
    for length in 0..bytes.len() {
        assert_eq!(world.receive(1, from, &bytes[..length]), None, "at {length} bytes");
    }
    assert_eq!(world.receive(1, from, &bytes), Some(Ack::Duplicate));
}

/// An envelope larger than any may be, and one whose body is larger than its kind may be.
#[test]
fn oversized_envelopes__should_be_refused() {
    let mut world = committee();
    let message = ask_nonces(&world);
    let (from, mut bytes) = (world.nodes[0].peer, world.envelope(0, &message));
    let mut envelope = Envelope::from_bytes(&bytes).expect("an honest envelope");
    envelope.body.resize(20 * 1024, 0);
    assert_eq!(world.receive(1, from, &envelope.to_bytes()), None);
    bytes.resize(MAX_ENVELOPE + 1, 0);
    assert_eq!(world.receive(1, from, &bytes), None);
}

/// Bytes after the end of a message.
#[test]
fn trailing_bytes__should_be_refused() {
    let mut world = committee();
    let message = ask_nonces(&world);
    let (from, mut bytes) = (world.nodes[0].peer, world.envelope(0, &message));
    bytes.push(0);
    assert_eq!(world.receive(1, from, &bytes), None);
}
