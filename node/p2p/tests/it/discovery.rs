//! Finding each other with nothing but a bootnode, and without it.
#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use trestle_actors::ports::SendMessage;
use trestle_p2p::PeerEvent;

use crate::common::{Node, QUIC, Setup, TCP, event, peer, session};

const TABLE: [u8; 2] = [1, 2];

#[tokio::test]
async fn discovery__should_need_one_bootnode_and_survive_its_death() {
    // Given two members that know nobody but a bootnode.
    let bootnode = Setup::bootnode(9).start();
    let known = [bootnode.address().await];
    let mut a = Setup::member(1, &TABLE, &known).start();
    let mut b = Setup::member(2, &TABLE, &known).start();

    // When they look around, then they find each other directly.
    let (seen_by_a, seen_by_b) = tokio::join!(a.ready(b.peer()), b.ready(a.peer()));
    assert!(!seen_by_a.relayed && !seen_by_b.relayed);

    // When the bootnode dies, then they still talk.
    bootnode.stop().await;
    talk(&mut a, &mut b, 1).await;

    // When one of them restarts where it was, knowing only the dead bootnode, then the other
    // finds it again.
    let address = b.address().await;
    let mut events = a.handle.events();
    b.stop().await;
    event(&mut events, |e| (e == PeerEvent::Lost(peer(2))).then_some(())).await;
    let mut again = Setup::member(2, &TABLE, &known);
    again.boot = 77;
    again.listen = vec![address.split("/p2p/").next().expect("an address").to_owned()];
    let mut b = again.start();
    tokio::join!(a.ready(b.peer()), b.ready(a.peer()));
    talk(&mut a, &mut b, 2).await;
}

#[tokio::test]
async fn discovery__should_find_a_member_that_comes_later() {
    let bootnode = Setup::bootnode(9).start();
    let known = [bootnode.address().await];
    let a = Setup::member(1, &TABLE, &known).start();
    a.wait("the bootnode", |info| info.peer == peer(9) && info.connected).await;
    let b = Setup::member(2, &TABLE, &known).start();
    tokio::join!(a.ready(b.peer()), b.ready(a.peer()));
}

#[tokio::test]
async fn discovery__should_look_up_the_name_of_a_bootnode() {
    let bootnode = Setup { listen: vec![TCP.to_owned(), QUIC.to_owned()], ..Setup::bootnode(9) };
    let bootnode = bootnode.start();
    for (seed, transport) in [(1, "/tcp/"), (2, "/udp/")] {
        let address = bootnode.listening(transport).await;
        let named = address.replace("/ip4/127.0.0.1/", "/dns4/localhost/");
        assert!(named.starts_with("/dns4/localhost/"), "{named}");

        let node = Setup::member(seed, &TABLE, &[named]).start();

        node.wait("the bootnode", |info| info.peer == peer(9) && info.connected).await;
    }
}

#[tokio::test]
async fn discovery__should_join_a_whole_committee() {
    let bootnode = Setup::bootnode(99).start();
    let known = [bootnode.address().await];
    let table: Vec<u8> = (1..=7).collect();
    let nodes: Vec<_> =
        table.iter().map(|seed| Setup::member(*seed, &table, &known).start()).collect();
    for a in &nodes {
        for b in nodes.iter().filter(|b| b.peer() != a.peer()) {
            a.ready(b.peer()).await;
        }
    }
}

async fn talk(a: &mut Node, b: &mut Node, n: u32) {
    a.handle.offer(b.peer(), session(n));
    assert_eq!(b.next().await.inbound.message, session(n));
    b.handle.offer(a.peer(), session(n));
    assert_eq!(a.next().await.inbound.message, session(n));
}
