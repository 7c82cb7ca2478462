use bitcoin::{Amount, ScriptBuf, Weight, absolute::LockTime, transaction::Version};
use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::{
    plan::{BadSignature, SEQUENCE},
    testing::{Key, coin, must_sign, recipient, signatures, vb, verify},
    weight,
};

#[test]
fn plan__should_make_a_transaction_that_consensus_accepts() {
    // given three coins that are all needed
    let coins = [coin(1, 40_000), coin(2, 50_000), coin(3, 60_000)];
    // when
    let plan =
        planned(&coins, &[recipient(1, 70_000), recipient(2, 60_000)], vb(5)).expect("a plan");
    let signed = must_sign(&plan);
    // then
    assert_eq!(signed.input.len(), 3);
    assert_eq!(signed.version, Version::TWO);
    assert_eq!(signed.lock_time, LockTime::from_consensus(HEIGHT));
    assert!(signed.input.iter().all(|input| input.sequence == SEQUENCE));
    assert!(signed.input[0].sequence.is_rbf());
    assert_eq!(plan.recipients(), [recipient(1, 70_000), recipient(2, 60_000)]);
    assert_eq!(plan.anchor(), coins[2].outpoint, "the largest first");
    assert_eq!(signed.compute_txid(), plan.txid());
}

#[rstest]
#[case(1, 1)]
#[case(3, 2)]
#[case(260, 4)]
fn weight__should_be_exact_before_signing(#[case] inputs: u32, #[case] outputs: u8) {
    let coins: Vec<Coin> = (0..inputs).map(|n| coin(n, 10_000)).collect();
    let paid = u64::from(inputs) * (10_000 - 130) - 300;
    let recipients: Vec<TxOut> =
        (0..outputs).map(|n| recipient(n, paid / u64::from(outputs))).collect();
    let plan = planned(&coins, &recipients, vb(2)).expect("a plan");
    assert_eq!(plan.transaction().input.len(), coins.len());
    let signed = must_sign(&plan);
    assert_eq!(plan.weight(), signed.weight());
    let paid_rate = plan.fee().to_sat() as f64 / signed.vsize() as f64;
    assert!(paid_rate >= 2.0, "{paid_rate}");
}

#[test]
fn fee__should_be_exactly_the_rate_when_there_is_change() {
    let plan = planned(&[coin(1, 1_000_000)], &[recipient(1, 300_000)], vb(7)).expect("a plan");
    let vsize = must_sign(&plan).vsize() as u64;
    assert!(plan.change().is_some());
    assert_eq!(plan.fee().to_sat(), 7 * vsize);
}

#[test]
fn consensus__should_refuse_a_plan_signed_over_another_amount() {
    let plan = planned(&[coin(1, 1_000_000)], &[recipient(1, 300_000)], vb(7)).expect("a plan");
    let signed = must_sign(&plan);
    let mut spent = plan.spent();
    spent[0].value += Amount::from_sat(1);
    assert!(verify(&signed, &spent).is_err());
}

#[test]
fn consensus__should_refuse_a_plan_whose_output_was_changed_after_signing() {
    let plan = planned(&[coin(1, 1_000_000)], &[recipient(1, 300_000)], vb(7)).expect("a plan");
    let mut signed = must_sign(&plan);
    signed.output[0].script_pubkey = Key::number(66).script();
    assert!(verify(&signed, &plan.spent()).is_err());
}

#[test]
fn finish__should_refuse_signatures_that_do_not_fit() {
    let plan = planned(&[coin(1, 10_000), coin(2, 10_000)], &[recipient(1, 15_000)], vb(1))
        .expect("a plan");
    let mut signatures = signatures(&plan);
    assert_eq!(plan.finish(&signatures[..1]), Err(BadSignature::Count { expected: 2, got: 1 }));
    signatures.swap(0, 1);
    assert_eq!(plan.finish(&signatures), Err(BadSignature::Invalid(0)));
    signatures.swap(0, 1);
    signatures[1][40] ^= 1;
    assert_eq!(plan.finish(&signatures), Err(BadSignature::Invalid(1)));
}

#[test]
fn selection__should_prefer_a_set_without_change() {
    // given a large coin, and two small ones that fit to a few satoshis
    let small = 25_000 + 58 + 40;
    let coins = [coin(1, 500_000), coin(2, small), coin(3, small)];
    let plan = planned(&coins, &[recipient(1, 50_000)], vb(1)).expect("a plan");
    assert_eq!(plan.change(), None);
    assert_eq!(plan.transaction().input.len(), 2);
    must_sign(&plan);
}

#[rstest]
#[case(329, false)]
#[case(330, true)]
fn change__should_be_left_out_below_dust(#[case] rest: u64, #[case] expected: bool) {
    // 1 input, 2 P2TR outputs: 154 vbytes.
    let coins = [coin(1, 100_000 + 154 + rest)];
    let plan = planned(&coins, &[recipient(1, 100_000)], vb(1)).expect("a plan");
    assert_eq!(plan.change().is_some(), expected);
    let fee = if expected { 154 } else { 154 + rest };
    assert_eq!(plan.fee().to_sat(), fee);
}

