//! Bugs put in on purpose: the properties must find each, and must find nothing without it. A check
//! that finds no planted bug would find no real one.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use trestle_keys::{
    dkg::secrets,
    share_box::{Route, seal_share},
    sign,
};
use trestle_wire::{
    Hash32, Message,
    committee::{
        dkg::{
            DkgBegin, DkgEchoSet, DkgRound1Set, DkgRound2Set, DkgSession, Echo, Round1, SealedShare,
        },
        sign::RefusalCode,
    },
};

use super::world::{
    World,
    checker::Violation,
    client::Wanted,
    dice, node,
    played::{Said, recipient},
};

/// A member is put back to a copy of its memory while its disk goes on, as happens to virtual
/// machines: it makes the same nonces as before. Then a coordinator asks it to sign something else
/// with them.
fn resumed_member(forgets_burns: bool) -> (World, Said) {
    let (mut world, played) = World::must_play(2, 3, 2, &[500_000, 600_000]);
    if forgets_burns {
        world.nodes[1].store.control().forgets.push("committee.burns");
    }
    // A boot in which nonces are the first use of the generator.
    world.kill(1, 1);
    world.run(1_000);
    let coins = world.coins(&played);
    let first = world.plan(&played, &coins[..1], &[recipient(1, 100_000)], 5);
    let second = world.plan(&played, &coins[1..], &[recipient(2, 100_000)], 5);
    let signers = world.signers(&played, &[1, 2], 1);
    let request = played.request(1, first.proposal(Hash32([1; 32])), 1, signers.clone());
    assert!(matches!(world.ask_shares(1, &request), Said::Shares(_)));

    world.resume(1);
    world.run(1_000);
    let again = world.signers(&played, &[1], 1);
    assert_eq!(again[0], signers[0], "the copy makes the same nonces");
    let request = played.request(2, second.proposal(Hash32([2; 32])), 1, signers);
    let said = world.ask_shares(1, &request);
    world.look();
    (world, said)
}

#[test]
fn burn_mark__should_keep_a_resumed_member_from_using_a_nonce_twice() {
    let (world, said) = resumed_member(false);
    let Said::Refused(refused) = said else { panic!("expected a refusal, got {said:?}") };
    assert_eq!(refused.code, RefusalCode::Nonces);
    assert_eq!(world.checker.violations, []);
}

#[test]
fn skipped_burn_mark__should_be_found() {
    let (world, _) = resumed_member(true);
    let found = &world.checker.violations;
    assert!(found.contains(&Violation::NonceReused { member: 1 }), "{found:?}");
    assert!(found.contains(&Violation::Unmarked { member: 1 }), "{found:?}");
}

/// A coordinator has one payment signed and sent, and then plans it again onto another coin.
fn planned_again(forgets_payments: bool) -> (World, Option<RefusalCode>) {
    let (mut world, played) = World::must_play(3, 4, 3, &[500_000, 600_000]);
    world.client.payments.push(Wanted::played("twice", recipient(1, 100_000).script_pubkey));
    for member in world.members().filter(|_| forgets_payments) {
        world.nodes[member].store.control().forgets.push("committee.payments");
    }
    let coins = world.coins(&played);
    let mut refused = None;
    for (session, coin) in (1..).zip(coins.chunks(1)) {
        let plan = world.plan(&played, coin, &[recipient(1, 100_000)], 5);
        let signed = world.sign_and_send(&played, &[1, 2, 3], session, Hash32([7; 32]), &plan);
        refused = signed.err().map(|refused| refused.code);
        // Memory alone must not be what saves it.
        world.members().for_each(|member| world.kill(member, 1));
        world.mine();
        world.run(2_000);
    }
    world.look();
    (world, refused)
}

#[test]
fn anchor__should_keep_a_payment_from_being_planned_twice() {
    let (world, refused) = planned_again(false);
    assert_eq!(refused, Some(RefusalCode::Policy));
    assert_eq!(world.checker.violations, []);
}

#[test]
fn skipped_anchor_check__should_be_found() {
    let (world, refused) = planned_again(true);
    assert_eq!(refused, None);
    let twice = Violation::PaidTwice { payment: "twice".into() };
    assert!(world.checker.violations.contains(&twice), "{:?}", world.checker.violations);
}

