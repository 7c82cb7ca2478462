//! Requests to unbond, beside the chain's facts.

use bitcoin::Txid;
use trestle_chain::Stored;
use trestle_staking::delegation::{Effect, Reject, StateName};
use trestle_store::{Op, Store};

use super::world::*;
use crate::staking::index::{RequestFact, Taken};

async fn requested(world: &mut World, staked: &Staked) -> Taken {
    let unbonding = staked.unbonding().compute_txid();
    let planned = world.index.plan_request(staked.txid(), RequestFact::Made { unbonding }).await;
    let planned = planned.expect("memory answers").expect("it is active");
    world.index.commit(planned).await.expect("memory commits")
}

async fn active() -> (World, Staked) {
    let mut world = World::plain().await;
    let staked = world.stake(Spec { time: 30, ..Spec::of(1, 50_000) });
    world.mine(vec![staked.tx.clone()]).await;
    world.pass(2).await;
    (world, staked)
}

fn of(staked: &Staked, effect: fn(Stored<Txid>) -> Effect) -> Vec<(Txid, Effect)> {
    vec![(staked.txid(), effect(Stored(staked.unbonding().compute_txid())))]
}

#[tokio::test]
async fn request__should_be_committed_with_what_others_add() {
    let (mut world, staked) = active().await;
    let unbonding = staked.unbonding().compute_txid();
    let fact = RequestFact::Made { unbonding };
    let planned = world.index.plan_request(staked.txid(), fact).await.expect("memory answers");
    let mut planned = planned.expect("it is active");
    assert_eq!(world.state(&staked).await, Some(StateName::Active), "a plan changes nothing");
    planned.batch.push(Op::Put("test", vec![1], vec![2]));
    let taken = world.index.commit(planned).await.expect("memory commits");
    assert_eq!(taken.effects, of(&staked, Effect::Unbond));
    assert_eq!(world.state(&staked).await, Some(StateName::UnbondingRequested));
    assert_eq!(world.store.get("test", &[1]).await, Ok(Some(vec![2])));
    // Twice is fine, another is not, and neither is one for nothing.
    let again = world.index.plan_request(staked.txid(), fact).await.expect("memory answers");
    assert!(again.expect("the same").batch.is_empty());
    let other = RequestFact::Made { unbonding: staked.txid() };
    let refused = world.index.plan_request(staked.txid(), other).await.expect("memory answers");
    assert_eq!(refused.err(), Some(Reject::AlreadyRequested(unbonding)));
    let refused = world.index.plan_request(unbonding, fact).await.expect("memory answers");
    assert_eq!(refused.err(), Some(Reject::NoStake));
}

#[tokio::test]
async fn overtaken_plan__should_not_be_committed() {
    let (mut world, staked) = active().await;
    let unbonding = staked.unbonding().compute_txid();
    let fact = RequestFact::Made { unbonding };
    let planned = world.index.plan_request(staked.txid(), fact).await.expect("memory answers");
    world.pass(1).await;
    world.index.commit(planned.expect("it is active")).await.expect_err("a block came between");
    assert_eq!(world.state(&staked).await, Some(StateName::Active));
}

#[tokio::test]
async fn request__should_end_with_its_unbonding() {
    let (mut world, staked) = active().await;
    requested(&mut world, &staked).await;
    world.chain.mine(vec![staked.unbonding()]);
    world.chain.mine(Vec::new());
    world.chain.mine(Vec::new());
    let effects: Vec<_> = world.sync().await.into_iter().flat_map(|taken| taken.effects).collect();
    assert_eq!(effects, of(&staked, Effect::StopUnbonding));
    assert_eq!(world.state(&staked).await, Some(StateName::Unbonding));
}

#[tokio::test]
async fn request__should_outlive_its_stake_and_be_checked_again_when_that_is_back() {
    let (mut world, staked) = active().await;
    requested(&mut world, &staked).await;
    // When the stake leaves the chain
    world.chain.lose(3);
    world.chain.mine(Vec::new());
    let gone: Vec<_> = world.sync().await.into_iter().flat_map(|taken| taken.effects).collect();
    assert_eq!(gone, of(&staked, Effect::StopUnbonding));
    assert_eq!(world.state(&staked).await, None);
    world.restart().await;
    // And is back at another height
    world.chain.mine(vec![staked.tx.clone()]);
    world.chain.mine(Vec::new());
    world.chain.mine(Vec::new());
    let back: Vec<_> = world.sync().await.into_iter().flat_map(|taken| taken.effects).collect();
    // Then
    assert_eq!(back, of(&staked, Effect::RecheckRequest));
    assert_eq!(world.state(&staked).await, Some(StateName::UnbondingRequested));
    assert_eq!(world.told(&staked).await, ["active", "-active", "active"]);
    let dropped = RequestFact::Dropped { unbonding: staked.unbonding().compute_txid() };
    let planned = world.index.plan_request(staked.txid(), dropped).await.expect("memory answers");
    let taken = world.index.commit(planned.expect("it is held")).await.expect("memory commits");
    assert_eq!(taken.effects, of(&staked, Effect::StopUnbonding));
    assert_eq!(world.state(&staked).await, Some(StateName::Active));
    world.must_be_whole().await;
}

#[tokio::test]
async fn request__should_be_dropped_while_its_stake_is_gone() {
    let (mut world, staked) = active().await;
    requested(&mut world, &staked).await;
    world.chain.lose(3);
    world.pass(5).await;
    let dropped = RequestFact::Dropped { unbonding: staked.unbonding().compute_txid() };
    let planned = world.index.plan_request(staked.txid(), dropped).await.expect("memory answers");
    world.index.commit(planned.expect("it is held")).await.expect("memory commits");
    world.must_be_whole().await;
}
