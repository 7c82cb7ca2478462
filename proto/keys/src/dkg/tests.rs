//! Whole attempts in memory: every message is carried by hand, so a test can change any of them.
#![expect(non_snake_case, reason = "test names read subject__should_do_x")]
#![expect(clippy::wildcard_enum_match_arm, reason = "a test changes one kind and leaves the rest")]

use std::{collections::BTreeMap, sync::Arc};

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use trestle_machine::{Machine, Refusal, Step};
use trestle_wire::{
    Hash32, KeyRef, Message, Peer,
    committee::dkg::{
        AbortReason, DkgCertificate, DkgEcho, DkgSession, PublicKeys, Round1, SealedShare,
    },
};
use zeroize::Zeroizing;

use super::{
    coordinator::{self, CoordinatorDkg, CoordinatorEffect, CoordinatorEvent, CoordinatorReject},
    member::{self, MemberDkg, MemberEffect, MemberEvent, MemberReject},
    report,
    secrets::{self, AfterRound1, AfterRound2},
};
use crate::{
    Committee, Member, Scheme,
    identity::CommitteeKey,
    share_box::{self, Route},
    sign,
};

/// One member with its vault.
struct Party {
    machine: MemberDkg,
    key: CommitteeKey,
    first: Option<AfterRound1>,
    second: Option<AfterRound2>,
    public: Option<PublicKeys>,
    outbox: Vec<Message>,
}

struct World {
    rng: ChaCha20Rng,
    committee: Arc<Committee>,
    session: DkgSession,
    parties: BTreeMap<u16, Party>,
    coordinator: CoordinatorDkg,
    reported: Option<AbortReason>,
    agreed: Option<coordinator::Agreed>,
}

fn session() -> DkgSession {
    DkgSession {
        parameters: Hash32([7; 32]),
        key: KeyRef { committee: "main".into(), generation: 1, epoch: 0 },
        attempt: 1,
    }
}

