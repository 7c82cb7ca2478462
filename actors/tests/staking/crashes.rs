//! The coordinator dies at every commit, before and after it was applied, and the end is the same.

use trestle_staking::{delegation::StateName, pipeline::Phase};

use crate::world::{Staked, World};

/// The whole way of two requests, with a reorganisation that moves one of the stakes.
async fn story(world: &mut World) -> [Staked; 2] {
    let stakes = world.stake(2).await;
    let [first, second] = [stakes[0].clone(), stakes[1].clone()];
    post(world, &first).await;
    world.chain.forget(1);
    world.mine_empty(2).await;
    post(world, &second).await;
    // Whatever a crash lost is asked for or sent again in time.
    world.wait(700_000).await;
    world.mine_mempool().await;
    world.mine_empty(1).await;
    world.wait(700_000).await;
    [first, second]
}

/// A client that asks again when the node fell over.
async fn post(world: &mut World, staked: &Staked) {
    use trestle_actors::staking::pipeline::RequestError;
    for _ in 0..2 {
        match world.request(staked.form()).await {
            Err(RequestError::Unavailable(_)) => {}
            Ok(()) | Err(RequestError::NotActive(_)) => return,
            other => panic!("{other:?}"),
        }
    }
    panic!("fell over twice");
}

async fn check(world: &World, stakes: &[Staked], what: &str) {
    for staked in stakes {
        let phase = world.phase(staked.unbonding_txid()).await;
        assert_eq!(phase, Some(Phase::Confirmed), "{what}");
        let state = world.coordinator.state(staked.txid()).await;
        assert_eq!(state, Some(StateName::Unbonding), "{what}");
    }
    assert!(world.coordinator.pipeline.open().is_empty(), "{what}");
}

#[tokio::test]
async fn pipeline__should_end_the_same_after_a_crash_at_any_commit() {
    // Given the number of commits of a run without crashes
    let mut world = World::new().await;
    let begun = world.coordinator.store.commits();
    let stakes = story(&mut world).await;
    check(&world, &stakes, "without a crash").await;
    let commits = world.coordinator.store.commits() - begun;
    assert!(commits > 10, "{commits}");
    for at in 0..commits {
        for applied in [false, true] {
            // When the node dies at one of them
            let mut world = World::new().await;
            world.coordinator.store.fail(at, applied);
            let stakes = story(&mut world).await;
            // Then
            let what = format!("died at commit {at}, applied: {applied}");
            assert_eq!(world.coordinator.restarts, 1, "{what}");
            check(&world, &stakes, &what).await;
        }
    }
}

#[tokio::test]
async fn restart__should_go_on_with_every_open_request() {
    // Given requests in every phase: collecting, stuck, in the mempool
    let mut world = World::new().await;
    let stakes = world.stake(3).await;
    let refuse =
        trestle_actors::ports::chain::Accepted::Rejected("min relay fee not met, 500 < 600".into());
    let verdict = crate::world::Verdict::Answer(refuse);
    world.mempool.rule(stakes[1].unbonding_txid(), Some(verdict));
    post(&mut world, &stakes[0]).await;
    post(&mut world, &stakes[1]).await;
    for member in crate::world::MEMBERS {
        world.behave(member, crate::world::Behaviour::Silent);
    }
    post(&mut world, &stakes[2]).await;
    let phases = |world: &World| -> Vec<Phase> {
        stakes
            .iter()
            .map(|staked| world.coordinator.pipeline.open()[&staked.unbonding_txid()].phase())
            .collect()
    };
    let before = phases(&world);
    assert_eq!(before, [Phase::InMempool, Phase::Stuck, Phase::Collecting]);
    // When
    world.net.clear();
    world.coordinator.restart().await;
    for member in crate::world::MEMBERS {
        world.behave(member, crate::world::Behaviour::Honest);
    }
    world.run().await;
    // Then
    assert_eq!(phases(&world), [Phase::InMempool, Phase::Stuck, Phase::InMempool]);
}