#[test]
fn anchor__should_never_be_unconfirmed() {
    let mut fresh = coin(1, 900_000);
    fresh.confirmed = false;
    let coins = [fresh.clone(), coin(2, 20_000)];
    let plan = planned(&coins, &[recipient(1, 500_000)], vb(1)).expect("a plan");
    assert_eq!(plan.anchor(), coins[1].outpoint);
    assert!(plan.spends(&fresh.outpoint));
    let alone = planned(&[fresh], &[recipient(1, 500_000)], vb(1));
    assert_eq!(alone, Err(PlanError::NothingConfirmed(Amount::from_sat(900_000))));
}

#[test]
fn selection__should_leave_unconfirmed_coins_alone_while_confirmed_ones_suffice() {
    let mut fresh = coin(1, 900_000);
    fresh.confirmed = false;
    let coins = [fresh.clone(), coin(2, 60_000), coin(3, 50_000)];
    let plan = planned(&coins, &[recipient(1, 100_000)], vb(1)).expect("a plan");
    assert!(!plan.spends(&fresh.outpoint));
}

#[test]
fn plan__should_say_what_is_available_and_what_is_needed() {
    let coins = [coin(1, 10_000), coin(2, 20_000)];
    let refused = planned(&coins, &[recipient(1, 30_000)], vb(1));
    // 2 inputs, 1 P2TR output: 169 vbytes.
    let (available, needed) = (Amount::from_sat(30_000), Amount::from_sat(30_169));
    assert_eq!(refused, Err(PlanError::InsufficientFunds { available, needed }));
    let none = planned(&[], &[recipient(1, 30_000)], vb(1));
    assert!(matches!(none, Err(PlanError::InsufficientFunds { available: Amount::ZERO, .. })));
}

#[test]
fn plan__should_refuse_what_it_may_not_or_cannot_do() {
    let coins = [coin(1, 100_000_000)];
    assert_eq!(planned(&coins, &[], vb(1)), Err(PlanError::NoRecipients));
    assert!(matches!(
        planned(&coins, &[recipient(1, 1_000), recipient(2, 329)], vb(1)),
        Err(PlanError::Dust { index: 1, .. })
    ));
    assert!(matches!(
        planned(&coins, &[recipient(1, 1_000)], vb(501)),
        Err(PlanError::RateAboveCap { .. })
    ));
    let low = Limits { max_fee: Amount::from_sat(100), ..limits() };
    assert!(matches!(
        within(&coins, &[recipient(1, 1_000)], vb(1), &low),
        Err(PlanError::FeeAboveCap { .. })
    ));
    let light = Limits { max_weight: Weight::from_wu(400), ..limits() };
    assert!(matches!(
        within(&coins, &[recipient(1, 1_000)], vb(1), &light),
        Err(PlanError::TooHeavy { .. })
    ));
    let many: Vec<Coin> = (0..20).map(|n| coin(n, 1_000)).collect();
    let few = Limits { max_inputs: 10, ..limits() };
    assert_eq!(
        within(&many, &[recipient(1, 15_000)], vb(1), &few),
        Err(PlanError::TooManyInputs { inputs: 10, most: 10 })
    );
    let absurd = TxOut { value: Amount::MAX, script_pubkey: ScriptBuf::new() };
    assert_eq!(planned(&coins, &[absurd], vb(1)), Err(PlanError::Overflow));
}

#[test]
fn selection__should_leave_coins_that_cost_more_than_they_are_worth() {
    let coins = [coin(1, 400), coin(2, 100_000)];
    let plan = planned(&coins, &[recipient(1, 20_000)], vb(10)).expect("a plan");
    assert!(!plan.spends(&coins[0].outpoint));
}

#[test]
fn plan__should_survive_storage() {
    let plan = planned(&[coin(1, 100_000)], &[recipient(1, 20_000)], vb(10)).expect("a plan");
    let config = bincode::config::standard();
    let bytes = bincode::encode_to_vec(&plan, config).expect("encodes");
    let (back, read): (Plan, usize) = bincode::decode_from_slice(&bytes, config).expect("decodes");
    assert_eq!((back, read), (plan, bytes.len()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn plan__should_keep_its_promises_or_say_why_not(
        values in prop::collection::vec((300_u64..2_000_000, any::<bool>()), 1..40),
        paid in prop::collection::vec(330_u64..800_000, 1..5),
        rate in 1_u32..80,
        rotate in 0_usize..40,
    ) {
        let mut coins: Vec<Coin> = (0..).zip(&values)
            .map(|(n, (sats, confirmed))| Coin { confirmed: *confirmed, ..coin(n, *sats) })
            .collect();
        let recipients: Vec<TxOut> =
            (0..).zip(&paid).map(|(n, sats)| recipient(n, *sats)).collect();
        let outcome = planned(&coins, &recipients, vb(rate));
        coins.rotate_left(rotate % values.len());
        prop_assert_eq!(&outcome, &planned(&coins, &recipients, vb(rate)), "order matters");
        let Ok(plan) = outcome else { return Ok(()) };
        prop_assert_eq!(plan.recipients(), recipients.as_slice());
        prop_assert!(plan.coins()[0].confirmed);
        let least = weight::fee(vb(rate), plan.weight()).expect("small");
        prop_assert!(plan.fee() >= least);
        match plan.change() {
            Some((_, change)) => {
                prop_assert_eq!(plan.fee(), least);
                prop_assert!(change.value >= Amount::from_sat(330));
            }
            // At most dust and the cost of the output that would have carried it.
            None => prop_assert!(plan.fee().to_sat() < least.to_sat() + 330 + 44 * u64::from(rate)),
        }
    }
}