impl World {
    fn new(indexes: &[u16], threshold: u16) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let keys: BTreeMap<u16, CommitteeKey> =
            indexes.iter().map(|index| (*index, CommitteeKey::generate(&mut rng))).collect();
        let members = keys.iter().map(|(index, key)| Member {
            index: *index,
            peer: Peer([u8::try_from(*index).expect("small"); 32]),
            key: key.xonly(),
        });
        let committee = Arc::new(Committee {
            name: "main".into(),
            scheme: Scheme::Frost,
            threshold,
            members: members.collect(),
            coordinators: vec![Peer([99; 32])],
        });
        let session = session();
        let party = |(index, key)| {
            let machine = MemberDkg::begin(Arc::clone(&committee), index, session.clone());
            let party =
                Party { machine, key, first: None, second: None, public: None, outbox: Vec::new() };
            (index, party)
        };
        Self {
            rng,
            parties: keys.into_iter().map(party).collect(),
            coordinator: CoordinatorDkg::begin(Arc::clone(&committee), session.clone()),
            committee,
            session,
            reported: None,
            agreed: None,
        }
    }

    /// Runs the attempt to its end. `twist` may change each message on its way to the coordinator.
    fn run(&mut self, mut twist: impl FnMut(u16, Message) -> Message) {
        let indexes: Vec<u16> = self.parties.keys().copied().collect();
        for index in &indexes {
            self.carry_out(*index, MemberEffect::MakePackage);
        }
        loop {
            let mail: Vec<(u16, Message)> = indexes
                .iter()
                .flat_map(|i| self.party(*i).outbox.drain(..).map(|m| (*i, m)).collect::<Vec<_>>())
                .collect();
            if mail.is_empty() {
                return;
            }
            for (from, message) in mail {
                let message = twist(from, message);
                self.tell_coordinator(from, message);
            }
        }
    }

    fn party(&mut self, index: u16) -> &mut Party {
        self.parties.get_mut(&index).expect("a member")
    }

    fn tell_coordinator(&mut self, from: u16, message: Message) {
        let event = match message {
            Message::DkgRound1(m) => CoordinatorEvent::PackageReceived { from, package: m.round1 },
            Message::DkgEcho(echo) => CoordinatorEvent::EchoReceived { from, echo },
            Message::DkgRound2(m) => CoordinatorEvent::SharesReceived { from, shares: m.shares },
            Message::DkgCertificate(certificate) => {
                CoordinatorEvent::CertificateReceived { from, certificate }
            }
            Message::DkgAbort(m) => CoordinatorEvent::AbortReceived { from, reason: m.reason },
            other => panic!("a member never sends {}", other.label()),
        };
        if let Ok(Step::Applied { state, effects }) = self.coordinator.apply(&event) {
            self.coordinator = state;
            for effect in effects {
                self.coordinate(effect);
            }
        }
    }

    fn coordinate(&mut self, effect: CoordinatorEffect) {
        match effect {
            CoordinatorEffect::SendAll(message) => {
                for index in self.committee.members.iter().map(|m| m.index).collect::<Vec<_>>() {
                    self.tell_member(index, message.clone());
                }
            }
            CoordinatorEffect::Send(index, message) => self.tell_member(index, message),
            CoordinatorEffect::Prove(agreed) => self.agreed = Some(agreed),
            CoordinatorEffect::Report(reason) => self.reported = Some(reason),
            CoordinatorEffect::Publish(_) => {}
        }
    }

    fn tell_member(&mut self, index: u16, message: Message) {
        let event = match message {
            Message::DkgRound1Set(set) => MemberEvent::PackagesReceived(set),
            Message::DkgEchoSet(set) => MemberEvent::EchoesReceived(set),
            Message::DkgRound2Set(set) => MemberEvent::SharesReceived(set),
            Message::DkgAbort(abort) => MemberEvent::Aborted(abort.reason),
            other => panic!("a coordinator never sends {}", other.label()),
        };
        self.happen(index, &event);
    }

    fn happen(&mut self, index: u16, event: &MemberEvent) {
        match self.party(index).machine.apply(event) {
            Ok(Step::Applied { state, effects }) => {
                self.party(index).machine = state;
                for effect in effects {
                    self.carry_out(index, effect);
                }
            }
            Ok(Step::Duplicate) | Err(Refusal::Rejected(_)) => {}
            Err(Refusal::Invariant(what)) => panic!("member {index}: {what}"),
        }
    }

    fn carry_out(&mut self, index: u16, effect: MemberEffect) {
        let (committee, session) = (Arc::clone(&self.committee), self.session.clone());
        match effect {
            MemberEffect::MakePackage => {
                let (secret, package) = secrets::begin(&committee, index, &mut self.rng);
                let party = self.party(index);
                party.first = Some(secret);
                let package = sign::sign_round1(&party.key, &session, index, package);
                self.happen(index, &MemberEvent::PackageMade(package));
            }
            MemberEffect::SendEcho(transcript) => {
                let party = self.party(index);
                let echo = sign::sign_echo(&party.key, &session, index, transcript);
                party.outbox.push(DkgEcho { session, transcript, by: echo.by }.into());
            }
            MemberEffect::MakeShares(packages) => self.make_shares(index, &packages),
            MemberEffect::Finish(shares, _) => self.finish(index, &shares),
            MemberEffect::SendCertificate => {
                let party = self.party(index);
                let member::Phase::Certified { public, transcript } = party.machine.phase.clone()
                else {
                    panic!("certifies only what it stored")
                };
                let by = sign::sign_certificate(&party.key, &session, index, &public, &transcript);
                party.outbox.push(DkgCertificate { session, public, transcript, by }.into());
            }
            MemberEffect::Send(message) => self.party(index).outbox.push(message),
            MemberEffect::Forget => {
                self.party(index).first = None;
                self.party(index).second = None;
            }
        }
    }

    fn make_shares(&mut self, index: u16, packages: &[Round1]) {
        let (committee, session) = (Arc::clone(&self.committee), self.session.clone());
        let secret = self.party(index).first.take().expect("made before");
        let (secret, shares) =
            secrets::make_shares(&committee, index, secret, packages).expect("checked packages");
        let mut sealed = Vec::new();
        for (to, share) in shares {
            let route = Route { committee: &committee, session: &session, from: index, to };
            let key = &self.parties[&index].key;
            sealed.push(
                share_box::seal_share(route, key, &share[..], &mut self.rng).expect("a member"),
            );
        }
        self.party(index).second = Some(secret);
        self.happen(index, &MemberEvent::SharesMade(sealed));
    }

    fn finish(&mut self, index: u16, shares: &[SealedShare]) {
        let party = &self.parties[&index];
        let mut plain = Vec::new();
        for share in shares {
            let opened =
                share_box::open_share(&self.committee, &self.session, index, &party.key, share);
            let Some(bytes) = opened.ok().and_then(|b| <[u8; 32]>::try_from(&b[..]).ok()) else {
                return self.happen(index, &MemberEvent::ShareUnusable(share.clone()));
            };
            plain.push((share.from, Zeroizing::new(bytes)));
        }
        let secret = party.second.as_ref().expect("made before");
        match secrets::finish(&self.committee, secret, &plain) {
            Ok((_, public)) => {
                self.party(index).public = Some(public.clone());
                self.happen(index, &MemberEvent::KeyStored(public));
            }
            Err(culprit) => {
                let share = shares.iter().find(|share| share.from == culprit.0).expect("named");
                self.happen(index, &MemberEvent::ShareUnusable(share.clone()));
            }
        }
    }

    fn no_key_anywhere(&self) -> bool {
        self.agreed.is_none() && self.parties.values().all(|party| party.public.is_none())
    }
}

