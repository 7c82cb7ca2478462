//! A delegation's way, and what is told and counted on it.

use bitcoin::Witness;
use trestle_staking::{
    delegation::{StakerKey, StateName},
    events::Event,
};

use super::world::*;
use crate::staking::{
    events::What,
    index::{Events, Index, Settings},
    query,
};

#[tokio::test]
async fn stake__should_become_visible_when_it_is_deep_enough() {
    // Given
    let mut world = World::plain().await;
    let staked = world.stake(Spec::of(1, 50_000));
    // When
    let height = world.mine(vec![staked.tx.clone()]).await;
    // Then: its own block is the first of three
    assert_eq!(world.state(&staked).await, None);
    assert_eq!(world.index.totals().unconfirmed_tvl(), 50_000);
    assert_eq!(world.index.totals().counters.active_tvl, 0);
    world.pass(1).await;
    assert_eq!(world.state(&staked).await, None);
    world.pass(1).await;
    let row = world.row(staked.txid()).await.expect("deep enough");
    assert_eq!(row.delegation.name(), StateName::Active);
    assert_eq!(row.delegation.stake().map(|stake| stake.height), Some(height));
    assert_eq!(row.staking_tx, bitcoin::consensus::serialize(&staked.tx));
    assert_eq!(row.start_timestamp, world.chain.at(height).expect("mined").header.time);
    assert_eq!(row.stake(staked.txid()), Some(staked.stake.clone()));
    assert_eq!(world.index.totals().counters.active_tvl, 50_000);
    assert_eq!(world.index.totals().unconfirmed_tvl(), 50_000);
    assert_eq!(world.told(&staked).await, ["active"]);
    world.must_be_whole().await;
}

#[tokio::test]
async fn delegation__should_go_all_the_way_through_unbonding() {
    let mut world = World::plain().await;
    let staked = world.stake(Spec::of(1, 50_000));
    world.mine(vec![staked.tx.clone()]).await;
    world.pass(2).await;
    let height = world.mine(vec![staked.unbonding()]).await;
    // The unbonding is seen in the unconfirmed figure at once, and counts when it is deep.
    assert_eq!(world.index.totals().unconfirmed_tvl(), 0);
    assert_eq!(world.index.totals().counters.active_tvl, 50_000);
    world.pass(2).await;
    assert_eq!(world.state(&staked).await, Some(StateName::Unbonding));
    assert_eq!(world.index.totals().counters.active_tvl, 0);
    let row = world.row(staked.txid()).await.expect("stored");
    let unbonding = row.unbonding_tx.expect("confirmed");
    assert_eq!(unbonding.bytes, bitcoin::consensus::serialize(&staked.unbonding()));
    assert_eq!(unbonding.timestamp, world.chain.at(height).expect("mined").header.time);
    // Its time is 4: a spend is valid in block height + 4, so it is unbonded at tip height + 3.
    world.pass(1).await;
    assert_eq!(world.chain.tip(), height + 3);
    assert_eq!(world.state(&staked).await, Some(StateName::Unbonded));
    world.mine(vec![staked.unbonding_withdrawal()]).await;
    world.pass(2).await;
    assert_eq!(world.state(&staked).await, Some(StateName::Withdrawn));
    assert_eq!(world.told(&staked).await, ["active", "unbonding", "expired", "withdraw"]);
    world.must_be_whole().await;
}

#[tokio::test]
async fn messages__should_be_those_of_the_queues_under_stable_ids() {
    let mut world = World::plain().await;
    let staked = world.stake(Spec { time: 20, ..Spec::of(1, 50_000) });
    let height = world.mine(vec![staked.tx.clone()]).await;
    world.pass(30).await;
    world.mine(vec![staked.withdrawal()]).await;
    world.pass(2).await;
    let mut messages = Vec::new();
    for event in world.events().await {
        for message in event.messages() {
            let event = Event::from_json(message.queue, &message.body).expect("its schema");
            messages.push((message.message_id, event));
        }
    }
    let txid = staked.txid();
    let about: Vec<_> = messages.iter().filter(|(_, event)| event.kind().is_some()).collect();
    let ids: Vec<&str> = about.iter().map(|(id, _)| id.as_str()).collect();
    let expected = ["active", "stats:active", "expired:active", "withdraw"];
    assert_eq!(ids, expected.map(|words| format!("{txid}:{words}")));
    let Event::Active(active) = &about[0].1 else { panic!("the first is the stake") };
    assert_eq!(active.staking_start_height, u64::from(height));
    assert_eq!(active.staking_tx_hex, bitcoin::consensus::encode::serialize_hex(&staked.tx));
    let tips = messages.iter().filter(|(_, event)| matches!(event, Event::BtcInfo(_)));
    assert_eq!(tips.count(), world.chain.blocks.len());
    let Some((_, Event::BtcInfo(last))) = messages.last() else { panic!("the tip comes last") };
    assert_eq!(last.height, u64::from(world.chain.tip()));
    // The reference services do not take expired or withdrawn stakes out.
    assert_eq!((last.confirmed_tvl, last.unconfirmed_tvl), (50_000, 50_000));
}

