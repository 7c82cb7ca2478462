//! A lying coordinator together with as many lying members as a committee may have: whether it can
//! have one payment made twice depends on 3t > 2n alone.
//!
//! The liars sign whatever their own node has coins for: what they agreed to before is forgotten.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use trestle_wire::Hash32;

use super::world::{World, checker::Violation, client::Wanted, dice, played::recipient};

/// Tries to get one payment signed from several coins, by one quorum after another.
fn plan_again_and_again(seed: u64, n: usize, t: usize) -> World {
    let (mut world, played) = World::must_play(seed, n, t, &[500_000; 5]);
    let mut rng = dice::generator(seed, 60);
    world.client.payments.push(Wanted::played("twice", recipient(1, 100_000).script_pubkey));
    let honest: Vec<usize> = (1..=t).collect();
    let liars: Vec<usize> = (t + 1..=n).collect();
    for liar in &liars {
        world.nodes[*liar].store.control().forgets.push("committee.payments");
        world.checker.liars.insert(*liar);
    }
    let coins = world.coins(&played);
    let mut quorum: Vec<usize> = Vec::new();
    for session in 1..=8 {
        let mut others = honest.clone();
        // As different from the quorum before as can be, the first time; then by seed.
        others.sort_by_key(|member| (quorum.contains(member), dice::below(&mut rng, 100)));
        if session > 2 {
            others.sort_by_key(|_| dice::below(&mut rng, 100));
        }
        others.truncate(t - liars.len());
        quorum = [others, liars.clone()].concat();
        quorum.sort_unstable();
        let coin = dice::below(&mut rng, coins.len() as u64);
        let coin = if session > 2 { coin as usize } else { usize::from(session) };
        let plan = world.plan(&played, &coins[coin..=coin], &[recipient(1, 100_000)], 5);
        // A refusal is what is hoped for here.
        let _ = world.sign_and_send(&played, &quorum, session, Hash32([7; 32]), &plan);
        liars.iter().for_each(|liar| world.kill(*liar, 1));
        let unlucky = dice::pick(&mut rng, &honest).copied().expect("there are some");
        world.kill(unlucky, 1);
        world.run(1_000);
        if dice::chance(&mut rng, 300) {
            world.mine();
        }
    }
    world.mine();
    world.look();
    world
}

#[test]
fn lying_coordinator__should_not_pay_twice_where_quorums_share_an_honest_member() {
    for seed in 0..8 {
        for (n, t) in [(3, 3), (4, 3), (5, 4), (7, 5)] {
            let world = plan_again_and_again(seed, n, t);
            assert!(world.committee().quorums_intersect_honestly());
            assert_eq!(world.checker.violations, [], "seed {seed}, {t} of {n}");
            assert!(world.all_paid(), "seed {seed}, {t} of {n}: not even paid once");
        }
    }
}

#[test]
fn lying_coordinator__should_be_found_to_pay_twice_where_they_do_not() {
    for (n, t) in [(3, 2), (5, 3), (6, 4)] {
        let world = plan_again_and_again(1, n, t);
        assert!(!world.committee().quorums_intersect_honestly());
        let twice = Violation::PaidTwice { payment: "twice".into() };
        let found = &world.checker.violations;
        assert!(found.contains(&twice), "{t} of {n}: {found:?}");
    }
}