#[test]
fn attempt__should_give_everyone_the_same_key() {
    let mut world = World::new(&[1, 2, 5], 2);
    world.run(|_, message| message);
    let agreed = world.agreed.clone().expect("the attempt succeeds");
    assert_eq!(agreed.certificates.len(), 3);
    for party in world.parties.values() {
        assert_eq!(party.public.as_ref(), Some(&agreed.public));
        assert!(party.first.is_none() && party.second.is_none(), "secrets are forgotten");
    }
}

#[test]
fn attempt__should_be_the_same_when_it_is_run_again() {
    let mut once = World::new(&[1, 2, 3], 2);
    let mut again = World::new(&[1, 2, 3], 2);
    once.run(|_, message| message);
    again.run(|_, message| message);
    assert_eq!(once.agreed, again.agreed);
    assert_eq!(once.coordinator, again.coordinator);
}

#[test]
fn member__should_not_make_shares_when_the_coordinator_shows_it_other_packages() {
    // The coordinator is in league with member 3, which signs a second package for member 1 alone.
    let mut world = World::new(&[1, 2, 3], 2);
    for index in [1, 2, 3] {
        world.carry_out(index, MemberEffect::MakePackage);
    }
    let own = |world: &mut World, index| match world.party(index).outbox.remove(0) {
        Message::DkgRound1(m) => m.round1,
        other => panic!("unexpected {}", other.label()),
    };
    let packages: Vec<Round1> = [1, 2, 3].map(|index| own(&mut world, index)).to_vec();
    let (_, other) = secrets::begin(&world.committee, 3, &mut world.rng);
    let mut shown_to_1 = packages.clone();
    shown_to_1[2] = sign::sign_round1(&world.parties[&3].key, &world.session, 3, other);

    let set = |packages: &[Round1]| {
        Message::from(trestle_wire::committee::dkg::DkgRound1Set {
            session: session(),
            packages: packages.to_vec(),
        })
    };
    world.tell_member(1, set(&shown_to_1));
    world.tell_member(2, set(&packages));
    let mut echoes = Vec::new();
    for index in [1, 2] {
        match world.party(index).outbox.remove(0) {
            Message::DkgEcho(m) => {
                echoes.push(trestle_wire::committee::dkg::Echo {
                    transcript: m.transcript,
                    by: m.by,
                });
            }
            other => panic!("unexpected {}", other.label()),
        }
    }
    // The liar echoes what member 1 saw.
    let third = sign::sign_echo(&world.parties[&3].key, &session(), 3, echoes[0].transcript);
    echoes.push(third);
    let set = trestle_wire::committee::dkg::DkgEchoSet { session: session(), echoes };
    world.tell_member(1, set.clone().into());
    world.tell_member(2, set.into());

    for index in [1, 2] {
        let member::Phase::Ended(AbortReason::EchoMismatch(_)) =
            &world.parties[&index].machine.phase
        else {
            panic!("member {index} must end the attempt");
        };
    }
    assert!(world.no_key_anywhere());
}

