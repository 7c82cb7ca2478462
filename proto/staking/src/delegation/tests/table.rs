//! Every event in every state: what it is, told in one word.

use rstest::rstest;

use super::*;

#[derive(Debug, PartialEq)]
enum Is {
    To(&'static str),
    Duplicate,
    Refused,
    Fault,
}
use Is::{Duplicate as D, Fault, Refused as R, To};

const UNCONFIRMED: Is = To("unconfirmed");
const ACTIVE: Is = To("active");
const REQUESTED: Is = To("unbonding_requested");
const UNBONDING: Is = To("unbonding");
const UNBONDED: Is = To("unbonded");
const WITHDRAWN: Is = To("withdrawn");
const SLASHED: Is = To("slashed");
const OTHERWISE: Is = To("spent_otherwise");

fn of(delegation: &Delegation, event: &Event) -> Is {
    match delegation.apply(event) {
        Ok(Step::Applied { state, .. }) => To(state.name().as_str()),
        Ok(Step::Duplicate) => D,
        Err(Refusal::Rejected(_)) => R,
        Err(Refusal::Invariant(_)) => Fault,
    }
}

fn events() -> [(&'static str, Event); 18] {
    let moved = ConfirmedStake { height: 101, ..STAKE };
    let other = Unbonding { txid: Stored(txid(6)), ..unbonding() };
    [
        ("staked", staked()),
        ("staked elsewhere", Event::StakeConfirmed(moved)),
        ("requested", requested()),
        ("another requested", Event::UnbondingRequested { unbonding: txid(6) }),
        ("request dropped", Event::RequestDropped { unbonding: txid(5) }),
        ("unbonding confirmed", unbonded()),
        ("another unbonding confirmed", Event::UnbondingConfirmed(other)),
        ("expired", Event::Expired { at: 109 }),
        ("expired at a wrong height", Event::Expired { at: 110 }),
        ("unbonding matured", Event::UnbondingMatured { at: 107 }),
        ("stake withdrawn", withdrawn(Output::Staking, 7, 110)),
        ("stake withdrawn too early", withdrawn(Output::Staking, 7, 109)),
        ("unbonding withdrawn", withdrawn(Output::Unbonding, 8, 108)),
        ("stake slashed", otherwise(Output::Staking, true, 9, 106)),
        ("stake spent otherwise", otherwise(Output::Staking, false, 10, 106)),
        ("unbonding spent otherwise", otherwise(Output::Unbonding, false, 11, 106)),
        ("stake's block lost", lost(100)),
        ("block above lost", lost(200)),
    ]
}

fn withdrawn_at_end() -> Delegation {
    after([staked(), withdrawn(Output::Staking, 7, 110)])
}

fn withdrawn_unbonding() -> Delegation {
    after([staked(), unbonded(), withdrawn(Output::Unbonding, 8, 108)])
}

fn matured() -> Delegation {
    after([staked(), unbonded(), Event::UnbondingMatured { at: 107 }])
}

#[rstest]
#[case::unconfirmed(Delegation::default(), [
    ACTIVE, ACTIVE, R, R, D, UNCONFIRMED, UNCONFIRMED, UNCONFIRMED, UNCONFIRMED, UNCONFIRMED,
    UNCONFIRMED, UNCONFIRMED, UNCONFIRMED, UNCONFIRMED, UNCONFIRMED, UNCONFIRMED, D, D,
])]
#[case::active(after([staked()]), [
    D, R, REQUESTED, REQUESTED, D, UNBONDING, UNBONDING, UNBONDED, R, ACTIVE,
    WITHDRAWN, R, ACTIVE, SLASHED, OTHERWISE, ACTIVE, UNCONFIRMED, D,
])]
#[case::requested(after([staked(), requested()]), [
    D, R, D, R, ACTIVE, UNBONDING, UNBONDING, UNBONDED, R, REQUESTED,
    WITHDRAWN, R, REQUESTED, SLASHED, OTHERWISE, REQUESTED, UNCONFIRMED, D,
])]
#[case::unbonding(after([staked(), unbonded()]), [
    D, R, UNBONDING, R, D, D, R, UNBONDING, R, UNBONDED,
    R, R, WITHDRAWN, R, R, OTHERWISE, UNCONFIRMED, D,
])]
#[case::expired(after([staked(), Event::Expired { at: 109 }]), [
    D, R, R, R, D, UNBONDING, UNBONDING, D, R, UNBONDED,
    WITHDRAWN, R, UNBONDED, SLASHED, OTHERWISE, UNBONDED, UNCONFIRMED, D,
])]
#[case::matured(matured(), [
    D, R, UNBONDED, R, D, D, R, UNBONDED, R, D,
    R, R, WITHDRAWN, R, R, OTHERWISE, UNCONFIRMED, D,
])]
#[case::withdrawn_at_the_end(withdrawn_at_end(), [
    D, R, R, R, D, R, R, WITHDRAWN, R, R,
    D, R, R, R, R, R, UNCONFIRMED, D,
])]
#[case::withdrawn_after_unbonding(withdrawn_unbonding(), [
    D, R, WITHDRAWN, R, D, D, R, WITHDRAWN, R, WITHDRAWN,
    R, R, D, R, R, R, UNCONFIRMED, D,
])]
#[case::slashed(after([staked(), otherwise(Output::Staking, true, 9, 106)]), [
    D, R, R, R, D, R, R, SLASHED, R, R,
    R, R, R, D, R, R, UNCONFIRMED, D,
])]
#[case::spent_otherwise(after([staked(), otherwise(Output::Staking, false, 10, 106)]), [
    D, R, R, R, D, R, R, OTHERWISE, R, R,
    R, R, R, R, D, R, UNCONFIRMED, D,
])]
fn event__should_lead_where_the_table_says(#[case] from: Delegation, #[case] expected: [Is; 18]) {
    let events = events();
    let found: Vec<_> = events.iter().map(|(name, event)| (*name, of(&from, event))).collect();
    let names = events.iter().map(|(name, _)| *name);
    assert_eq!(found, names.zip(expected).collect::<Vec<_>>());
}

