use super::*;

#[test]
fn payment__should_settle_when_deep() {
    let (payment, effects) = must_apply(&confirmed(), Event::TipAdvanced { height: TIP + 5 });
    assert_eq!(effects, []);
    let (payment, effects) = must_apply(&payment, Event::TipAdvanced { height: TIP + 6 });
    assert_eq!(effects, [Effect::Release, Effect::Notify(Notice::Settled(first().txid().into()))]);
    assert!(payment.is_final());
    assert_eq!(payment.owed(), []);
}

#[test]
fn any_version__should_be_able_to_confirm() {
    let (payment, second) = bumping();
    for version in [first(), second] {
        let (payment, _) = must_apply(&payment, in_block(&version, TIP + 1));
        let State::Confirmed { txid, .. } = payment.state() else { panic!("not confirmed") };
        assert_eq!(**txid, version.txid());
    }
}

#[test]
fn version__should_confirm_though_its_signatures_never_came_back() {
    // given a draft that members have signed among themselves
    let (payment, _) = must_apply(&signing(), in_block(&first(), TIP + 1));
    assert!(matches!(payment.state(), State::Confirmed { .. }));
    // and lost in a reorg: it must be signed here
    let (payment, effects) = must_apply(&payment, Event::BlockDisconnected { height: TIP + 1 });
    assert!(matches!(payment.state(), State::Signing { work: Work::Signing, .. }));
    assert!(matches!(effects[0], Effect::Sign { version: 0, .. }));
}

#[test]
fn reorg__should_bring_every_signed_version_back() {
    let (payment, second) = bumping();
    let payment = after(&payment, [signed(&second), in_block(&first(), TIP + 1)]);
    let (payment, _) = must_apply(&payment, Event::TipAdvanced { height: TIP + 4 });
    let (payment, effects) = must_apply(&payment, Event::BlockDisconnected { height: TIP + 4 });
    assert_eq!(effects, [], "the block with the version still stands");
    let (payment, effects) = must_apply(&payment, Event::BlockDisconnected { height: TIP + 1 });
    assert_eq!(broadcasts(&effects), [second.txid(), first().txid()]);
    // the other one may confirm now
    let (payment, _) = must_apply(&payment, in_block(&second, TIP + 1));
    assert!(matches!(payment.state(), State::Confirmed { txid, .. } if **txid == second.txid()));
}

#[test]
fn payment__should_fail_only_when_its_anchor_is_spent_deep() {
    let payment = usurped();
    assert_eq!(payment.owed(), [], "nothing helps while the anchor is spent");
    let (payment, _) = must_apply(&payment, Event::TipAdvanced { height: TIP + 5 });
    assert!(!payment.is_final());
    let (payment, effects) = must_apply(&payment, Event::TipAdvanced { height: TIP + 6 });
    assert!(matches!(payment.state(), State::Failed { .. }));
    assert_eq!(effects[0], Effect::Release);
}

#[test]
fn reorg__should_revive_a_payment_whose_anchor_was_spent() {
    let (payment, effects) = must_apply(&usurped(), Event::BlockDisconnected { height: TIP + 1 });
    assert_eq!(broadcasts(&effects), [first().txid()]);
    assert!(matches!(payment.state(), State::Broadcast { .. }));
    assert!(payment.bound().is_some_and(|bound| bound.usurper.is_none()));
}

#[test]
fn lost_input__should_be_replaced_by_a_version_on_the_same_anchor() {
    let lost = Event::InputSpentByOther { outpoint: outpoint(2), height: TIP + 1 };
    let (payment, effects) = must_apply(&broadcast(), lost);
    let [Effect::Bump { rate }] = effects[..] else { panic!("{effects:?}") };
    let next = bumped(&payment, FeeRate::from_sat_per_kwu(rate));
    assert!(!next.spends(&outpoint(2)));
    assert_eq!(next.anchor(), first().anchor());
    let (payment, effects) = must_apply(&payment, Event::Planned(next.clone()));
    assert!(matches!(effects[0], Effect::Sign { version: 1, .. }));
    must_apply(&payment, signed(&next));
}

#[test]
fn lost_input__should_be_planned_around_until_it_works() {
    let lost = Event::InputSpentByOther { outpoint: outpoint(2), height: TIP + 1 };
    let payment = after(&broadcast(), [lost]);
    let (payment, effects) = must_apply(&payment, Event::PlanFailed { reason: "poor".into() });
    assert_eq!(effects[0], Effect::RetryLater);
    let (_, effects) = must_apply(&payment, Event::RetryDue);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Bump { .. })));
}

#[test]
fn plan__should_be_made_again_if_it_spends_a_coin_lost_meanwhile() {
    // given a bump that is planned while a coin is lost
    let asked = after(&broadcast(), [Event::BumpRequested { rate: vb(9) }]);
    let late = bumped(&asked, vb(9));
    assert!(late.spends(&outpoint(2)));
    let lost = Event::InputSpentByOther { outpoint: outpoint(2), height: TIP + 1 };
    let payment = after(&asked, [lost]);
    let (payment, effects) = must_apply(&payment, Event::Planned(late));
    assert!(matches!(effects[..], [Effect::Bump { .. }]));
    assert_eq!(payment.bound().map(|bound| bound.versions.len()), Some(1));
}

#[test]
fn lost_input__should_be_forgiven_when_its_block_is_lost() {
    let lost = Event::InputSpentByOther { outpoint: outpoint(2), height: TIP + 1 };
    let payment = after(&confirmed(), [lost]);
    assert_eq!(payment.bound().map(|bound| bound.gone.len()), Some(1));
    let payment = after(&payment, [Event::BlockDisconnected { height: TIP + 1 }]);
    assert_eq!(payment.bound().map(|bound| bound.gone.len()), Some(0));
}

#[test]
fn spends__should_be_told_apart() {
    let payment = broadcast();
    let told = |outpoint, txid| payment.spent(outpoint, txid, TIP + 1, block(1));
    let own = first().txid();
    assert_eq!(told(outpoint(1), own), Some(in_block(&first(), TIP + 1)));
    assert_eq!(told(outpoint(2), own), None, "told by the anchor");
    let height = TIP + 1;
    let anchor =
        Event::AnchorSpentByOther { txid: foreign(), height, pays: false, elsewhere: None };
    assert_eq!(told(outpoint(1), foreign()), Some(anchor));
    let input = Event::InputSpentByOther { outpoint: outpoint(2), height };
    assert_eq!(told(outpoint(2), foreign()), Some(input));
    assert_eq!(told(outpoint(9), foreign()), None);
    assert_eq!(accepted().spent(outpoint(1), foreign(), height, block(1)), None);
}