#[tokio::test]
async fn expiry__should_be_exact_by_the_tip_and_reach_stakes_confirmed_late() {
    // Given a timelock of 10 that ends while the stake is not deep enough, where depth is 20
    let rules = Rules { depth: 20, ..Rules::default() };
    let mut late = World::new(&[rules]).await;
    let staked = late.stake(Spec { time: 10, ..Spec::of(1, 20_000) });
    let height = late.mine(vec![staked.tx.clone()]).await;
    late.pass(18).await;
    assert_eq!(late.state(&staked).await, None);
    late.pass(1).await;
    // Then both are told in the block that confirms it
    assert_eq!(late.state(&staked).await, Some(StateName::Unbonded));
    assert_eq!(late.told(&staked).await, ["active", "expired"]);
    let expired = late.events().await.into_iter().find(|event| event.view().kind == "expired");
    assert_eq!(expired.map(|event| event.view().height), Some(height + 9));
    late.must_be_whole().await;
    // And one that is deep before ends exactly when it can be spent in the next block
    let mut world = World::plain().await;
    let staked = world.stake(Spec { time: 10, ..Spec::of(1, 20_000) });
    let height = world.mine(vec![staked.tx.clone()]).await;
    world.pass(8).await;
    assert_eq!(world.state(&staked).await, Some(StateName::Active));
    world.pass(1).await;
    assert_eq!((world.chain.tip(), height + 9), (height + 9, world.chain.tip()));
    assert_eq!(world.state(&staked).await, Some(StateName::Unbonded));
    let totals = world.index.totals().counters;
    assert_eq!((totals.active_tvl, totals.locked_tvl), (20_000, 0));
}

#[tokio::test]
async fn member__should_store_no_events_and_the_same_delegations() {
    let mut world = World::plain().await;
    let staked = world.stake(Spec::of(1, 50_000));
    world.mine(vec![staked.tx.clone()]).await;
    world.pass(2).await;
    let store = trestle_store::memory::MemoryStore::new();
    let quiet = Settings { events: Events::Off, ..TELLING };
    let loaded = Index::load(store.shared(), world.params.clone(), &world.text, quiet).await;
    let mut index = loaded.expect("a fresh store");
    let steps = world.chain.steps_for(&index).await;
    let taken = index.take(&steps).await.expect("a valid chain");
    assert_eq!(taken.counts.active, 1);
    assert_eq!(taken.changed.len(), 1);
    assert_eq!(events(&store).await, []);
    assert_eq!(dump(&store).await, dump(&world.store).await);
    let mine = index.delegation(staked.txid()).await.expect("memory answers");
    assert_eq!(mine.map(|(_, row)| row), world.row(staked.txid()).await);
}

#[tokio::test]
async fn confirmed_info__should_be_told_when_it_is_asked_for() {
    let world = World::plain().await;
    let store = trestle_store::memory::MemoryStore::new();
    let settings = Settings { events: Events::On { confirmed_info: true }, ..TELLING };
    let loaded = Index::load(store.shared(), world.params.clone(), &world.text, settings).await;
    let mut index = loaded.expect("a fresh store");
    let mut chain = world.chain.clone();
    for _ in 0..4 {
        chain.mine(Vec::new());
    }
    for step in chain.steps_for(&index).await {
        index.take(&[step]).await.expect("a valid chain");
    }
    let told = events(&store).await;
    let confirmed: Vec<_> = told
        .iter()
        .filter_map(|event| match &event.what {
            What::Confirmed { block, height, .. } => Some((*height, *block)),
            What::Delegation { .. } | What::Tip { .. } => None,
        })
        .collect();
    let hash = |height| {
        let block = chain.at(height).expect("mined");
        bitcoin::hashes::Hash::to_byte_array(block.block_hash())
    };
    assert_eq!(confirmed, [(START, hash(START)), (START + 1, hash(START + 1))]);
}

#[tokio::test]
async fn slashing__should_be_a_state_of_its_own_and_counted_as_the_reference_does() {
    let mut world = World::plain().await;
    let staked = world.stake(Spec::of(1, 50_000));
    world.mine(vec![staked.tx.clone()]).await;
    world.pass(2).await;
    world.chain.mine(vec![staked.slashing()]);
    let seen = world.sync().await.pop().expect("one step");
    assert_eq!(seen.counts.invalid_seen.withdrawals_from_staking, 1);
    world.pass(2).await;
    assert_eq!(world.state(&staked).await, Some(StateName::Slashed));
    assert_eq!(world.told(&staked).await, ["active", "slashed"]);
    let slashed = world.events().await.into_iter().find(|event| event.view().kind == "slashed");
    assert_eq!(slashed.map(|event| event.messages()), Some(Vec::new()));
    world.must_be_whole().await;
}

