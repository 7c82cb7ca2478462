use std::collections::BTreeSet;

use bitcoin::{Amount, OutPoint};
use proptest::prelude::*;

use super::*;
use crate::{
    plan::{BumpError, BumpRequest, bump},
    testing::{coin, must_sign, recipient, vb},
    weight,
};

struct Case {
    previous: Vec<Plan>,
    gone: BTreeSet<OutPoint>,
    extra: Vec<Coin>,
    limits: Limits,
}

impl Case {
    fn of(coins: &[Coin], recipients: &[TxOut], rate: u32) -> Self {
        let first = planned(coins, recipients, vb(rate)).expect("a first version");
        let limits = limits();
        Self { previous: vec![first], gone: BTreeSet::new(), extra: Vec::new(), limits }
    }

    fn bump(&self, rate: FeeRate) -> Result<Plan, BumpError> {
        bump(&BumpRequest {
            previous: &self.previous,
            gone: &self.gone,
            extra: &self.extra,
            change_script: &committee().script(),
            rate,
            height: HEIGHT + 3,
            limits: &self.limits,
        })
    }
}

fn assert_replaces(new: &Plan, old: &Plan) {
    assert_eq!(new.anchor(), old.anchor());
    assert_eq!(new.recipients(), old.recipients());
    let vsize = weight::vbytes(new.weight());
    assert!(new.fee().to_sat() >= old.fee().to_sat() + vsize, "rule 4 of BIP-125");
    let (new_vsize, old_vsize) = (u128::from(vsize), u128::from(weight::vbytes(old.weight())));
    let (new_fee, old_fee) = (u128::from(new.fee().to_sat()), u128::from(old.fee().to_sat()));
    assert!(new_fee * old_vsize > old_fee * new_vsize, "a higher rate");
    let before: BTreeSet<_> = old.coins().into_iter().map(|coin| coin.outpoint).collect();
    let fresh = |coin: &Coin| !coin.confirmed && !before.contains(&coin.outpoint);
    assert!(!new.coins().iter().any(fresh), "rule 2 of BIP-125");
}

#[test]
fn bump__should_pay_from_change_first() {
    let case = Case::of(&[coin(1, 1_000_000)], &[recipient(1, 300_000)], 2);
    let next = case.bump(vb(10)).expect("a version");
    assert_replaces(&next, &case.previous[0]);
    assert_eq!(next.transaction().input.len(), 1);
    assert_eq!(next.fee().to_sat(), 10 * 154);
    assert_ne!(next.txid(), case.previous[0].txid());
    must_sign(&next);
}

#[test]
fn bump__should_add_confirmed_coins_only_when_change_does_not_suffice() {
    let mut case = Case::of(&[coin(1, 301_000)], &[recipient(1, 300_000)], 2);
    let mut fresh = coin(8, 9_000_000);
    fresh.confirmed = false;
    case.extra = vec![fresh.clone(), coin(9, 50_000), coin(10, 40_000), coin(1, 301_000)];
    let next = case.bump(vb(20)).expect("a version");
    assert_replaces(&next, &case.previous[0]);
    assert!(next.spends(&coin(9, 0).outpoint), "the largest confirmed one");
    assert_eq!(next.transaction().input.len(), 2);
    must_sign(&next);
    case.extra = vec![fresh];
    assert!(matches!(case.bump(vb(20)), Err(BumpError::Plan(PlanError::InsufficientFunds { .. }))));
}

#[test]
fn bump__should_outbid_every_earlier_version_and_not_only_the_last() {
    let mut case = Case::of(&[coin(1, 1_000_000)], &[recipient(1, 300_000)], 30);
    // An earlier version that paid more in total than the later ones.
    let dear = case.bump(vb(60)).expect("a version");
    case.previous.insert(0, dear);
    let next = case.bump(FeeRate::from_sat_per_kwu(60 * 250 + 1)).expect("a version");
    for old in &case.previous {
        assert_replaces(&next, old);
    }
}

#[test]
fn bump__should_refuse_a_rate_that_is_not_higher() {
    let case = Case::of(&[coin(1, 1_000_000)], &[recipient(1, 300_000)], 10);
    let highest = vb(10);
    let refused = case.bump(vb(10));
    assert_eq!(refused, Err(BumpError::NotHigher { highest, asked: vb(10) }));
}

#[test]
fn bump__should_stop_at_the_caps() {
    let mut case = Case::of(&[coin(1, 1_000_000)], &[recipient(1, 300_000)], 2);
    case.limits.max_rate = vb(20);
    assert!(matches!(case.bump(vb(21)), Err(BumpError::Plan(PlanError::RateAboveCap { .. }))));
    case.limits.max_fee = Amount::from_sat(154 * 20 - 1);
    assert!(matches!(case.bump(vb(20)), Err(BumpError::Plan(PlanError::FeeAboveCap { .. }))));
    assert!(case.bump(vb(19)).is_ok());
}

#[test]
fn bump__should_do_without_coins_that_are_gone() {
    let coins = [coin(1, 200_000), coin(2, 150_000)];
    let mut case = Case::of(&coins, &[recipient(1, 300_000)], 2);
    case.gone.insert(coins[1].outpoint);
    case.extra = vec![coins[1].clone(), coin(3, 140_000)];
    let next = case.bump(vb(3)).expect("a version");
    assert_replaces(&next, &case.previous[0]);
    assert!(!next.spends(&coins[1].outpoint));
    assert!(next.spends(&coin(3, 0).outpoint));
    must_sign(&next);
    case.gone.insert(coins[0].outpoint);
    assert_eq!(case.bump(vb(3)), Err(BumpError::AnchorGone));
}

#[test]
fn bump__should_refuse_versions_of_two_payments() {
    let mut case = Case::of(&[coin(1, 1_000_000)], &[recipient(1, 300_000)], 2);
    case.previous
        .push(planned(&[coin(2, 1_000_000)], &[recipient(1, 300_000)], vb(2)).expect("a version"));
    assert_eq!(case.bump(vb(3)), Err(BumpError::MixedVersions));
    case.previous.clear();
    assert_eq!(case.bump(vb(3)), Err(BumpError::NoVersion));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn bumps__should_replace_all_before_them_however_many(
        value in 400_000_u64..900_000,
        extra in prop::collection::vec(600_u64..60_000, 0..8),
        steps in prop::collection::vec(1_u64..3_000, 1..8),
    ) {
        let mut case = Case::of(&[coin(1, value)], &[recipient(1, 390_000)], 1);
        case.extra = (10..).zip(&extra).map(|(n, sats)| coin(n, *sats)).collect();
        let mut rate = 250;
        for step in steps {
            rate += step;
            match case.bump(FeeRate::from_sat_per_kwu(rate)) {
                Ok(next) => {
                    for old in &case.previous {
                        assert_replaces(&next, old);
                    }
                    prop_assert!(next.fee() <= case.limits.max_fee);
                    case.previous.push(next);
                }
                // The version before may have paid more than it was asked to.
                Err(BumpError::NotHigher { .. } | BumpError::Plan(_)) => {}
                Err(e @ (BumpError::NoVersion | BumpError::MixedVersions | BumpError::AnchorGone)) => {
                    prop_assert!(false, "{}", e);
                }
            }
        }
    }
}
