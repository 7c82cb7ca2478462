//! The edge cases of identification, caps and spends, through the whole index.

use bitcoin::{
    ScriptBuf, Sequence, Transaction, TxOut, Witness, absolute::LockTime, transaction::Version,
};
use trestle_staking::{Tag, delegation::StateName, script::StakingData};

use super::world::*;
use crate::staking::index::{Counts, Taken};

/// What comes of a transaction in a block of its own, three blocks deep.
async fn index(world: &mut World, txs: Vec<Transaction>) -> Counts {
    world.chain.mine(txs);
    for _ in 0..2 {
        world.chain.mine(Vec::new());
    }
    let mut counts = Counts::default();
    for Taken { counts: each, .. } in world.sync().await {
        counts.active += each.active;
        counts.overflow += each.overflow;
        counts.invalid_confirmed.add(&each.invalid_confirmed);
        counts.invalid_seen.add(&each.invalid_seen);
    }
    assert_eq!(counts.invalid_seen, counts.invalid_confirmed);
    world.must_be_whole().await;
    counts
}

fn with_outputs(outputs: Vec<TxOut>) -> Transaction {
    transaction(vec![input(nowhere(1), Witness::new())], outputs)
}

fn bytes_of(data: &TxOut, change: impl FnOnce(&mut Vec<u8>)) -> TxOut {
    let mut bytes = data.script_pubkey.to_bytes();
    change(&mut bytes);
    pay(0, ScriptBuf::from_bytes(bytes))
}

#[tokio::test]
async fn transactions_that_only_look_like_stakes__should_be_passed_over_in_silence() {
    let spec = Spec::of(1, 50_000);
    let fresh = World::plain().await;
    let params = fresh.version(0).clone();
    let (lock, tag) = (locked(&spec, &params), data(&spec, &params));
    let foreign =
        StakingData { tag: Tag(*b"othr"), staker: key(1), finality_provider: key(50), time: 100 };
    let foreign = pay(0, foreign.to_script());
    let keys = |staker, provider| {
        let same = Spec { staker, provider, ..spec };
        // The output is that of other keys: such scripts cannot be built.
        vec![lock.clone(), data(&same, &params)]
    };
    let other = Rules { quorum: 1, ..Rules::default() };
    let other = World::new(&[other]).await.version(0).clone();
    let cases: [(&str, Vec<TxOut>); 12] = [
        ("two tagged", vec![lock.clone(), tag.clone(), tag.clone()]),
        ("a foreign tag beside", vec![lock.clone(), tag.clone(), foreign.clone()]),
        ("a foreign tag alone", vec![lock.clone(), foreign]),
        ("version byte 1", vec![lock.clone(), bytes_of(&tag, |bytes| bytes[6] = 1)]),
        ("staker off the curve", vec![lock.clone(), bytes_of(&tag, |b| b[7..39].fill(0xff))]),
        ("provider off the curve", vec![lock.clone(), bytes_of(&tag, |b| b[39..71].fill(0xff))]),
        ("provider is staker", keys(1, 1)),
        ("staker is a member", keys(101, 50)),
        ("provider is a member", keys(1, 102)),
        ("staking output twice", vec![lock.clone(), tag.clone(), lock.clone()]),
        ("no staking output", vec![somewhere(50_000), tag.clone()]),
        ("another quorum's output", vec![locked(&spec, &other), tag]),
    ];
    for (what, outputs) in cases {
        let mut world = World::plain().await;
        let counts = index(&mut world, vec![with_outputs(outputs)]).await;
        assert_eq!(counts, Counts::default(), "{what}");
        assert_eq!(world.index.totals().tip.window, 0, "{what}");
    }
}

