//! What a decoder refuses: anything but the one spelling of a message.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use trestle_wire::{
    Ack, DecodeError, Envelope, KeyRef, Message, codec, committee::sign::NonceRequest,
    envelope::VERSION,
};

use crate::samples;

/// `NonceRequest { key: main/1.0, count: 300 }`, written by hand.
const NONCE_REQUEST: &[u8] = &[4, b'm', b'a', b'i', b'n', 1, 0, 0xfb, 0x2c, 0x01];

#[test]
fn body__should_be_the_bytes_that_the_specification_gives() {
    let message = Message::from(NonceRequest { key: samples::key(), count: 300 });

    assert_eq!(message.encode_body(), NONCE_REQUEST);
}

#[test]
fn truncated_envelope__should_be_refused_at_every_length() {
    for (name, message) in samples::messages() {
        let bytes = samples::seal(&message).to_bytes();
        for length in 0..bytes.len() {
            assert!(Envelope::from_bytes(&bytes[..length]).is_err(), "{name} cut to {length}");
        }
    }
}

#[test]
fn truncated_body__should_be_refused_at_every_length() {
    for (name, message) in samples::messages() {
        let (application, kind) = message.kind();
        let body = message.encode_body();
        for length in 0..body.len() {
            let decoded = Message::decode_body(application, kind, &body[..length]);
            assert!(matches!(decoded, Err(DecodeError::Malformed(_))), "{name} cut to {length}");
        }
    }
}

#[test]
fn trailing_byte__should_be_refused() {
    for (name, message) in samples::messages() {
        let (application, kind) = message.kind();
        let mut envelope = samples::seal(&message).to_bytes();
        let mut body = message.encode_body();
        envelope.push(0);
        body.push(0);

        assert_eq!(Envelope::from_bytes(&envelope), Err(DecodeError::Trailing(1)), "{name}");
        let decoded = Message::decode_body(application, kind, &body);
        assert_eq!(decoded, Err(DecodeError::Trailing(1)), "{name}");
    }
}

#[test]
fn wide_spelling_of_a_small_integer_in_an_envelope__should_be_refused() {
    // given: where the header's and envelope's small integers are, and how wide each may be
    let bytes = samples::seal(&NonceRequest { key: samples::key(), count: 1 }.into()).to_bytes();
    let version = (0, 2);
    let network = (1, 4);
    let kind = (bytes.len() - 10, 2);
    let length = (bytes.len() - 9, 8);
    assert_eq!((bytes[kind.0], bytes[length.0]), (13, 8));

    for (at, width) in [version, network, kind, length] {
        // when
        let wider = widen(&bytes, at, width);

        // then
        for spelling in wider {
            let decoded = Envelope::from_bytes(&spelling);
            assert_eq!(decoded, Err(DecodeError::NotCanonical), "{at}: {spelling:02x?}");
        }
    }
}

#[test]
fn wide_spelling_of_a_small_integer_in_a_body__should_be_refused() {
    let (length, generation, epoch) = ((0, 8), (5, 4), (6, 4));
    for (at, width) in [length, generation, epoch] {
        for spelling in widen(NONCE_REQUEST, at, width) {
            let decoded = Message::decode_body(1, 13, &spelling);
            assert_eq!(decoded, Err(DecodeError::NotCanonical), "{at}: {spelling:02x?}");
        }
    }
}

#[test]
fn integer_wider_than_its_field__should_be_refused() {
    // given: the count, a u16, in four bytes
    let mut bytes = NONCE_REQUEST[..7].to_vec();
    bytes.extend([0xfc, 0x2c, 0x01, 0, 0]);

    let decoded = Message::decode_body(1, 13, &bytes);

    assert!(matches!(decoded, Err(DecodeError::Malformed(_))), "{decoded:?}");
}

#[test]
fn text_that_is_not_utf8__should_be_refused() {
    let decoded = Message::decode_body(1, 13, &[1, 0xff, 1, 0, 1]);

    assert!(matches!(decoded, Err(DecodeError::Malformed(_))), "{decoded:?}");
}

#[test]
fn unknown_kind__should_be_told_apart_from_malformed_bytes() {
    for (application, kind) in
        [(0, 0), (0, 3), (1, 0), (1, 18), (2, 1), (3, 0), (3, 3), (255, u16::MAX)]
    {
        let decoded = Message::decode_body(application, kind, &[]);

        assert_eq!(decoded, Err(DecodeError::UnknownKind { application, kind }));
    }
}

#[test]
fn envelope_of_an_unknown_kind__should_still_show_its_header() {
    let mut envelope = samples::seal(&samples::hello().into());
    envelope.kind = 999;

    let decoded = Envelope::from_bytes(&envelope.to_bytes()).expect("the envelope is well formed");

    assert_eq!(decoded.header, samples::header());
    assert_eq!(decoded.open(), Err(DecodeError::UnknownKind { application: 0, kind: 999 }));
}

#[test]
fn unknown_version__should_be_told_even_where_the_rest_has_another_form() {
    let newer = VERSION + 1;
    let far = 65_000_u16;
    let mut bytes = vec![0xfb];
    bytes.extend(far.to_le_bytes());
    bytes.extend([0xff; 7]);

    assert_eq!(Envelope::from_bytes(&[0]), Err(DecodeError::Version(0)));
    assert_eq!(Envelope::from_bytes(&[2, 0xff]), Err(DecodeError::Version(newer)));
    assert_eq!(Envelope::from_bytes(&bytes), Err(DecodeError::Version(far)));
}

#[test]
fn unknown_variant__should_be_refused() {
    assert!(matches!(codec::decode::<Ack>(&[4]), Err(DecodeError::Malformed(_))));
    assert!(matches!(codec::decode::<Ack>(&[3, 8]), Err(DecodeError::Malformed(_))));
    assert!(matches!(codec::decode::<Option<KeyRef>>(&[2]), Err(DecodeError::Malformed(_))));
}

/// The same bytes with the one-byte integer at `at` spelled in 2, 4 and 8 bytes, up to `width`.
fn widen(bytes: &[u8], at: usize, width: usize) -> Vec<Vec<u8>> {
    [(0xfb_u8, 2), (0xfc, 4), (0xfd, 8)]
        .into_iter()
        .filter(|(_, wide)| *wide <= width)
        .map(|(mark, wide)| {
            let mut spelling = bytes[..at].to_vec();
            spelling.extend([mark, bytes[at]]);
            spelling.extend(vec![0; wide - 1]);
            spelling.extend(&bytes[at + 1..]);
            spelling
        })
        .collect()
}
