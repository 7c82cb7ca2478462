use super::*;

#[test]
fn planned__should_bind_before_members_are_asked() {
    let (payment, effects) = must_apply(&accepted(), Event::Planned(first()));
    let bound = payment.bound().expect("bound");
    assert_eq!(*bound.anchor, first().anchor());
    let Effect::Sign { version: 0, proposal } = &effects[0] else { panic!("{effects:?}") };
    assert_eq!(*proposal, first().proposal(payment.id()));
    assert_eq!(payment.owed(), effects[..1]);
}

#[test]
fn version_signed__should_broadcast() {
    let (payment, effects) = must_apply(&signing(), signed(&first()));
    assert_eq!(broadcasts(&effects), [first().txid()]);
    assert_eq!(payment.owed(), effects[..1]);
    assert!(matches!(payment.state(), State::Broadcast { work: None, since: TIP, .. }));
}

#[test]
fn version_signed__should_be_kept_even_when_another_one_is_in_a_block() {
    let (payment, second) = bumping();
    let payment = after(&payment, [in_block(&first(), TIP + 1)]);
    let (payment, effects) = must_apply(&payment, signed(&second));
    assert_eq!(broadcasts(&effects), []);
    // when the block is lost
    let (_, effects) = must_apply(&payment, Event::BlockDisconnected { height: TIP + 1 });
    assert_eq!(broadcasts(&effects), [second.txid(), first().txid()]);
}

#[test]
fn version_signed__should_be_taken_for_an_older_version_too() {
    // given a second draft, made before the first was signed
    let asked = after(&signing(), [Event::BumpRequested { rate: vb(9) }]);
    let second = bumped(&asked, vb(9));
    let payment = after(&asked, [Event::Planned(second.clone())]);
    // when the first comes back signed
    let (payment, effects) = must_apply(&payment, signed(&first()));
    assert_eq!(broadcasts(&effects), [first().txid()]);
    assert!(matches!(payment.state(), State::Broadcast { work: Some(Work::Signing), .. }));
    let (payment, _) = must_apply(&payment, signed(&second));
    assert!(matches!(payment.state(), State::Broadcast { work: None, .. }));
}

#[test]
fn signing_failed__should_ask_again_for_the_same_version() {
    let failed = Event::SigningFailed { reason: "too few members".into() };
    let (payment, effects) = must_apply(&signing(), failed);
    assert!(effects.contains(&Effect::RetryLater));
    assert_eq!(payment.note(), Some("too few members"));
    let (_, effects) = must_apply(&payment, Event::RetryDue);
    assert!(matches!(&effects[..], [Effect::Sign { version: 0, .. }]));
}

#[test]
fn plan_failed__should_be_tried_again_while_nothing_is_bound() {
    let failed = Event::PlanFailed { reason: "no coins".into() };
    let (payment, effects) = must_apply(&accepted(), failed);
    assert_eq!(effects[0], Effect::RetryLater);
    let (_, effects) = must_apply(&payment, Event::RetryDue);
    assert_eq!(effects, [Effect::Plan]);
}

#[test]
fn plan_failed__should_leave_what_is_broadcast_standing() {
    let asked = after(&broadcast(), [Event::BumpRequested { rate: vb(9) }]);
    let (payment, effects) = must_apply(&asked, Event::PlanFailed { reason: "cap".into() });
    assert!(!effects.contains(&Effect::RetryLater));
    assert_eq!(broadcasts(&payment.owed()), [first().txid()]);
}

#[test]
fn broadcast_rejected__should_be_tried_again() {
    let rejected = Event::BroadcastRejected { txid: first().txid(), reason: "min fee".into() };
    let (payment, effects) = must_apply(&broadcast(), rejected);
    assert_eq!(effects[0], Effect::RetryLater);
    let (_, effects) = must_apply(&payment, Event::RetryDue);
    assert_eq!(broadcasts(&effects), [first().txid()]);
}

#[test]
fn tip_advanced__should_ask_for_a_rate_when_the_payment_lags() {
    let (payment, effects) = must_apply(&broadcast(), Event::TipAdvanced { height: TIP + 2 });
    assert_eq!(effects, []);
    let (payment, effects) = must_apply(&payment, Event::TipAdvanced { height: TIP + 3 });
    assert_eq!(effects, [Effect::QuoteRate]);
    let (_, effects) = must_apply(&payment, Event::BumpRequested { rate: vb(9) });
    assert_eq!(effects, [Effect::Bump { rate: 9 * 250 }]);
}

#[test]
fn bump__should_replace_the_version_on_the_same_anchor() {
    let (payment, second) = bumping();
    let (payment, effects) = must_apply(&payment, signed(&second));
    assert_eq!(broadcasts(&effects), [second.txid()]);
    let bound = payment.bound().expect("bound");
    assert_eq!(bound.versions.len(), 2);
    assert!(bound.versions.iter().all(|version| version.plan.anchor() == *bound.anchor));
}

#[test]
fn bumps__should_end_at_the_most_versions_allowed() {
    let mut payment = broadcast();
    for rate in [9, 12] {
        payment = after(&payment, [Event::BumpRequested { rate: vb(rate) }]);
        let next = bumped(&payment, vb(rate));
        payment = after(&payment, [Event::Planned(next.clone()), signed(&next)]);
    }
    let refused = payment.apply(&Event::BumpRequested { rate: vb(20) });
    assert_eq!(refused, Err(Refusal::Rejected(Reject::NoMoreVersions(3))));
    let (_, effects) = must_apply(&payment, Event::TipAdvanced { height: TIP + 50 });
    assert_eq!(effects, []);
}

#[test]
fn bump__should_be_refused_unless_the_rate_is_higher() {
    let refused = broadcast().apply(&Event::BumpRequested { rate: vb(2) });
    assert!(matches!(refused, Err(Refusal::Rejected(Reject::NotHigher { asked: 500, .. }))));
}

#[test]
fn planner__should_stop_the_node_when_it_breaks_the_binding() {
    let asked = after(&broadcast(), [Event::BumpRequested { rate: vb(9) }]);
    let elsewhere =
        plan(&[coin(5, 900_000)], &recipients(), &committee().script(), vb(9), TIP, &limits());
    let refused = asked.apply(&Event::Planned(elsewhere.expect("a plan")));
    assert!(matches!(refused, Err(Refusal::Invariant(_))));
}
