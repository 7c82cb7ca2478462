//! Attacks on the generation of a key.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use trestle_actors::coordinator::ingress::Denied;
use trestle_keys::{dkg::secrets, sign};
use trestle_wire::{
    Hash32, Message,
    committee::dkg::{AbortReason, DkgBegin, DkgCertificate, DkgEcho, DkgRound1, DkgSession},
};

use super::{any_usable_key, blamed, changing};
use crate::world::{Tamper, World, checker::keys, dice, node};

/// Runs a key generation that fails, and gives the reason reported.
fn must_fail(tamper: Tamper) -> (World, AbortReason) {
    let mut world = World::new(11, 3, 2);
    world.run(1_000);
    world.tamper = Some(tamper);
    world.ask_key_once();
    let over = world.run_until(60_000, |world| world.client.denied.is_some());
    assert!(over, "the attempt never ended");
    assert!(world.client.key.is_none() && !any_usable_key(&world), "a key came of it");
    let Some(Denied::DkgFailed(report)) = world.client.denied.take() else {
        panic!("expected a report");
    };
    (world, *report.reason)
}

fn key_of(member: usize) -> trestle_keys::identity::CommitteeKey {
    node::key_file(11, member).identity.committee
}

/// Member 3 signs two packages for one attempt and sends the coordinator both.
#[test]
fn equivocation_in_round_1__should_be_proven() {
    // Given
    let committee = World::new(11, 3, 2).committee().clone();
    let mut rng = dice::generator(11, 50);

    // When
    let (mut world, reason) = must_fail(changing(3, Some(0), move |message| {
        let Message::DkgRound1(first) = message else { return None };
        let session = first.session.clone();
        let (_, package) = secrets::begin(&committee, 3, &mut rng);
        let round1 = sign::sign_round1(&key_of(3), &session, 3, package);
        Some(vec![first.clone().into(), DkgRound1 { session, round1 }.into()])
    }));

    // Then
    let AbortReason::Equivocation { first, second } = reason else { panic!("got {reason:?}") };
    assert_eq!((first.index, second.index), (3, 3));
    assert_eq!(blamed(&mut world, 3), 1);
}

/// Member 3 echoes packages that nobody sent.
#[test]
fn equivocation_in_the_echo__should_end_the_attempt() {
    let (mut world, reason) = must_fail(changing(3, Some(0), |message| {
        let Message::DkgEcho(echo) = message else { return None };
        let session = echo.session.clone();
        let transcript = Hash32([9; 32]);
        let by = sign::sign_echo(&key_of(3), &session, 3, transcript).by;
        Some(vec![DkgEcho { session, transcript, by }.into()])
    }));
    assert_eq!(reason, AbortReason::EchoMismatch(vec![3]));
    assert_eq!(blamed(&mut world, 3), 0, "the coordinator could have shown it other packages");
}

/// Member 3 certifies another key than the one it computed.
#[test]
fn equivocation_in_the_certificates__should_leave_no_usable_key() {
    let (_, reason) = must_fail(changing(3, Some(0), |message| {
        let Message::DkgCertificate(honest) = message else { return None };
        let DkgCertificate { session, mut public, transcript, .. } = honest.clone();
        public.shares[0].point = public.shares[1].point;
        let by = sign::sign_certificate(&key_of(3), &session, 3, &public, &transcript);
        Some(vec![DkgCertificate { session, public, transcript, by }.into()])
    }));
    assert!(matches!(reason, AbortReason::CertificateMismatch(_)), "got {reason:?}");
}

/// The coordinator hands member 1 the shares that were made for member 2.
#[test]
fn shares_for_another_member__should_not_be_used() {
    let (world, reason) = must_fail(changing(0, Some(1), |message| {
        let Message::DkgRound2Set(set) = message else { return None };
        let mut set = set.clone();
        set.shares.iter_mut().for_each(|share| share.to = 2);
        Some(vec![set.into()])
    }));
    assert_eq!(reason, AbortReason::Missing(vec![1]));
    assert_eq!(keys(world.nodes[1].store.rows()).len(), 0);
}

/// Member 3 seals a share for member 1 that does not fit its package.
#[test]
fn wrong_share__should_be_reported_with_accuser_and_accused() {
    let committee = World::new(11, 3, 2).committee().clone();
    let mut rng = dice::generator(11, 51);
    let (mut world, reason) = must_fail(changing(3, Some(0), move |message| {
        let Message::DkgRound2(round2) = message else { return None };
        let mut round2 = round2.clone();
        let session = round2.session.clone();
        let route = trestle_keys::share_box::Route {
            committee: &committee,
            session: &session,
            from: 3,
            to: 1,
        };
        let wrong = trestle_keys::share_box::seal_share(route, &key_of(3), &[7; 32], &mut rng);
        round2.shares[0] = wrong.expect("a listed member");
        Some(vec![round2.into()])
    }));
    let AbortReason::BadShare { accuser, share } = reason else { panic!("got {reason:?}") };
    assert_eq!((accuser, share.from), (1, 3));
    assert_eq!(blamed(&mut world, 3), 0, "member 1 could be the one that lies");
}

/// The coordinator hands member 1 an empty list of shares.
#[test]
fn empty_shares_in_a_generation__should_not_be_used() {
    let (_, reason) = must_fail(changing(0, Some(1), |message| {
        let Message::DkgRound2Set(set) = message else { return None };
        let mut set = set.clone();
        set.shares.clear();
        Some(vec![set.into()])
    }));
    assert_eq!(reason, AbortReason::Missing(vec![1]));
}

/// Member 3 is silent.
#[test]
fn silence__should_be_reported_by_name() {
    let (_, reason) = must_fail(changing(3, Some(0), |_| Some(Vec::new())));
    assert_eq!(reason, AbortReason::Missing(vec![3]));
}

/// Somebody plays the begin of a finished attempt back to a member that has the key.
#[test]
fn replayed_begin__should_not_touch_a_finished_key() {
    // Given
    let (mut world, played) = World::must_play(11, 3, 2, &[100_000]);
    let before = keys(world.nodes[1].store.rows());
    let begin = DkgBegin { session: played.ready.session.clone(), deadline_ms: 1_000 };

    // When
    let said = world.tell(1, &begin.into());
    world.run(5_000);

    // Then
    assert_eq!(said, []);
    assert_eq!(keys(world.nodes[1].store.rows()), before);
    assert!(world.nonces(&played, 1, 1).is_some(), "the key still signs");
}

/// Somebody plays a begin back while its attempt runs, hoping for a second package.
#[test]
fn replayed_begin__should_not_give_a_second_package() {
    // Given
    let mut world = World::new(11, 3, 2);
    world.run(1_000);
    world.nodes[0].role = node::Role::Played;
    let key = trestle_wire::KeyRef { committee: "vault".into(), generation: 1, epoch: 0 };
    let session = DkgSession { parameters: world.ground.params.hash(), key, attempt: 1 };
    let begin: Message = DkgBegin { session, deadline_ms: 5_000 }.into();

    // When
    let first = world.tell(1, &begin);
    let second = world.tell(1, &begin);

    // Then
    assert_eq!(first.iter().map(Message::label).collect::<Vec<_>>(), ["dkg_round1"]);
    assert_eq!(second, []);
}
