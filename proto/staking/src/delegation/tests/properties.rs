//! Properties of any run.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{
    history::{History, histories},
    *,
};

/// A history with its events in any order, some of them again.
fn shuffled() -> impl Strategy<Value = (History, Vec<Event>)> {
    histories().prop_flat_map(|history| {
        let mut events: Vec<Event> = history.events().collect();
        events.extend(history.request);
        let again = prop::collection::vec(prop::sample::select(events.clone()), 0..6);
        let shuffled = again.prop_flat_map(move |again| {
            let all: Vec<Event> = events.iter().copied().chain(again).collect();
            Just(all).prop_shuffle()
        });
        (Just(history), shuffled)
    })
}

/// Any event, sensible or not.
fn anything() -> impl Strategy<Value = Event> {
    let output = prop_oneof![Just(Output::Staking), Just(Output::Unbonding)];
    let spender = (6_u8..9, 98_u32..116).prop_map(|(number, height)| by(number, height));
    let stake = (99_u32..103, 1_u16..12).prop_map(|(height, timelock)| {
        Event::StakeConfirmed(ConfirmedStake { height, timelock, ..STAKE })
    });
    let unbonding = (5_u8..7, 99_u32..110).prop_map(|(number, height)| {
        let txid = Stored(txid(number));
        Event::UnbondingConfirmed(Unbonding { txid, height, timelock: 3, standard: true })
    });
    prop_oneof![
        4 => stake,
        2 => (5_u8..7).prop_map(|n| Event::UnbondingRequested { unbonding: txid(n) }),
        1 => (5_u8..7).prop_map(|n| Event::RequestDropped { unbonding: txid(n) }),
        3 => unbonding,
        2 => (99_u32..114).prop_map(|at| Event::Expired { at }),
        2 => (99_u32..114).prop_map(|at| Event::UnbondingMatured { at }),
        2 => (output.clone(), spender.clone())
            .prop_map(|(from, by)| Event::Withdrawn { from, by }),
        1 => (output, any::<bool>(), spender)
            .prop_map(|(from, slashed, by)| Event::SpentOtherwise { from, slashed, by }),
        2 => (98_u32..116).prop_map(lost),
    ]
}

fn without_request(delegation: &Delegation) -> Delegation {
    match delegation.request() {
        Some(unbonding) => must_apply(delegation, Event::RequestDropped { unbonding }).0,
        None => *delegation,
    }
}

/// What whoever carries the effects out has under way.
#[derive(Default)]
struct UnderWay {
    watched: BTreeSet<(Output, Timelock)>,
    unbonding: Option<Stored<Txid>>,
}

impl UnderWay {
    fn carry_out(&mut self, effects: &[Effect]) {
        for effect in effects {
            match *effect {
                Effect::Watch { output, timelock } => {
                    assert!(self.watched.insert((output, timelock)), "{timelock:?} twice");
                }
                Effect::Unwatch { output, timelock } => {
                    assert!(self.watched.remove(&(output, timelock)), "{timelock:?} never began");
                }
                Effect::Unbond(txid) | Effect::RecheckRequest(txid) => {
                    assert_eq!(self.unbonding.replace(txid), None);
                }
                Effect::StopUnbonding(txid) => assert_eq!(self.unbonding.take(), Some(txid)),
            }
        }
    }
}

fn bytes(value: &impl bincode::Encode) -> Vec<u8> {
    bincode::encode_to_vec(value, bincode::config::standard()).expect("encodes")
}

proptest! {
    #[test]
    fn delegation__should_end_the_same_in_any_order_and_repetition(
        (history, events) in shuffled(),
    ) {
        // Given the end of the history in the order of the chain
        let expected = after(history.events());
        // When its events come in any order, some more than once
        let mut delegation = Delegation::default();
        for event in &events {
            match delegation.apply(event) {
                Ok(Step::Applied { state, .. }) => delegation = state,
                Ok(Step::Duplicate) => {}
                // Only a staker can come too early or too late: the answer tells them.
                Err(refusal) => {
                    prop_assert!(matches!(event, Event::UnbondingRequested { .. }), "{refusal:?}");
                }
            }
        }
        // Then the end is the same
        prop_assert_eq!(delegation.name(), expected.name());
        prop_assert_eq!(&without_request(&delegation), &expected);
        // And all of it again changes nothing.
        for event in history.events() {
            prop_assert_eq!(delegation.apply(&event), Ok(Step::Duplicate));
        }
    }

    #[test]
    fn delegation__should_keep_its_promises_whatever_comes(
        events in prop::collection::vec(anything(), 1..60),
    ) {
        let run = || {
            let (mut delegation, mut trace) = (Delegation::default(), Vec::new());
            for event in &events {
                if let Ok(Step::Applied { state, effects }) = delegation.apply(event) {
                    delegation = state;
                    trace.push((state, effects));
                }
            }
            trace
        };
        let trace = run();
        let mut under_way = UnderWay::default();
        for (state, effects) in &trace {
            // What is under way by the effects is what a restart would begin.
            under_way.carry_out(effects);
            let mut restarted = UnderWay::default();
            restarted.carry_out(&state.owed());
            prop_assert_eq!(&under_way.watched, &restarted.watched);
            prop_assert_eq!(under_way.unbonding, restarted.unbonding);
            // Nothing is stuck: an unspent stake is or becomes unbonded when its timelock ends.
            if let (Some(stake), State::Active | State::UnbondingRequested { .. }) =
                (state.stake(), state.state())
            {
                let at = stake.timelock().spendable_at();
                let ended = must_apply(state, Event::Expired { at }).0;
                prop_assert_eq!(ended.state(), State::Unbonded { from: Output::Staking });
            }
            // Everything that blocks brought goes with the blocks.
            let nothing = match state.apply(&lost(0)) {
                Ok(Step::Applied { state, .. }) => state,
                Ok(Step::Duplicate) => *state,
                Err(refusal) => panic!("{refusal:?}"),
            };
            prop_assert!(without_request(&nothing).is_empty());
            prop_assert_eq!(nothing.name(), StateName::Unconfirmed);
            // A row is small and reads back.
            let stored = bytes(state);
            prop_assert!(stored.len() <= 320, "{} bytes", stored.len());
            let (back, read): (Delegation, usize) =
                bincode::decode_from_slice(&stored, bincode::config::standard()).expect("decodes");
            prop_assert_eq!((&back, read), (state, stored.len()));
        }
        // The same events give the same states and effects, byte for byte.
        prop_assert_eq!(bytes(&trace), bytes(&run()));
    }
}
