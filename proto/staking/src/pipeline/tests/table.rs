//! Steps by name.

use trestle_chain::Stored;
use trestle_machine::Refusal;
use trestle_wire::staking::UnbondingRefusal;

use super::*;
use crate::delegation::Spender;

#[test]
fn request__should_go_from_acceptance_to_its_confirmation() {
    // Given one that was accepted
    let request = request();
    assert_eq!((request.phase(), request.work()), (Phase::Collecting, Some(Work::Collect)));
    // When a quorum signs
    let (request, effects) = must_apply(&request, &signed_by(103));
    assert_eq!((request.phase(), effects), (Phase::Collecting, vec![]));
    let (request, effects) = must_apply(&request, &signed_by(101));
    // Then it is assembled, sent, and confirmed
    assert_eq!((request.phase(), effects), (Phase::Assembled, vec![Effect::Assemble]));
    let transaction = finished(&request);
    let (request, effects) = must_apply(&request, &Event::Assembled(transaction.clone()));
    assert_eq!((request.phase(), effects), (Phase::Broadcasting, vec![Effect::Broadcast]));
    assert_eq!(request.signed(), Some(&transaction));
    let (request, effects) = must_apply(&request, &Event::Sent(Sending::Mempool));
    assert_eq!((request.phase(), effects), (Phase::InMempool, vec![]));
    let (request, effects) = must_apply(&request, &Event::Sent(Sending::Mined));
    assert_eq!((request.phase(), effects), (Phase::Mined, vec![]));
    let unbonded = Event::Moved(Standing::Unbonded { height: 130 });
    let (request, effects) = must_apply(&request, &unbonded);
    assert_eq!((request.phase(), effects), (Phase::Confirmed, vec![Effect::Stop]));
    assert!(!request.is_open());
}

#[test]
fn third_signature__should_not_be_held_with_a_quorum_of_two() {
    let request = after([signed_by(101), signed_by(102)]);

    assert_eq!(request.apply(&signed_by(103)), Ok(Step::Duplicate));
    assert_eq!(request.signers().count(), 2);
}

#[test]
fn second_signature_of_a_member__should_not_replace_the_first() {
    let request = after([signed_by(101)]);
    let other = Event::Signed { key: member(101), signature: [7; 64] };

    assert_eq!(request.apply(&other), Ok(Step::Duplicate));
}

#[test]
fn signature_of_a_stranger__should_be_rejected() {
    assert_eq!(request().apply(&signed_by(55)), Err(Refusal::Rejected(Reject::NotAMember)));
}

#[test]
fn member_that_misbehaves__should_be_remembered_and_may_still_sign() {
    // When a member gives a bad signature, refuses, and then signs
    let refused = Event::Refused { key: member(101), why: UnbondingRefusal::Unconfirmed };
    let request = after([Event::Misbehaved { key: member(101) }, refused.clone()]);
    // Then each is held once
    let held = Complaint { bad: 1, refused: Some(UnbondingRefusal::Unconfirmed) };
    assert_eq!(request.complaints()[&member(101)], held);
    assert_eq!(request.apply(&refused), Ok(Step::Duplicate));
    assert_eq!(request.reluctant(), [&member(101)].into());
    let (request, _) = must_apply(&request, &signed_by(101));
    let held = Complaint { bad: 1, refused: None };
    assert_eq!(request.complaints()[&member(101)], held);
    assert!(request.reluctant().is_empty());
    // And a refusal after the signature says nothing.
    assert_eq!(request.apply(&refused), Ok(Step::Duplicate));
}

#[test]
fn fee_below_the_minimum__should_show_both_rates_until_it_goes_through() {
    // Given a finished transaction: 500 sat
    let request = assembled();
    let vsize = u64::try_from(request.signed().expect("finished").vsize()).expect("small");
    // When bitcoind asks for 700
    let below = Event::Sent(Sending::BelowMinimum { required: Some(700) });
    let (stuck, effects) = must_apply(&request, &below);
    // Then
    let rates = Rates { ours: 500_000 / vsize, minimum: Some(700_000 / vsize) };
    assert_eq!(stuck.outlook(), &Outlook::Stuck(rates));
    assert_eq!((stuck.phase(), effects, stuck.work()), (Phase::Stuck, vec![], request.work()));
    assert_eq!(stuck.apply(&below), Ok(Step::Duplicate));
    // And when the minimum has fallen
    let (through, _) = must_apply(&stuck, &Event::Sent(Sending::Mempool));
    assert_eq!(through.phase(), Phase::InMempool);
}

