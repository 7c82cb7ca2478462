//! Any bytes as the body of every kind: the first byte picks the kind, the rest is the body.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trestle_wire::{Message, message::KINDS};

fuzz_target!(|bytes: &[u8]| {
    let Some((pick, body)) = bytes.split_first() else { return };
    let (application, kind, label) = KINDS[usize::from(*pick) % KINDS.len()];
    let Ok(message) = Message::decode_body(application, kind, body) else { return };
    assert_eq!(message.kind(), (application, kind));
    assert_eq!(message.label(), label);
    assert_eq!(message.encode_body(), body);
});
