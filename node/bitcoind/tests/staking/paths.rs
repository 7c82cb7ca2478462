//! Every path from a stake to its end, with every size of committee.

use bitcoin::{Amount, OutPoint, Transaction};
use rstest::rstest;
use trestle_staking::{
    identify::{StakeSpend, UnbondingSpend, spend_of_stake, spend_of_unbonding},
    tx::{SlashPlan, Slashing, Unbonding, Withdrawable, Withdrawal},
};

use crate::{
    chain::{Chain, FEE, somewhere},
    committee::{NINE, ONE},
    fixture::{Committee, PROVIDER, STAKER, THREE, params, plan, sign},
};

/// What the mempool says of a timelock that has not ended.
const TOO_EARLY: &str = "non-BIP68-final";
const SLASHED: u64 = 5_000;
/// The lock of what a slashing leaves to the staker.
const CHANGE_TIME: u16 = 4;

fn must_withdraw(from: Vec<Withdrawable>) -> Transaction {
    let withdrawal = Withdrawal::with_fee(from, somewhere(), FEE).expect("rich enough");
    let to_sign = withdrawal.to_sign();
    let signatures: Vec<_> = to_sign.iter().map(|(_, hash)| sign(STAKER, *hash)).collect();
    withdrawal.finish(&signatures).expect("one good signature for each input")
}

/// Withdraws an output whose transaction is in the last block: refused while the lock runs, and
/// taken into the first block in which it has ended.
async fn must_withdraw_in_time(chain: &Chain, from: Withdrawable) -> Transaction {
    let time = from.time();
    let withdrawal = must_withdraw(vec![from]);
    // The block of the output is the first of the lock; the mempool judges for the next block.
    chain.must_mine(time - 2).await;
    assert_eq!(chain.refusal(&withdrawal).await.as_deref(), Some(TOO_EARLY));
    let invalid = chain.invalidity(&withdrawal).await.unwrap_or_default();
    assert!(invalid.contains("bad-txns-nonfinal"), "{invalid}");
    chain.must_mine(1).await;
    chain.must_confirm(&withdrawal).await;
    withdrawal
}

fn slash_plan() -> SlashPlan {
    SlashPlan {
        to: somewhere(),
        slashed: Amount::from_sat(SLASHED),
        fee: FEE,
        change_time: CHANGE_TIME,
    }
}

/// Slashes, and withdraws what is left once its lock has ended.
async fn must_slash(chain: &Chain, slashing: Slashing<'_>, committee: Committee) -> Transaction {
    let hash = slashing.sighash();
    let members = committee.signatures(hash);
    let signed = slashing.finish(&sign(STAKER, hash), &sign(PROVIDER, hash), &members);
    let signed = signed.expect("all have signed");
    chain.must_confirm(&signed).await;
    let (txid, left) = (signed.compute_txid(), signed.output[1].value);
    let staker = crate::fixture::key(STAKER);
    let change = Withdrawable::slashed(staker, CHANGE_TIME, OutPoint { txid, vout: 1 }, left);
    must_withdraw_in_time(chain, change).await;
    signed
}

#[rstest]
#[case::of_one(ONE)]
#[case::two_of_three(THREE)]
#[case::six_of_nine(NINE)]
#[tokio::test]
async fn stake__should_be_withdrawn_when_its_lock_has_ended(#[case] committee: Committee) {
    let chain = Chain::must_start().await;
    let params = params(committee);
    let stake = chain.must_stake_one(plan(10), &params).await;

    let from = Withdrawable::stake(&stake, &params).expect("keys differ");
    let spend = must_withdraw_in_time(&chain, from).await;

    assert_eq!(spend_of_stake(&stake, &params, &spend, 0), Ok(StakeSpend::Withdrawal));
}

#[rstest]
#[case::of_one(ONE)]
#[case::two_of_three(THREE)]
#[case::six_of_nine(NINE)]
#[tokio::test]
async fn stake__should_be_unbonded_at_once_and_withdrawn_after_the_unbonding_time(
    #[case] committee: Committee,
) {
    let chain = Chain::must_start().await;
    let params = params(committee);
    let stake = chain.must_stake_one(plan(1000), &params).await;
    let expected = Unbonding::new(&stake, &params).expect("worth more than the fee");

    let (outpoint, value) = chain.must_unbond(&stake, &params, committee).await;
    let from = Withdrawable::unbonding(&stake, outpoint, value, &params).expect("keys differ");
    let spend = must_withdraw_in_time(&chain, from).await;

    assert_eq!(outpoint.txid, expected.transaction().compute_txid());
    let kind = spend_of_unbonding(&stake, &params, &spend, 0);
    assert_eq!(kind, Ok(UnbondingSpend::Withdrawal));
}

#[rstest]
#[case::of_one(ONE)]
#[case::two_of_three(THREE)]
#[case::six_of_nine(NINE)]
#[tokio::test]
async fn stake_and_unbonding__should_be_slashed(#[case] committee: Committee) {
    let chain = Chain::must_start().await;
    let params = params(committee);
    let stakes = chain.must_stake(&[plan(1000), plan(1000)], &params).await;

    let slashing = Slashing::of_stake(&stakes[0], &params, &slash_plan()).expect("rich enough");
    let of_stake = must_slash(&chain, slashing, committee).await;
    let unbonded = chain.must_unbond(&stakes[1], &params, committee).await;
    let slashing = Slashing::of_unbonding(&stakes[1], unbonded, &params, &slash_plan());
    let of_unbonding = must_slash(&chain, slashing.expect("rich enough"), committee).await;

    assert_eq!(spend_of_stake(&stakes[0], &params, &of_stake, 0), Ok(StakeSpend::Slashing));
    let kind = spend_of_unbonding(&stakes[1], &params, &of_unbonding, 0);
    assert_eq!(kind, Ok(UnbondingSpend::Slashing));
}

#[tokio::test]
async fn withdrawal__should_take_two_stakes_and_an_unbonding_at_once() {
    let chain = Chain::must_start().await;
    let params = params(THREE);
    let stakes = chain.must_stake(&[plan(8), plan(12), plan(1000)], &params).await;
    let (outpoint, value) = chain.must_unbond(&stakes[2], &params, THREE).await;
    let from = [
        Withdrawable::stake(&stakes[0], &params),
        Withdrawable::unbonding(&stakes[2], outpoint, value, &params),
        Withdrawable::stake(&stakes[1], &params),
    ];
    let from = from.into_iter().map(|each| each.expect("keys differ")).collect();
    let spend = must_withdraw(from);

    // The stakes have one confirmation more than the last block, the unbonding's: of the three
    // locks that of 12 blocks is the last to end.
    chain.must_mine(12 - 3).await;
    let early = chain.refusal(&spend).await;
    chain.must_mine(1).await;
    chain.must_confirm(&spend).await;

    assert_eq!(early.as_deref(), Some(TOO_EARLY));
    assert_eq!(spend_of_stake(&stakes[0], &params, &spend, 0), Ok(StakeSpend::Withdrawal));
    let kind = spend_of_unbonding(&stakes[2], &params, &spend, 1);
    assert_eq!(kind, Ok(UnbondingSpend::Withdrawal));
    assert_eq!(spend_of_stake(&stakes[1], &params, &spend, 2), Ok(StakeSpend::Withdrawal));
}