#[test]
fn overflow_stake__should_take_the_same_way_as_any() {
    let stake = ConfirmedStake { overflow: true, ..STAKE };
    for (name, event) in events().into_iter().skip(2) {
        let plain = after([staked()]);
        let overflow = after([Event::StakeConfirmed(stake)]);
        assert_eq!(of(&overflow, &event), of(&plain, &event), "{name}");
    }
}

#[rstest]
#[case::withdrawal_too_early(withdrawn(Output::Staking, 7, 109))]
#[case::spend_below_the_stake(otherwise(Output::Staking, false, 7, 99))]
#[case::other_end(Event::Expired { at: 110 })]
fn early_fact__should_be_dropped_when_the_stake_contradicts_it(#[case] early: Event) {
    assert_eq!(after([early, staked()]), after([staked()]));
}

#[rstest]
#[case::withdrawal_too_early(withdrawn(Output::Unbonding, 7, 107))]
#[case::other_end(Event::UnbondingMatured { at: 108 })]
fn early_fact__should_be_dropped_when_the_unbonding_contradicts_it(#[case] early: Event) {
    assert_eq!(after([staked(), early, unbonded()]), after([staked(), unbonded()]));
}

#[test]
fn early_fact__should_be_dropped_when_the_stake_left_without_unbonding() {
    let slashed = otherwise(Output::Staking, true, 9, 106);
    let early = [withdrawn(Output::Unbonding, 8, 108), Event::UnbondingMatured { at: 107 }];
    let delegation = after([staked(), early[0], early[1], slashed]);
    assert_eq!(delegation, after([staked(), slashed]));
}

#[test]
fn non_standard_unbonding__should_count_and_be_shown_as_such() {
    let strange = Unbonding { standard: false, ..unbonding() };
    let delegation = after([staked(), Event::UnbondingConfirmed(strange)]);
    assert_eq!(delegation.state(), State::Unbonding(strange));
    assert_eq!(delegation.unbonding(), Some(strange));
}

#[test]
fn state_name__should_read_back_and_refuse_others() {
    for name in StateName::ALL {
        assert_eq!(name.to_string().parse(), Ok(name));
    }
    let compatible = ["active", "unbonding_requested", "unbonding", "unbonded", "withdrawn"];
    for text in compatible {
        assert_eq!(text.parse::<StateName>().map(StateName::as_str), Ok(text));
    }
    for text in ["", "Active", "active ", "UNBONDED", "pending"] {
        assert_eq!(text.parse::<StateName>(), Err(UnknownState));
    }
}
