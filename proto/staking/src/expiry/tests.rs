#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use bitcoin::{Sequence, Txid, hashes::Hash};
use rstest::rstest;

use super::*;

fn txid(number: u8) -> Txid {
    Txid::from_byte_array([number; 32])
}

fn lock(height: u32, blocks: u16) -> Timelock {
    Timelock { height, blocks }
}

/// BIP 68 as consensus code has it: the last height at which the input is not final.
fn last_invalid(timelock: Timelock) -> i64 {
    let sequence = Sequence::from_height(timelock.blocks).to_consensus_u32();
    i64::from(timelock.height) + i64::from(sequence & 0xffff) - 1
}

#[rstest]
#[case(100, 1)]
#[case(100, 2)]
#[case(133, 3)]
#[case(857_910, 1008)]
#[case(864_790, 64_000)]
#[case(864_790, u16::MAX)]
fn timelock__should_end_at_the_block_bip_68_names(#[case] height: u32, #[case] blocks: u16) {
    let timelock = lock(height, blocks);
    let first = timelock.first_block();
    assert_eq!(i64::from(first), last_invalid(timelock) + 1);
    assert!(!timelock.allows_in(first - 1));
    assert!(timelock.allows_in(first));
    // A mempool judges by the next block, so a spend is taken one tip earlier.
    assert!(!timelock.is_spendable(first - 2));
    assert!(timelock.is_spendable(first - 1));
    assert_eq!(timelock.spendable_at(), first - 1);
    assert_eq!(timelock.expires_at(), timelock.spendable_at() + 1);
}

#[rstest]
#[case(lock(100, 10), 100, 9)]
#[case(lock(100, 10), 108, 1)]
#[case(lock(100, 10), 109, 0)]
#[case(lock(100, 10), 500, 0)]
#[case(lock(100, 1), 100, 0)]
fn timelock__should_count_the_blocks_left(
    #[case] timelock: Timelock,
    #[case] tip: u32,
    #[case] left: u32,
) {
    assert_eq!(timelock.blocks_left(tip), left);
    assert_eq!(timelock.is_spendable(tip), left == 0);
}

#[test]
fn timelock__should_not_end_before_its_own_block_nor_overflow() {
    assert_eq!(lock(100, 0).spendable_at(), 100);
    assert_eq!(lock(0, 0).spendable_at(), 0);
    assert_eq!(lock(u32::MAX, u16::MAX).first_block(), u32::MAX);
    assert_eq!(lock(u32::MAX, u16::MAX).spendable_at(), u32::MAX);
}

#[test]
fn schedule__should_name_what_is_due_at_exactly_the_height() {
    let mut schedule = Schedule::default();
    schedule.watch(txid(1), Output::Staking, lock(100, 10));
    schedule.watch(txid(1), Output::Unbonding, lock(105, 3));
    schedule.watch(txid(2), Output::Staking, lock(100, 11));

    assert_eq!(schedule.due(106, 10), []);
    let unbonding = Due { at: 107, staking: txid(1), output: Output::Unbonding };
    let first = Due { at: 109, staking: txid(1), output: Output::Staking };
    let second = Due { at: 110, staking: txid(2), output: Output::Staking };
    assert_eq!(schedule.due(107, 10), [unbonding]);
    assert_eq!(schedule.due(109, 10), [unbonding, first]);
    assert_eq!(schedule.due(u32::MAX, 10), [unbonding, first, second]);
    assert_eq!(schedule.due(u32::MAX, 2), [unbonding, first]);
}

#[test]
fn schedule__should_answer_the_same_until_a_row_is_taken_out() {
    let mut schedule = Schedule::default();
    schedule.watch(txid(1), Output::Staking, lock(100, 10));
    schedule.watch(txid(1), Output::Staking, lock(100, 10));
    assert_eq!(schedule.len(), 1);
    let due = schedule.due(109, 10);
    assert_eq!(schedule.due(109, 10), due);
    assert_eq!(schedule.due(300, 10), due);

    schedule.unwatch(txid(1), Output::Staking, lock(100, 10));
    schedule.unwatch(txid(1), Output::Staking, lock(100, 10));
    assert!(schedule.is_empty());
    assert_eq!(schedule.due(300, 10), []);
}

#[test]
fn ranges__should_split_every_height_between_due_and_undue() {
    // The block at 110 is lost: the tip is 109, what ended at 110 has not ended any more.
    for at in [0, 109, 110, u32::MAX] {
        assert_ne!(Timelock::due(109).contains(&at), Timelock::undue(110).contains(&at));
    }
}
