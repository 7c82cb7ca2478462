//! The handler's table of refusals, and what passes.
#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use trestle_wire::{
    Ack, BootId, Envelope, Hash32, Header, Message, MessageId, Network, Peer, Refusal,
    announce::Presence,
    committee::key::KeyFetch,
    hello::{Hello, Role, Section},
};

use super::{Handler, HelloState, PeerTable, Verdict};

const MEMBER: Peer = Peer([1; 32]);
const STRANGER: Peer = Peer([2; 32]);
const BOOT: BootId = BootId([1; 8]);

#[test]
fn handler__should_deliver_after_a_hello_with_our_parameters() {
    let mut handler = must_be_greeted();
    let Verdict::Deliver(inbound) = handler.open(MEMBER, &seal(BOOT, 1, fetch())) else {
        panic!("a member's message with a fresh counter is delivered");
    };
    assert_eq!((inbound.from, inbound.message), (MEMBER, fetch()));
}

#[test]
fn handler__should_ask_for_hello_first() {
    assert_dropped(handler(), MEMBER, &seal(BOOT, 1, fetch()), Ack::Busy, "no_hello");
}

#[test]
fn handler__should_refuse_a_replay_but_pass_a_resend_with_a_new_counter() {
    let mut handler = must_be_greeted();
    let first = seal(BOOT, 5, fetch());
    assert!(matches!(handler.open(MEMBER, &first), Verdict::Deliver(_)));
    assert_eq!(reason(&handler.open(MEMBER, &first)), Some("replay"));
    // The same id under a new counter: durable messages are told apart by the receiver's store.
    assert!(matches!(handler.open(MEMBER, &seal(BOOT, 6, fetch())), Verdict::Deliver(_)));
}

#[test]
fn handler__should_let_messages_overtake_each_other() {
    let mut handler = must_be_greeted();
    for counter in [9, 7, 8] {
        let verdict = handler.open(MEMBER, &seal(BOOT, counter, fetch()));
        assert!(matches!(verdict, Verdict::Deliver(_)), "counter {counter}");
    }
}

#[test]
fn handler__should_start_over_with_a_new_boot_and_refuse_the_old_one() {
    let mut handler = must_be_greeted();
    let next = BootId([2; 8]);
    assert_eq!(reason(&handler.open(MEMBER, &seal(next, 1, fetch()))), Some("no_hello"));
    let Verdict::Hello(greeting) = handler.open(MEMBER, &seal(next, 0, hello(1).into())) else {
        panic!("the hello of a new boot is taken");
    };
    assert!(greeting.rebooted);
    assert!(matches!(handler.open(MEMBER, &seal(next, 1, fetch())), Verdict::Deliver(_)));
    assert_eq!(reason(&handler.open(MEMBER, &seal(BOOT, 50, fetch()))), Some("replay"));
    let old_hello = seal(BOOT, 51, hello(1).into());
    assert_eq!(reason(&handler.open(MEMBER, &old_hello)), Some("replay"));
}

#[test]
fn handler__should_refuse_other_parameters_and_name_the_section() {
    let mut handler = handler();
    let Verdict::Hello(greeting) = handler.open(MEMBER, &seal(BOOT, 0, hello(2).into())) else {
        panic!("a hello is always read");
    };
    assert_eq!(greeting.state, HelloState::Differs(vec!["committee.main".to_owned()]));
    assert_eq!(greeting.ack(), Ack::Refused(Refusal::Parameters));
    let verdict = handler.open(MEMBER, &seal(BOOT, 1, fetch()));
    assert_eq!(reason(&verdict), Some("parameters"));
}

#[test]
fn handler__should_take_a_hello_without_parameters_but_nothing_after_it() {
    let mut handler = handler();
    let theirs = Hello { parameters: None, sections: vec![], ..hello(1) };
    let Verdict::Hello(greeting) = handler.open(MEMBER, &seal(BOOT, 0, theirs.into())) else {
        panic!("a bootnode's hello is taken");
    };
    assert_eq!(greeting.ack(), Ack::Accepted);
    let verdict = handler.open(MEMBER, &seal(BOOT, 1, fetch()));
    assert_eq!(reason(&verdict), Some("parameters"));
}

#[test]
fn handler__should_serve_no_role_on_a_bootnode() {
    let ours =
        Hello { parameters: None, sections: vec![], roles: vec![Role::Bootnode], ..hello(1) };
    let mut bootnode = Handler::new(Network::Regtest, ours, table());
    assert!(matches!(
        bootnode.open(MEMBER, &seal(BOOT, 0, hello(1).into())),
        Verdict::Hello(greeting) if greeting.ack() == Ack::Accepted
    ));
    let verdict = bootnode.open(MEMBER, &seal(BOOT, 1, fetch()));
    assert_eq!(reason(&verdict), Some("no_such_role"));
}

