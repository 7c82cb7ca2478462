//! Blocks that leave the chain, at every depth.

use trestle_staking::delegation::StateName;

use super::world::*;

/// A world with a confirmed stake, some more blocks on top of it, and the block before the tip.
async fn settled() -> (World, Staked) {
    let mut world = World::plain().await;
    let staked = world.stake(Spec { time: 10, ..Spec::of(1, 50_000) });
    world.mine(vec![staked.tx.clone()]).await;
    world.pass(4).await;
    (world, staked)
}

#[tokio::test]
async fn reorg__should_replace_one_block_at_equal_height() {
    // Given a stake in the tip
    let mut world = World::plain().await;
    world.pass(3).await;
    let (lost, kept) = (world.stake(Spec::of(1, 50_000)), world.stake(Spec::of(2, 30_000)));
    world.mine(vec![lost.tx.clone()]).await;
    assert_eq!(world.index.totals().unconfirmed_tvl(), 50_000);
    // When another block takes its place
    world.chain.lose(1);
    world.mine(vec![kept.tx.clone()]).await;
    // Then the figures follow at once
    assert_eq!(world.index.totals().unconfirmed_tvl(), 30_000);
    world.pass(2).await;
    assert_eq!(world.state(&lost).await, None);
    assert_eq!(world.told(&lost).await, Vec::<String>::new());
    assert_eq!(world.state(&kept).await, Some(StateName::Active));
    world.must_be_whole().await;
}

#[tokio::test]
async fn reorg__should_undo_and_redo_any_number_of_blocks() {
    // Depth is 3: 2 is the deepest that outsiders hear nothing of, 3 the first that goes further.
    for lost in 1..=5 {
        for back in [true, false] {
            let (mut world, staked) = settled().await;
            let before = world.events().await;
            world.chain.lose(lost);
            // The stake stands in the first of five blocks.
            let again = lost == 5 && back;
            world.mine(if again { vec![staked.tx.clone()] } else { Vec::new() }).await;
            world.pass(u32::try_from(lost).expect("small")).await;
            world.must_be_whole().await;
            let expected = if lost == 5 && !back { None } else { Some(StateName::Active) };
            assert_eq!(world.state(&staked).await, expected, "{lost} lost");
            let told: Vec<String> = world.told(&staked).await;
            if expected.is_some() {
                assert_eq!(told, ["active"], "{lost} lost: nothing new");
            } else {
                assert_eq!(told, ["active", "-active"]);
            }
            assert_eq!(world.events().await[..before.len()], before);
        }
    }
}

#[tokio::test]
async fn reorg__should_be_counted_once_in_however_many_commits() {
    // Depth is 3: the third lost block is the first that counted.
    for (lost, expected) in [(2, 0), (3, 1), (5, 1)] {
        let (mut world, _) = settled().await;
        for round in 1..=2 {
            // when: every step is a commit of its own
            world.chain.lose(lost);
            for _ in 0..=lost {
                world.chain.mine(Vec::new());
            }
            let major: u32 = world.sync().await.iter().map(|taken| taken.counts.major).sum();
            // then
            assert_eq!(major, expected, "{lost} lost, round {round}");
            world.must_be_whole().await;
        }
    }
}

#[tokio::test]
async fn deep_reorg__should_tell_a_stake_that_moved_to_another_height() {
    let (mut world, staked) = settled().await;
    world.chain.lose(5);
    world.pass(1).await;
    // Nothing is told while the new branch is shorter.
    world.mine(vec![staked.tx.clone()]).await;
    world.pass(2).await;
    assert_eq!(world.state(&staked).await, Some(StateName::Active));
    assert_eq!(world.told(&staked).await, ["active"]);
    world.pass(1).await;
    assert_eq!(world.told(&staked).await, ["active", "-active", "active"]);
    world.must_be_whole().await;
}

