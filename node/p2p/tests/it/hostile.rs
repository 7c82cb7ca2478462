//! A listed member that misbehaves.
#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use trestle_actors::ports::SendMessage;
use trestle_p2p::Rate;
use trestle_wire::{Ack, BootId, Envelope, Header, Message, Network, Refusal, codec::MAX_ENVELOPE};

use crate::{
    common::{Node, Setup, hello, id, session},
    raw::{Raw, frame},
};

const LIAR: u8 = 3;
const TABLE: [u8; 3] = [1, 2, LIAR];

#[tokio::test]
async fn hostile__should_not_get_far_with_oversized_truncated_or_random_bytes() {
    // Given a member that has said hello.
    let (mut node, mut liar) = must_be_greeted(Setup::member(1, &TABLE, &[])).await;

    // When it announces more than any envelope has, and sends less than it announced.
    let length = u32::try_from(MAX_ENVELOPE + 1).expect("it fits");
    let oversized = [&length.to_le_bytes()[..], &[0; 1000]].concat();
    let truncated = [&100_u32.to_le_bytes()[..], &[0; 10]].concat();
    assert_eq!(liar.send(vec![oversized, truncated, vec![1]]).await, [None, None, None]);
    assert_eq!(dropped(&node, "limit"), 1);
    assert_eq!(dropped(&node, "malformed"), 2);

    // When it frames bytes that are no envelope, then it hears so.
    let good = seal(5, session(5));
    for bad in [vec![], vec![0xff; 500], good[..good.len() - 1].to_vec()] {
        assert_eq!(liar.envelope(&bad).await, Some(Ack::Refused(Refusal::Malformed)));
    }
    assert_eq!(dropped(&node, "malformed"), 5);

    // Then the node is as well as before.
    assert_eq!(liar.envelope(&good).await, Some(Ack::Accepted));
    assert_eq!(node.next().await.inbound.message, session(5));
}

#[tokio::test]
async fn hostile__should_be_refused_when_it_sends_the_same_envelope_twice() {
    let (mut node, mut liar) = must_be_greeted(Setup::member(1, &TABLE, &[])).await;
    let envelope = seal(5, session(5));
    assert_eq!(liar.envelope(&envelope).await, Some(Ack::Accepted));
    assert_eq!(liar.envelope(&envelope).await, Some(Ack::Refused(Refusal::Replay)));
    assert_eq!(node.next().await.inbound.message, session(5));
    assert!(node.received.try_recv().is_err());
    assert_eq!(dropped(&node, "replay"), 1);
}

#[tokio::test]
async fn hostile__should_be_held_back_when_it_floods_while_others_are_served() {
    // Given a node that lets each member send 50 messages and then one a second, and an honest
    // member beside the liar.
    let rate = Rate { messages_per_second: 1, message_burst: 50, ..Rate::MEMBER };
    let mut setup = Setup::member(1, &TABLE, &[]);
    setup.limits.member = rate;
    let (mut node, mut liar) = must_be_greeted(setup).await;
    let honest = Setup::member(2, &TABLE, &[node.address().await]).start();
    tokio::join!(node.ready(honest.peer()), honest.ready(node.peer()));

    // When the liar sends 400 messages as fast as it can and the honest one a few.
    let mut counter = 1..;
    let flood = async {
        let mut accepted = 0;
        for _ in 0..50 {
            let frames: Vec<_> =
                counter.by_ref().take(8).map(|n| frame(&seal(n, session(1)))).collect();
            let answers = liar.send(frames).await;
            accepted += answers.iter().filter(|answer| **answer == Some(Ack::Accepted)).count();
        }
        accepted
    };
    let serve = async {
        let mut served = 0;
        for n in 100..110 {
            honest.handle.offer(node.handle.local_peer(), session(n));
            while node.next().await.inbound.from != honest.peer() {}
            served += 1;
        }
        served
    };
    let (accepted, served) = tokio::join!(flood, serve);

    // Then the liar's burst has passed and little more, and the honest one lost nothing.
    assert_eq!(served, 10);
    assert!((40..80).contains(&accepted), "{accepted} of 400 accepted");
    assert!(dropped(&node, "limit") >= 320);
}

#[tokio::test]
async fn hostile__should_not_be_heard_as_a_stranger() {
    let node = Setup::member(1, &[1, 2], &[]).start();
    let mut stranger = Raw::connect(LIAR, &node.address().await).await;
    let hello = seal(0, hello(Some(1)).into());
    assert_eq!(stranger.envelope(&hello).await, Some(Ack::Accepted));
    let answer = stranger.envelope(&seal(1, session(1))).await;
    assert_eq!(answer, Some(Ack::Refused(Refusal::NotAllowed)));
}

async fn must_be_greeted(setup: Setup) -> (Node, Raw) {
    let node = setup.start();
    let mut liar = Raw::connect(LIAR, &node.address().await).await;
    assert_eq!(liar.envelope(&seal(0, hello(Some(1)).into())).await, Some(Ack::Accepted));
    (node, liar)
}

fn dropped(node: &Node, reason: &str) -> u64 {
    node.metric(&format!("trestle_p2p_messages_dropped_total{{reason=\"{reason}\"}}"))
}

fn seal(counter: u64, message: Message) -> Vec<u8> {
    let boot = BootId([LIAR; 8]);
    let header = Header { version: 1, network: Network::Regtest, id: id(1), boot, counter };
    Envelope::seal(header, &message).to_bytes()
}
