#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn must_cheap() -> KeyCost {
    KeyCost::choose(true, Some(Network::Regtest)).expect("test keys are for regtest")
}

fn must_dir() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

#[test]
fn keys__should_come_back_with_the_passphrase() {
    let dir = must_dir();
    let path = dir.path().join("node.keys");

    let made = create(&path, b"correct horse", must_cheap()).expect("new keys");
    let opened = open(&path, b"correct horse", must_cheap()).expect("the same keys");

    assert_eq!(made.identity.peer.peer(), opened.identity.peer.peer());
    let mode = fs::metadata(&path).expect("the file").permissions().mode() & 0o7777;
    assert_eq!(mode, 0o600);
    assert_eq!(fs::read_dir(dir.path()).expect("the folder").count(), 1, "nothing left behind");
}

#[test]
fn create__should_never_overwrite() {
    let dir = must_dir();
    let path = dir.path().join("node.keys");
    fs::write(&path, b"precious").expect("a file");

    let refused = create(&path, b"correct horse", must_cheap()).err();

    assert!(matches!(refused, Some(KeystoreError::Exists { .. })));
    assert_eq!(fs::read(&path).expect("the file"), b"precious");
}

#[test]
fn open__should_refuse_a_wrong_mode() {
    let dir = must_dir();
    let path = dir.path().join("node.keys");
    create(&path, b"correct horse", must_cheap()).expect("new keys");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("the mode");

    let refused = open(&path, b"correct horse", must_cheap()).err();

    assert!(matches!(refused, Some(KeystoreError::Mode { mode: 0o640, .. })));
}

#[test]
fn open__should_refuse_test_keys_in_production() {
    let dir = must_dir();
    let path = dir.path().join("node.keys");
    create(&path, b"correct horse", must_cheap()).expect("new keys");
    let production = KeyCost::choose(false, Some(Network::Regtest)).expect("always possible");

    let refused = open(&path, b"correct horse", production).err().map(|e| e.to_string());

    assert!(refused.is_some_and(|text| text.contains("too cheap")));
}

#[test]
fn test_keys__should_be_refused_on_other_networks() {
    for network in [None, Some(Network::Bitcoin), Some(Network::Signet), Some(Network::Testnet4)] {
        assert!(matches!(KeyCost::choose(true, network), Err(KeystoreError::TestKeys { .. })));
    }
}
