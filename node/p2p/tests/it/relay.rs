//! Nodes without a listen address.
#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use trestle_actors::ports::SendMessage;
use trestle_p2p::PeerInfo;

use crate::common::{Node, Setup, peer, session};

const TABLE: [u8; 2] = [1, 2];

#[tokio::test]
async fn relay__should_join_two_nodes_that_nobody_can_dial_and_be_replaced_when_it_dies() {
    // Given two relays, and two members without a listen address.
    let (first, second) = (Setup::bootnode(8).start(), Setup::bootnode(9).start());
    let relays = [first.address().await, second.address().await];
    let mut a = hidden(1, &relays).start();
    let mut b = hidden(2, &relays).start();

    // When they look for each other, then they talk through one of the relays.
    let (info, _) = tokio::join!(a.ready(b.peer()), b.ready(a.peer()));
    assert!(info.relayed);
    talk(&mut a, &mut b, 1).await;

    // When that relay is killed, then they talk through the other.
    let (dead, left) = if leads_through(&info, &first) { (first, second) } else { (second, first) };
    let gone = dead.peer().to_string();
    dead.stop().await;
    let moved = |info: &PeerInfo| info.ready && !info.addrs.iter().any(|a| a.contains(&gone));
    let (info, _) = tokio::join!(
        a.wait("b elsewhere", |info| info.peer == peer(2) && moved(info)),
        b.wait("a elsewhere", |info| info.peer == peer(1) && moved(info)),
    );
    assert!(info.relayed && leads_through(&info, &left), "{:?}", info.addrs);
    talk(&mut a, &mut b, 2).await;
}

#[tokio::test]
async fn relay__should_let_a_node_that_listens_reach_one_that_does_not() {
    let relay = Setup::bootnode(9).start();
    let known = [relay.address().await];
    let mut a = hidden(1, &known).start();
    let mut b = Setup::member(2, &TABLE, &known).start();
    // The hidden one can dial; whichever way comes first, they talk.
    tokio::join!(a.ready(b.peer()), b.ready(a.peer()));
    talk(&mut a, &mut b, 1).await;
}

#[tokio::test]
async fn relay__should_be_any_reachable_node_that_offers_it() {
    // Given a bootnode that is no relay, and a member that is one.
    let table = [1, 2, 3];
    let bootnode = Setup { serve_relay: false, ..Setup::bootnode(9) }.start();
    let known = [bootnode.address().await];
    let offering = Setup { serve_relay: true, ..Setup::member(3, &table, &known) }.start();
    let hidden = |seed| Setup { table: table.to_vec(), ..hidden(seed, &known) };
    let (mut a, mut b) = (hidden(1).start(), hidden(2).start());

    // When two members that nobody can dial meet it, then they talk through it.
    let (info, _) = tokio::join!(a.ready(b.peer()), b.ready(a.peer()));
    assert!(info.relayed && leads_through(&info, &offering));
    talk(&mut a, &mut b, 1).await;
}

#[tokio::test]
async fn relay__should_be_shown_among_the_listen_addresses() {
    let relay = Setup::bootnode(9).start();
    let known = [relay.address().await];
    let a = hidden(1, &known).start();
    let address = a.address().await;
    assert!(address.contains(&format!("/p2p/{}/p2p-circuit/p2p/{}", relay.peer(), a.peer())));
}

fn hidden(seed: u8, relays: &[String]) -> Setup {
    Setup { listen: vec![], ..Setup::member(seed, &TABLE, relays) }
}

fn leads_through(info: &PeerInfo, relay: &Node) -> bool {
    info.addrs.iter().any(|address| address.contains(&format!("/p2p/{}/p2p-circuit", relay.peer())))
}

async fn talk(a: &mut Node, b: &mut Node, n: u32) {
    a.handle.offer(b.peer(), session(n));
    assert_eq!(b.next().await.inbound.message, session(n));
    b.handle.offer(a.peer(), session(n));
    assert_eq!(a.next().await.inbound.message, session(n));
}
