//! What is a stake and what is not, rule by rule.

use bitcoin::{Amount, ScriptBuf, Transaction, TxOut};
use rstest::rstest;
use trestle_staking::{
    Cap, Stake, Tag,
    identify::{Identified, InvalidStake, NotStaking, is_candidate},
    script::{Keys, StakingData, StakingOutput},
    tx::StakePlan,
};

use crate::fixture::{
    MEMBERS, PROVIDER, STAKER, identify, key, params, plan, staking, with_committee,
};

fn output(script_pubkey: ScriptBuf) -> TxOut {
    TxOut { value: Amount::ZERO, script_pubkey }
}

fn data() -> StakingData {
    let StakePlan { staker, finality_provider, time, .. } = plan();
    StakingData { tag: params().tag, staker, finality_provider, time }
}

fn good() -> Transaction {
    staking(&plan(), &params())
}

fn must_be_refused(transaction: &Transaction, reason: NotStaking) {
    assert_eq!(identify(transaction, &params()), Identified::NotStaking(reason));
}

fn must_be_a_stake(transaction: &Transaction) -> Stake {
    match identify(transaction, &params()) {
        Identified::Stake(stake) => stake,
        other @ (Identified::Invalid { .. } | Identified::NotStaking(_)) => panic!("{other:?}"),
    }
}

#[test]
fn good_stake__should_be_told_in_full() {
    let transaction = good();
    let stake = must_be_a_stake(&transaction);
    let outpoint = bitcoin::OutPoint { txid: transaction.compute_txid(), vout: 0 };
    assert_eq!(stake, plan().stake(outpoint, &params()));
    assert!(is_candidate(&transaction, params().tag));
}

#[test]
fn one_output__should_not_be_a_stake() {
    let mut transaction = good();
    transaction.output.remove(0);
    must_be_refused(&transaction, NotStaking::FewOutputs);
}

#[test]
fn another_tag__should_not_be_a_stake() {
    let params = trestle_staking::VersionParams { tag: Tag(*b"best"), ..params() };
    assert!(!is_candidate(&good(), params.tag));
    assert_eq!(identify(&good(), &params), Identified::NotStaking(NotStaking::NoTag));
}

#[test]
fn two_tagged_op_returns__should_not_be_a_stake() {
    let mut transaction = good();
    transaction.output.push(transaction.output[1].clone());
    must_be_refused(&transaction, NotStaking::SeveralTags);
}

#[test]
fn second_tagged_op_return_with_an_invalid_key__should_not_be_a_stake_either() {
    let mut transaction = good();
    let mut bytes = data().to_script().into_bytes();
    bytes[7..39].fill(0xFF);
    transaction.output.push(output(ScriptBuf::from_bytes(bytes)));
    must_be_refused(&transaction, NotStaking::SeveralTags);
}

#[test]
fn foreign_tag_beside_the_tagged__should_not_be_a_stake() {
    let mut transaction = good();
    let foreign = StakingData { tag: Tag(*b"else"), ..data() };
    transaction.output.push(output(foreign.to_script()));
    must_be_refused(&transaction, NotStaking::SeveralCandidates);
}

#[test]
fn foreign_tag_with_an_invalid_key_beside_the_tagged__should_not_matter() {
    let mut transaction = good();
    let foreign = StakingData { tag: Tag(*b"else"), ..data() };
    let mut bytes = foreign.to_script().into_bytes();
    bytes[39..71].fill(0xFF);
    transaction.output.push(output(ScriptBuf::from_bytes(bytes)));
    must_be_a_stake(&transaction);
}

#[test]
fn invalid_key_under_the_tag_beside_a_good_foreign_one__should_not_be_a_stake() {
    let mut transaction = good();
    let mut bytes = data().to_script().into_bytes();
    bytes[7..39].fill(0xFF);
    transaction.output[1] = output(ScriptBuf::from_bytes(bytes));
    let foreign = StakingData { tag: Tag(*b"else"), ..data() };
    transaction.output.push(output(foreign.to_script()));
    must_be_refused(&transaction, NotStaking::ForeignTag);
}

#[test]
fn version_byte_1__should_not_be_a_stake() {
    let mut transaction = good();
    let mut bytes = data().to_script().into_bytes();
    bytes[6] = 1;
    transaction.output[1] = output(ScriptBuf::from_bytes(bytes));
    must_be_refused(&transaction, NotStaking::NoTag);
}

/// 5 is no x coordinate of the curve; all ones are no field element.
#[rstest]
fn key_off_the_curve__should_not_be_a_stake(
    #[values(7, 39)] at: usize,
    #[values(false, true)] above_the_field: bool,
) {
    let mut transaction = good();
    let mut bytes = data().to_script().into_bytes();
    bytes[at..at + 32].fill(if above_the_field { 0xFF } else { 0 });
    bytes[at + 31] = if above_the_field { 0xFF } else { 5 };
    transaction.output[1] = output(ScriptBuf::from_bytes(bytes));
    must_be_refused(&transaction, NotStaking::InvalidKey);
}

