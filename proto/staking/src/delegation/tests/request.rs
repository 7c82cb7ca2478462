//! The staker's request, and what is done for it.

use super::*;

fn wanted() -> Stored<Txid> {
    Stored(txid(5))
}

#[test]
fn request__should_be_worked_on_until_its_unbonding_is_confirmed() {
    let (delegation, effects) = must_apply(&after([staked()]), requested());
    assert_eq!(delegation.state(), State::UnbondingRequested { unbonding: wanted() });
    assert_eq!(effects, [Effect::Unbond(wanted())]);

    let (delegation, effects) = must_apply(&delegation, unbonded());
    let timelock = Timelock { height: 105, blocks: 3 };
    let watch = Effect::Watch { output: Output::Unbonding, timelock };
    assert_eq!(effects, [Effect::StopUnbonding(wanted()), watch]);
    assert_eq!(delegation.request(), Some(txid(5)));
}

#[test]
fn request__should_not_hold_a_stake_beyond_its_timelock() {
    // Its unbonding never confirms; the stake becomes unbonded all the same.
    let (delegation, effects) =
        must_apply(&after([staked(), requested()]), Event::Expired { at: 109 });
    assert_eq!(delegation.state(), State::Unbonded { from: Output::Staking });
    let unwatch = Effect::Unwatch { output: Output::Staking, timelock: STAKE.timelock() };
    assert_eq!(effects, [Effect::StopUnbonding(wanted()), unwatch]);

    let delegation = must_apply(&delegation, withdrawn(Output::Staking, 7, 110)).0;
    assert_eq!(delegation.name(), StateName::Withdrawn);
}

#[test]
fn unbonding__should_count_also_after_the_stake_expired() {
    // It was broadcast before, and spends the output that could be withdrawn by now.
    let late = Unbonding { height: 112, ..unbonding() };
    let delegation = after([staked(), Event::Expired { at: 109 }, Event::UnbondingConfirmed(late)]);
    assert_eq!(delegation.state(), State::Unbonding(late));
    let delegation = must_apply(&delegation, Event::UnbondingMatured { at: 114 }).0;
    assert_eq!(delegation.state(), State::Unbonded { from: Output::Unbonding });
}

#[test]
fn request__should_survive_a_reorganisation_and_be_checked_again() {
    let (gone, effects) = must_apply(&after([staked(), requested()]), lost(100));
    assert_eq!(gone.name(), StateName::Unconfirmed);
    let unwatch = Effect::Unwatch { output: Output::Staking, timelock: STAKE.timelock() };
    assert_eq!(effects, [Effect::StopUnbonding(wanted()), unwatch]);

    let moved = ConfirmedStake { height: 102, ..STAKE };
    let (back, effects) = must_apply(&gone, Event::StakeConfirmed(moved));
    assert_eq!(back.name(), StateName::UnbondingRequested);
    let watch = Effect::Watch { output: Output::Staking, timelock: moved.timelock() };
    assert_eq!(effects, [watch, Effect::RecheckRequest(wanted())]);

    let (dropped, effects) = must_apply(&back, Event::RequestDropped { unbonding: txid(5) });
    assert_eq!(dropped.name(), StateName::Active);
    assert_eq!(effects, [Effect::StopUnbonding(wanted())]);
    assert_eq!(dropped.eligible(), Ok(()));
}

#[test]
fn request__should_be_taken_up_again_when_its_unbonding_leaves_the_chain() {
    let delegation = after([staked(), requested(), unbonded()]);
    let (delegation, effects) = must_apply(&delegation, lost(105));
    assert_eq!(delegation.name(), StateName::UnbondingRequested);
    assert!(effects.contains(&Effect::RecheckRequest(wanted())));
    assert_eq!(delegation.owed().last(), Some(&Effect::RecheckRequest(wanted())));
}

#[test]
fn eligibility__should_say_why_not() {
    assert_eq!(Delegation::default().eligible(), Err(Reject::NoStake));
    assert_eq!(after([staked()]).eligible(), Ok(()));
    let asked = after([staked(), requested()]);
    assert_eq!(asked.eligible(), Err(Reject::AlreadyRequested(txid(5))));
    let unbonding = after([staked(), unbonded()]);
    assert_eq!(unbonding.eligible(), Err(Reject::NotActive(StateName::Unbonding)));
    let expired = after([staked(), Event::Expired { at: 109 }]);
    let refused = must_refuse(&expired, requested());
    assert_eq!(refused, Reject::NotActive(StateName::Unbonded));
    assert_eq!(refused.to_string(), "delegation state is not active: it is unbonded");
}

#[test]
fn reject__should_say_what_was_expected_and_what_came() {
    let delegation = after([staked()]);
    assert_eq!(
        must_refuse(&delegation, withdrawn(Output::Staking, 7, 109)),
        Reject::TooEarly { spend: 109, first: 110 }
    );
    assert_eq!(
        must_refuse(&delegation, otherwise(Output::Staking, true, 7, 99)),
        Reject::BeforeOutput { spend: 99, output: 100 }
    );
    assert_eq!(
        must_refuse(&delegation, Event::Expired { at: 110 }),
        Reject::OtherEnd { expected: 109, got: 110 }
    );
    let spent = must_apply(&delegation, otherwise(Output::Staking, true, 7, 103)).0;
    assert_eq!(must_refuse(&spent, unbonded()), Reject::OtherSpend { held: txid(7), height: 103 });
    assert_eq!(
        must_refuse(&spent, Event::UnbondingMatured { at: 107 }),
        Reject::NoUnbonding(txid(7))
    );
    let moved = ConfirmedStake { height: 101, ..STAKE };
    assert_eq!(
        must_refuse(&delegation, Event::StakeConfirmed(moved)),
        Reject::OtherStake { held: 100, got: 101 }
    );
}
