//! Sessions with members of every kind, without cryptography: what matters here is who is asked
//! for what, and that the session ends.
#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use trestle_machine::{Machine, Refusal, Step};
use trestle_wire::{
    BootId, KeyRef, SessionId,
    committee::sign::{Commitment, RefusalCode, SignShares},
};

use super::*;

const TIMING: Timing = Timing { grace_ms: 100, deadline_ms: 100_000 };

/// How a member behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Honest,
    Silent,
    OffersThenSilent,
    WrongShare,
    TooFewShares,
    Refuses,
    LosesNonces,
}

struct World {
    session: Roast,
    kinds: BTreeMap<u16, Kind>,
    next_nonce: u64,
    effects: Vec<RoastEffect>,
    attempts: usize,
    blamed: BTreeSet<u16>,
    used: BTreeSet<(u16, u64)>,
    seen: BTreeSet<u32>,
}

impl World {
    fn new(kinds: &[Kind], threshold: u16, messages: usize) -> Self {
        let kinds: BTreeMap<u16, Kind> = (1..).zip(kinds.iter().copied()).collect();
        Self {
            session: Roast::new(kinds.keys().copied(), threshold, messages, TIMING, 0),
            kinds,
            next_nonce: 0,
            effects: Vec::new(),
            attempts: 0,
            blamed: BTreeSet::new(),
            used: BTreeSet::new(),
            seen: BTreeSet::new(),
        }
    }

    fn nonces(&mut self, count: usize) -> Nonces {
        let first = self.next_nonce;
        self.next_nonce += count as u64;
        let commitment = Commitment { hiding: [2; 64], binding: [3; 64] };
        Nonces { boot: BootId([1; 8]), first, commitments: vec![commitment; count], rank: 0 }
    }

    fn apply(&mut self, event: &RoastEvent) {
        match self.session.apply(event) {
            Ok(Step::Applied { state, effects }) => {
                self.session = state;
                self.effects.extend(effects);
            }
            Ok(Step::Duplicate) | Err(Refusal::Rejected(_)) => {}
            Err(Refusal::Invariant(what)) => panic!("{what}"),
        }
    }

