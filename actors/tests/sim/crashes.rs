//! A crash at every commit of every node: one run that dies right before it, one right after.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use super::world::{World, checker::keys, store::Moment};

const MEMBERS: usize = 3;

/// A key, and two payments of which the second spends change of the first.
fn run(crash: Option<(usize, u64, Moment)>) -> World {
    let mut world = World::new(5, MEMBERS, 2);
    if let Some((node, commit, moment)) = crash {
        world.die_at(node, commit, moment);
    }
    world.want_key();
    let made = world.run_until(120_000, |world| world.client.key.is_some());
    assert!(made, "{crash:?}: no key: {:?}", world.client.denied);
    world.fund(1_000_000);
    world.run(15_000);
    world.want_payment(200_000, Some(5));
    world.run(20_000);
    world.want_payment(300_000, None);
    let paid = world.run_until(300_000, World::all_paid);
    assert!(paid, "{crash:?}: {:?}", world.phases());
    // Until all that is owed has come.
    world.run(30_000);
    assert_eq!(world.checker.violations, [], "{crash:?}");
    for member in world.members() {
        let rows = keys(world.nodes[member].store.rows());
        // A coordinator that dies with the answer on its lips is asked for another key.
        let wanted = world.client.key.as_ref().map(|view| view.key.clone());
        let usable = rows.iter().filter(|(_, row)| row.ready.is_some());
        let has = usable.filter(|(session, _)| Some(&session.key) == wanted.as_ref()).count();
        assert_eq!(has, 1, "{crash:?}: the key at member {member}");
    }
    world
}

/// Crashes a node at each of its commits.
fn crash_everywhere(node: usize) {
    let commits = run(None).nodes[node].store.control().commits;
    assert!(commits >= 3, "node {node} commits {commits} times: too little for this test");
    for commit in 1..=commits {
        for moment in [Moment::Before, Moment::After] {
            let world = run(Some((node, commit, moment)));
            // The last commits are so near the end that it has not been started again by then.
            let died = world.nodes[node].boot > 1 || !world.nodes[node].is_up();
            assert!(died, "node {node} did not die at commit {commit}");
        }
    }
}

#[test]
fn coordinator__should_survive_a_crash_at_every_commit() {
    crash_everywhere(0);
}

#[test]
fn member__should_survive_a_crash_at_every_commit() {
    // The first member signs whenever it can: it is first in every order.
    crash_everywhere(1);
}

#[test]
fn second_member__should_survive_a_crash_at_every_commit() {
    crash_everywhere(2);
}

#[test]
fn last_member__should_survive_a_crash_at_every_commit() {
    crash_everywhere(MEMBERS);
}