#[test]
fn coordinator__should_prove_equivocation_in_round_1() {
    let mut world = World::new(&[1, 2, 3], 2);
    world.carry_out(3, MemberEffect::MakePackage);
    let Message::DkgRound1(first) = world.party(3).outbox.remove(0) else { panic!("a package") };
    let (_, other) = secrets::begin(&world.committee, 3, &mut world.rng);
    let second = sign::sign_round1(&world.parties[&3].key, &world.session, 3, other);
    world.tell_coordinator(3, first.into());
    let session = world.session.clone();
    world.tell_coordinator(
        3,
        trestle_wire::committee::dkg::DkgRound1 { session, round1: second }.into(),
    );
    let reason = world.reported.clone().expect("the attempt fails");
    assert_eq!(report::proven_guilty(&world.committee, &world.session, &reason), vec![3]);
}

#[test]
fn coordinator__should_name_a_member_whose_proof_is_wrong() {
    // Member 2 sends member 3's package as its own, signed: the proof of knowledge names another.
    let mut world = World::new(&[1, 2, 3], 2);
    let (_, stolen) = secrets::begin(&world.committee, 3, &mut world.rng);
    let package = sign::sign_round1(&world.parties[&2].key, &world.session, 2, stolen);
    let session = world.session.clone();
    let message = trestle_wire::committee::dkg::DkgRound1 { session, round1: package };
    world.tell_coordinator(2, message.into());
    let reason = world.reported.clone().expect("the attempt fails");
    assert_eq!(report::proven_guilty(&world.committee, &world.session, &reason), vec![2]);
}

#[test]
fn receiver__should_complain_of_a_wrong_share_without_proof_against_anyone() {
    // Member 1 seals a share that does not fit its package, for member 2.
    let mut world = World::new(&[1, 2, 3], 2);
    let key = CommitteeKey::from_bytes(&world.parties[&1].key.expose_secret()).expect("a key");
    let (committee, session) = (Arc::clone(&world.committee), world.session.clone());
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    world.run(|from, message| match message {
        Message::DkgRound2(mut round2) if from == 1 => {
            let route = Route { committee: &committee, session: &session, from: 1, to: 2 };
            round2.shares[0] =
                share_box::seal_share(route, &key, &[1; 32], &mut rng).expect("a member");
            round2.into()
        }
        other => other,
    });
    let reason = world.reported.clone().expect("the attempt fails");
    let AbortReason::BadShare { accuser: 2, share } = &reason else {
        panic!("expected a bad share, got {reason:?}")
    };
    assert_eq!(share.from, 1);
    assert!(report::proven_guilty(&world.committee, &world.session, &reason).is_empty());
    assert!(world.agreed.is_none());
}

