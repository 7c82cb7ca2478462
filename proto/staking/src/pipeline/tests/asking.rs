//! Whom to ask, and when.

use trestle_wire::staking::{MAX_UNBONDINGS, UnbondingRefusal};

use super::*;

const A: MemberKey = [1; 32];
const B: MemberKey = [2; 32];

fn many(count: u32) -> Vec<Txid> {
    let txid = |number: u32| {
        let mut bytes = [0; 32];
        bytes[28..].copy_from_slice(&number.to_be_bytes());
        Txid::from_byte_array(bytes)
    };
    (0..count).map(txid).collect()
}

#[test]
fn asking__should_put_many_requests_into_few_messages_and_bound_those_unanswered() {
    // Given
    let mut asking = Asking::default();
    for request in many(1_000) {
        asking.begin(request, [&A], 0);
    }
    // When
    let batches = asking.take_due(0);
    // Then
    let sizes: Vec<usize> = batches.iter().map(|batch| batch.requests.len()).collect();
    assert_eq!(sizes, vec![MAX_UNBONDINGS; 4]);
    assert_eq!(asking.take_due(0), []);
    // And each answer makes room for another.
    assert_eq!(asking.answer(&A, batches[2].number), Some(batches[2].requests.clone()));
    assert_eq!(asking.take_due(0).len(), 1);
}

#[test]
fn answer__should_count_once_and_only_from_who_was_asked() {
    let mut asking = Asking::default();
    asking.begin(txid(1), [&A], 0);
    let number = asking.take_due(0)[0].number;

    assert_eq!(asking.answer(&B, number), None);
    assert_eq!(asking.answer(&A, number + 1), None);
    assert_eq!(asking.answer(&A, number), Some(vec![txid(1)]));
    assert_eq!(asking.answer(&A, number), None);
}

#[test]
fn silent_member__should_be_asked_ever_more_rarely_and_hold_up_nobody() {
    // Given two members that are asked
    let mut asking = Asking::default();
    asking.begin(txid(1), [&A, &B], 0);
    assert_eq!(asking.take_due(0).len(), 2);
    // When one never answers and the other signs
    assert_eq!(asking.answer(&B, 1), Some(vec![txid(1)]));
    asking.settle(&B, txid(1), Answered::Signed, 5);
    // Then the waits between its messages grow, and stay bounded
    let (mut at, mut waits) = (0, Vec::new());
    for _ in 0..12 {
        let next = asking.next_wake().expect("it is waited for");
        let silent = asking.expire(next);
        let due = asking.take_due(next);
        if silent == [A] {
            assert_eq!(due, []);
        } else {
            assert_eq!(due.iter().map(|batch| batch.to).collect::<Vec<_>>(), [A]);
            waits.push(next - at);
            at = next;
        }
    }
    assert_eq!(waits, [32_000, 34_000, 38_000, 46_000, 62_000, 94_000]);
}

#[test]
fn refusal_that_passes__should_be_asked_again_soon_and_one_that_lasts_later() {
    let due_after = |answered| {
        let mut asking = Asking::default();
        asking.begin(txid(1), [&A], 0);
        let number = asking.take_due(0)[0].number;
        assert!(asking.answer(&A, number).is_some());
        asking.settle(&A, txid(1), answered, 10);
        asking.next_wake()
    };

    assert_eq!(due_after(Answered::Refused(UnbondingRefusal::Unconfirmed)), Some(1_010));
    assert_eq!(due_after(Answered::Refused(UnbondingRefusal::NotHeld)), Some(60_010));
    assert_eq!(due_after(Answered::Misbehaved), Some(60_010));
    assert_eq!(due_after(Answered::Signed), None);
}

#[test]
fn request_that_ended__should_not_be_asked_for() {
    let mut asking = Asking::default();
    asking.begin(txid(1), [&A, &B], 0);
    asking.end(txid(1));

    assert_eq!(asking.take_due(0), []);
    assert_eq!((asking.next_wake(), asking.waiting_for(&A)), (None, 0));
}

#[test]
fn member_that_is_back__should_be_asked_at_once() {
    // Given one that has been silent for long
    let mut asking = Asking::default();
    asking.begin(txid(1), [&A], 0);
    asking.take_due(0);
    asking.expire(30_000);
    assert_eq!(asking.take_due(30_001), []);
    // When
    asking.wake(&A, 30_001);
    // Then
    assert_eq!(asking.take_due(30_001).len(), 1);
}
