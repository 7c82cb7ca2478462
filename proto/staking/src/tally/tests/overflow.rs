//! Decisions at the boundaries, and again after a reorganisation.

use bitcoin::{Amount, Txid, hashes::Hash};
use rstest::rstest;

use super::*;

fn txid(number: u8) -> Txid {
    Txid::from_byte_array([number; 32])
}

fn staked(number: u8, value: u64, before: Option<bool>) -> Move {
    let cap = Cap::Value(Amount::from_sat(1_000));
    Move::Staked { txid: txid(number), value, height: 100, cap, before }
}

#[rstest]
#[case::just_below(999, 500, false, 1_499)]
#[case::at_the_cap(1_000, 500, true, 1_000)]
#[case::above_it(1_499, 1, true, 1_499)]
#[case::empty(0, 1_000, false, 1_000)]
fn value_cap__should_count_the_stake_that_crosses_it_in_full(
    #[case] before: u64,
    #[case] value: u64,
    #[case] overflow: bool,
    #[case] after: u64,
) {
    let mut run = OverflowRun::from_value(before);
    assert_eq!(run.staked(value, 100, &Cap::Value(Amount::from_sat(1_000))), Ok(overflow));
    assert_eq!(run.finish().value, after);
}

#[rstest]
#[case(864_799, false)]
#[case(864_800, true)]
fn height_cap__should_include_its_own_block(#[case] height: u32, #[case] overflow: bool) {
    let mut run = OverflowRun::from_value(u64::from(u32::MAX));
    assert_eq!(run.staked(1, height, &Cap::Height(864_799)), Ok(overflow));
}

#[test]
fn overflow__should_be_decided_again_for_all_that_comes_after_a_reorganisation() {
    // Given a branch with stakes of 600, 400, 300 and 200, where the last two were overflow
    let mut run = OverflowRun::from_value(0);
    let branch = [(1, 600), (2, 400), (3, 300), (4, 200)];
    let flags = branch.map(|(number, value)| must(run.take(&staked(number, value, None))));
    assert_eq!(flags, [Some(false), Some(false), Some(true), Some(true)]);
    assert_eq!(run.finish(), Decided { value: 1_000, changed: vec![] });

    // When the new branch lacks the first
    let mut run = OverflowRun::from_value(0);
    for (number, value, before) in [(2, 400, false), (3, 300, true), (4, 300, true)] {
        must(run.take(&staked(number, value, Some(before))));
    }
    // Then both others fit, and a later one does not
    let five = must(run.take(&staked(5, 100, Some(false))));
    assert_eq!(five, Some(true));
    let changed = [(3, false), (4, false), (5, true)]
        .map(|(n, overflow)| FlagChange { txid: txid(n), overflow });
    assert_eq!(run.finish(), Decided { value: 1_000, changed: changed.to_vec() });
}

#[test]
fn overflow__should_open_with_an_unbonding_in_the_same_block() {
    let mut run = OverflowRun::from_value(1_000);
    assert_eq!(run.take(&staked(1, 10, None)), Ok(Some(true)));
    // The unbonding of an overflow stake changes nothing.
    assert_eq!(run.take(&Move::Unbonded { value: 10, overflow: true }), Ok(None));
    assert_eq!(run.take(&staked(2, 10, None)), Ok(Some(true)));
    assert_eq!(run.take(&Move::Unbonded { value: 1, overflow: false }), Ok(None));
    assert_eq!(run.take(&staked(3, 10, None)), Ok(Some(false)));
    assert_eq!(run.take(&staked(4, 10, None)), Ok(Some(true)));
}

#[test]
fn overflow__should_refuse_rows_that_do_not_belong_together() {
    let mut run = OverflowRun::from_value(5);
    assert_eq!(run.unbonded(6, false), Err(TallyError::Negative));
    let cap = Cap::Height(100);
    assert_eq!(run.staked(u64::MAX, 100, &cap), Err(TallyError::TooLarge));
    assert_eq!(run.finish().value, 5);
    let broken = TipFigures { chain_tvl: -1, ..TipFigures::default() };
    assert_eq!(OverflowRun::from_tip(&broken), Err(TallyError::Negative));
}