#[tokio::test]
async fn look_alike_outpoints__should_change_nothing() {
    // Given inputs that spend the other outputs of a stake and of its unbonding
    let mut world = World::plain().await;
    let staked = world.stake(Spec::of(1, 50_000));
    world.mine(vec![staked.tx.clone()]).await;
    world.pass(2).await;
    let mut change = staked.stake.outpoint;
    change.vout = 2;
    let spend = transaction(vec![input(change, Witness::new())], vec![somewhere(900)]);
    // When
    world.mine(vec![spend]).await;
    world.pass(2).await;
    // Then
    assert_eq!(world.state(&staked).await, Some(StateName::Active));
    let page = query::delegations(&world.store, StakerKey(key(1).serialize()), None, None, 10);
    assert_eq!(page.await.expect("memory answers").rows.len(), 1);
}

#[tokio::test]
async fn restart__should_forget_no_output_that_a_spend_matters_of() {
    // Given one delegation of every kind, confirmed and not
    let mut world = World::plain().await;
    let all: Vec<Staked> =
        (0..40).map(|salt| world.stake(Spec { time: 10, ..Spec::of(salt, 20_000) })).collect();
    world.mine(all[..30].iter().map(|staked| staked.tx.clone()).collect()).await;
    world.mine(all[..20].iter().map(Staked::unbonding).collect()).await;
    world.pass(8).await;
    world.mine(all[30..].iter().map(|staked| staked.tx.clone()).collect()).await;
    world.mine(all[30..35].iter().map(Staked::unbonding).collect()).await;
    // When the node is started again and everything is spent
    world.restart().await;
    let mut spends: Vec<_> = all[..20].iter().map(Staked::unbonding_withdrawal).collect();
    spends.extend(all[20..30].iter().map(Staked::withdrawal));
    spends.extend(all[35..].iter().map(Staked::slashing));
    world.mine(spends).await;
    world.pass(2).await;
    // Then
    for (number, staked) in all.iter().enumerate() {
        let expected = match number {
            0..30 => StateName::Withdrawn,
            30..35 => StateName::Unbonded,
            _ => StateName::Slashed,
        };
        assert_eq!(world.state(staked).await, Some(expected), "{number}");
    }
    world.must_be_whole().await;
}

#[tokio::test]
async fn lock__should_not_end_for_an_output_whose_spend_is_in_a_block_that_does_not_count_yet() {
    // Given an unbonding in the last block before the lock's end
    let mut world = World::plain().await;
    let staked = world.stake(Spec { time: 10, ..Spec::of(1, 50_000) });
    let height = world.mine(vec![staked.tx.clone()]).await;
    world.pass(7).await;
    world.mine(vec![staked.unbonding()]).await;
    // When the lock ends
    let end = world.mine(Vec::new()).await;
    assert_eq!(end, height + 9);
    // Then it is not told, by nobody
    assert_eq!(world.state(&staked).await, Some(StateName::Active));
    assert_eq!(world.told(&staked).await, ["active"]);
    let before = world.chain.clone();
    // Neither when the unbonding counts: what ends then is its own timelock
    world.pass(1).await;
    assert_eq!(world.state(&staked).await, Some(StateName::Unbonding));
    world.pass(1).await;
    assert_eq!(world.told(&staked).await, ["active", "unbonding", "expired"]);
    world.must_be_whole().await;
    // And where the unbonding is lost, the lock has ended
    world.chain = before;
    world.chain.lose(2);
    for _ in 0..5 {
        world.chain.mine(Vec::new());
    }
    world.sync().await;
    assert_eq!(world.state(&staked).await, Some(StateName::Unbonded));
    world.must_be_whole().await;
}

#[tokio::test]
async fn withdrawal_before_its_stake_counts__should_come_after_the_end_of_its_lock() {
    // Given a lock shorter than the depth, and a withdrawal when it has ended
    let mut world = World::new(&[Rules { depth: 20, ..Rules::default() }]).await;
    let staked = world.stake(Spec { time: 10, ..Spec::of(1, 20_000) });
    let height = world.mine(vec![staked.tx.clone()]).await;
    world.pass(9).await;
    let withdrawn = world.mine(vec![staked.withdrawal()]).await;
    assert_eq!(withdrawn, height + 10);
    // When the stake counts
    world.pass(9).await;
    // Then its lock has ended, and the withdrawal follows
    assert_eq!(world.state(&staked).await, Some(StateName::Unbonded));
    assert_eq!(world.told(&staked).await, ["active", "expired"]);
    world.pass(10).await;
    assert_eq!(world.state(&staked).await, Some(StateName::Withdrawn));
    assert_eq!(world.told(&staked).await, ["active", "expired", "withdraw"]);
    world.must_be_whole().await;
}
