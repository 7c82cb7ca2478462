//! The stored parameters, and which others may follow on them.

use std::sync::Arc;

use trestle_staking::GlobalParams;

use super::world::*;
use crate::staking::index::{Index, LoadError};

async fn reload(world: &World, versions: &[Rules]) -> Result<Index, LoadError> {
    let text = text(versions);
    let params = Arc::new(GlobalParams::parse(&text).expect("valid parameters"));
    Index::load(world.store.shared(), params, &text, TELLING).await
}

#[tokio::test]
async fn changed_past__should_be_refused_and_store_nothing() {
    let mut world = World::plain().await;
    let staked = world.stake(Spec::of(1, 50_000));
    world.mine(vec![staked.tx]).await;
    let before = dump(&world.store).await;
    let changed = Rules { unbonding_time: 5, ..Rules::default() };
    let refused = reload(&world, &[changed]).await.expect_err("it changes the past");
    let expected = "the global parameters are no continuation of those that the stored \
                    delegations were made with: version 0 has another unbonding_time: a version \
                    is never changed, append a new one";
    assert_eq!(refused.to_string(), expected);
    let late = Rules { activation: world.chain.tip(), ..Rules::default() };
    // A version must come after the one before it: the first block is at START.
    world.pass(1).await;
    let late = Rules { activation: late.activation + 1, ..late };
    let refused = reload(&world, &[Rules::default(), late]).await.expect_err("too late");
    assert!(matches!(refused, LoadError::History(_)), "{refused}");
    assert_eq!(dump(&world.store).await["staking.params"], before["staking.params"]);
    reload(&world, &[Rules::default()]).await.expect("the same as before");
}

#[tokio::test]
async fn appended_version__should_be_taken_and_become_the_past() {
    let mut world = World::plain().await;
    world.pass(3).await;
    let second = Rules { activation: START + 20, unbonding_time: 9, ..Rules::default() };
    let longer = [Rules::default(), second];
    let index = reload(&world, &longer).await.expect("a continuation");
    assert_eq!(index.params().versions().len(), 2);
    assert_eq!(index.tip(), world.index.tip());
    let refused = reload(&world, &[Rules::default()]).await.expect_err("it was there");
    assert!(refused.to_string().contains("version 1 is missing"), "{refused}");
}
