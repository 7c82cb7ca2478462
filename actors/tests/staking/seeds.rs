//! A bad network, a coordinator that dies, members that lie and a chain that is reorganised, by seed:
//! when it is over, everything is in the chain.

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{RngCore, SeedableRng},
};
use trestle_staking::{delegation::StateName, pipeline::Phase};
use trestle_wire::staking::UnbondingRefusal;

use crate::world::{Behaviour, MEMBERS, World};

const LIES: [Behaviour; 6] = [
    Behaviour::Honest,
    Behaviour::Silent,
    Behaviour::Garbage,
    Behaviour::Short,
    Behaviour::Equivocating,
    Behaviour::Refusing(UnbondingRefusal::Busy),
];

async fn play(seed: u64) {
    // Given stakes, and everything that can go wrong
    let mut dice = ChaCha20Rng::seed_from_u64(seed);
    let mut world = World::new().await;
    let stakes = world.stake(5).await;
    world.dice = Some(ChaCha20Rng::seed_from_u64(dice.next_u64()));
    // When their unbondings are requested meanwhile
    for staked in &stakes {
        for member in MEMBERS {
            let lie = dice.next_u32() as usize % LIES.len();
            world.behave(member, LIES[lie]);
        }
        // A client asks until it is taken.
        while world.coordinator.state(staked.txid()).await == Some(StateName::Active) {
            let _ = world.request(staked.form()).await;
        }
        world.wait(u64::from(dice.next_u32() % 40_000)).await;
        match dice.next_u32() % 4 {
            0 => world.mine_empty(1).await,
            1 => world.mine_mempool().await,
            2 => {
                // The stakes stay where they are, two blocks deep.
                if world.chain.next() > 104 {
                    world.chain.forget(1);
                    world.mine_empty(2).await;
                }
            }
            _ => world.coordinator.restart().await,
        }
    }
    // Then, when that is over, all of them confirm, whatever happened
    world.dice = None;
    for member in MEMBERS {
        world.behave(member, Behaviour::Honest);
        world.coordinator.connected(crate::world::peer(member)).await;
    }
    for _ in 0..4 {
        world.wait(4_000_000).await;
        world.mine_mempool().await;
        world.mine_empty(1).await;
    }
    for staked in &stakes {
        let phase = world.phase(staked.unbonding_txid()).await;
        assert_eq!(phase, Some(Phase::Confirmed), "seed {seed}");
    }
    assert!(world.coordinator.pipeline.open().is_empty(), "seed {seed}");
}

#[tokio::test]
async fn requests__should_all_confirm_in_the_end_whatever_happens_on_the_way() {
    for seed in 0..40 {
        play(seed).await;
    }
}
