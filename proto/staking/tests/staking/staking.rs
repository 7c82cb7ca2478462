//! Building stakes, and their export.

use bitcoin::{Amount, Sequence, TxOut, absolute::LockTime};
use rstest::rstest;
use trestle_staking::{
    VersionParams, export,
    script::ScriptError,
    tx::{Funding, StakeError, StakePlan},
};

use crate::fixture::{STAKER, key, outpoint, params, plan, somewhere, stake};

fn funding(sats: u64) -> Funding {
    let coin = TxOut { value: Amount::from_sat(sats), script_pubkey: somewhere() };
    let change = TxOut { value: Amount::from_sat(1_000), script_pubkey: somewhere() };
    Funding::new(vec![(outpoint(7), coin)], vec![change], &params())
}

#[test]
fn stake__should_be_built_with_output_data_and_change() {
    let transaction = plan().transaction(&params(), &funding(51_000)).expect("just paid for");
    let values: Vec<u64> = transaction.output.iter().map(|output| output.value.to_sat()).collect();
    assert_eq!(values, [50_000, 0, 1_000]);
    assert_eq!(transaction.version.0, 2);
    assert_eq!(transaction.lock_time, LockTime::from_consensus(99));
    assert_eq!(transaction.input[0].sequence, Sequence::ENABLE_LOCKTIME_NO_RBF);
}

#[test]
fn psbt_of_a_stake__should_carry_the_coins() {
    let psbt = plan().psbt(&params(), &funding(60_000)).expect("paid for");
    let psbt = bitcoin::Psbt::deserialize(&psbt.serialize()).expect("a well-formed PSBT");
    assert_eq!(psbt.fee().expect("all coins are known"), Amount::from_sat(9_000));
}

#[test]
fn activation_beyond_block_heights__should_give_no_lock() {
    let params = VersionParams { activation_height: u64::MAX, ..params() };
    assert_eq!(Funding::new(Vec::new(), Vec::new(), &params).lock_time, LockTime::ZERO);
}

#[rstest]
#[case::too_small(StakePlan { value: Amount::from_sat(9_999), ..plan() },
    StakeError::Value { value: 9_999, min: 10_000, max: 100_000, version: 0 })]
#[case::too_large(StakePlan { value: Amount::from_sat(100_001), ..plan() },
    StakeError::Value { value: 100_001, min: 10_000, max: 100_000, version: 0 })]
#[case::too_short(StakePlan { time: 9, ..plan() },
    StakeError::Time { time: 9, min: 10, max: 1000, version: 0 })]
#[case::too_long(StakePlan { time: 1001, ..plan() },
    StakeError::Time { time: 1001, min: 10, max: 1000, version: 0 })]
#[case::to_itself(StakePlan { finality_provider: key(STAKER), ..plan() },
    StakeError::Script(ScriptError::DuplicateKey(key(STAKER))))]
#[case::too_poor(plan(), StakeError::TooPoor { inputs: 50_999, outputs: 51_000 })]
fn stake__should_not_be_built(#[case] plan: StakePlan, #[case] reason: StakeError) {
    assert_eq!(plan.transaction(&params(), &funding(50_999)), Err(reason));
}

#[test]
fn stake_without_coins__should_not_be_built() {
    let funding = Funding { coins: Vec::new(), ..funding(0) };
    assert_eq!(plan().transaction(&params(), &funding), Err(StakeError::NoInputs));
}

#[test]
fn export_row__should_have_the_columns_of_its_header() {
    let row = export::row(&stake(), 123, true);
    assert_eq!(row.split(',').count(), export::HEADER.split(',').count());
    let expected = format!(
        "{},0,123,{},100,{},true,50000",
        outpoint(9).txid,
        plan().staker,
        plan().finality_provider
    );
    assert_eq!(row, expected);
}