    /// Plays until the session ends; when nothing else happens, time passes.
    fn run(&mut self) -> Outcome {
        self.apply(&RoastEvent::Started(Vec::new()));
        loop {
            if let Some(outcome) = &self.session.outcome {
                return outcome.clone();
            }
            if self.effects.is_empty() {
                let later = self.session.now_ms + TIMING.grace_ms;
                self.apply(&RoastEvent::Tick(later));
                continue;
            }
            let effect = self.effects.remove(0);
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: RoastEffect) {
        match effect {
            RoastEffect::AskNonces(index, count) => {
                if self.kinds[&index] != Kind::Silent {
                    let nonces = self.nonces(count);
                    self.apply(&RoastEvent::NoncesOffered(index, nonces));
                }
            }
            RoastEffect::Request { attempt, messages, signers } => {
                if !self.seen.insert(attempt) {
                    // Asked again: whoever has answered does so with the same bytes.
                    return;
                }
                self.attempts += 1;
                for signer in signers {
                    for offset in 0..messages.len() as u64 {
                        let fresh = self.used.insert((signer.index, signer.first + offset));
                        assert!(fresh, "a nonce of member {} is used twice", signer.index);
                    }
                    self.answer(signer.index, attempt, messages.len());
                }
            }
            RoastEffect::Check(attempt) => self.check(attempt),
            RoastEffect::Blame(index, _) => {
                self.blamed.insert(index);
            }
            RoastEffect::WakeAt(_) | RoastEffect::Finish(_) => {}
        }
    }

    fn answer(&mut self, index: u16, attempt: u32, count: usize) {
        let shares = |count| SignShares {
            session: SessionId([1; 16]),
            attempt,
            key: KeyRef { committee: "main".into(), generation: 1, epoch: 0 },
            index,
            shares: vec![[u8::try_from(index).expect("small"); 32]; count],
        };
        match self.kinds[&index] {
            Kind::Honest | Kind::WrongShare => {
                self.apply(&RoastEvent::SharesReceived(shares(count)));
            }
            Kind::TooFewShares => self.apply(&RoastEvent::SharesReceived(shares(count - 1))),
            Kind::Refuses => {
                let code = RefusalCode::Policy;
                self.apply(&RoastEvent::Refused { index, attempt, code });
            }
            Kind::LosesNonces => {
                let code = RefusalCode::Nonces;
                self.apply(&RoastEvent::Refused { index, attempt, code });
            }
            Kind::Silent | Kind::OffersThenSilent => {}
        }
    }

    /// The first message of an attempt always fails if a liar is in it, the others succeed.
    fn check(&mut self, attempt: u32) {
        let Some(running) = self.session.attempts.get(&attempt) else { return };
        let liars: Vec<u16> = running
            .signers
            .iter()
            .map(|signer| signer.index)
            .filter(|index| self.kinds[index] == Kind::WrongShare)
            .collect();
        let verdict = |position: usize| {
            if position == 0 && !liars.is_empty() {
                Verdict::Wrong(liars.clone())
            } else {
                Verdict::Signed([1; 64])
            }
        };
        let verdicts = (0..running.messages.len()).map(verdict).collect();
        self.apply(&RoastEvent::Checked { attempt, verdicts });
    }
}

#[test]
fn session__should_take_one_attempt_when_everyone_is_honest() {
    let mut world = World::new(&[Kind::Honest; 5], 3, 26);
    assert!(matches!(world.run(), Outcome::Signed(signatures) if signatures.len() == 26));
    assert_eq!(world.attempts, 1);
    assert!(world.blamed.is_empty());
}

#[test]
fn session__should_use_prepared_nonces_without_asking_those_members() {
    let mut world = World::new(&[Kind::Honest; 3], 2, 4);
    let prepared = vec![(1, world.nonces(4)), (3, world.nonces(4))];
    world.apply(&RoastEvent::Started(prepared));
    assert!(world.effects.iter().any(|effect| matches!(
        effect,
        RoastEffect::Request { signers, .. }
            if signers.iter().map(|s| s.index).eq([1, 3])
    )));
    assert!(!world.effects.contains(&RoastEffect::AskNonces(1, 4)));
}

#[test]
fn session__should_sign_again_only_what_failed() {
    // A liar spoils the first of four messages.
    let kinds = [Kind::WrongShare, Kind::Honest, Kind::Honest, Kind::Honest];
    let mut world = World::new(&kinds, 2, 4);
    world.apply(&RoastEvent::Started(Vec::new()));
    let mut sizes = Vec::new();
    while world.session.outcome.is_none() {
        let effect = world.effects.remove(0);
        if let RoastEffect::Request { messages, .. } = &effect {
            sizes.push(messages.len());
        }
        world.carry_out(effect);
    }
    assert_eq!(sizes, vec![4, 1]);
    assert_eq!(world.blamed, BTreeSet::from([1]));
}

#[test]
fn session__should_ask_again_what_was_lost() {
    // The request to member 1 and the question to member 3 are lost.
    let mut world = World::new(&[Kind::Honest; 3], 2, 1);
    let prepared = vec![(1, world.nonces(1)), (2, world.nonces(1))];
    world.apply(&RoastEvent::Started(prepared));
    world.effects.clear();
    world.apply(&RoastEvent::Tick(TIMING.grace_ms));
    let requested =
        |effect: &RoastEffect| matches!(effect, RoastEffect::Request { attempt: 1, .. });
    assert!(world.effects.iter().any(requested), "the open attempt's request is sent again");
    world.effects.clear();
    world.apply(&RoastEvent::Tick(TIMING.grace_ms));
    assert!(!world.effects.iter().any(requested), "but not before another grace period");
}

#[test]
fn session__should_report_why_it_cannot_finish() {
    let kinds = [Kind::Refuses, Kind::Silent, Kind::Honest];
    let mut world = World::new(&kinds, 3, 1);
    let Outcome::Failed { refused, .. } = world.run() else { panic!("cannot be signed") };
    assert!(refused.is_empty() || refused == vec![(1, RefusalCode::Policy)]);
}

#[test]
fn member__should_not_be_taken_back_after_losing_nonces_three_times() {
    let kinds = [Kind::LosesNonces, Kind::Honest, Kind::Honest];
    let mut world = World::new(&kinds, 3, 1);
    let Outcome::Failed { refused, .. } = world.run() else { panic!("cannot be signed") };
    assert_eq!(refused, vec![(1, RefusalCode::Nonces)]);
    assert_eq!(world.attempts, 3);
}

/// Two of three sign; the first refuses, the third is away.
#[test]
fn session__should_do_without_an_away_member_that_has_given_its_share() {
    let away = BTreeSet::from([3]);
    let mut world = World::new(&[Kind::Honest; 3], 2, 1);
    let prepared = vec![(1, world.nonces(1)), (3, world.nonces(1))];
    world.apply(&RoastEvent::Started(prepared));
    assert!(world.session.can_do_without(&away), "the first two are left");
    world.apply(&RoastEvent::Tick(TIMING.grace_ms));
    let (second, third) = (world.nonces(1), world.nonces(1));
    world.apply(&RoastEvent::NoncesOffered(2, second));
    assert_eq!(world.session.attempts.len(), 1, "the third owes its share");

    // Its share of the first attempt comes, and so it is in the second one too.
    world.answer(3, 1, 1);
    world.apply(&RoastEvent::NoncesOffered(3, third));
    world.answer(3, 2, 1);
    world.apply(&RoastEvent::Refused { index: 1, attempt: 1, code: RefusalCode::Store });

    assert_eq!(world.session.refused(), vec![(1, RefusalCode::Store)]);
    assert!(world.session.can_do_without(&away), "the second member's share is all that lacks");
    assert!(!world.session.can_do_without(&BTreeSet::from([2, 3])));
}

/// Two of three sign; the first refuses, the third is away and has given nothing.
#[test]
fn session__should_be_in_vain_once_too_few_are_left() {
    let mut world = World::new(&[Kind::Honest; 3], 2, 1);
    let prepared = vec![(1, world.nonces(1)), (2, world.nonces(1))];
    world.apply(&RoastEvent::Started(prepared));
    assert!(world.session.can_do_without(&BTreeSet::from([3])));

    world.apply(&RoastEvent::Refused { index: 1, attempt: 1, code: RefusalCode::Store });

    assert!(world.session.can_do_without(&BTreeSet::new()), "two are left");
    assert!(!world.session.can_do_without(&BTreeSet::from([3])));
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Silent),
        Just(Kind::OffersThenSilent),
        Just(Kind::WrongShare),
        Just(Kind::TooFewShares),
        Just(Kind::Refuses),
        Just(Kind::LosesNonces),
    ]
}

proptest! {
    #[test]
    fn session__should_finish_whenever_a_threshold_is_honest(
        threshold in 2_u16..6,
        bad in proptest::collection::vec(kind(), 0..5),
        messages in 1_usize..6,
        rotate in 0_usize..10,
    ) {
        let mut kinds = vec![Kind::Honest; usize::from(threshold)];
        kinds.extend(&bad);
        let places = kinds.len();
        kinds.rotate_left(rotate % places);
        let mut world = World::new(&kinds, threshold, messages);
        let outcome = world.run();
        prop_assert!(matches!(outcome, Outcome::Signed(s) if s.len() == messages));
        let honest = |index: &u16| world.kinds[index] == Kind::Honest;
        prop_assert!(!world.blamed.iter().any(honest), "an honest member is blamed");
        prop_assert!(world.attempts <= 1 + 3 * bad.len());
    }
}
