//! Properties of any run.

use proptest::prelude::*;
use trestle_chain::Stored;
use trestle_wire::staking::UnbondingRefusal;

use super::*;
use crate::delegation::Spender;

/// Any event, sensible or not. Signatures are not looked at by the machine.
fn anything() -> impl Strategy<Value = Event> {
    let who = prop::sample::select(vec![101_u8, 102, 103, 55]);
    let standing = prop_oneof![
        4 => (119_u32..123).prop_map(|height| Standing::Open { height }),
        2 => Just(Standing::Absent),
        1 => (130_u32..132).prop_map(|height| Standing::Unbonded { height }),
        1 => Just(Standing::Expired),
        1 => Just(Standing::Spent(Spender { txid: Stored(txid(77)), height: 131 })),
    ];
    let sending = prop_oneof![
        Just(Sending::Mempool),
        Just(Sending::Mined),
        Just(Sending::InputMissing),
        Just(Sending::Conflict),
        Just(Sending::Rejected("x".repeat(10_000))),
        prop::option::of(0_u64..2_000).prop_map(|required| Sending::BelowMinimum { required }),
    ];
    prop_oneof![
        4 => standing.prop_map(Event::Moved),
        2 => (119_u32..123, any::<bool>())
            .prop_map(|(height, fits)| Event::Rechecked { height, fits: fits || height != 121 }),
        5 => (who.clone(), any::<u8>())
            .prop_map(|(who, s)| Event::Signed { key: member(who), signature: [s; 64] }),
        1 => who.clone().prop_map(|who| Event::Misbehaved { key: member(who) }),
        2 => (who, prop::sample::select(UnbondingRefusal::ALL.to_vec()))
            .prop_map(|(who, why)| Event::Refused { key: member(who), why }),
        3 => Just(Event::Assembled(roughly_finished())),
        3 => sending.prop_map(Event::Sent),
    ]
}

fn bytes(value: &impl bincode::Encode) -> Vec<u8> {
    bincode::encode_to_vec(value, bincode::config::standard()).expect("encodes")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn request__should_keep_its_promises_whatever_comes(
        events in prop::collection::vec(anything(), 1..80),
    ) {
        let run = || {
            let (mut now, mut trace) = (request(), Vec::new());
            for event in &events {
                match now.apply(event) {
                    Ok(Step::Applied { state, effects }) => {
                        now = state;
                        trace.push((now.clone(), effects));
                    }
                    Ok(Step::Duplicate) => {}
                    // Nothing that comes from outside is this node's fault.
                    Err(refusal) => assert!(matches!(refusal, trestle_machine::Refusal::Rejected(_))),
                }
            }
            trace
        };
        let trace = run();
        let mut under_way = request().work();
        let mut before = request();
        for (state, effects) in &trace {
            // Members that signed are members, and exactly a quorum at the most.
            prop_assert!(state.signers().count() <= 2);
            prop_assert!(state.signers().all(|key| state.order().members().contains(key)));
            prop_assert!(state.complaints().len() <= 3);
            // What was finished stays, and what was signed is never forgotten.
            prop_assert!(before.signed().is_none() || before.signed() == state.signed());
            prop_assert!(before.signers().all(|key| state.signers().any(|held| held == key)));
            // What is under way by the effects is what a restart would begin.
            prop_assert!(effects.len() <= 1, "{effects:?}");
            for effect in effects {
                under_way = match effect {
                    Effect::Collect => Some(Work::Collect),
                    Effect::Assemble => Some(Work::Assemble),
                    Effect::Broadcast => Some(Work::Broadcast),
                    Effect::Recheck => Some(Work::Recheck),
                    Effect::Stop | Effect::Drop => None,
                };
            }
            prop_assert_eq!(under_way, state.work());
            // Only the chain or a check ends it.
            prop_assert!(state.is_open() || state.work().is_none());
            if let Standing::Open { .. } = state.standing() {
                prop_assert!(state.work().is_some() || state.phase() == Phase::Dropped);
            }
            // Rows are bounded and read back.
            let stored = bytes(state);
            prop_assert!(stored.len() <= 2_000, "{} bytes", stored.len());
            let (back, read): (Request, usize) =
                bincode::decode_from_slice(&stored, bincode::config::standard()).expect("decodes");
            prop_assert_eq!((&back, read), (state, stored.len()));
            before = state.clone();
        }
        // The same events give the same states and effects, byte for byte.
        prop_assert_eq!(bytes(&trace), bytes(&run()));
    }

    #[test]
    fn request__should_end_the_same_whoever_signs_first_and_however_often(
        order in Just(MEMBERS.to_vec()).prop_shuffle(),
        again in prop::collection::vec(prop::sample::select(MEMBERS.to_vec()), 0..6),
    ) {
        // When members sign in any order, some more than once
        let mut now = request();
        for who in order.iter().chain(&again) {
            if let Ok(Step::Applied { state, .. }) = now.apply(&signed_by(*who)) {
                now = state;
            }
        }
        // Then the witness is good, whichever two they were
        let transaction = finished(&now);
        prop_assert_eq!(transaction.compute_txid(), now.txid());
        let full = transaction.input[0].witness.iter().take(3).filter(|item| !item.is_empty());
        prop_assert_eq!(full.count(), 2);
    }
}
