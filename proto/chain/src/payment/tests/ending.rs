//! Another anchor, and giving up, while no version is signed.

use super::*;

#[test]
fn payment__should_be_cancelled_exactly_while_no_version_is_signed() {
    for payment in [accepted(), signing()] {
        let (payment, effects) =
            must_apply(&payment, Event::Cancelled { elsewhere: None, stranded: false });
        assert_eq!(effects, [Effect::Release, Effect::Notify(Notice::Cancelled)]);
        assert!(payment.is_final());
        assert_eq!(payment.owed(), []);
        assert_eq!(payment.note(), Some("cancelled before a version was signed"));
        let late = payment.apply(&signed(&first()));
        assert_eq!(late, Err(Refusal::Rejected(Reject::Final)), "late signatures change nothing");
    }
    let refused = Err(Refusal::Rejected(Reject::Signed(first().txid())));
    assert_eq!(broadcast().apply(&Event::Cancelled { elsewhere: None, stranded: false }), refused);
    assert_eq!(bumping().0.apply(&Event::Cancelled { elsewhere: None, stranded: false }), refused);
}

#[test]
fn version_that_was_in_a_block__should_count_as_signed() {
    let seen = [in_block(&first(), TIP + 1), Event::BlockDisconnected { height: TIP + 1 }];
    let payment = after(&signing(), seen);
    let refused = payment.apply(&Event::Cancelled { elsewhere: None, stranded: false });
    assert_eq!(refused, Err(Refusal::Rejected(Reject::Signed(first().txid()))));
}

#[test]
fn rebound__should_leave_nothing_of_the_anchor_before() {
    let plan = elsewhere_plan();
    let rebound = Event::Rebound { plan: plan.clone(), adopted: true };
    let (payment, effects) = must_apply(&signing(), rebound);
    let bound = payment.bound().expect("it is bound");
    assert_eq!((*bound.anchor, bound.plans()), (plan.anchor(), vec![plan.clone()]));
    assert!(
        matches!(&effects[0], Effect::Sign { proposal, .. } if *proposal == plan.proposal(payment.id()))
    );
    let late = payment.apply(&signed(&first()));
    assert_eq!(late, Err(Refusal::Rejected(Reject::UnknownVersion(first().txid()))));
    let (payment, _) = must_apply(&payment, Event::Cancelled { elsewhere: None, stranded: false });
    assert!(payment.note().is_some_and(|note| note.contains("may still confirm")));
}

#[test]
fn input_that_is_refused__should_lead_to_another_version_on_the_same_anchor() {
    let (payment, effects) = must_apply(&signing(), Event::InputRefused);
    assert!(matches!(effects[..], [Effect::Bump { .. }]));
    assert!(matches!(payment.state(), State::Signing { work: Work::Planning { .. }, .. }));
    let (payment, _) = must_apply(&bumping().0, Event::InputRefused);
    assert!(matches!(payment.state(), State::Broadcast { work: Some(Work::Planning { .. }), .. }));
}

#[test]
fn anchor_spent_by_an_unknown_version__should_end_the_payment_as_paid_before() {
    let spent =
        Event::AnchorSpentByOther { txid: foreign(), height: TIP + 1, pays: true, elsewhere: None };
    let payment = after(&signing(), [spent, Event::TipAdvanced { height: TIP + 6 }]);
    let State::Ended { why: Ending::UsedBefore { by, .. }, .. } = payment.state() else {
        panic!("{:?}", payment.state());
    };
    assert_eq!((*by.txid, by.pays), (foreign(), true));
    assert!(payment.note().is_some_and(|note| note.contains("exactly these recipients")));
}

#[test]
fn version_by_its_outputs__should_pay_all_recipients_and_at_most_the_committee_besides() {
    let own = std::collections::BTreeSet::from([committee().script()]);
    let is = |transaction: &Transaction| signing().is_made_by(transaction, &own);
    let version = elsewhere_plan().transaction().clone();
    assert!(is(&version));
    let mut more = version.clone();
    more.output[0].value += bitcoin::Amount::from_sat(1);
    assert!(!is(&more), "another amount");
    let mut other = version.clone();
    other.output.push(recipient(2, 1_000));
    assert!(!is(&other), "somebody else is paid, too");
    let mut fewer = version;
    fewer.output.clear();
    assert!(!is(&fewer));
}

/// The note is all that stands between an operator and a second payment of the same.
#[test]
fn note__should_say_where_else_members_had_bound_the_payment() {
    let other = elsewhere_plan().anchor();
    let spent = Event::AnchorSpentByOther {
        txid: foreign(),
        height: TIP + 1,
        pays: false,
        elsewhere: Some(other),
    };
    let payment = after(&signing(), [spent, Event::TipAdvanced { height: TIP + 100 }]);
    assert!(matches!(payment.state(), State::Failed { .. }), "{:?}", payment.state());
    let note = payment.note().unwrap_or_default();
    assert!(note.contains(&other.to_string()) && note.contains("before you pay"), "{note}");
}

#[test]
fn note__should_say_that_a_coin_is_stranded() {
    let cancelled = Event::Cancelled { elsewhere: None, stranded: true };
    let payment = after(&signing(), [cancelled]);
    let note = payment.note().unwrap_or_default();
    let anchor = signing().bound().expect("it is bound").anchor.to_string();
    assert!(note.contains(&anchor) && note.contains("too few are left"), "{note}");
}
