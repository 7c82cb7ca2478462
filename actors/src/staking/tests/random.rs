//! Random chains with random reorganisations, against a model that is as simple as can be: it goes
//! through the whole chain each time, and knows nothing of increments.

use std::collections::BTreeMap;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use trestle_staking::{delegation::StateName, tally::Totals};

use super::world::*;

const DEPTH: u32 = 3;
const CAP: u64 = 150_000;
const UNBONDING: u32 = 4;

/// What a block does with the stake of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Stake,
    Unbond,
    Withdraw,
    WithdrawUnbonded,
    Slash,
}

/// A branch in the words of the model.
type Branch = Vec<Vec<(usize, Act)>>;

/// Where one stake is, by all blocks up to a height.
#[derive(Clone, Copy, Debug, Default)]
struct Life {
    staked: Option<u32>,
    overflow: bool,
    unbonded: Option<u32>,
    ended: Option<(u32, Act)>,
}

/// Everything that the branch says, up to the block at a height.
fn lives(branch: &Branch, stakes: &[Staked], up_to: u32) -> BTreeMap<usize, Life> {
    let (mut lives, mut tvl) = (BTreeMap::<usize, Life>::new(), 0);
    for (height, acts) in (START..=up_to).zip(branch) {
        for (number, act) in acts {
            let (life, value) =
                (lives.entry(*number).or_default(), stakes[*number].stake.value.to_sat());
            match act {
                Act::Stake => {
                    *life = Life { staked: Some(height), overflow: tvl >= CAP, ..*life };
                    tvl += if life.overflow { 0 } else { value };
                }
                Act::Unbond => {
                    life.unbonded = Some(height);
                    tvl -= if life.overflow { 0 } else { value };
                }
                Act::Withdraw | Act::WithdrawUnbonded | Act::Slash => {
                    life.ended = Some((height, *act));
                }
            }
        }
    }
    lives
}

impl Life {
    /// `now` is by all blocks, those that do not count yet too.
    fn state(&self, now: &Self, stake: &Staked, tip: u32) -> Option<StateName> {
        let height = self.staked?;
        let end = height + u32::from(stake.stake.time) - 1;
        let spent = now.unbonded.or(now.ended.map(|(at, _)| at));
        Some(match (self.ended, self.unbonded) {
            (Some((_, Act::Slash)), _) => StateName::Slashed,
            (Some(_), _) => StateName::Withdrawn,
            (None, Some(at)) if at + UNBONDING - 1 <= tip => StateName::Unbonded,
            (None, Some(_)) => StateName::Unbonding,
            (None, None) if end <= tip && spent.is_none_or(|at| at > end) => StateName::Unbonded,
            (None, None) => StateName::Active,
        })
    }
}

/// Checks states, flags and figures against the model.
async fn must_agree(world: &World, branch: &Branch, stakes: &[Staked], what: &str) {
    let head = *world.index.head();
    let tip = head.tip.map_or(0, |tip| tip.height);
    let confirmed = lives(branch, stakes, head.unconfirmed_from - 1);
    let all = lives(branch, stakes, tip);
    let (mut stats, mut locked, mut stakers) = (Totals::default().compat(), 0, BTreeMap::new());
    for (number, staked) in stakes.iter().enumerate() {
        let life = confirmed.get(&number).copied().unwrap_or_default();
        let now = all.get(&number).copied().unwrap_or_default();
        let state = life.state(&now, staked, tip);
        assert_eq!(world.state(staked).await, state, "{number}, {what}");
        if life.staked.is_none() || life.overflow {
            continue;
        }
        let value = staked.stake.value.to_sat();
        stats.total_tvl += value;
        stats.total_delegations += 1;
        *stakers.entry(staked.stake.staker.serialize()).or_insert(0) += 1;
        if life.unbonded.is_none() {
            stats.active_tvl += value;
            stats.active_delegations += 1;
        }
        locked += if state == Some(StateName::Active) { value } else { 0 };
    }
    stats.total_stakers = u64::try_from(stakers.len()).expect("few");
    // The cap is ignored for stakes of the window, and so for their unbondings.
    let mut unconfirmed = i64::try_from(stats.active_tvl).expect("little");
    for (number, life) in all {
        let value = i64::try_from(stakes[number].stake.value.to_sat()).expect("little");
        let before = confirmed.get(&number).copied().unwrap_or_default();
        let (fresh, out) = (before.staked.is_none(), before.unbonded.is_none());
        if fresh {
            unconfirmed += value;
        }
        if out && life.unbonded.is_some() && (fresh || !life.overflow) {
            unconfirmed -= value;
        }
    }
    let ours = world.index.totals();
    assert_eq!(ours.unconfirmed_tvl(), unconfirmed, "{what}");
    stats.unconfirmed_tvl = u64::try_from(unconfirmed).expect("not negative");
    stats.pending_tvl = stats.unconfirmed_tvl.saturating_sub(stats.active_tvl);
    assert_eq!(ours.compat(), stats, "{what}");
    assert_eq!(ours.counters.locked_tvl, i64::try_from(locked).expect("little"), "{what}");
}

