//! Single figures, at the points where compatible and honest ones part.

use bitcoin::{Txid, hashes::Hash};
use rstest::rstest;
use trestle_chain::Stored;
use trestle_machine::{Machine, Step};

use super::*;
use crate::delegation::{ConfirmedStake, Delegation, Event, Output, Spender, Unbonding};

const STAKED: Position = Position {
    stake: Depth::Confirmed,
    unbonding: Depth::Absent,
    gone: Depth::Absent,
    expired: false,
};

/// Active, locked and overflow TVL, window, chain and locked at the tip.
fn figures(change: &Change) -> [i64; 6] {
    let Change { counters, tip } = change;
    [
        counters.active_tvl,
        counters.locked_tvl,
        counters.overflow_tvl,
        tip.window,
        tip.chain_tvl,
        tip.tip_locked_tvl,
    ]
}

#[rstest]
#[case::nowhere(Position::default(), [0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0])]
#[case::seen(Position { stake: Depth::Window, ..STAKED }, [0, 0, 0, 9, 9, 9], [0, 0, 0, 9, 0, 0])]
#[case::seen_and_unbonded(
    Position { stake: Depth::Window, unbonding: Depth::Window, ..STAKED },
    [0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]
)]
#[case::confirmed(STAKED, [9, 9, 0, 0, 9, 9], [0, 0, 9, 0, 0, 0])]
#[case::unbonding_seen(
    Position { unbonding: Depth::Window, ..STAKED },
    [9, 9, 0, -9, 0, 0], [0, 0, 9, 0, 0, 0]
)]
#[case::unbonding(
    Position { unbonding: Depth::Confirmed, ..STAKED },
    [0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]
)]
#[case::expired(
    Position { expired: true, ..STAKED },
    [9, 0, 0, 0, 9, 0], [0, 0, 0, 0, 0, 0]
)]
#[case::spend_seen(
    Position { gone: Depth::Window, ..STAKED },
    [9, 9, 0, 0, 9, 0], [0, 0, 9, 0, 0, 0]
)]
#[case::spent(
    Position { gone: Depth::Confirmed, ..STAKED },
    [9, 0, 0, 0, 9, 0], [0, 0, 0, 0, 0, 0]
)]
fn delegation__should_add_what_it_counts_for(
    #[case] at: Position,
    #[case] under_cap: [i64; 6],
    #[case] above_cap: [i64; 6],
) {
    assert_eq!(figures(&must(Change::of(&share(9, false), &at))), under_cap);
    assert_eq!(figures(&must(Change::of(&share(9, true), &at))), above_cap);
}

#[test]
fn totals__should_refuse_what_was_never_counted() {
    let change = must(Change::moved(&share(9, false), &STAKED, &Position::default()));
    let refused = Totals::default().apply(&change, &Counters::default());
    assert_eq!(refused, Err(TallyError::Negative));
    assert_eq!(Change::of(&share(u64::MAX, false), &STAKED), Err(TallyError::TooLarge));
}

#[test]
fn totals__should_count_a_staker_once_however_many_stakes() {
    let change = must(Change::moved(&share(9, false), &Position::default(), &STAKED));
    let (totals, staker) = must(Totals::default().apply(&change, &Counters::default()));
    let (totals, staker) = must(totals.apply(&change, &staker));
    assert_eq!((totals.total_stakers, staker.total_delegations), (1, 2));
    let (totals, _) = must(totals.apply(&change, &Counters::default()));
    assert_eq!(totals.total_stakers, 2);

    let gone = Position { unbonding: Depth::Confirmed, ..STAKED };
    let change = must(Change::moved(&share(9, false), &STAKED, &gone));
    let (totals, staker) = must(totals.apply(&change, &staker));
    assert_eq!((totals.locked_stakers, staker.locked_delegations), (2, 1));
    let (totals, _) = must(totals.apply(&change, &staker));
    assert_eq!((totals.total_stakers, totals.locked_stakers), (2, 1));
}

#[test]
fn change__should_be_none_for_what_stays() {
    assert!(must(Change::moved(&share(9, false), &STAKED, &STAKED)).is_empty());
    let matured = Position { gone: Depth::Confirmed, unbonding: Depth::Confirmed, ..STAKED };
    let unbonding = Position { unbonding: Depth::Confirmed, ..STAKED };
    assert!(must(Change::moved(&share(9, false), &unbonding, &matured)).is_empty());
}

#[test]
fn position__should_follow_a_delegation() {
    let stake = ConfirmedStake {
        height: 100,
        output_index: 0,
        value: 9,
        timelock: 10,
        staker: StakerKey([1; 32]),
        provider: ProviderKey([2; 32]),
        overflow: false,
    };
    let txid = Stored(Txid::from_byte_array([5; 32]));
    let unbonding = Unbonding { txid, height: 110, timelock: 3, standard: true };
    let steps = [
        (Event::StakeConfirmed(stake), STAKED),
        (Event::Expired { at: 109 }, Position { expired: true, ..STAKED }),
        (
            Event::UnbondingConfirmed(unbonding),
            Position { expired: true, unbonding: Depth::Confirmed, ..STAKED },
        ),
        (
            Event::Withdrawn { from: Output::Unbonding, by: Spender { txid, height: 113 } },
            Position { expired: true, unbonding: Depth::Confirmed, ..STAKED },
        ),
        (Event::BlockDisconnected { height: 109 }, STAKED),
        (
            Event::SpentOtherwise {
                from: Output::Staking,
                slashed: true,
                by: Spender { txid, height: 104 },
            },
            Position { gone: Depth::Confirmed, ..STAKED },
        ),
        (Event::BlockDisconnected { height: 100 }, Position::default()),
    ];
    let mut delegation = Delegation::default();
    assert_eq!(Position::confirmed(&delegation), Position::default());
    assert_eq!(Share::from(&stake), share(9, false));
    for (event, expected) in steps {
        let Ok(Step::Applied { state, .. }) = delegation.apply(&event) else {
            panic!("{event:?} is not applied")
        };
        delegation = state;
        assert_eq!(Position::confirmed(&delegation), expected, "after {event:?}");
    }
}
