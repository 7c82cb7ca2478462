//! A fully signed unbonding of two members out of three.

use std::collections::BTreeMap;

use bitcoin::secp256k1::schnorr::Signature;
use bitcoin::{Amount, OutPoint, Transaction, XOnlyPublicKey, consensus::serialize};
use serde_json::Value;
use trestle_staking::{
    Covenant, Stake, VersionParams,
    identify::{StakeSpend, spend_of_stake},
    tx::Unbonding,
};

use super::{Vectors, read};
use crate::fixture::{consensus, params};

fn case(vector: &Value) -> (Stake, VersionParams) {
    let quorum = u32::try_from(read::number(vector, "covenant_quorum")).expect("small");
    let covenant = Covenant::new(read::keys(vector, "covenant_pks"), quorum);
    let params = VersionParams {
        covenant: covenant.expect("a committee"),
        unbonding_time: read::short(vector, "unbonding_time"),
        unbonding_fee: Amount::from_sat(read::number(vector, "unbonding_fee")),
        ..params()
    };
    let staking = read::transaction(vector, "staking_tx_hex");
    assert_eq!(staking.compute_txid().to_string(), read::text(vector, "staking_txid"));
    let vout = u32::try_from(read::number(vector, "staking_output_index")).expect("small");
    let stake = Stake {
        outpoint: OutPoint { txid: staking.compute_txid(), vout },
        staker: read::key(read::text(vector, "staker_pk")),
        finality_provider: read::key(read::text(vector, "finality_provider_pk")),
        value: staking.output[0].value,
        time: read::short(vector, "staking_time"),
        params_version: params.version,
    };
    assert_eq!(stake.tx_out(&params).as_ref(), Ok(&staking.output[0]), "the staking output");
    (stake, params)
}

/// The signatures in a witness, which has them in descending order of the keys.
fn signatures(
    signed: &Transaction,
    params: &VersionParams,
) -> (Signature, BTreeMap<XOnlyPublicKey, Signature>) {
    let witness = &signed.input[0].witness;
    let keys = params.covenant.keys().iter().rev();
    let members = keys
        .zip(witness.iter())
        .filter(|(_, item)| !item.is_empty())
        .map(|(key, item)| (*key, Signature::from_slice(item).expect("64 bytes")));
    let staker = witness.nth(params.covenant.keys().len()).expect("the staker's");
    (Signature::from_slice(staker).expect("64 bytes"), members.collect())
}

#[test]
fn signed_unbonding__should_be_rebuilt_byte_for_byte() {
    let Some(vectors) = Vectors::find() else { return };
    let vector = vectors.json("signed_unbonding_tx_vector.json");
    let (stake, params) = case(&vector);
    let signed = read::transaction(&vector, "signed_unbonding_tx_hex");
    let unbonding = Unbonding::new(&stake, &params).expect("worth more than the fee");
    let leaf = &unbonding.spend().spent()[0].leaf;
    assert_eq!(hex::encode(&leaf.script), read::text(&vector, "unbonding_script_hex"));
    let control_block = hex::encode(leaf.control_block.serialize());
    assert_eq!(control_block, read::text(&vector, "control_block_hex"));
    let sighash = hex::encode(unbonding.sighash());
    assert_eq!(sighash, read::text(&vector, "tapscript_sighash_hex"));
    let (staker, members) = signatures(&signed, &params);
    let rebuilt = unbonding.finish(&staker, &members).expect("all signatures are good");
    assert_eq!(hex::encode(serialize(&rebuilt)), read::text(&vector, "signed_unbonding_tx_hex"));
    assert_eq!(rebuilt.compute_txid().to_string(), read::text(&vector, "unbonding_txid"));
}

#[test]
fn signed_unbonding__should_be_valid_and_recognised() {
    let Some(vectors) = Vectors::find() else { return };
    let vector = vectors.json("signed_unbonding_tx_vector.json");
    let (stake, params) = case(&vector);
    let signed = read::transaction(&vector, "signed_unbonding_tx_hex");
    let spent = [stake.tx_out(&params).expect("keys differ")];
    assert_eq!(consensus(&signed, &spent), Ok(()));
    let spend = spend_of_stake(&stake, &params, &signed, 0).expect("keys differ");
    assert_eq!(spend, StakeSpend::Unbonding { txid: signed.compute_txid(), version: 2 });
}
