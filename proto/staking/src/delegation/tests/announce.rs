//! What outsiders are told.

use proptest::prelude::*;

use super::{history::histories, *};

fn told_step_by_step(events: impl IntoIterator<Item = Event>) -> Vec<Notice> {
    let (mut delegation, mut told) = (Delegation::default(), Vec::new());
    for event in events {
        let next = must_apply(&delegation, event).0;
        told.extend(announce(&delegation, &next));
        delegation = next;
    }
    told
}

#[test]
fn notices__should_tell_a_whole_life_in_order() {
    let told = told_step_by_step([
        staked(),
        requested(),
        unbonded(),
        Event::UnbondingMatured { at: 107 },
        withdrawn(Output::Unbonding, 8, 108),
        // The timelock of an output that is long gone.
        Event::Expired { at: 109 },
    ]);
    let exit = Exit { how: Leaving::Withdrawn, by: by(8, 108) };
    let expected = [
        Fact::Staked(STAKE),
        Fact::Unbonded(unbonding()),
        Fact::Expired { output: Output::Unbonding, at: 107 },
        Fact::Left { from: Output::Unbonding, exit },
    ];
    assert_eq!(told, expected.map(Notice::Happened));
}

#[test]
fn notices__should_be_none_for_a_reorganisation_that_changes_nothing() {
    let told = after([staked(), requested(), unbonded()]);
    let gone = must_apply(&told, lost(100)).0;
    let back = must_apply(&must_apply(&gone, staked()).0, unbonded()).0;
    assert_eq!(announce(&told, &back), []);
}

#[test]
fn notices__should_revert_what_is_gone_or_changed_the_latest_first() {
    let told = after([staked(), unbonded()]);
    let gone = must_apply(&told, lost(100)).0;
    let reverted = [Fact::Unbonded(unbonding()), Fact::Staked(STAKE)].map(Notice::Reverted);
    assert_eq!(announce(&told, &gone), reverted);

    // Back with another flag: earlier stakes of the new branch have filled the cap.
    let overflow = ConfirmedStake { overflow: true, ..STAKE };
    let changed = must_apply(&gone, Event::StakeConfirmed(overflow)).0;
    let expected = [
        Notice::Reverted(Fact::Unbonded(unbonding())),
        Notice::Reverted(Fact::Staked(STAKE)),
        Notice::Happened(Fact::Staked(overflow)),
    ];
    assert_eq!(announce(&told, &changed), expected);
}

#[test]
fn notices__should_tell_of_a_stake_slashed_or_spent_otherwise() {
    for (slashed, how) in [(true, Leaving::Slashed), (false, Leaving::Otherwise)] {
        let told = told_step_by_step([staked(), otherwise(Output::Staking, slashed, 9, 106)]);
        let exit = Exit { how, by: by(9, 106) };
        assert_eq!(told[1..], [Notice::Happened(Fact::Left { from: Output::Staking, exit })]);
    }
}

#[test]
fn notices__should_not_tell_of_an_end_that_comes_with_the_spend_or_after_it() {
    // The block at 109 ends the timelock and spends the output: nobody could have withdrawn.
    let at_once = Unbonding { height: 109, ..unbonding() };
    let expired = Event::Expired { at: 109 };
    let delegation = after([staked(), Event::UnbondingConfirmed(at_once), expired]);
    let told = announce(&Delegation::default(), &delegation);
    assert_eq!(told, [Fact::Staked(STAKE), Fact::Unbonded(at_once)].map(Notice::Happened));

    // A block later it could.
    let later = Unbonding { height: 110, ..unbonding() };
    let delegation = after([staked(), Event::UnbondingConfirmed(later), expired]);
    let told = announce(&Delegation::default(), &delegation);
    let end = Fact::Expired { output: Output::Staking, at: 109 };
    assert_eq!(told, [Fact::Staked(STAKE), end, Fact::Unbonded(later)].map(Notice::Happened));
}

proptest! {
    #[test]
    fn notices__should_add_up_to_what_is_true(old in histories(), new in histories(), keep in 0_u32..130) {
        // Given one who was told a branch, and a reorganisation to another that shares its
        // beginning
        let told = after(old.events());
        let mut known: Vec<Fact> = Vec::new();
        let mut now = match told.apply(&lost(keep)) {
            Ok(Step::Applied { state, .. }) => state,
            Ok(Step::Duplicate) | Err(_) => told,
        };
        for event in new.events() {
            if let Ok(Step::Applied { state, .. }) = now.apply(&event) {
                now = state;
            }
        }
        // When they hear all notices
        let notices = announce(&Delegation::default(), &told).into_iter();
        for notice in notices.chain(announce(&told, &now)) {
            match notice {
                Notice::Happened(fact) => {
                    prop_assert!(!known.contains(&fact), "{fact:?} twice");
                    known.push(fact);
                }
                Notice::Reverted(fact) => {
                    prop_assert!(known.contains(&fact), "{fact:?} was never told");
                    known.retain(|other| *other != fact);
                }
            }
        }
        // Then they know what is true, no more and no less.
        let mut fresh = announce(&Delegation::default(), &now);
        prop_assert_eq!(known.len(), fresh.len());
        fresh.retain(|notice| !known.iter().any(|fact| *notice == Notice::Happened(*fact)));
        prop_assert_eq!(fresh, vec![]);
        prop_assert_eq!(announce(&now, &now), vec![]);
    }
}