#[test]
fn stake_that_moved__should_be_checked_and_not_signed_anew_if_it_fits() {
    // Given a finished transaction whose stake leaves the chain
    let request = assembled();
    let (gone, effects) = must_apply(&request, &Event::Moved(Standing::Absent));
    assert_eq!((gone.phase(), effects), (Phase::Waiting, vec![Effect::Stop]));
    assert!(gone.is_open());
    // When it is back at another height
    let back = Event::Moved(Standing::Open { height: 125 });
    let (back, effects) = must_apply(&gone, &back);
    assert_eq!((back.phase(), effects), (Phase::Rechecking, vec![Effect::Recheck]));
    // Then what was signed is used again
    let fits = Event::Rechecked { height: 125, fits: true };
    let (fits, effects) = must_apply(&back, &fits);
    assert_eq!((fits.work(), effects), (Some(Work::Broadcast), vec![Effect::Broadcast]));
    assert_eq!(fits.signed(), request.signed());
    // Or, if the parameters give another transaction, it is dropped for good.
    let fits = Event::Rechecked { height: 125, fits: false };
    let (dropped, effects) = must_apply(&back, &fits);
    assert_eq!((dropped.phase(), effects), (Phase::Dropped, vec![Effect::Drop]));
    assert!(!dropped.is_open());
    assert_eq!(dropped.work(), None);
}

#[test]
fn stake_that_is_back_at_its_height__should_go_on_at_once() {
    let gone = after([signed_by(101), Event::Moved(Standing::Absent)]);

    let (back, effects) = must_apply(&gone, &Event::Moved(Standing::Open { height: HEIGHT }));

    assert_eq!((back.work(), effects), (Some(Work::Collect), vec![Effect::Collect]));
    assert_eq!(back.signers().count(), 1);
}

#[test]
fn check_of_another_height__should_be_rejected() {
    let moved = after([Event::Moved(Standing::Open { height: 125 })]);
    let late = Event::Rechecked { height: 124, fits: false };

    assert_eq!(moved.apply(&late), Err(Refusal::Rejected(Reject::OtherHeight(124))));
}

#[test]
fn stake_spent_by_something_else__should_end_the_request_until_a_block_takes_it_back() {
    let request = assembled();
    let by = Spender { txid: Stored(txid(77)), height: 140 };

    let (spent, effects) = must_apply(&request, &Event::Moved(Standing::Spent(by)));

    assert_eq!((spent.phase(), effects), (Phase::InputSpent, vec![Effect::Stop]));
    assert!(!spent.is_open());
    let back = Event::Moved(Standing::Open { height: HEIGHT });
    let (back, effects) = must_apply(&spent, &back);
    assert_eq!((back.phase(), effects), (Phase::Broadcasting, vec![Effect::Broadcast]));
}

#[test]
fn transaction_of_another_request__should_be_rejected() {
    let signed = after([signed_by(101), signed_by(102)]);
    let mut other = roughly_finished();
    other.output[0].value = Amount::from_sat(1);
    let (expected, got) = (signed.txid(), other.compute_txid());

    let refusal = signed.apply(&Event::Assembled(other));

    assert_eq!(refusal, Err(Refusal::Rejected(Reject::OtherTransaction { expected, got })));
}

#[test]
fn transaction_without_a_quorum__should_be_rejected() {
    let refusal = after([signed_by(101)]).apply(&Event::Assembled(roughly_finished()));

    assert_eq!(refusal, Err(Refusal::Rejected(Reject::TooFew { got: 1, quorum: 2 })));
}

#[test]
fn news_of_a_broadcast__should_be_rejected_where_nothing_could_be_sent() {
    let refusal = request().apply(&Event::Sent(Sending::Mempool));

    assert_eq!(refusal, Err(Refusal::Rejected(Reject::NothingSent)));
}