#[rstest]
#[case::provider_is_staker(STAKER, STAKER)]
#[case::provider_is_a_member(STAKER, MEMBERS[0])]
#[case::staker_is_a_member(MEMBERS[2], PROVIDER)]
fn key_in_two_roles__should_not_be_a_stake(#[case] staker: u8, #[case] provider: u8) {
    let mut transaction = good();
    let data = StakingData { staker: key(staker), finality_provider: key(provider), ..data() };
    transaction.output[1] = output(data.to_script());
    must_be_refused(&transaction, NotStaking::DuplicateKeys);
}

#[test]
fn staking_output_twice__should_not_be_a_stake() {
    let mut transaction = good();
    transaction.output.push(transaction.output[0].clone());
    must_be_refused(&transaction, NotStaking::SeveralStakingOutputs);
}

#[rstest]
#[case::wrong_quorum(&MEMBERS, 3)]
#[case::wrong_versions_keys(&[101, 102, 104], 2)]
fn output_of_another_committee__should_not_be_a_stake(#[case] members: &[u8], #[case] quorum: u32) {
    let transaction = staking(&plan(), &with_committee(members, quorum));
    must_be_refused(&transaction, NotStaking::NoStakingOutput);
}

#[test]
fn another_time_in_the_op_return__should_not_be_a_stake() {
    let mut transaction = good();
    transaction.output[1] = output(StakingData { time: 101, ..data() }.to_script());
    must_be_refused(&transaction, NotStaking::NoStakingOutput);
}

#[rstest]
#[case::after(&[0, 1, 2], 0)]
#[case::before(&[1, 0, 2], 1)]
#[case::apart(&[1, 2, 0], 2)]
fn op_return__should_stand_anywhere(#[case] order: &[usize; 3], #[case] vout: u32) {
    let mut transaction = good();
    transaction.output.push(output(crate::fixture::somewhere()));
    transaction.output = order.map(|index| transaction.output[index].clone()).to_vec();
    assert_eq!(must_be_a_stake(&transaction).outpoint.vout, vout);
}

#[test]
fn op_return_with_value__should_be_a_stake() {
    let mut transaction = good();
    transaction.output[1].value = Amount::from_sat(1);
    must_be_a_stake(&transaction);
}

#[rstest]
#[case::below_min(9_999, Some(InvalidStake::ValueTooLow))]
#[case::min(10_000, None)]
#[case::max(100_000, None)]
#[case::above_max(100_001, Some(InvalidStake::ValueTooHigh))]
fn value__should_be_within_the_parameters(
    #[case] sats: u64,
    #[case] invalid: Option<InvalidStake>,
) {
    let mut transaction = good();
    transaction.output[0].value = Amount::from_sat(sats);
    match (identify(&transaction, &params()), invalid) {
        (Identified::Stake(stake), None) => assert_eq!(stake.value.to_sat(), sats),
        (Identified::Invalid { reason, .. }, Some(expected)) => assert_eq!(reason, expected),
        (other, _) => panic!("{other:?}"),
    }
}

#[rstest]
#[case::zero(0, Some(InvalidStake::TimeTooShort))]
#[case::below_min(9, Some(InvalidStake::TimeTooShort))]
#[case::min(10, None)]
#[case::max(1000, None)]
#[case::above_max(1001, Some(InvalidStake::TimeTooLong))]
#[case::largest(u16::MAX, Some(InvalidStake::TimeTooLong))]
fn time__should_be_within_the_parameters(#[case] time: u16, #[case] invalid: Option<InvalidStake>) {
    let mut transaction = good();
    let params = params();
    let keys = Keys::new(&params.covenant, key(STAKER), &[key(PROVIDER)]).expect("all differ");
    transaction.output[0].script_pubkey = StakingOutput::new(&keys, time).script_pubkey();
    transaction.output[1] = output(StakingData { time, ..data() }.to_script());
    match (identify(&transaction, &params), invalid) {
        (Identified::Stake(stake), None) => assert_eq!(stake.time, time),
        (Identified::Invalid { reason, .. }, Some(expected)) => assert_eq!(reason, expected),
        (other, _) => panic!("{other:?}"),
    }
}

#[test]
fn committee_of_one__should_have_stakes() {
    let params = with_committee(&[101], 1);
    let transaction = staking(&plan(), &params);
    assert!(matches!(identify(&transaction, &params), Identified::Stake(_)));
}

#[rstest]
#[case::in_the_window(200, false)]
#[case::above_cap_height(201, true)]
fn height_cap__should_make_overflow_above_it(#[case] height: u32, #[case] overflow: bool) {
    assert_eq!(Cap::Height(200).overflows(height, Amount::MAX_MONEY), overflow);
}

#[rstest]
#[case::crossing(999, false)]
#[case::at_the_cap(1000, true)]
#[case::above(1001, true)]
fn value_cap__should_make_overflow_once_reached(#[case] before: u64, #[case] overflow: bool) {
    let cap = Cap::Value(Amount::from_sat(1000));
    assert_eq!(cap.overflows(u32::MAX, Amount::from_sat(before)), overflow);
}
