//! The figures that the reference demo's seven scenarios expect.

use bitcoin::Amount;

use super::{
    index::{Index, Tx},
    *,
};

const BTC: u64 = 100_000_000;

fn cap(height: u32) -> Cap {
    Cap::Value(Amount::from_sat(if height < 130 { 10 * BTC } else { 20 * BTC }))
}

fn stake(number: u32, btc: u64, timelock: u16) -> Tx {
    Tx::Stake { number, value: btc * BTC, staker: 1, provider: 2, timelock }
}

/// Active, total and unconfirmed TVL in BTC, active and total delegations.
fn stats(index: &Index) -> [u64; 5] {
    let stats = index.totals.compat();
    let btc = |sat: u64| sat / BTC;
    [
        btc(stats.active_tvl),
        btc(stats.total_tvl),
        btc(stats.unconfirmed_tvl),
        stats.active_delegations,
        stats.total_delegations,
    ]
}

fn grow_to(index: &mut Index, height: u32) {
    while index.next() <= height {
        index.connect(Vec::new());
    }
}

#[test]
fn tally__should_give_the_figures_of_the_seven_scenarios() {
    // 1. A stake below the first activation height is none.
    let mut index = Index::new(111, 2, cap);
    grow_to(&mut index, 115);
    assert_eq!(stats(&index), [0, 0, 0, 0, 0]);

    // 2. Two stakes fill the cap, the third is overflow.
    index.connect(vec![stake(1, 2, 1000), stake(2, 8, 1000)]);
    assert_eq!(stats(&index), [0, 0, 10, 0, 0]);
    index.connect(vec![stake(3, 1, 1000)]);
    assert_eq!(stats(&index), [10, 10, 11, 2, 2]);
    // The compatible unconfirmed figure ignores the cap, ours does not.
    assert_eq!(index.totals.tip.chain_tvl, 1_000_000_000);
    grow_to(&mut index, 118);
    assert_eq!(stats(&index), [10, 10, 10, 2, 2]);
    assert!(index.rows[&3].share.overflow);
    assert_eq!(index.totals.counters.overflow_tvl, 100_000_000);

    // 3. Unbonding opens the cap again.
    grow_to(&mut index, 119);
    index.connect(vec![Tx::Unbond(1)]);
    assert_eq!(stats(&index), [10, 10, 8, 2, 2]);
    assert_eq!((index.totals.pending_tvl(), index.totals.compat().pending_tvl), (-200_000_000, 0));
    index.connect(vec![stake(4, 1, 1000)]);
    assert_eq!(stats(&index), [8, 10, 9, 1, 2]);
    grow_to(&mut index, 122);
    assert!(!index.rows[&4].share.overflow);

    // 4. The withdrawal of the unbonded stake changes nothing.
    assert_eq!(stats(&index), [9, 11, 9, 2, 3]);

    // 6. A stake with a short timelock: compatible figures keep it when it expires.
    grow_to(&mut index, 133);
    index.connect(vec![stake(5, 5, 2)]);
    let seen = index.totals.compat();
    assert_eq!(
        (seen.active_tvl, seen.total_tvl, seen.unconfirmed_tvl, seen.pending_tvl),
        (900_000_000, 1_100_000_000, 1_400_000_000, 500_000_000)
    );
    grow_to(&mut index, 135);
    let expired = index.totals.compat();
    assert_eq!(
        (expired.active_tvl, expired.total_tvl, expired.unconfirmed_tvl, expired.pending_tvl),
        (1_400_000_000, 1_600_000_000, 1_400_000_000, 0)
    );
    // In block 134 for 2 blocks: at tip 135 it can be withdrawn, and is not locked any more.
    assert_eq!(index.totals.counters.locked_tvl, 900_000_000);
    assert_eq!(index.totals.counters.locked_delegations, 2);
    assert_eq!(index.totals.tip.tip_locked_tvl, 900_000_000);
    index.connect(vec![Tx::Spend(5)]);
    grow_to(&mut index, 138);
    assert_eq!(stats(&index), [14, 16, 14, 3, 4]);
    assert_eq!(index.totals.counters.locked_tvl, 900_000_000);
    assert_eq!(expired.total_stakers, 1);

    // 7. A stake in a lost block is there again in the new branch.
    grow_to(&mut index, 140);
    index.connect(vec![stake(6, 7, 1000)]);
    assert_eq!(stats(&index), [14, 16, 21, 3, 4]);
    index.disconnect();
    assert_eq!(stats(&index), [14, 16, 14, 3, 4]);
    index.connect(Vec::new());
    index.connect(vec![stake(6, 7, 1000)]);
    grow_to(&mut index, 143);
    assert_eq!(stats(&index), [21, 23, 21, 4, 5]);
    assert!(!index.rows[&6].share.overflow);
}