#[tokio::test]
async fn stake__should_be_found_wherever_its_outputs_stand() {
    let spec = Spec::of(1, 50_000);
    let params = World::plain().await.version(0).clone();
    let (lock, tag) = (locked(&spec, &params), data(&spec, &params));
    for outputs in [
        vec![lock.clone(), tag.clone()],
        vec![tag.clone(), lock.clone()],
        vec![somewhere(1), tag, somewhere(2), lock.clone()],
    ] {
        let vout = outputs.iter().position(|output| *output == lock).expect("it is there");
        let mut world = World::plain().await;
        let tx = with_outputs(outputs);
        let staked = staked(tx.clone(), u32::try_from(vout).expect("small"), spec, &params);
        assert_eq!(index(&mut world, vec![tx]).await.active, 1);
        let row = world.row(staked.txid()).await.expect("stored");
        assert_eq!(row.stake(staked.txid()), Some(staked.stake.clone()));
        // And its output is the one that a spend matters of.
        world.mine(vec![staked.unbonding()]).await;
        world.pass(2).await;
        assert_eq!(world.state(&staked).await, Some(StateName::Unbonding));
    }
}

#[tokio::test]
async fn values_and_times__should_be_within_the_parameters_inclusive() {
    // Between 10,000 and 100,000 sat, 10 and 1,000 blocks.
    for (value, time, valid) in [
        (9_999, 100, false),
        (10_000, 100, true),
        (100_000, 100, true),
        (100_001, 100, false),
        (50_000, 9, false),
        (50_000, 10, true),
        (50_000, 1_000, true),
        (50_000, 1_001, false),
    ] {
        let mut world = World::plain().await;
        let staked = world.stake(Spec { time, ..Spec::of(1, value) });
        let counts = index(&mut world, vec![staked.tx.clone()]).await;
        assert_eq!(counts.active, u32::from(valid), "{value} {time}");
        assert_eq!(counts.invalid_confirmed.stakes, u32::from(!valid), "{value} {time}");
        assert_eq!(world.row(staked.txid()).await.is_some(), valid);
    }
}

