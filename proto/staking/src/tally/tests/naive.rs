//! All figures counted anew from the chain, as the rules tell them.

use std::collections::{BTreeMap, BTreeSet};

use super::{index::Tx, *};

#[derive(Debug, PartialEq)]
pub(super) struct Naive {
    pub(super) totals: Totals,
    pub(super) stakers: BTreeMap<StakerKey, Counters>,
    pub(super) providers: BTreeMap<ProviderKey, Counters>,
    pub(super) overflow: BTreeSet<u32>,
}

struct Stake {
    value: i64,
    staker: u8,
    provider: u8,
    ends: u32,
    block: usize,
    overflow: bool,
    unbonded: Option<usize>,
    spent: Option<usize>,
}

impl Stake {
    /// Confirmed and still there, going by the first `blocks` blocks.
    fn is_locked(&self, blocks: usize, tip: u32) -> bool {
        let after = |at: Option<usize>| at.is_none_or(|at| at >= blocks);
        self.block < blocks && after(self.unbonded) && after(self.spent) && self.ends > tip
    }
}

pub(super) fn recount(
    first: u32,
    blocks: &[Vec<Tx>],
    confirmed: usize,
    cap: fn(u32) -> Cap,
) -> Naive {
    let height = |block: usize| first + u32::try_from(block).expect("a short chain");
    let tip = height(blocks.len()) - 1;
    let mut stakes: BTreeMap<u32, Stake> = BTreeMap::new();
    // Overflow by the value before each stake; `active` at the last confirmed block, `unconfirmed`
    // from there with the cap ignored.
    let (mut value, mut active, mut unconfirmed) = (0_i64, 0_i64, 0_i64);
    for (block, transactions) in blocks.iter().enumerate() {
        for tx in transactions {
            match *tx {
                Tx::Stake { number, value: sat, staker, provider, timelock } => {
                    let before = bitcoin::Amount::from_sat(u64::try_from(value).expect("≥ 0"));
                    let overflow = cap(height(block)).overflows(height(block), before);
                    let sat = i64::try_from(sat).expect("a small stake");
                    if !overflow {
                        value += sat;
                    }
                    if block >= confirmed {
                        unconfirmed += sat;
                    }
                    let ends = height(block) + u32::from(timelock) - 1;
                    let (unbonded, spent) = (None, None);
                    stakes.insert(
                        number,
                        Stake {
                            value: sat,
                            staker,
                            provider,
                            ends,
                            block,
                            overflow,
                            unbonded,
                            spent,
                        },
                    );
                }
                Tx::Unbond(number) => {
                    let stake = stakes.get_mut(&number).expect("staked before");
                    stake.unbonded = Some(block);
                    if !stake.overflow {
                        value -= stake.value;
                    }
                    let seen = stake.block >= confirmed;
                    if block >= confirmed && (seen || !stake.overflow) {
                        unconfirmed -= stake.value;
                    }
                }
                Tx::Spend(number) => {
                    stakes.get_mut(&number).expect("staked before").spent = Some(block);
                }
            }
        }
        if block + 1 == confirmed {
            active = value;
        }
    }
    let all: Vec<&Stake> = stakes.values().collect();
    let of_staker = |key: u8| count(all.iter().filter(|s| s.staker == key), confirmed, tip);
    let of_provider = |key: u8| count(all.iter().filter(|s| s.provider == key), confirmed, tip);
    let stakers: BTreeMap<_, _> =
        (0..=u8::MAX).map(|k| (StakerKey([k; 32]), of_staker(k))).collect();
    let providers = (0..=u8::MAX).map(|k| (ProviderKey([k; 32]), of_provider(k))).collect();
    let counters = count(all.iter(), confirmed, tip);
    assert_eq!(counters.active_tvl, active);
    // Whoever staked and has a timelock that ended is told so once the stake is confirmed.
    let ended = |s: &Stake| s.block < confirmed && s.ends <= tip;
    let at_tip = all.iter().filter(|s| !s.overflow && s.unbonded.is_none() && s.spent.is_none());
    let some = |has: fn(&Counters) -> bool| {
        i64::try_from(stakers.values().filter(|counters| has(counters)).count()).expect("few")
    };
    let totals = Totals {
        counters,
        tip: TipFigures {
            window: unconfirmed,
            chain_tvl: value,
            tip_locked_tvl: at_tip.filter(|s| !ended(s)).map(|s| s.value).sum(),
        },
        total_stakers: some(|c| c.total_delegations > 0),
        locked_stakers: some(|c| c.locked_delegations + c.overflow_delegations > 0),
    };
    let overflow = stakes.iter().filter(|(_, s)| s.overflow).map(|(number, _)| *number).collect();
    Naive { totals, stakers: used(stakers), providers: used(providers), overflow }
}

fn count<'a>(stakes: impl Iterator<Item = &'a &'a Stake>, blocks: usize, tip: u32) -> Counters {
    let mut sum = Counters::default();
    for stake in stakes.filter(|stake| stake.block < blocks) {
        let locked = i64::from(stake.is_locked(blocks, tip));
        if stake.overflow {
            sum.overflow_tvl += locked * stake.value;
            sum.overflow_delegations += locked;
            continue;
        }
        let active = i64::from(stake.unbonded.is_none_or(|at| at >= blocks));
        sum.total_tvl += stake.value;
        sum.total_delegations += 1;
        sum.active_tvl += active * stake.value;
        sum.active_delegations += active;
        sum.locked_tvl += locked * stake.value;
        sum.locked_delegations += locked;
    }
    sum
}

pub(super) fn used<K: Ord>(rows: BTreeMap<K, Counters>) -> BTreeMap<K, Counters> {
    rows.into_iter().filter(|(_, counters)| !counters.is_empty()).collect()
}
