#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

mod announce;
mod history;
mod properties;
mod request;
mod table;
mod undo;

use bitcoin::{Txid, hashes::Hash};
use trestle_chain::Stored;
use trestle_machine::{Machine, Refusal, Step};

use super::*;

/// The stake of these tests is in block 100, can be withdrawn from tip 109 on, in block 110.
const STAKE: ConfirmedStake = ConfirmedStake {
    height: 100,
    output_index: 1,
    value: 200_000_000,
    timelock: 10,
    staker: StakerKey([1; 32]),
    provider: ProviderKey([2; 32]),
    overflow: false,
};

fn txid(number: u8) -> Txid {
    Txid::from_byte_array([number; 32])
}

fn by(number: u8, height: u32) -> Spender {
    Spender { txid: Stored(txid(number)), height }
}

/// The unbonding that is asked for in these tests: in block 105, withdrawn from tip 107 on, in
/// block 108.
fn unbonding() -> Unbonding {
    Unbonding { txid: Stored(txid(5)), height: 105, timelock: 3, standard: true }
}

fn staked() -> Event {
    Event::StakeConfirmed(STAKE)
}

fn requested() -> Event {
    Event::UnbondingRequested { unbonding: txid(5) }
}

fn unbonded() -> Event {
    Event::UnbondingConfirmed(unbonding())
}

fn withdrawn(from: Output, number: u8, height: u32) -> Event {
    Event::Withdrawn { from, by: by(number, height) }
}

fn otherwise(from: Output, slashed: bool, number: u8, height: u32) -> Event {
    Event::SpentOtherwise { from, slashed, by: by(number, height) }
}

fn lost(height: u32) -> Event {
    Event::BlockDisconnected { height }
}

fn must_apply(delegation: &Delegation, event: Event) -> (Delegation, Vec<Effect>) {
    match delegation.apply(&event) {
        Ok(Step::Applied { state, effects }) => (state, effects),
        Ok(Step::Duplicate) => panic!("{event:?} is a duplicate in {delegation:?}"),
        Err(refusal) => panic!("{event:?} is refused: {refusal:?}"),
    }
}

fn after(events: impl IntoIterator<Item = Event>) -> Delegation {
    let start = Delegation::default();
    events.into_iter().fold(start, |delegation, event| must_apply(&delegation, event).0)
}

fn must_refuse(delegation: &Delegation, event: Event) -> Reject {
    match delegation.apply(&event) {
        Err(Refusal::Rejected(reject)) => reject,
        other => panic!("{event:?} is not refused: {other:?}"),
    }
}