#[tokio::test]
async fn heights__should_be_from_activation_to_the_cap_height_inclusive() {
    // Given version 0 from START + 2 on with its cap at START + 4
    let cap = format!(r#""cap_height":{}"#, START + 4);
    let rules = Rules { activation: START + 2, cap, depth: 2, ..Rules::default() };
    let text = text(&[rules]);
    let params = trestle_staking::GlobalParams::parse(&text).expect("valid parameters");
    let store = trestle_store::memory::MemoryStore::new();
    let settings = crate::staking::index::Settings { start: Some(START), ..TELLING };
    let shared = std::sync::Arc::new(params.clone());
    let loaded = crate::staking::Index::load(store.shared(), shared, &text, settings).await;
    let mut index = loaded.expect("a fresh store");
    let mut chain = Chain::default();
    let stakes: Vec<Staked> =
        (0..6).map(|salt| stake(Spec::of(salt, 50_000), &params.versions()[0])).collect();
    // When there is one in each block from START on
    for staked in &stakes {
        chain.mine(vec![staked.tx.clone()]);
    }
    chain.mine(Vec::new());
    let steps = chain.steps_for(&index).await;
    index.take(&steps).await.expect("a valid chain");
    // Then
    let mut flags = Vec::new();
    for staked in &stakes {
        let found = index.delegation(staked.txid()).await.expect("memory answers");
        flags.push(found.and_then(|(_, row)| row.delegation.stake().map(|stake| stake.overflow)));
    }
    assert_eq!(flags, [None, None, Some(false), Some(false), Some(false), Some(true)]);
}

#[tokio::test]
async fn value_cap__should_let_the_stake_through_that_crosses_it() {
    let rules = Rules { cap: r#""staking_cap":100000"#.into(), ..Rules::default() };
    let mut world = World::new(&[rules]).await;
    // 60,000 + 40,000 is exactly the cap; in the other case the second crosses it.
    let exact = [60_000, 40_000, 10_000, 10_000].map(|value| (value, value == 10_000));
    let mut txs = Vec::new();
    let mut expected = Vec::new();
    for (salt, (value, overflow)) in (0..).zip(exact) {
        let staked = world.stake(Spec::of(salt, value));
        txs.push(staked.tx.clone());
        expected.push((staked, overflow));
    }
    let counts = index(&mut world, txs).await;
    assert_eq!((counts.active, counts.overflow), (2, 2));
    for (staked, overflow) in &expected {
        let row = world.row(staked.txid()).await.expect("stored");
        assert_eq!(row.delegation.stake().map(|stake| stake.overflow), Some(*overflow));
    }
    // An unbonding makes room at once, for what comes behind it in its own block.
    let next = [7, 8].map(|salt| world.stake(Spec::of(salt, 90_000)));
    let txs = vec![
        next[0].tx.clone(),
        expected[0].0.unbonding(),
        next[1].tx.clone(),
        world.stake(Spec::of(9, 10_000)).tx,
    ];
    let counts = index(&mut world, txs).await;
    assert_eq!((counts.active, counts.overflow), (1, 2));
    assert_eq!(world.index.totals().counters.active_tvl, 130_000);
    // An overflow stake never becomes active, and its unbonding changes no figure.
    let before = world.index.totals().counters;
    index(&mut world, vec![expected[2].0.unbonding()]).await;
    assert_eq!(world.state(&expected[2].0).await, Some(StateName::Unbonding));
    let after = world.index.totals().counters;
    assert_eq!((after.active_tvl, after.total_tvl), (before.active_tvl, before.total_tvl));
    assert_eq!(after.overflow_tvl, before.overflow_tvl - 10_000);
}

#[tokio::test]
async fn unbonding__should_be_exactly_what_the_parameters_demand() {
    type Change = fn(&mut Transaction);
    let cases: [(&str, Change, StateName, [u32; 2]); 8] = [
        ("as it is", |_| {}, StateName::Unbonding, [0, 0]),
        ("version 1", |tx| tx.version = Version::ONE, StateName::Unbonding, [0, 0]),
        ("annex", annex, StateName::Unbonding, [0, 0]),
        (
            "wrong fee",
            |tx| tx.output[0].value += bitcoin::Amount::from_sat(1),
            StateName::SpentOtherwise,
            [1, 0],
        ),
        (
            "wrong output",
            |tx| tx.output[0].script_pubkey = somewhere(1).script_pubkey,
            StateName::SpentOtherwise,
            [1, 0],
        ),
        (
            "replaceable",
            |tx| tx.input[0].sequence = Sequence::ENABLE_RBF_NO_LOCKTIME,
            StateName::SpentOtherwise,
            [1, 0],
        ),
        (
            "locked",
            |tx| tx.lock_time = LockTime::from_consensus(1),
            StateName::SpentOtherwise,
            [1, 0],
        ),
        ("two outputs", |tx| tx.output.push(somewhere(1)), StateName::SpentOtherwise, [0, 1]),
    ];
    for (what, change, state, [unbondings, withdrawals]) in cases {
        let mut world = World::plain().await;
        let staked = world.stake(Spec::of(1, 50_000));
        index(&mut world, vec![staked.tx.clone()]).await;
        let mut unbonding = staked.unbonding();
        change(&mut unbonding);
        let counts = index(&mut world, vec![unbonding.clone()]).await;
        assert_eq!(world.state(&staked).await, Some(state), "{what}");
        assert_eq!(counts.invalid_confirmed.unbondings, unbondings, "{what}");
        assert_eq!(counts.invalid_confirmed.withdrawals_from_staking, withdrawals, "{what}");
        let row = world.row(staked.txid()).await.expect("stored");
        let standard = row.delegation.unbonding().map(|unbonding| unbonding.standard);
        let expected = (state == StateName::Unbonding).then_some(what != "version 1");
        assert_eq!(standard, expected, "{what}");
    }
}

fn annex(tx: &mut Transaction) {
    tx.input[0].witness.push([0x50, 1, 2]);
}

#[tokio::test]
async fn stake__should_be_spent_in_its_own_block() {
    for unbonds in [true, false] {
        let mut world = World::plain().await;
        let staked = world.stake(Spec::of(1, 50_000));
        let spend = if unbonds { staked.unbonding() } else { staked.slashing() };
        index(&mut world, vec![staked.tx.clone(), spend]).await;
        let state = if unbonds { StateName::Unbonding } else { StateName::Slashed };
        assert_eq!(world.state(&staked).await, Some(state));
        let locked = world.index.totals().counters.locked_tvl;
        assert_eq!(locked, 0);
        // And all of it is taken back.
        world.chain.lose(3);
        world.pass(4).await;
        assert_eq!(world.state(&staked).await, None);
        world.must_be_whole().await;
    }
}

#[tokio::test]
async fn stake__should_be_spent_by_a_stake() {
    let mut world = World::plain().await;
    let first = world.stake(Spec { time: 10, ..Spec::of(1, 50_000) });
    index(&mut world, vec![first.tx.clone()]).await;
    world.pass(10).await;
    let spec = Spec::of(2, 40_000);
    let mut tx = world.stake(spec).tx;
    tx.input = vec![first.withdrawal_input()];
    let second = staked(tx.clone(), 0, spec, world.version(0));
    // In the same block a third one spends the second.
    let spec = Spec::of(3, 30_000);
    let mut third = world.stake(spec).tx;
    third.input = vec![input(second.stake.outpoint, witness(&second.output().slashing()))];
    let third = staked(third, 0, spec, world.version(0));
    index(&mut world, vec![tx, third.tx.clone()]).await;
    assert_eq!(world.state(&first).await, Some(StateName::Withdrawn));
    assert_eq!(world.state(&second).await, Some(StateName::Slashed));
    assert_eq!(world.state(&third).await, Some(StateName::Active));
}

#[tokio::test]
async fn withdrawal__should_take_two_stakes_and_an_unbonding_at_once() {
    let mut world = World::plain().await;
    let all = [1, 2, 3].map(|salt| world.stake(Spec { time: 10, ..Spec::of(salt, 50_000) }));
    index(&mut world, all.iter().map(|staked| staked.tx.clone()).collect()).await;
    index(&mut world, vec![all[2].unbonding()]).await;
    world.pass(8).await;
    let inputs = vec![
        all[0].withdrawal_input(),
        all[2].unbonding_withdrawal_input(),
        all[1].withdrawal_input(),
    ];
    let tx = transaction(inputs, vec![somewhere(140_000)]);
    index(&mut world, vec![tx]).await;
    for staked in &all {
        assert_eq!(world.state(staked).await, Some(StateName::Withdrawn));
        assert_eq!(world.told(staked).await.last().map(String::as_str), Some("withdraw"));
    }
}

#[tokio::test]
async fn parameters__should_be_those_of_the_inclusion_height_for_ever() {
    // Given a second version with other members and another unbonding time
    let second = Rules {
        activation: START + 10,
        members: vec![103, 104, 105],
        unbonding_time: 7,
        ..Rules::default()
    };
    let mut world = World::new(&[Rules::default(), second]).await;
    let old = world.stake(Spec::of(1, 50_000));
    index(&mut world, vec![old.tx.clone()]).await;
    world.pass(10).await;
    // When a stake under the old ones, and one under the new, come in after the change
    let late = world.stake(Spec::of(2, 50_000));
    let new = stake(Spec::of(3, 50_000), world.version(1));
    let counts = index(&mut world, vec![late.tx.clone(), new.tx.clone()]).await;
    assert_eq!(counts.active, 1);
    assert_eq!(world.state(&late).await, None);
    // And both are unbonded
    index(&mut world, vec![old.unbonding(), new.unbonding()]).await;
    for (staked, time) in [(&old, 4), (&new, 7)] {
        let row = world.row(staked.txid()).await.expect("stored");
        assert_eq!(row.version, staked.params.version);
        assert_eq!(row.delegation.unbonding().map(|unbonding| unbonding.timelock), Some(time));
    }
}

#[tokio::test]
async fn committee_of_one__should_be_no_special_case() {
    let rules = Rules { members: vec![101], quorum: 1, ..Rules::default() };
    let mut world = World::new(&[rules]).await;
    let all = [1, 2].map(|salt| world.stake(Spec::of(salt, 50_000)));
    index(&mut world, all.iter().map(|staked| staked.tx.clone()).collect()).await;
    index(&mut world, vec![all[0].unbonding(), all[1].slashing()]).await;
    assert_eq!(world.state(&all[0]).await, Some(StateName::Unbonding));
    assert_eq!(world.state(&all[1]).await, Some(StateName::Slashed));
}
