//! Any sequence of events of one delegation, eight bytes each. Whatever comes: no invariant breaks,
//! what happened once happens no second time, a row reads back, outsiders are told exactly what is
//! true, and a reorganisation takes everything back.

#![no_main]

use bitcoin::{Txid, hashes::Hash as _};
use libfuzzer_sys::fuzz_target;
use trestle_chain::Stored;
use trestle_machine::{Machine as _, Refusal, Step};
use trestle_staking::delegation::{
    ConfirmedStake, Delegation, Event, Notice, Output, ProviderKey, Spender, StakerKey, StateName,
    Unbonding, announce,
};

/// More changes nothing: a delegation holds six facts.
const MOST_EVENTS: usize = 200;

fuzz_target!(|bytes: &[u8]| {
    let (mut delegation, mut told) = (Delegation::default(), Vec::new());
    for chunk in bytes.chunks_exact(8).take(MOST_EVENTS) {
        let event = event(chunk.try_into().expect("chunks of eight"));
        let Some(next) = apply(&delegation, &event) else { continue };
        assert_eq!(apply(&next, &event), None, "{event:?} again");
        tell(&mut told, &delegation, &next);
        read_back(&next);
        if let Event::BlockDisconnected { height } = event {
            assert!(next.latest_height().is_none_or(|latest| latest < height));
        }
        delegation = next;
    }
    let lost = Event::BlockDisconnected { height: 0 };
    let nothing = apply(&delegation, &lost).unwrap_or(delegation);
    assert_eq!((nothing.name(), nothing.latest_height()), (StateName::Unconfirmed, None));
    tell(&mut told, &delegation, &nothing);
    assert!(told.is_empty(), "still told: {told:?}");
});

/// The next state; `None` if nothing changes.
fn apply(delegation: &Delegation, event: &Event) -> Option<Delegation> {
    match delegation.apply(event) {
        Ok(Step::Applied { state, .. }) => Some(state),
        Ok(Step::Duplicate) | Err(Refusal::Rejected(_)) => None,
        Err(Refusal::Invariant(what)) => panic!("{what}"),
    }
}

/// What outsiders believe after the notices of one step.
fn tell(told: &mut Vec<trestle_staking::delegation::Fact>, before: &Delegation, now: &Delegation) {
    for notice in announce(before, now) {
        match notice {
            Notice::Happened(fact) => {
                assert!(!told.contains(&fact), "told twice: {fact:?}");
                told.push(fact);
            }
            Notice::Reverted(fact) => {
                let place = told.iter().position(|known| *known == fact);
                told.remove(place.expect("only what was told is reverted"));
            }
        }
    }
}

fn read_back(delegation: &Delegation) {
    let config = bincode::config::standard();
    let row = bincode::encode_to_vec(delegation, config).expect("a row encodes");
    let read: (Delegation, usize) = bincode::decode_from_slice(&row, config).expect("it decodes");
    assert_eq!(read, (*delegation, row.len()));
}

/// Kind, number of a transaction, height, lock, flags. Few numbers and heights, so that events meet.
fn event(bytes: [u8; 8]) -> Event {
    let [kind, number, height, far, lock, flags, low, high] = bytes;
    let unbonding = Txid::from_byte_array([number % 4; 32]);
    // One height in 16 is anywhere at all.
    let height = match far % 16 {
        0 => u32::from_le_bytes([height, far, low, high]),
        _ => u32::from(height % 32),
    };
    let by = Spender { txid: Stored(unbonding), height };
    let flag = |bit: u8| flags >> bit & 1 == 1;
    let timelock = if flag(3) { u16::from_le_bytes([low, high]) } else { u16::from(lock % 16) };
    let from = if flag(0) { Output::Staking } else { Output::Unbonding };
    match kind % 8 {
        0 => Event::StakeConfirmed(ConfirmedStake {
            height,
            output_index: u32::from(low % 2),
            value: u64::from(lock),
            timelock,
            staker: StakerKey([1; 32]),
            provider: ProviderKey([2; 32]),
            overflow: flag(1),
        }),
        1 => Event::UnbondingRequested { unbonding },
        2 => Event::RequestDropped { unbonding },
        3 => Event::UnbondingConfirmed(Unbonding {
            txid: Stored(unbonding),
            height,
            timelock,
            standard: flag(2),
        }),
        4 if flag(4) => Event::Expired { at: height },
        4 => Event::UnbondingMatured { at: height },
        5 => Event::Withdrawn { from, by },
        6 => Event::SpentOtherwise { from, slashed: flag(2), by },
        _ => Event::BlockDisconnected { height },
    }
}
