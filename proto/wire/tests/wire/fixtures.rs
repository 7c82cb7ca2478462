//! Pins the bytes of every message. The fixtures are the format: a difference is a decision.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use std::{collections::BTreeSet, fs, path::PathBuf};

use trestle_wire::{
    Ack, Envelope, Network, codec, hello::Role, message::KINDS, staking::UnbondingRefusal,
};

use crate::samples;

/// Set to 1, the tests write the fixtures instead of comparing with them.
const REGENERATE: &str = "TRESTLE_REGENERATE_FIXTURES";

#[test]
#[expect(clippy::disallowed_methods, reason = "a test has no caller to take a setting from")]
fn wire_format__should_be_the_pinned_bytes() {
    // given
    let samples = samples::all();
    if std::env::var(REGENERATE).is_ok_and(|value| value == "1") {
        regenerate(&samples);
    }

    // when
    let differing: Vec<String> = samples
        .iter()
        .filter(|(name, bytes)| must_read(name) != Some(lines(bytes)))
        .map(|(name, bytes)| format!("{name}.hex should be\n{}", lines(bytes)))
        .collect();

    // then
    assert!(
        differing.is_empty(),
        "the bytes of {} message(s) are not those of tests/fixtures.\n\
         If nobody meant to change the format, undo the change to the types or to the codec.\n\
         If it is meant: nodes that run now must understand it, or it needs a new kind or a new\n\
         protocol version (docs/wire.md, \"Changing the format\"). Then run this one\n\
         test with {REGENERATE}=1, and let the commit say why.\n\n{}",
        differing.len(),
        differing.join("\n")
    );
}

#[test]
fn fixtures__should_be_one_for_each_kind_and_answer_and_no_others() {
    // given
    let present = must_list();

    // when
    let wanted: BTreeSet<String> = samples::all().into_iter().map(|(name, _)| name).collect();
    let kinds: BTreeSet<&str> = present
        .iter()
        .filter_map(|name| name.split('.').next())
        .filter(|word| *word != "ack")
        .collect();

    // then
    assert_eq!(present, wanted);
    assert_eq!(kinds, KINDS.iter().map(|(_, _, label)| *label).collect::<BTreeSet<_>>());
}

#[test]
fn kinds__should_have_a_number_and_a_label_of_their_own() {
    let numbers: BTreeSet<_> = KINDS.iter().map(|(app, kind, _)| (app, kind)).collect();
    let labels: BTreeSet<_> = KINDS.iter().map(|(_, _, label)| label).collect();

    assert_eq!(numbers.len(), KINDS.len());
    assert_eq!(labels.len(), KINDS.len());
}

#[test]
fn message__should_come_out_of_its_fixture_as_it_went_in() {
    for (name, message) in samples::messages() {
        let envelope = Envelope::from_bytes(&must_decode(&name)).expect("a fixture decodes");

        assert_eq!(envelope.header, samples::header(), "{name}");
        assert_eq!(envelope.open().as_ref(), Ok(&message), "{name}");
    }
}

#[test]
fn ack__should_come_out_of_its_fixture_as_it_went_in() {
    for (name, ack) in samples::acks() {
        assert_eq!(codec::decode::<Ack>(&must_decode(&name)), Ok(ack), "{name}");
    }
}

// bincode numbers variants by their place and does not look at what the source writes beside them.
#[test]
fn numbers_written_beside_variants__should_be_those_on_the_wire() {
    let networks = [Network::Bitcoin, Network::Testnet4, Network::Signet, Network::Regtest];
    let roles = [Role::Bootnode, Role::Committee, Role::Coordinator];
    let numbered = networks
        .iter()
        .map(|one| (*one as u8, codec::encode(one)))
        .chain(roles.iter().map(|one| (*one as u8, codec::encode(one))))
        .chain(samples::refusal_codes().into_iter().map(|one| (one as u8, codec::encode(&one))))
        .chain(samples::refusals().into_iter().map(|one| (one as u8, codec::encode(&one))))
        .chain(UnbondingRefusal::ALL.into_iter().map(|one| (one as u8, codec::encode(&one))));

    for (number, bytes) in numbered {
        assert_eq!(bytes, [number]);
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// Hexadecimal, 32 bytes a line, so that a difference shows where it is.
fn lines(bytes: &[u8]) -> String {
    bytes.chunks(32).map(|chunk| hex::encode(chunk) + "\n").collect()
}

fn must_read(name: &str) -> Option<String> {
    fs::read_to_string(folder().join(format!("{name}.hex"))).ok()
}

fn must_decode(name: &str) -> Vec<u8> {
    let text = must_read(name).expect("every sample has a fixture");
    hex::decode(text.replace('\n', "")).expect("fixtures are hexadecimal")
}

fn must_list() -> BTreeSet<String> {
    fs::read_dir(folder())
        .expect("the fixtures' folder is there")
        .map(|entry| entry.expect("the folder can be read").file_name())
        .map(|file| {
            let file = file.into_string().expect("fixtures have plain names");
            file.strip_suffix(".hex").expect("fixtures end in .hex").to_owned()
        })
        .collect()
}

fn regenerate(samples: &[(String, Vec<u8>)]) {
    for name in must_list() {
        fs::remove_file(folder().join(format!("{name}.hex"))).expect("a fixture can be removed");
    }
    for (name, bytes) in samples {
        let path = folder().join(format!("{name}.hex"));
        fs::write(path, lines(bytes)).expect("a fixture can be written");
    }
}
