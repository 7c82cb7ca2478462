//! What a reorganisation takes back.

use proptest::prelude::*;

use super::{history::histories, *};

#[test]
fn disconnection__should_take_back_the_lost_blocks_and_nothing_else() {
    let delegation = after([
        staked(),
        unbonded(),
        Event::UnbondingMatured { at: 107 },
        withdrawn(Output::Unbonding, 8, 108),
    ]);
    assert_eq!(delegation.latest_height(), Some(108));
    assert_eq!(delegation.apply(&lost(109)), Ok(Step::Duplicate));
    let steps = [(108, "unbonded"), (107, "unbonding"), (106, "unbonding"), (105, "active")];
    for (height, name) in steps {
        let Ok(Step::Applied { state, .. }) = delegation.apply(&lost(height)) else {
            panic!("block {height} changed nothing")
        };
        assert_eq!(state.name().as_str(), name, "without block {height}");
    }
    let nothing = must_apply(&delegation, lost(100)).0;
    assert!(nothing.is_empty());
    assert_eq!(nothing.latest_height(), None);
}

#[test]
fn disconnection__should_let_an_ended_timelock_run_again() {
    let expired = after([staked(), Event::Expired { at: 109 }]);
    assert_eq!(expired.apply(&lost(110)), Ok(Step::Duplicate));
    let (running, effects) = must_apply(&expired, lost(109));
    assert_eq!(running.state(), State::Active);
    let timelock = STAKE.timelock();
    assert_eq!(effects, [Effect::Watch { output: Output::Staking, timelock }]);
}

proptest! {
    #[test]
    fn disconnection__should_give_back_exactly_the_state_before(history in histories()) {
        // Given the state below each height that brought something
        let mut delegation = Delegation::default();
        let mut below: Vec<(u32, Delegation)> = Vec::new();
        for (height, event) in &history.chain {
            if below.last().is_none_or(|(last, _)| last < height) {
                below.push((*height, delegation));
            }
            delegation = must_apply(&delegation, *event).0;
        }
        let whole = delegation;
        // When blocks are lost one by one, or all at once down to a height
        for (height, expected) in below.iter().rev() {
            let at_once = must_apply(&whole, lost(*height)).0;
            delegation = must_apply(&delegation, lost(*height)).0;
            // Then it is the same state
            prop_assert_eq!(&delegation, expected);
            prop_assert_eq!(&at_once, expected);
            prop_assert!(expected.latest_height().is_none_or(|latest| latest < *height));
        }
        prop_assert!(delegation.is_empty());
        // And the same branch again leads to the same end.
        prop_assert_eq!(after(history.events()), whole);
    }
}
