//! The mock transaction whose signature proves a new key usable.
//!
//! Always holds: it can never move a coin. It spends output number 4,294,967,294 of a transaction
//! whose id is a hash made here. A transaction with that many outputs would have at least 38 GB
//! (nine bytes an output), and a block has at most 4 MB, so no such output can ever exist, whatever
//! the id. Its only output is an OP_RETURN without value. It is bound to the key reference and to
//! the script: a proof for one key says nothing of another.

use bitcoin::{
    Amount, OutPoint, Script, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness,
    absolute::LockTime,
    hashes::{Hash, HashEngine, sha256},
    opcodes::all::OP_RETURN,
    script::Builder,
    transaction::Version,
};
use trestle_wire::KeyRef;

/// Separates this hash from every other.
const TAG: &[u8] = b"trestle/key-proof";
/// One below the number that marks a coinbase's null outpoint.
const VOUT: u32 = 0xFFFF_FFFE;

/// The mock transaction of a key, unsigned.
pub fn transaction(key: &KeyRef) -> Transaction {
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint { txid: impossible_txid(key), vout: VOUT },
            script_sig: ScriptBuf::new(),
            sequence: Sequence::MAX,
            witness: Witness::new(),
        }],
        output: vec![TxOut {
            value: Amount::ZERO,
            script_pubkey: Builder::new().push_opcode(OP_RETURN).into_script(),
        }],
    }
}

/// What the key signs to prove that it works: the mock transaction's BIP-341 hash, as if the
/// impossible output had the committee's script (P2TR) and no value.
pub fn sighash(key: &KeyRef, script: &Script) -> [u8; 32] {
    let spent = [TxOut { value: Amount::ZERO, script_pubkey: script.to_owned() }];
    crate::sighash::of_only_input(&transaction(key), &spent)
}

fn impossible_txid(key: &KeyRef) -> Txid {
    let tag = sha256::Hash::hash(TAG);
    let mut engine = sha256::Hash::engine();
    engine.input(tag.as_byte_array());
    engine.input(tag.as_byte_array());
    engine.input(&trestle_wire::codec::encode(key));
    Txid::from_byte_array(sha256::Hash::from_engine(engine).to_byte_array())
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;
    use crate::testing::{Key, must_verify, verify};

    fn key_ref(generation: u32) -> KeyRef {
        KeyRef { committee: "vault".into(), generation, epoch: 0 }
    }

    fn signed(key: &Key, key_ref: &KeyRef) -> Transaction {
        let mut transaction = transaction(key_ref);
        let signature = key.sign(sighash(key_ref, &key.script()));
        transaction.input[0].witness = Witness::from_slice(&[signature]);
        transaction
    }

    #[test]
    fn key_proof__should_satisfy_the_committees_script() {
        let key = Key::number(1);
        let spent = [TxOut { value: Amount::ZERO, script_pubkey: key.script() }];
        must_verify(&signed(&key, &key_ref(1)), &spent);
    }

    #[test]
    fn key_proof__should_not_satisfy_another_keys_script() {
        let spent = [TxOut { value: Amount::ZERO, script_pubkey: Key::number(2).script() }];
        assert!(verify(&signed(&Key::number(1), &key_ref(1)), &spent).is_err());
    }

    #[test]
    fn key_proof__should_differ_for_each_key_and_script() {
        let script = Key::number(1).script();
        let hash = sighash(&key_ref(1), &script);
        assert_ne!(hash, sighash(&key_ref(2), &script));
        assert_ne!(hash, sighash(&key_ref(1), &Key::number(2).script()));
        let epoch = KeyRef { epoch: 1, ..key_ref(1) };
        assert_ne!(hash, sighash(&epoch, &script));
    }

    #[test]
    fn key_proof__should_spend_an_output_that_no_block_has_room_for() {
        let outpoint = transaction(&key_ref(1)).input[0].previous_output;
        assert!(u64::from(outpoint.vout) * 9 > 4_000_000);
        assert!(!outpoint.is_null());
    }
}