#[test]
fn coordinator__should_end_on_different_certificates() {
    // Member 3 certifies another key.
    let mut world = World::new(&[1, 2, 3], 2);
    let key = CommitteeKey::from_bytes(&world.parties[&3].key.expose_secret()).expect("a key");
    world.run(|from, message| match message {
        Message::DkgCertificate(mut certificate) if from == 3 => {
            certificate.public.group[0] ^= 1;
            certificate.by = sign::sign_certificate(
                &key,
                &certificate.session,
                3,
                &certificate.public,
                &certificate.transcript,
            );
            certificate.into()
        }
        other => other,
    });
    assert_eq!(world.reported, Some(AbortReason::CertificateMismatch(vec![3])));
    assert!(world.agreed.is_none());
}

#[test]
fn coordinator__should_report_who_is_missing_at_the_deadline() {
    let mut world = World::new(&[1, 2, 3], 2);
    world.carry_out(1, MemberEffect::MakePackage);
    let message = world.party(1).outbox.remove(0);
    world.tell_coordinator(1, message);
    let Ok(Step::Applied { effects, .. }) =
        world.coordinator.apply(&CoordinatorEvent::DeadlinePassed)
    else {
        panic!("the deadline ends the attempt")
    };
    assert!(effects.contains(&CoordinatorEffect::Report(AbortReason::Missing(vec![2, 3]))));
}

#[test]
fn coordinator__should_refuse_a_member_that_speaks_for_another() {
    let mut world = World::new(&[1, 2, 3], 2);
    world.carry_out(1, MemberEffect::MakePackage);
    let Message::DkgRound1(message) = world.party(1).outbox.remove(0) else { panic!("a package") };
    let event = CoordinatorEvent::PackageReceived { from: 2, package: message.round1 };
    assert_eq!(
        world.coordinator.apply(&event),
        Err(Refusal::Rejected(CoordinatorReject::WrongIndex { from: 2, claimed: 1 }))
    );
}

#[test]
fn coordinator__should_refuse_an_accusation_without_evidence() {
    let mut world = World::new(&[1, 2, 3], 2);
    world.carry_out(1, MemberEffect::MakePackage);
    let Message::DkgRound1(message) = world.party(1).outbox.remove(0) else { panic!("a package") };
    let reason = AbortReason::BadRound1(message.round1);
    assert_eq!(
        world.coordinator.apply(&CoordinatorEvent::AbortReceived { from: 2, reason }),
        Err(Refusal::Rejected(CoordinatorReject::Unfounded(2)))
    );
}

#[test]
fn member__should_refuse_packages_that_leave_it_out_or_change_its_own() {
    let mut world = World::new(&[1, 2, 3], 2);
    for index in [1, 2, 3] {
        world.carry_out(index, MemberEffect::MakePackage);
    }
    let packages: Vec<Round1> = [1, 2, 3]
        .map(|index| match world.party(index).outbox.remove(0) {
            Message::DkgRound1(m) => m.round1,
            other => panic!("unexpected {}", other.label()),
        })
        .to_vec();
    let set = |packages: Vec<Round1>| {
        MemberEvent::PackagesReceived(trestle_wire::committee::dkg::DkgRound1Set {
            session: session(),
            packages,
        })
    };
    let machine = world.parties[&1].machine.clone();
    assert_eq!(
        machine.apply(&set(packages[1..].to_vec())),
        Err(Refusal::Rejected(MemberReject::NotEveryone("the packages")))
    );
    let mut forged = packages.clone();
    forged[1].package = packages[2].package.clone();
    assert_eq!(machine.apply(&set(forged)), Err(Refusal::Rejected(MemberReject::BadSignature(2))));
    let (_, second) = secrets::begin(&world.committee, 1, &mut world.rng);
    let mut changed = packages;
    changed[0] = sign::sign_round1(&world.parties[&1].key, &world.session, 1, second);
    assert_eq!(machine.apply(&set(changed)), Err(Refusal::Rejected(MemberReject::OwnChanged)));
}