/// What can come next for a stake in the block at `height`.
fn possible(life: &Life, stake: &Staked, height: u32) -> Vec<Act> {
    let time = u32::from(stake.stake.time);
    match (life.staked, life.unbonded, life.ended) {
        (None, ..) => vec![Act::Stake],
        (Some(_), _, Some(_)) => Vec::new(),
        (Some(_), Some(at), None) if at + UNBONDING <= height => vec![Act::WithdrawUnbonded],
        (Some(_), Some(_), None) => Vec::new(),
        (Some(at), None, None) if at + time <= height => {
            vec![Act::Withdraw, Act::Unbond, Act::Slash]
        }
        (Some(_), None, None) => vec![Act::Unbond, Act::Slash],
    }
}

struct Dice(ChaCha8Rng);

impl Dice {
    fn below(&mut self, bound: u32) -> u32 {
        self.0.next_u32() % bound
    }

    fn block(&mut self, branch: &Branch, stakes: &[Staked]) -> Vec<(usize, Act)> {
        let height = START + u32::try_from(branch.len()).expect("few");
        let mut grown = branch.clone();
        grown.push(Vec::new());
        for _ in 0..self.below(4) {
            let number = self.below(u32::try_from(stakes.len()).expect("few")) as usize;
            let life = lives(&grown, stakes, height).get(&number).copied().unwrap_or_default();
            let acts = possible(&life, &stakes[number], height);
            if acts.is_empty() {
                continue;
            }
            let act = acts[self.below(u32::try_from(acts.len()).expect("few")) as usize];
            if let Some(last) = grown.last_mut() {
                last.push((number, act));
            }
        }
        grown.pop().unwrap_or_default()
    }
}

fn txs(block: &[(usize, Act)], stakes: &[Staked]) -> Vec<bitcoin::Transaction> {
    let tx = |(number, act): &(usize, Act)| {
        let staked = &stakes[*number];
        match act {
            Act::Stake => staked.tx.clone(),
            Act::Unbond => staked.unbonding(),
            Act::Withdraw => staked.withdrawal(),
            Act::WithdrawUnbonded => staked.unbonding_withdrawal(),
            Act::Slash => staked.slashing(),
        }
    };
    block.iter().map(tx).collect()
}

#[tokio::test]
async fn index__should_agree_with_the_model_whatever_the_chain_does() {
    for seed in 0..40 {
        let mut dice = Dice(ChaCha8Rng::seed_from_u64(seed));
        let cap = format!(r#""staking_cap":{CAP}"#);
        let rules = Rules { cap, depth: DEPTH, unbonding_time: 4, ..Rules::default() };
        let mut world = World::new(&[rules]).await;
        let stakes: Vec<Staked> = (0..10_u8)
            .map(|n| {
                let (staker, provider) = (1 + n % 3, 50 + n % 2);
                let (value, time) = (20_000 + u64::from(n) * 3_000, 10 + u16::from(n % 4) * 3);
                world.stake(Spec { staker, provider, value, time, salt: n.into() })
            })
            .collect();
        let (mut branch, mut highest) = (Branch::new(), 0);
        for round in 0..60 {
            let what = format!("seed {seed}, round {round}");
            if dice.below(5) == 0 && branch.len() > 8 {
                let lost = 1 + dice.below(7) as usize;
                world.chain.lose(lost);
                branch.truncate(branch.len() - lost);
            }
            for _ in 0..=dice.below(3) {
                let block = dice.block(&branch, &stakes);
                world.chain.mine(txs(&block, &stakes));
                branch.push(block);
            }
            if dice.below(6) == 0 {
                world.restart().await;
            }
            // One step a commit, or all in one, or groups of which one is on its way.
            match dice.below(3) {
                0 => drop(world.sync().await),
                1 => {
                    let steps = world.chain.steps_for(&world.index).await;
                    world.index.take(&steps).await.expect("a valid chain");
                }
                _ => world.sync_behind(1 + dice.below(3) as usize).await,
            }
            must_agree(&world, &branch, &stakes, &what).await;
            highest = highest.max(branch.len());
            if branch.len() == highest {
                world.must_be_whole().await;
            }
        }
    }
}
