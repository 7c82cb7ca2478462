//! The Taproot key convention on a real chain: every row of its table can be spent, and only with
//! its own tweak.

use bitcoin::{
    Amount, OutPoint, ScriptBuf, Sequence, TapSighashType, Transaction, TxIn, TxOut, Witness,
    absolute::LockTime,
    hashes::Hash as _,
    sighash::{Prevouts, SighashCache},
    transaction::Version,
};
use trestle_devnet::Bitcoind as Node;
use trestle_keys::taproot::{Tweak, internal_key, script_pubkey};

use crate::{
    frost::{Frost, must_generate_with_parity, sign},
    must_start,
};

const TWEAKS: [Tweak; 3] = [Tweak::None, Tweak::KeyPath, Tweak::Root([0x11; 32])];
const COIN: Amount = Amount::from_sat(50_000);

fn script_of(frost: &Frost, tweak: Tweak) -> ScriptBuf {
    script_pubkey(internal_key(&frost.group()).expect("a point"), tweak)
}

/// Funds one coin a script in one transaction and spends all of them in another, unsigned.
async fn must_fund(node: &Node, scripts: &[ScriptBuf]) -> (Transaction, Vec<TxOut>) {
    let outputs: Vec<_> = scripts.iter().map(|script| (script.clone(), COIN)).collect();
    let txid = node.fund_all(&outputs).await.expect("there are coins");
    node.mine(1).await.expect("bitcoind mines");
    let funding = node.transaction(txid).await.expect("it is confirmed");
    let vout = |script: &ScriptBuf| {
        let at = funding.output.iter().position(|output| output.script_pubkey == *script);
        u32::try_from(at.expect("each script is paid")).expect("few outputs")
    };
    let input = |script| TxIn {
        previous_output: OutPoint { txid, vout: vout(script) },
        sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
        ..TxIn::default()
    };
    let spent = scripts.iter().map(|s| TxOut { value: COIN, script_pubkey: s.clone() }).collect();
    let spend = Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: scripts.iter().map(input).collect(),
        output: vec![TxOut {
            value: COIN * scripts.len() as u64 - Amount::from_sat(5_000),
            script_pubkey: Node::open_address().script_pubkey(),
        }],
    };
    (spend, spent)
}

fn must_sign(spend: &mut Transaction, spent: &[TxOut], keys: &[(&Frost, Tweak)]) {
    let mut cache = SighashCache::new(spend.clone());
    for (input, (frost, tweak)) in keys.iter().enumerate() {
        let sighash = cache
            .taproot_key_spend_signature_hash(input, &Prevouts::All(spent), TapSighashType::Default)
            .expect("an input each");
        let signature = sign(frost, &[1, 5], *tweak, &sighash.to_byte_array()).expect("a quorum");
        spend.input[input].witness = Witness::from_slice(&[signature]);
    }
}

#[tokio::test]
async fn coins__should_be_spent_by_the_key_path_for_each_tweak_and_parity() {
    let node = must_start().await;
    let both = [false, true].map(must_generate_with_parity);
    let rows: Vec<(&Frost, Tweak)> =
        both.iter().flat_map(|frost| TWEAKS.map(|tweak| (frost, tweak))).collect();
    let scripts: Vec<_> = rows.iter().map(|(frost, tweak)| script_of(frost, *tweak)).collect();
    let (mut spend, spent) = must_fund(&node, &scripts).await;
    must_sign(&mut spend, &spent, &rows);

    let txid = node.broadcast(&spend).await.expect("bitcoind accepts all six signatures");
    node.mine(1).await.expect("bitcoind mines");

    assert_eq!(node.confirmations(txid).await.expect("bitcoind has it"), 1);
}

#[tokio::test]
async fn coin__should_not_be_spent_with_another_tweak() {
    let node = must_start().await;
    for odd in [false, true] {
        let frost = must_generate_with_parity(odd);
        for (made, signed) in [
            (Tweak::KeyPath, Tweak::None),
            (Tweak::None, Tweak::KeyPath),
            (Tweak::Root([0x11; 32]), Tweak::KeyPath),
        ] {
            let (mut spend, spent) = must_fund(&node, &[script_of(&frost, made)]).await;
            must_sign(&mut spend, &spent, &[(&frost, signed)]);

            let refused = node.broadcast(&spend).await.expect_err("a signature of another key");

            assert!(refused.to_string().contains("Invalid Schnorr signature"), "{refused}");
        }
    }
}
