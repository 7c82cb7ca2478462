//! Two nodes that know each other's address.
#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use trestle_actors::ports::{Delivery, SendMessage};
use trestle_wire::{Ack, announce::Presence};

use crate::common::{Node, PATIENCE_SHORT, QUIC, Setup, durable, id, session, soon};

#[tokio::test]
async fn exchange__should_carry_both_classes_of_messages_over_tcp() {
    let (a, b) = pair("tcp").await;
    exchange(a, b).await;
}

#[tokio::test]
async fn exchange__should_carry_both_classes_of_messages_over_quic() {
    let (a, b) = pair("quic").await;
    exchange(a, b).await;
}

#[tokio::test]
async fn exchange__should_lose_none_of_a_burst_that_fits_the_queue() {
    let (a, mut b) = pair("tcp").await;
    (0..200).for_each(|n| a.handle.offer(b.peer(), session(n)));
    let mut missing: Vec<_> = (0..200).map(session).collect();
    while !missing.is_empty() {
        let received = b.next().await.inbound.message;
        let place = missing.iter().position(|message| *message == received);
        missing.swap_remove(place.expect("each comes once"));
    }
    assert_eq!(a.metric("trestle_p2p_queue_depth"), 0);
}

#[tokio::test]
async fn exchange__should_tell_the_sender_when_the_receiver_has_not_committed() {
    let (a, mut b) = pair("tcp").await;
    let deliver = a.handle.deliver(b.peer(), id(1), durable());
    // When the actor stops without having committed, then the outbox hears that it may try again.
    let (outcome, ()) = tokio::join!(soon("an answer", deliver), async {
        drop(b.next().await);
    });
    assert_eq!(outcome, Ok(Ack::Busy));
}

#[tokio::test]
async fn exchange__should_say_at_once_that_a_peer_cannot_be_reached() {
    let (a, b) = pair("tcp").await;
    let (b_peer, mut events) = (b.peer(), a.handle.events());
    b.stop().await;
    crate::common::event(&mut events, |e| {
        (e == trestle_p2p::PeerEvent::Lost(b_peer)).then_some(())
    })
    .await;
    let outcome =
        tokio::time::timeout(PATIENCE_SHORT, a.handle.deliver(b_peer, id(1), durable())).await;
    assert_eq!(outcome, Ok(Err(Delivery::Unreachable)));
    a.handle.offer(b_peer, session(1));
    assert!(a.metric("trestle_p2p_messages_lost_total{reason=\"not_connected\"}") >= 2);
}

#[tokio::test]
async fn exchange__should_loop_messages_to_ourselves_back() {
    let mut node = Setup::member(1, &[1], &[]).start();
    let me = node.peer();
    node.handle.offer(me, session(7));
    assert_eq!(node.next().await.inbound.message, session(7));
    let handle = node.handle.clone();
    let (outcome, received) = tokio::join!(handle.deliver(me, id(1), durable()), node.commit());
    assert_eq!((outcome, received.inbound.id), (Ok(Ack::Accepted), id(1)));
}

#[tokio::test]
async fn exchange__should_carry_presences_to_everyone() {
    let (a, mut b) = pair("tcp").await;
    let presence = Presence { parameters: None, roles: vec![], height: 42, keys: vec![] };
    a.handle.announce(presence.clone());
    let heard = soon("a presence", b.presences.recv()).await;
    assert_eq!(heard, Some((a.peer(), presence)));
}

#[tokio::test]
async fn exchange__should_end_what_waits_when_the_node_stops() {
    let (a, mut b) = pair("tcp").await;
    let (handle, b_peer) = (a.handle.clone(), b.peer());
    let waiting = tokio::spawn(async move { handle.deliver(b_peer, id(1), durable()).await });
    let _uncommitted = b.next().await;
    let handle = a.handle.clone();
    a.stop().await;
    assert_eq!(soon("the end", waiting).await.expect("no panic"), Err(Delivery::Stopping));
    assert_eq!(handle.deliver(b_peer, id(2), durable()).await, Err(Delivery::Stopping));
}

#[tokio::test]
async fn start__should_say_which_address_is_wrong_or_taken() {
    let a = Setup::member(1, &[1], &[]).start();
    let taken = a.address().await;
    let taken = taken.split("/p2p/").next().expect("an address").to_owned();
    for (listen, bootnode, expected) in [
        (taken.as_str(), "", "cannot listen on"),
        ("/dnsaddr/example.org", "", "names no transport of ours"),
        ("/dns4/example.org/tcp/1", "", "a node listens on an IP address"),
        ("nonsense", "", "is not a multiaddress"),
        (QUIC, "/ip4/127.0.0.1/tcp/1", "names no peer"),
        (QUIC, "/ip4/0.0.0.0/tcp/1", "cannot be dialled"),
    ] {
        let mut setup = Setup::member(2, &[1, 2], &[]);
        setup.listen = vec![listen.to_owned()];
        setup.bootnodes = Some(bootnode.to_owned()).filter(|b| !b.is_empty()).into_iter().collect();
        let error = setup.try_start().err().expect("it cannot start").to_string();
        assert!(error.contains(expected), "{error}");
    }
}

async fn exchange(mut a: Node, mut b: Node) {
    a.handle.offer(b.peer(), session(1));
    let received = b.next().await;
    assert_eq!((received.inbound.from, received.inbound.message), (a.peer(), session(1)));
    assert!(received.ack.is_none());

    let (handle, a_peer) = (b.handle.clone(), a.peer());
    let (outcome, received) = tokio::join!(handle.deliver(a_peer, id(9), durable()), a.commit());
    assert_eq!(outcome, Ok(Ack::Accepted));
    assert_eq!((received.inbound.id, received.inbound.message), (id(9), durable()));
    assert_eq!(a.metric("trestle_p2p_messages_received_total{kind=\"key_ready\"}"), 1);
    assert_eq!(a.metric("trestle_p2p_ready_peers"), 1);
    a.stop().await;
    b.stop().await;
}

async fn pair(transport: &str) -> (Node, Node) {
    let mut setup = Setup::member(1, &[1, 2], &[]);
    if transport == "quic" {
        setup.listen = vec![QUIC.to_owned()];
    }
    let a = setup.start();
    let address = a.address().await;
    assert!(address.contains(transport), "{address}");
    let b = Setup::member(2, &[1, 2], &[address]).start();
    tokio::join!(a.ready(b.peer()), b.ready(a.peer()));
    (a, b)
}
