//! The pinned table: {even, odd} verifying key × {no tweak, key path, Merkle root}. A change here
//! moves every committee's money to addresses that nobody can find again.

use trestle_keys::taproot::{Tweak, address, internal_key, output_key, script_pubkey};
use trestle_wire::Network;

use crate::{
    frost::{must_generate_with_parity, sign},
    taproot::{TWEAKS, verifies},
};

/// Verifying key, tweak, output key, mainnet address.
type Row<'a> = (&'a str, &'a str, &'a str, &'a str);

// Computed apart from this code, in plain integers, from the BIP-341 and BIP-350 texts.
const VECTORS: [Row<'_>; 6] = [
    (
        "026bafc5219e77aec2e6f75cbd27ae128ef6b4a8ca9969ae7a51542660cffd5cd0",
        "none",
        "6bafc5219e77aec2e6f75cbd27ae128ef6b4a8ca9969ae7a51542660cffd5cd0",
        "bc1pdwhu2gv7w7hv9ehhtj7j0tsj3mmtf2x2n956u7j32snxpnlatngqyglfrz",
    ),
    (
        "026bafc5219e77aec2e6f75cbd27ae128ef6b4a8ca9969ae7a51542660cffd5cd0",
        "key path",
        "1b179de32d908740c0592d61df3ee2d167638183add5d49d92c0fb9da69986ef",
        "bc1prvtemcedjzr5psze94sa70hz69nk8qvr4h2af8vjcraemf5esmhsfmcedz",
    ),
    (
        "026bafc5219e77aec2e6f75cbd27ae128ef6b4a8ca9969ae7a51542660cffd5cd0",
        "root 11…",
        "3b6756c7cb2f4f9fb0a67d5001f851fc3ae55e63356bb934ccf5c2df15b9febe",
        "bc1p8dn4d37t9a8elv9x04gqr7z3lsaw2hnrx44mjdxv7hpd79del6lqqqyzlj",
    ),
    (
        "03e578c2893517ebed2bcb4ba57dcd842afbe58997fedca4b90085fd4d0bd771af",
        "none",
        "e578c2893517ebed2bcb4ba57dcd842afbe58997fedca4b90085fd4d0bd771af",
        "bc1pu4uv9zf4zl47627tfwjhmnvy9ta7tzvhlmw2fwgqsh756z7hwxhsd0dh5u",
    ),
    (
        "03e578c2893517ebed2bcb4ba57dcd842afbe58997fedca4b90085fd4d0bd771af",
        "key path",
        "9e9c447b9d677ba0760c0a39dbe8e2e6af2273c00036e8fe3a51221d59e154b3",
        "bc1pn6wyg7uavaa6qasvpguah68zu6hjyu7qqqmw3l362y3p6k0p2jes04nca6",
    ),
    (
        "03e578c2893517ebed2bcb4ba57dcd842afbe58997fedca4b90085fd4d0bd771af",
        "root 11…",
        "87cb23b4caba6801c545414fa7db6c6616b031b1057b7993db56f3e3d6668528",
        "bc1psl9j8dx2hf5qr329g9860kmvvcttqvd3q4ahny7m2me784nxs55qs0n7vv",
    ),
];

#[test]
fn vectors__should_hold_for_bitcoin_and_for_what_frost_signs() {
    let mut rows = Vec::new();
    for odd in [false, true] {
        let frost = must_generate_with_parity(odd);
        let internal = internal_key(&frost.group()).expect("a point");
        for (tweak, name) in TWEAKS.into_iter().zip(["none", "key path", "root 11…"]) {
            let key = output_key(internal, tweak);
            let address = address(internal, tweak, Network::Bitcoin);
            rows.push((hex::encode(frost.group()), name, key.to_string(), address.to_string()));
            let signature = sign(&frost, &[1, 5], tweak, &[6; 32]).expect("a quorum");
            assert!(verifies(key, &[6; 32], &signature), "{name}, odd {odd}");
        }
    }
    let rows: Vec<Row<'_>> = rows
        .iter()
        .map(|(group, name, key, address)| (&**group, *name, &**key, &**address))
        .collect();
    assert_eq!(rows, VECTORS);
}

#[test]
fn address__should_follow_bip_86() {
    // BIP-86, first receiving address: an internal key and its output key with an empty root.
    let group = "02cc8a4bc64d897bddc5fbc2f670f7a8ba0b386779106cf1223c6fc5d7cd6fc115";
    let group: [u8; 33] = hex::decode(group).expect("hex").try_into().expect("33 bytes");
    let internal = internal_key(&group).expect("a point");
    let output = "a60869f0dbcf1dc659c9cecbaf8050135ea9e8cdc487053f1dc6880949dc684c";
    let text = "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr";

    assert_eq!(output_key(internal, Tweak::KeyPath).to_string(), output);
    assert_eq!(address(internal, Tweak::KeyPath, Network::Bitcoin).to_string(), text);
    assert_eq!(script_pubkey(internal, Tweak::KeyPath).to_hex_string(), format!("5120{output}"));
    let regtest = address(internal, Tweak::KeyPath, Network::Regtest).to_string();
    assert!(regtest.starts_with("bcrt1p"), "{regtest}");
    for network in [Network::Testnet4, Network::Signet] {
        assert!(address(internal, Tweak::KeyPath, network).to_string().starts_with("tb1p"));
    }
}

#[test]
fn output_key__should_follow_the_bip_341_vector_with_a_script_root() {
    // BIP-341, wallet test vectors, scriptPubKey[1]: one leaf.
    let group = "02187791b6f712a8ea41c8ecdd0ee77fab3e85263b37e1ec18a3651926b3a6cf27";
    let group: [u8; 33] = hex::decode(group).expect("hex").try_into().expect("33 bytes");
    let root = "5b75adecf53548f3ec6ad7d78383bf84cc57b55a3127c72b9a2481752dd88b21";
    let root: [u8; 32] = hex::decode(root).expect("hex").try_into().expect("32 bytes");
    let output = "147c9c57132f6e7ecddba9800bb0c4449251c92a1e60371ee77557b6620f3ea3";

    let internal = internal_key(&group).expect("a point");

    assert_eq!(output_key(internal, Tweak::Root(root)).to_string(), output);
}
