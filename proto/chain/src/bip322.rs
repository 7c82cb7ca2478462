//! Signed texts: BIP-322, the simple variant, for Taproot key-path addresses.
//!
//! Always holds: what is signed is the sighash of a transaction built here from the text. It spends
//! an output of a transaction that cannot be on a chain (its input is the null outpoint, and it is
//! no coinbase), so that no text can be mistaken for a payment.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bitcoin::{
    Amount, OutPoint, Script, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness,
    absolute::LockTime,
    consensus::serialize,
    hashes::{Hash, HashEngine, sha256},
    opcodes::all::{OP_PUSHBYTES_0, OP_RETURN},
    script::Builder,
    transaction::Version,
};

/// The virtual transaction whose output is "spent" by the signature.
pub fn to_spend(script: &Script, message: &[u8]) -> Transaction {
    let hash = message_hash(message);
    let script_sig =
        Builder::new().push_opcode(OP_PUSHBYTES_0).push_slice(hash.to_byte_array()).into_script();
    Transaction {
        version: Version(0),
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig,
            sequence: Sequence::ZERO,
            witness: Witness::new(),
        }],
        output: vec![TxOut { value: Amount::ZERO, script_pubkey: script.to_owned() }],
    }
}

/// The virtual transaction whose witness is the signature; still without it.
pub fn to_sign(script: &Script, message: &[u8]) -> Transaction {
    let txid = to_spend(script, message).compute_txid();
    Transaction {
        version: Version(0),
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint { txid, vout: 0 },
            script_sig: ScriptBuf::new(),
            sequence: Sequence::ZERO,
            witness: Witness::new(),
        }],
        output: vec![TxOut {
            value: Amount::ZERO,
            script_pubkey: Builder::new().push_opcode(OP_RETURN).into_script(),
        }],
    }
}

/// The BIP-341 hash that the key of `script` (P2TR) signs for this text.
pub fn sighash(script: &Script, message: &[u8]) -> [u8; 32] {
    let spent = [TxOut { value: Amount::ZERO, script_pubkey: script.to_owned() }];
    crate::sighash::of_only_input(&to_sign(script, message), &spent)
}

/// The witness with its signature, as the simple variant writes it: base64 of its encoding.
pub fn encode(signature: &[u8; 64]) -> String {
    STANDARD.encode(serialize(&Witness::from_slice(&[signature])))
}

fn message_hash(message: &[u8]) -> sha256::Hash {
    let tag = sha256::Hash::hash(b"BIP0322-signed-message");
    let mut engine = sha256::Hash::engine();
    engine.input(tag.as_byte_array());
    engine.input(tag.as_byte_array());
    engine.input(message);
    sha256::Hash::from_engine(engine)
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use bip322::{Verification, verify_simple_encoded};
    use bitcoin::{Address, Network};
    use rstest::rstest;

    use super::*;
    use crate::testing::Key;

    fn signed(key: &Key, text: &str) -> (String, String) {
        let script = key.script();
        let address = Address::from_script(&script, Network::Bitcoin).expect("P2TR has an address");
        let signature = encode(&key.sign(sighash(&script, text.as_bytes())));
        (address.to_string(), signature)
    }

    #[rstest]
    #[case("")]
    #[case("Hello World")]
    #[case("trestle: I hold this address")]
    fn text__should_verify_with_a_foreign_verifier(#[case] text: &str) {
        let (address, signature) = signed(&Key::number(1), text);
        let verdict = verify_simple_encoded(&address, text, &signature).expect("valid");
        assert!(matches!(verdict, Verification::Valid { .. }));
    }

    #[test]
    fn text__should_not_verify_when_altered() {
        let (address, signature) = signed(&Key::number(1), "pay 1");
        assert!(verify_simple_encoded(&address, "pay 2", &signature).is_err());
    }

    #[test]
    fn text__should_not_verify_for_another_key() {
        let (_, signature) = signed(&Key::number(1), "text");
        let (other, _) = signed(&Key::number(2), "text");
        assert!(verify_simple_encoded(&other, "text", &signature).is_err());
    }

    // The vectors of BIP-322 for "bc1q9vza2e8x573nczrlzms0wvx3gsqjx7vavgkx0l".
    #[rstest]
    #[case(
        "",
        "c5680aa69bb8d860bf82d4e9cd3504b55dde018de765a91bb566283c545a99a7",
        "1e9654e951a5ba44c8604c4de6c67fd78a27e81dcadcfe1edf638ba3aaebaed6"
    )]
    #[case(
        "Hello World",
        "b79d196740ad5217771c1098fc4a4b51e0535c32236c71f1ea4d61a2d603352b",
        "88737ae86f2077145f93cc4b153ae9a1cb8d56afa511988c149c5c8c9d93bddf"
    )]
    fn virtual_transactions__should_have_the_ids_of_the_specification(
        #[case] text: &str,
        #[case] spend: &str,
        #[case] sign: &str,
    ) {
        let script = ScriptBuf::from_hex("00142b05d564e6a7a33c087f16e0f730d1440123799d")
            .expect("the script of the specification's address");
        assert_eq!(to_spend(&script, text.as_bytes()).compute_txid().to_string(), spend);
        assert_eq!(to_sign(&script, text.as_bytes()).compute_txid().to_string(), sign);
    }
}
