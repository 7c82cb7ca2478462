//! The tally against a count from scratch, over random histories with reorganisations.

use bitcoin::Amount;
use proptest::prelude::*;

use super::{
    index::{Index, Tx},
    naive::{recount, used},
    *,
};

#[derive(Clone, Debug)]
enum Step {
    Block(Vec<Wish>),
    Lose(usize),
}

/// What a block is to do; which stake it concerns depends on what there is.
#[derive(Clone, Copy, Debug)]
enum Wish {
    Stake { value: u64, staker: u8, provider: u8, timelock: u16 },
    Unbond(usize),
    Spend(usize),
}

fn wishes() -> impl Strategy<Value = Wish> {
    let stake =
        (1_u64..400, 0_u8..4, 0_u8..3, 1_u16..9).prop_map(|(value, staker, provider, timelock)| {
            Wish::Stake { value, staker, provider, timelock }
        });
    prop_oneof![4 => stake, 2 => (0_usize..9).prop_map(Wish::Unbond), 1 => (0_usize..9).prop_map(Wish::Spend)]
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec(wishes(), 0..5).prop_map(Step::Block),
        1 => (1_usize..8).prop_map(Step::Lose),
    ]
}

/// Two value caps, then a window of heights.
fn cap(height: u32) -> Cap {
    match height {
        0..108 => Cap::Value(Amount::from_sat(500)),
        108..116 => Cap::Value(Amount::from_sat(900)),
        116.. => Cap::Height(120),
    }
}

/// A block that is possible: no output is spent twice.
fn block(index: &Index, wishes: &[Wish], next: &mut u32) -> Vec<Tx> {
    let free =
        |row: &super::index::Row| row.at.unbonding == Depth::Absent && row.at.gone == Depth::Absent;
    let rows = index.rows.iter().filter(|(_, row)| free(row));
    let mut unspent: Vec<u32> = rows.map(|(number, _)| *number).collect();
    let mut block = Vec::new();
    for wish in wishes {
        match *wish {
            Wish::Stake { value, staker, provider, timelock } => {
                *next += 1;
                block.push(Tx::Stake { number: *next, value, staker, provider, timelock });
                unspent.push(*next);
            }
            Wish::Unbond(which) if !unspent.is_empty() => {
                block.push(Tx::Unbond(unspent.remove(which % unspent.len())));
            }
            Wish::Spend(which) if !unspent.is_empty() => {
                block.push(Tx::Spend(unspent.remove(which % unspent.len())));
            }
            Wish::Unbond(_) | Wish::Spend(_) => {}
        }
    }
    block
}

fn check(index: &Index) -> Result<(), TestCaseError> {
    let expected = recount(index.first, &index.blocks, index.confirmed, index.cap);
    prop_assert_eq!(index.totals, expected.totals);
    prop_assert_eq!(&used(index.stakers.clone()), &expected.stakers);
    prop_assert_eq!(&used(index.providers.clone()), &expected.providers);
    for (number, row) in &index.rows {
        prop_assert_eq!(row.share.overflow, expected.overflow.contains(number));
    }
    Ok(())
}

proptest! {
    #[test]
    fn tally__should_be_what_a_count_from_scratch_gives(
        depth in 1_usize..5,
        steps in prop::collection::vec(steps(), 1..40),
    ) {
        let (mut index, mut next) = (Index::new(100, depth, cap), 0);
        for step in steps {
            match step {
                Step::Block(wishes) => {
                    let block = block(&index, &wishes, &mut next);
                    index.connect(block);
                }
                Step::Lose(blocks) => (0..blocks).for_each(|_| index.disconnect()),
            }
            check(&index)?;
        }
        // Taken back to the beginning, nothing is left.
        while !index.blocks.is_empty() {
            index.disconnect();
        }
        prop_assert_eq!(index.totals, Totals::default());
        prop_assert!(used(index.stakers).is_empty());
    }
}
