//! Any bytes as the answer to a message.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trestle_wire::{Ack, codec};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(ack) = codec::decode::<Ack>(bytes) {
        assert_eq!(codec::encode(&ack), bytes);
    }
});