#[test]
fn handler__should_refuse_a_peer_that_is_not_in_the_table() {
    let mut handler = handler();
    assert!(matches!(handler.open(STRANGER, &seal(BOOT, 0, hello(1).into())), Verdict::Hello(_)));
    let verdict = handler.open(STRANGER, &seal(BOOT, 1, fetch()));
    assert_eq!(reason(&verdict), Some("not_allowed"));
}

#[test]
fn handler__should_refuse_bytes_that_are_no_envelope_of_ours() {
    let good = seal(BOOT, 1, fetch());
    let mut versioned = good.clone();
    versioned[0] = 9;
    let refused = |refusal| Ack::Refused(refusal);
    let other_network =
        Envelope::seal(Header { network: Network::Signet, ..header(BOOT, 1) }, &fetch()).to_bytes();
    let unknown_kind =
        Envelope { header: header(BOOT, 1), application: 9, kind: 9, body: vec![] }.to_bytes();
    let trailing = [good.clone(), vec![0]].concat();
    for (bytes, refusal) in [
        (vec![], Refusal::Malformed),
        (good[..good.len() - 1].to_vec(), Refusal::Malformed),
        (trailing, Refusal::Malformed),
        (versioned, Refusal::Unknown),
        (other_network, Refusal::Network),
        (unknown_kind, Refusal::Unknown),
    ] {
        assert_dropped(must_be_greeted(), MEMBER, &bytes, refused(refusal), refusal.label());
    }
}

#[test]
fn handler__should_not_take_a_presence_from_one_peer_alone() {
    let verdict = must_be_greeted().open(MEMBER, &seal(BOOT, 1, presence(1).into()));
    assert_eq!(reason(&verdict), Some("not_allowed"));
}

#[test]
fn handler__should_read_gossip_of_our_network_and_parameters_only() {
    let handler = handler();
    let read = |message: Message| handler.presence(&seal(BOOT, 0, message)).map_err(|d| d.reason);
    assert_eq!(read(presence(1).into()), Ok(presence(1)));
    assert_eq!(read(presence(2).into()), Err("parameters"));
    assert_eq!(read(fetch()), Err("unknown"));
}

#[test]
fn handler__should_remember_members_and_forget_strangers_that_left() {
    let mut handler = must_be_greeted();
    assert!(matches!(handler.open(MEMBER, &seal(BOOT, 5, fetch())), Verdict::Deliver(_)));
    handler.forget(MEMBER);
    assert_eq!(reason(&handler.open(MEMBER, &seal(BOOT, 5, fetch()))), Some("replay"));
    handler.open(STRANGER, &seal(BOOT, 0, hello(1).into()));
    handler.forget(STRANGER);
    let verdict = handler.open(STRANGER, &seal(BOOT, 1, fetch()));
    assert_eq!(reason(&verdict), Some("no_hello"));
}

fn assert_dropped(mut handler: Handler, from: Peer, bytes: &[u8], ack: Ack, reason: &str) {
    let Verdict::Drop(dropped) = handler.open(from, bytes) else {
        panic!("{reason}: expected a refusal");
    };
    assert_eq!((dropped.ack, dropped.reason), (ack, reason));
}

fn reason(verdict: &Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Drop(dropped) => Some(dropped.reason),
        Verdict::Hello(_) | Verdict::Deliver(_) => None,
    }
}

fn handler() -> Handler {
    Handler::new(Network::Regtest, hello(1), table())
}

fn must_be_greeted() -> Handler {
    let mut handler = handler();
    let verdict = handler.open(MEMBER, &seal(BOOT, 0, hello(1).into()));
    assert!(matches!(verdict, Verdict::Hello(greeting) if greeting.state == HelloState::Ok));
    handler
}

fn table() -> PeerTable {
    [MEMBER].into_iter().collect()
}

fn hello(parameters: u8) -> Hello {
    Hello {
        parameters: Some(Hash32([parameters; 32])),
        sections: vec![Section {
            name: "committee.main".to_owned(),
            hash: Hash32([parameters; 32]),
        }],
        roles: vec![Role::Committee],
        software: "test".to_owned(),
    }
}

fn presence(parameters: u8) -> Presence {
    Presence {
        parameters: Some(Hash32([parameters; 32])),
        roles: vec![Role::Committee],
        height: 7,
        keys: vec![],
    }
}

fn fetch() -> Message {
    KeyFetch { committee: "main".to_owned(), have: vec![] }.into()
}

fn header(boot: BootId, counter: u64) -> Header {
    Header { version: 1, network: Network::Regtest, id: MessageId([3; 16]), boot, counter }
}

fn seal(boot: BootId, counter: u64, message: Message) -> Vec<u8> {
    Envelope::seal(header(boot, counter), &message).to_bytes()
}