/// Member 3 and the coordinator work together: each of the others is shown another package of
/// member 3. A member that skips the echo check takes any echoes for equal, so it is handed echoes
/// that are.
fn split_broadcast(skips_echo: bool) -> (World, Vec<Message>) {
    let mut world = World::new(4, 3, 2);
    world.run(1_000);
    world.nodes[0].role = node::Role::Played;
    world.nodes[3].role = node::Role::Played;
    let (seed, committee) = (world.seed(), world.committee().clone());
    let keys: Vec<_> = (0..4).map(|id| node::key_file(seed, id).identity.committee).collect();
    let key = trestle_wire::KeyRef { committee: committee.name.clone(), generation: 1, epoch: 0 };
    let session = DkgSession { parameters: world.ground.params.hash(), key, attempt: 1 };
    let mut rng = dice::generator(seed, 99);

    let begin = DkgBegin { session: session.clone(), deadline_ms: 10_000 };
    let mut honest = Vec::new();
    for member in [1, 2] {
        match world.tell(member, &begin.clone().into()).pop() {
            Some(Message::DkgRound1(round1)) => honest.push(round1.round1),
            other => panic!("expected a package, got {other:?}"),
        }
    }
    let mut polynomials = Vec::new();
    for _ in [1, 2] {
        let (secret, package) = secrets::begin(&committee, 3, &mut rng);
        polynomials.push((secret, sign::sign_round1(&keys[3], &session, 3, package)));
    }
    let shown = |mine: &Round1| [honest.clone(), vec![mine.clone()]].concat();
    let mut echoes = Vec::new();
    for (member, (_, mine)) in [1, 2].into_iter().zip(&polynomials) {
        let set = DkgRound1Set { session: session.clone(), packages: shown(mine) };
        match world.tell(member, &set.into()).pop() {
            Some(Message::DkgEcho(echo)) => {
                echoes.push(Echo { transcript: echo.transcript, by: echo.by })
            }
            other => panic!("expected an echo, got {other:?}"),
        }
    }
    let mut said = Vec::new();
    for (member, own) in [1, 2].into_iter().zip(&echoes) {
        let echo = |index: u16| {
            let key = &keys[usize::from(index)];
            sign::sign_echo(key, &session, index, own.transcript)
        };
        let honest = if skips_echo { vec![echo(1), echo(2)] } else { echoes.clone() };
        let echoes = [honest, vec![echo(3)]].concat();
        said.extend(world.tell(member, &DkgEchoSet { session: session.clone(), echoes }.into()));
    }
    let mut made: Vec<SealedShare> = Vec::new();
    for message in &said {
        if let Message::DkgRound2(round2) = message {
            made.extend(round2.shares.clone());
        }
    }
    for (to, (secret, mine)) in [1, 2].into_iter().zip(polynomials) {
        let packages = shown(&mine);
        let (_, shares) =
            secrets::make_shares(&committee, 3, secret, &packages).expect("valid packages");
        let share = shares.into_iter().find(|(receiver, _)| *receiver == to).expect("for all");
        let route = Route { committee: &committee, session: &session, from: 3, to };
        made.push(seal_share(route, &keys[3], &share.1[..], &mut rng).expect("a listed member"));
    }
    for to in [1, 2] {
        let shares = made.iter().filter(|share| share.to == to).cloned().collect();
        let set = DkgRound2Set { session: session.clone(), shares };
        said.extend(world.tell(usize::from(to), &set.into()));
    }
    world.look();
    (world, said)
}

#[test]
fn echo__should_keep_a_split_broadcast_from_making_a_key() {
    let (world, said) = split_broadcast(false);
    assert_eq!(world.checker.violations, []);
    let labels: Vec<_> = said.iter().map(Message::label).collect();
    assert_eq!(labels, ["dkg_abort", "dkg_abort"], "and no share leaves");
}

#[test]
fn skipped_echo_check__should_be_found() {
    let (world, _) = split_broadcast(true);
    let split = |violation: &Violation| matches!(violation, Violation::SplitKey { .. });
    assert!(world.checker.violations.iter().any(split), "{:?}", world.checker.violations);
}
