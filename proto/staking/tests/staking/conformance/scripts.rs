//! The five script cases.

use bitcoin::{Amount, OutPoint, Sequence, Transaction, TxOut, Witness, consensus::serialize};
use serde_json::Value;
use trestle_staking::{
    Covenant, Stake, Tag, VersionParams,
    script::{Keys, StakingData, StakingOutput, UnbondingOutput},
    tx::Unbonding,
};

use super::{Vectors, read};
use crate::fixture::{params, transaction};

#[test]
fn script_cases__should_be_met_byte_for_byte() {
    let Some(vectors) = Vectors::find() else { return };
    let file = vectors.json("btcstaking_vectors.babylon_v4.json");
    let cases = file["vectors"].as_array().expect("a list of cases");
    assert_eq!(cases.len(), 5);
    for case in cases {
        check(&case["parameters"], &case["expected"]);
    }
}

fn check(given: &Value, expected: &Value) {
    let quorum = u32::try_from(read::number(given, "covenant_quorum")).expect("small");
    let covenant = Covenant::new(read::keys(given, "covenant_public_keys"), quorum);
    let covenant = covenant.expect("a committee");
    let staker = read::key(read::text(given, "staker_public_key"));
    let providers = read::keys(given, "finality_provider_public_keys");
    let keys = Keys::new(&covenant, staker, &providers).expect("all differ");
    let staking = StakingOutput::new(&keys, read::short(given, "staking_time"));
    let unbonding = UnbondingOutput::new(&keys, read::short(given, "unbonding_time"));
    let scripts = [
        ("staking_output_pkscript_hex", staking.script_pubkey()),
        ("staking_transaction_timelock_script_hex", staking.timelock().script),
        ("staking_transaction_unbonding_script_hex", staking.unbonding().script),
        ("staking_transaction_slashing_script_hex", staking.slashing().script),
        ("unbonding_transaction_time_lock_script_hex", unbonding.timelock().script),
        ("unbonding_transaction_slashing_script_hex", unbonding.slashing().script),
    ];
    for (field, script) in scripts {
        assert_eq!(hex::encode(script), read::text(expected, field), "{field}");
    }
    let bytes = read::bytes(expected, "unbonding_transaction_hex");
    assert_eq!(serialize(&by_hand(given, &unbonding)), bytes);
    if let [provider] = providers.as_slice() {
        let (stake, params) = built(given, covenant.clone(), staker, *provider);
        let unbonding = Unbonding::new(&stake, &params).expect("worth more than the fee");
        assert_eq!(serialize(unbonding.transaction()), bytes);
        op_return(expected, &stake, params.tag);
    }
}

fn spent() -> OutPoint {
    OutPoint { vout: 0, ..OutPoint::null() }
}

fn by_hand(given: &Value, unbonding: &UnbondingOutput) -> Transaction {
    let value = read::number(given, "staking_value") - read::number(given, "unbonding_fee");
    let script_pubkey = unbonding.script_pubkey();
    let output = TxOut { value: Amount::from_sat(value), script_pubkey };
    let by_hand = transaction(&[(spent(), Witness::new())], vec![output]);
    assert_eq!(by_hand.input[0].sequence, Sequence::MAX);
    by_hand
}

fn built(
    given: &Value,
    covenant: Covenant,
    staker: bitcoin::XOnlyPublicKey,
    finality_provider: bitcoin::XOnlyPublicKey,
) -> (Stake, VersionParams) {
    let tag = given["tag"].as_str().filter(|tag| !tag.is_empty()).unwrap_or("00000000");
    let tag = hex::decode(tag).expect("hex").try_into().expect("four bytes");
    let params = VersionParams {
        tag: Tag(tag),
        covenant,
        unbonding_time: read::short(given, "unbonding_time"),
        unbonding_fee: Amount::from_sat(read::number(given, "unbonding_fee")),
        ..params()
    };
    let stake = Stake {
        outpoint: spent(),
        staker,
        finality_provider,
        value: Amount::from_sat(read::number(given, "staking_value")),
        time: read::short(given, "staking_time"),
        params_version: params.version,
    };
    (stake, params)
}

fn op_return(expected: &Value, stake: &Stake, tag: Tag) {
    let Some(script) = expected["op_return_script_hex"].as_str().filter(|hex| !hex.is_empty())
    else {
        return;
    };
    let (staker, finality_provider, time) = (stake.staker, stake.finality_provider, stake.time);
    let data = StakingData { tag, staker, finality_provider, time };
    assert_eq!(hex::encode(data.to_script()), script);
}