#[tokio::test]
async fn deep_reorg__should_change_flags_of_later_stakes_and_tell_it() {
    // Given a cap of 100,000 that two stakes fill, and a third one above it
    let rules = Rules { cap: r#""staking_cap":100000"#.into(), ..Rules::default() };
    let mut world = World::new(&[rules]).await;
    let stakes = [1, 2, 3].map(|salt| world.stake(Spec::of(salt, 60_000)));
    for staked in &stakes {
        world.mine(vec![staked.tx.clone()]).await;
    }
    world.pass(3).await;
    let overflow = async |world: &World, staked: &Staked| {
        let row = world.row(staked.txid()).await;
        row.and_then(|row| row.delegation.stake().map(|stake| stake.overflow))
    };
    assert_eq!(overflow(&world, &stakes[1]).await, Some(false));
    assert_eq!(overflow(&world, &stakes[2]).await, Some(true));
    // When the first is not in the new branch
    world.chain.lose(6);
    world.pass(1).await;
    world.mine(vec![stakes[1].tx.clone()]).await;
    world.mine(vec![stakes[2].tx.clone()]).await;
    world.pass(3).await;
    // Then the third is under the cap, and everybody hears of it
    assert_eq!(overflow(&world, &stakes[2]).await, Some(false));
    assert_eq!(world.told(&stakes[0]).await, ["active", "-active"]);
    assert_eq!(world.told(&stakes[1]).await, ["active"]);
    assert_eq!(world.told(&stakes[2]).await, ["active", "-active", "active"]);
    world.must_be_whole().await;
}

#[tokio::test]
async fn expiry__should_be_taken_back_with_its_tip_and_told_once() {
    // Given a stake that expired with the tip
    let (mut world, staked) = settled().await;
    world.pass(5).await;
    assert_eq!(world.state(&staked).await, Some(StateName::Unbonded));
    // When the tip is replaced
    world.chain.lose(1);
    let steps = world.chain.steps_for(&world.index).await;
    world.index.take(&steps).await.expect("a valid chain");
    assert_eq!(world.state(&staked).await, Some(StateName::Active));
    world.pass(1).await;
    // Then
    assert_eq!(world.state(&staked).await, Some(StateName::Unbonded));
    assert_eq!(world.told(&staked).await, ["active", "expired"]);
    world.must_be_whole().await;
}

#[tokio::test]
async fn deep_reorg__should_undo_every_kind_of_spend() {
    let mut world = World::plain().await;
    let all = [1, 2, 3, 4].map(|salt| world.stake(Spec { time: 10, ..Spec::of(salt, 20_000) }));
    let [unbonded, withdrawn, slashed, ended] = &all;
    world.mine(all.iter().map(|staked| staked.tx.clone()).collect()).await;
    world.mine(vec![unbonded.unbonding(), ended.unbonding()]).await;
    world.pass(8).await;
    world
        .mine(vec![withdrawn.withdrawal(), slashed.slashing(), ended.unbonding_withdrawal()])
        .await;
    world.pass(4).await;
    let states = async |world: &World| {
        let mut states = Vec::new();
        for staked in &all {
            states.push(world.state(staked).await);
        }
        states
    };
    use StateName::{Slashed, Unbonded, Withdrawn};
    let before = states(&world).await;
    assert_eq!(before, [Unbonded, Withdrawn, Slashed, Withdrawn].map(Some));
    world.must_be_whole().await;
    // When all spends are gone
    world.chain.lose(5);
    world.pass(6).await;
    let mid = states(&world).await;
    assert_eq!(mid, [Unbonded, Unbonded, Unbonded, Unbonded].map(Some));
    assert_eq!(world.told(slashed).await, ["active", "expired", "slashed", "-slashed"]);
    world.must_be_whole().await;
    // And everything is
    let length = world.chain.blocks.len();
    world.chain.lose(length);
    world.pass(u32::try_from(length).expect("small")).await;
    assert_eq!(states(&world).await, [None, None, None, None]);
    assert_eq!(world.index.totals(), &trestle_staking::tally::Totals::default());
    world.must_be_whole().await;
    assert_eq!(fold(&world.events().await).len(), 0);
}

#[tokio::test]
async fn reorg__should_be_survived_while_the_node_is_down() {
    for lost in 1..=5 {
        let (mut world, _) = settled().await;
        let other = world.stake(Spec::of(9, 40_000));
        world.chain.lose(lost);
        world.chain.mine(vec![other.tx.clone()]);
        for _ in 0..lost {
            world.chain.mine(Vec::new());
        }
        world.restart().await;
        // All steps in one commit.
        let steps = world.chain.steps_for(&world.index).await;
        world.index.take(&steps).await.expect("a valid chain");
        world.must_be_whole().await;
    }
}

#[tokio::test]
async fn invalidated_block__should_leave_its_stake_to_be_processed_in_the_next() {
    // The seventh scenario of the demo: a stake in an invalidated block is in the one that follows.
    let mut world = World::plain().await;
    world.pass(2).await;
    let staked = world.stake(Spec::of(1, 70_000));
    world.mine(vec![staked.tx.clone()]).await;
    world.chain.lose(1);
    world.sync().await;
    assert_eq!(world.index.totals().unconfirmed_tvl(), 0);
    world.mine(vec![staked.tx.clone()]).await;
    world.pass(2).await;
    assert_eq!(world.state(&staked).await, Some(StateName::Active));
    assert_eq!(world.told(&staked).await, ["active"]);
}
