//! Pages, rankings, the stream and the export.

use trestle_staking::{
    delegation::{ProviderKey, StakerKey, StateName},
    export,
};

use super::world::*;
use crate::staking::{
    export::Export,
    query::{self, Place},
};

fn staker(number: u8) -> StakerKey {
    StakerKey(key(number).serialize())
}

/// Stakes of three stakers with four providers over some blocks, several in each.
async fn filled() -> (World, Vec<Staked>) {
    let mut world = World::plain().await;
    let mut all = Vec::new();
    for block in 0..4_u32 {
        let mut txs = Vec::new();
        for number in 0..9_u32 {
            let staker = 1 + u8::try_from(number % 3).expect("small");
            let provider = 50 + u8::try_from(number % 4).expect("small");
            let value = 10_000 + u64::from(number % 2) * 1_000;
            let spec = Spec { staker, provider, ..Spec::of(block * 100 + number, value) };
            let staked = world.stake(spec);
            txs.push(staked.tx.clone());
            all.push(staked);
        }
        world.mine(txs).await;
    }
    world.pass(2).await;
    (world, all)
}

#[tokio::test]
async fn delegations__should_come_in_pages_latest_first_without_gaps() {
    let (world, all) = filled().await;
    for limit in [1, 2, 5, 12, 50] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = query::delegations(&world.store, staker(2), None, after, limit).await;
            let page = page.expect("memory answers");
            assert!(page.rows.len() <= limit as usize);
            let keys = page.rows.iter().map(|(key, _)| (key.height, *key.txid));
            seen.extend(keys.map(|(height, txid)| (std::cmp::Reverse(height), txid.to_string())));
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert!(seen.is_sorted());
        let ours = all.iter().filter(|staked| staked.stake.staker == key(2)).count();
        assert_eq!(seen.len(), ours, "limit {limit}");
    }
}

#[tokio::test]
async fn delegations__should_be_filtered_on_every_page() {
    let (mut world, all) = filled().await;
    let ours: Vec<_> = all.iter().filter(|staked| staked.stake.staker == key(1)).collect();
    world.mine(vec![ours[2].unbonding(), ours[7].unbonding()]).await;
    world.pass(2).await;
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let state = Some(StateName::Unbonding);
        let page = query::delegations(&world.store, staker(1), state, after, 1).await;
        let page = page.expect("memory answers");
        found.extend(page.rows.iter().map(|(key, _)| *key.txid));
        let Some(next) = page.next else { break };
        after = Some(next);
    }
    assert_eq!(found, [ours[7].txid(), ours[2].txid()]);
    // A place of somebody else's is a place like any other.
    let foreign = Some(Place { height: START + 1, txid: all[0].txid() });
    let page = query::delegations(&world.store, staker(1), None, foreign, 50).await;
    assert!(page.expect("memory answers").rows.iter().all(|(key, _)| key.height <= START + 1));
}

#[tokio::test]
async fn rankings__should_be_by_active_value_and_skip_nobody_on_ties() {
    let (mut world, all) = filled().await;
    world.mine(vec![all[1].unbonding()]).await;
    world.pass(2).await;
    let whole = query::providers(&world.store, None, 50).await.expect("memory answers");
    assert_eq!((whole.rows.len(), whole.next), (4, None));
    let order = |(key, counters): &([u8; 32], trestle_staking::tally::Counters)| {
        (std::cmp::Reverse(counters.active_tvl), *key)
    };
    assert!(whole.rows.is_sorted_by_key(order));
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = query::providers(&world.store, after, 1).await.expect("memory answers");
        paged.extend(page.rows);
        let Some(next) = page.next else { break };
        after = Some(next);
    }
    assert_eq!(paged, whole.rows);
    for (key, counters) in &whole.rows {
        let one = query::provider(&world.store, ProviderKey(*key)).await;
        assert_eq!(one, Ok(Some(*counters)));
    }
    let stakers = query::stakers(&world.store, None, 50).await.expect("memory answers");
    assert_eq!(stakers.rows.len(), 3);
    let sum: i64 = stakers.rows.iter().map(|(_, counters)| counters.active_tvl).sum();
    let stats = query::stats(&world.store).await.expect("memory answers");
    assert_eq!(sum, stats.totals.counters.active_tvl);
    assert_eq!(stats.totals.compat().total_stakers, 3);
    assert_eq!(stats.head.and_then(|head| head.tip()), world.index.tip());
    assert_eq!(query::staker(&world.store, staker(77)).await, Ok(None));
}

#[tokio::test]
async fn export__should_give_the_stakes_of_a_range_in_the_order_of_the_reference() {
    let (mut world, mut all) = filled().await;
    for _ in 0..70 {
        let salt = 10_000 + world.chain.tip();
        let staked = world.stake(Spec::of(salt, 20_000));
        world.mine(vec![staked.tx.clone()]).await;
        all.push(staked);
    }
    // Nine in each of the first four blocks, then one a block after two that were empty; the first
    // block and the last two, which are not confirmed, are left out.
    let height = |place: u32| if place < 36 { START + place / 9 } else { START + 6 + (place - 36) };
    let range = START + 1..world.chain.tip() - 1;
    let mut expected: Vec<String> = all
        .iter()
        .zip((0..).map(height))
        .filter(|(_, height)| range.contains(height))
        .map(|(staked, height)| export::row(&staked.stake, height, false))
        .collect();
    expected.sort_by_key(|line| raw(line));
    assert_eq!(expected.len(), 27 + 68);
    assert_eq!(exported(&world.store, START + 1, u32::MAX).await, expected);
    let first = exported(&world.store, 0, START + 1).await;
    assert_eq!(first.len(), 9);
    assert!(first.iter().all(|line| line.contains(&format!(",0,{START},"))));
    assert!(exported(&world.store, START + 4, START + 4).await.is_empty());
}

#[tokio::test]
async fn export__should_leave_out_what_leaves_the_chain_meanwhile() {
    let (mut world, all) = filled().await;
    let mut export = Export::of(&world.store, 0, u32::MAX).await.expect("memory answers");
    assert_eq!(export.stakes(), 36);
    // The last block of stakes is replaced by one with another at its height.
    world.chain.lose(3);
    let other = world.stake(Spec::of(9_999, 20_000));
    world.mine(vec![other.tx]).await;
    world.pass(2).await;
    let lines = export.lines(&world.store).await.expect("memory answers");
    let mut expected: Vec<Vec<u8>> =
        all[..27].iter().map(|staked| raw(&staked.txid().to_string())).collect();
    expected.sort();
    assert_eq!(lines.iter().map(|line| raw(line)).collect::<Vec<_>>(), expected);
    assert_eq!(export.lines(&world.store).await, Ok(Vec::new()));
}

#[tokio::test]
async fn events__should_be_read_after_any_number() {
    let (world, _) = filled().await;
    let all = world.events().await;
    let head = query::head(&world.store).await.expect("memory answers").expect("blocks came");
    assert_eq!(head.last_event, u64::try_from(all.len()).expect("few"));
    let last = query::events(&world.store, head.last_event - 1, 10).await.expect("memory answers");
    assert_eq!(last, [(head.last_event, all[all.len() - 1].clone())]);
    assert_eq!(query::events(&world.store, head.last_event, 10).await, Ok(Vec::new()));
    assert_eq!(query::events(&world.store, u64::MAX, 10).await, Ok(Vec::new()));
}
