//! An accepted request to unbond.

use bitcoin::secp256k1::schnorr::Signature;
use serde_json::json;
use trestle_staking::{
    GlobalParams,
    identify::{Identified, identify},
    tx::check_request,
};

use super::{Vectors, read};

#[test]
fn accepted_request__should_be_accepted() {
    let Some(vectors) = Vectors::find() else { return };
    let vector = vectors.json("unbonding_request_vector.json");
    let (request, expected) = (&vector["request"], &vector["expected"]);
    let params = GlobalParams::parse(&json!({ "versions": [vector["params"]] }).to_string());
    let params = params.expect("valid parameters");
    let params = params.params_at(102).expect("active");
    let staking = read::transaction(&vector, "staking_tx_hex");
    let Identified::Stake(stake) = identify(&staking, params) else { panic!("a stake") };
    assert_eq!(stake.outpoint.txid.to_string(), read::text(&vector, "staking_txid"));
    assert_eq!(u64::from(stake.outpoint.vout), read::number(&vector, "staking_output_index"));

    let transaction = read::transaction(request, "unbonding_tx_hex");
    let said = read::text(request, "unbonding_tx_hash_hex").parse().expect("an id");
    let signature = read::bytes(request, "staker_signed_signature_hex");
    let signature = Signature::from_slice(&signature).expect("64 bytes");
    let unbonding = check_request(&transaction, Some(said), &stake, params, &signature);
    let unbonding = unbonding.expect("a good request");

    let sighash = hex::encode(unbonding.sighash());
    assert_eq!(sighash, read::text(expected, "tapscript_sighash_hex"));
    let leaf = &unbonding.spend().spent()[0].leaf;
    assert_eq!(hex::encode(&leaf.script), read::text(expected, "unbonding_script_hex"));
    let control_block = hex::encode(leaf.control_block.serialize());
    assert_eq!(control_block, read::text(expected, "unbonding_control_block_hex"));
    let output = &unbonding.transaction().output[0];
    let script = read::text(expected, "unbonding_output_pkscript_hex");
    assert_eq!(hex::encode(&output.script_pubkey), script);
    assert_eq!(output.value.to_sat(), read::number(expected, "unbonding_output_value"));

    let timelock = stake.unbonding_output(params).expect("keys differ").timelock();
    let script = read::text(expected, "unbonding_timelock_script_hex");
    assert_eq!(hex::encode(&timelock.script), script);
    let control_block = hex::encode(timelock.control_block.serialize());
    let field = "unbonding_output_timelock_control_block_hex";
    assert_eq!(control_block, read::text(expected, field));
}
