//! Nodes that do not belong together.
#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use trestle_actors::ports::{Delivery, SendMessage};
use trestle_p2p::{HelloState, PeerEvent};
use trestle_wire::Network;

use crate::common::{Setup, durable, event, id, peer, session};

const TABLE: [u8; 2] = [1, 2];

#[tokio::test]
async fn parameters__should_be_refused_and_named_when_they_differ() {
    let a = Setup::member(1, &TABLE, &[]).start();
    let mut events = a.handle.events();
    let known = [a.address().await];
    let mut b = Setup { parameters: Some(2), ..Setup::member(2, &TABLE, &known) }.start();

    let named = event(&mut events, |e| match e {
        PeerEvent::Differs(peer, sections) => Some((peer, sections)),
        PeerEvent::Connected(_)
        | PeerEvent::Ready(_)
        | PeerEvent::Lost(_)
        | PeerEvent::Refused(..) => None,
    });
    let sections = vec!["committee.main".to_owned()];
    assert_eq!(named.await, (b.peer(), sections.clone()));

    // Nothing passes, and the outbox hears so.
    let info = a.wait("b", |info| info.hello == HelloState::Differs(sections.clone())).await;
    assert!(info.connected && !info.ready);
    a.handle.offer(b.peer(), session(1));
    assert_eq!(a.handle.deliver(b.peer(), id(1), durable()).await, Err(Delivery::Unreachable));
    a.stop().await;
    assert!(b.received.try_recv().is_err());
}

#[tokio::test]
async fn network__should_be_refused_when_it_is_another() {
    let a = Setup::member(1, &TABLE, &[]).start();
    let known = [a.address().await];
    let b = Setup { network: Network::Signet, ..Setup::member(2, &TABLE, &known) }.start();
    let mut events = b.handle.events();
    let refused = event(&mut events, |e| match e {
        PeerEvent::Refused(peer, reason) => Some((peer, reason)),
        PeerEvent::Connected(_)
        | PeerEvent::Ready(_)
        | PeerEvent::Lost(_)
        | PeerEvent::Differs(..) => None,
    });
    assert_eq!(refused.await, (peer(1), "network"));
    assert!(a.metric("trestle_p2p_messages_dropped_total{reason=\"network\"}") >= 1);
}
