//! Any bytes as an envelope, and the message inside it: no panic, and one spelling for each value.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trestle_wire::Envelope;

fuzz_target!(|bytes: &[u8]| {
    let Ok(envelope) = Envelope::from_bytes(bytes) else { return };
    assert_eq!(envelope.to_bytes(), bytes);
    if let Ok(message) = envelope.open() {
        assert_eq!(Envelope::seal(envelope.header.clone(), &message), envelope);
    }
});
