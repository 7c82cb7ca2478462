//! Properties over random bytes: nothing panics, and what decodes has one spelling.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use proptest::{collection::vec, prelude::*};
use trestle_wire::{Ack, Envelope, Message, codec, message::KINDS};

use crate::samples;

proptest! {
    #[test]
    fn random_envelope__should_decode_to_itself_or_not_at_all(bytes in vec(any::<u8>(), 0..400)) {
        check_envelope(&bytes)?;
    }

    #[test]
    fn random_body__should_decode_to_itself_or_not_at_all(bytes in vec(any::<u8>(), 0..400)) {
        for (application, kind, _) in KINDS {
            check_body(*application, *kind, &bytes)?;
        }
    }

    #[test]
    fn random_ack__should_decode_to_itself_or_not_at_all(bytes in vec(any::<u8>(), 0..4)) {
        if let Ok(ack) = codec::decode::<Ack>(&bytes) {
            prop_assert_eq!(codec::encode(&ack), bytes);
        }
    }

    #[test]
    fn changed_envelope__should_decode_to_itself_or_not_at_all(
        pick in any::<prop::sample::Index>(),
        changes in vec(change(), 1..5),
    ) {
        let all = samples::messages();
        let message = &all[pick.index(all.len())].1;
        check_envelope(&apply(samples::seal(message).to_bytes(), &changes))?;
    }

    #[test]
    fn changed_body__should_decode_to_itself_or_not_at_all(
        pick in any::<prop::sample::Index>(),
        changes in vec(change(), 1..5),
    ) {
        let all = samples::messages();
        let message = &all[pick.index(all.len())].1;
        let (application, kind) = message.kind();
        check_body(application, kind, &apply(message.encode_body(), &changes))?;
    }
}

/// One edit of some bytes.
#[derive(Clone, Debug)]
enum Change {
    /// Another value for one byte.
    Set(prop::sample::Index, u8),
    /// One byte more; the integer marks 0xfb to 0xfe come often.
    Insert(prop::sample::Index, u8),
    /// One byte less.
    Remove(prop::sample::Index),
    /// A cut.
    Truncate(prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let byte = || prop_oneof![any::<u8>(), 0xf9..=0xff_u8, 0..4_u8];
    prop_oneof![
        4 => (any::<prop::sample::Index>(), byte()).prop_map(|(at, to)| Change::Set(at, to)),
        2 => (any::<prop::sample::Index>(), byte()).prop_map(|(at, to)| Change::Insert(at, to)),
        2 => any::<prop::sample::Index>().prop_map(Change::Remove),
        1 => any::<prop::sample::Index>().prop_map(Change::Truncate),
    ]
}

fn apply(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        match change {
            Change::Set(at, to) => bytes[at.index(length)] = *to,
            Change::Insert(at, byte) => bytes.insert(at.index(length), *byte),
            Change::Remove(at) => {
                bytes.remove(at.index(length));
            }
            Change::Truncate(at) => bytes.truncate(at.index(length)),
        }
    }
    bytes
}

fn check_envelope(bytes: &[u8]) -> Result<(), TestCaseError> {
    let Ok(envelope) = Envelope::from_bytes(bytes) else { return Ok(()) };
    prop_assert_eq!(envelope.to_bytes(), bytes);
    if let Ok(message) = envelope.open() {
        prop_assert_eq!(Envelope::seal(envelope.header.clone(), &message), envelope);
    }
    Ok(())
}

fn check_body(application: u8, kind: u16, bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(message) = Message::decode_body(application, kind, bytes) {
        prop_assert_eq!(message.kind(), (application, kind));
        prop_assert_eq!(message.encode_body(), bytes);
    }
    Ok(())
}
