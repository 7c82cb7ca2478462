//! What spends a stake, and what spends its unbonding.

use bitcoin::{
    Amount, OutPoint, Sequence, Transaction, TxOut, Witness, absolute::LockTime,
    transaction::Version,
};
use rstest::rstest;
use trestle_staking::{
    Stake, VersionParams,
    identify::{
        Identified, InvalidUnbonding, StakeSpend, UnbondingSpend, spend_of_stake,
        spend_of_unbonding, tapscript,
    },
    tx::Unbonding,
};

use crate::fixture::{
    consensus, identify, key, outpoint, params, plan, sign, signatures, somewhere, stake, staking,
    transaction, with_committee,
};

fn unbonding() -> Transaction {
    let (stake, params) = (stake(), params());
    let unbonding = Unbonding::new(&stake, &params).expect("worth more than the fee");
    let hash = unbonding.sighash();
    let members = signatures(&[101, 102], hash);
    unbonding.finish(&sign(1, hash), &members).expect("a quorum of good signatures")
}

fn classify(transaction: &Transaction) -> StakeSpend {
    spend_of_stake(&stake(), &params(), transaction, 0).expect("keys differ")
}

/// The witness of the stake's withdrawal; its signature is of no interest here.
fn withdrawing(stake: &Stake, params: &VersionParams) -> (OutPoint, Witness) {
    let leaf = stake.output(params).expect("keys differ").timelock();
    (stake.outpoint, leaf.witness([[7_u8; 64]]))
}

fn paid(sats: u64) -> Vec<TxOut> {
    vec![TxOut { value: Amount::from_sat(sats), script_pubkey: somewhere() }]
}

#[test]
fn unbonding__should_be_recognised() {
    let transaction = unbonding();
    let spend = classify(&transaction);
    let txid = transaction.compute_txid();
    assert_eq!(spend, StakeSpend::Unbonding { txid, version: 2 });
    assert!(spend.is_standard_unbonding());
}

#[test]
fn unbonding_of_version_1__should_be_recognised_and_flagged() {
    let mut transaction = unbonding();
    transaction.version = Version::ONE;
    let spend = classify(&transaction);
    assert_eq!(spend, StakeSpend::Unbonding { txid: transaction.compute_txid(), version: 1 });
    assert!(!spend.is_standard_unbonding());
}

#[test]
fn unbonding_with_an_annex__should_be_recognised() {
    let (stake, params) = (stake(), params());
    let mut transaction = unbonding();
    transaction.input[0].witness.push([0x50, 1, 2, 3]);
    assert_eq!(
        classify(&transaction),
        StakeSpend::Unbonding { txid: transaction.compute_txid(), version: 2 }
    );
    // The signatures do not cover this annex; what matters is that consensus reads the same
    // script: with signatures over it, it is valid.
    let spent = [stake.tx_out(&params).expect("keys differ")];
    assert!(consensus(&transaction, &spent).is_err());
    assert_eq!(consensus(&signed_with_annex(), &spent), Ok(()));
    assert!(matches!(classify(&signed_with_annex()), StakeSpend::Unbonding { .. }));
}

fn signed_with_annex() -> Transaction {
    use bitcoin::sighash::{Annex, Prevouts, SighashCache, TapSighashType};
    let (stake, params) = (stake(), params());
    let unbonding = Unbonding::new(&stake, &params).expect("worth more than the fee");
    let spent = &unbonding.spend().spent()[0];
    let annex = [0x50, 9];
    let leaf = (spent.leaf.hash(), 0xFFFF_FFFF);
    let hash = SighashCache::new(unbonding.transaction())
        .taproot_signature_hash(
            0,
            &Prevouts::All(std::slice::from_ref(&spent.output)),
            Some(Annex::new(&annex).expect("begins with 0x50")),
            Some(leaf),
            TapSighashType::Default,
        )
        .expect("one input");
    let hash: [u8; 32] = *hash.as_ref();
    let members = signatures(&[101, 102], hash);
    let mut stack =
        trestle_staking::tx::quorum_stack(&params.covenant, &hash, &members).expect("a quorum");
    stack.push(sign(1, hash).serialize().to_vec());
    let mut witness = spent.leaf.witness(stack);
    witness.push(annex);
    let mut transaction = unbonding.transaction().clone();
    transaction.input[0].witness = witness;
    transaction
}

#[rstest]
#[case::replaceable(|tx: &mut Transaction| tx.input[0].sequence = Sequence(0xFFFF_FFFD),
    InvalidUnbonding::Sequence(0xFFFF_FFFD))]
#[case::locked(|tx: &mut Transaction| tx.lock_time = LockTime::from_consensus(5),
    InvalidUnbonding::LockTime(5))]
#[case::fee_too_high(|tx: &mut Transaction| tx.output[0].value -= Amount::ONE_SAT,
    InvalidUnbonding::Value { expected: 49_500, got: 49_499 })]
#[case::fee_too_low(|tx: &mut Transaction| tx.output[0].value += Amount::ONE_SAT,
    InvalidUnbonding::Value { expected: 49_500, got: 49_501 })]
#[case::wrong_output(|tx: &mut Transaction| tx.output[0].script_pubkey = somewhere(),
    InvalidUnbonding::Output)]
#[case::two_outputs(|tx: &mut Transaction| tx.output.extend(paid(330)),
    InvalidUnbonding::Shape { inputs: 1, outputs: 2 })]
fn unbonding_against_the_rules__should_be_told(
    #[case] change: fn(&mut Transaction),
    #[case] reason: InvalidUnbonding,
) {
    let mut transaction = unbonding();
    change(&mut transaction);
    assert_eq!(classify(&transaction), StakeSpend::InvalidUnbonding(reason));
    let by_shape = matches!(reason, InvalidUnbonding::Shape { .. });
    assert_eq!(reason.counts_as_withdrawal(), by_shape);
}

#[test]
fn two_stakes_through_the_unbonding_script_at_once__should_be_told() {
    let mut transaction = unbonding();
    let second = bitcoin::TxIn { previous_output: outpoint(33), ..transaction.input[0].clone() };
    transaction.input.push(second);
    let reason = InvalidUnbonding::Shape { inputs: 2, outputs: 1 };
    assert_eq!(classify(&transaction), StakeSpend::InvalidUnbonding(reason));
}

#[test]
fn unbonding__should_go_by_the_stakes_version() {
    let newer = VersionParams {
        version: 1,
        unbonding_fee: Amount::from_sat(700),
        unbonding_time: 30,
        ..params()
    };
    assert!(classify(&unbonding()).is_standard_unbonding());
    let spend = spend_of_stake(&stake(), &newer, &unbonding(), 0).expect("keys differ");
    assert_eq!(spend, StakeSpend::InvalidUnbonding(InvalidUnbonding::Output));
    let rotated = VersionParams { version: 1, ..with_committee(&[101, 102, 104], 2) };
    let spend = spend_of_stake(&stake(), &rotated, &unbonding(), 0).expect("keys differ");
    assert_eq!(spend, StakeSpend::Unknown);
}

#[test]
fn stake_and_its_unbonding__should_be_recognised_one_after_the_other() {
    let params = params();
    let staked = staking(&plan(), &params);
    let Identified::Stake(stake) = identify(&staked, &params) else { panic!("a stake") };
    let unbonding = Unbonding::new(&stake, &params).expect("worth more than the fee");
    let hash = unbonding.sighash();
    let signed = unbonding.finish(&sign(1, hash), &signatures(&[101, 102], hash));
    let signed = signed.expect("a quorum of good signatures");
    let spend = spend_of_stake(&stake, &params, &signed, 0).expect("keys differ");
    assert!(spend.is_standard_unbonding());
    let unstaked = identify(&signed, &params);
    assert!(matches!(unstaked, Identified::NotStaking(_)), "{unstaked:?}");
}

#[test]
fn withdrawal__should_be_recognised_also_with_an_annex() {
    let mut transaction = transaction(&[withdrawing(&stake(), &params())], paid(40_000));
    assert_eq!(classify(&transaction), StakeSpend::Withdrawal);
    transaction.input[0].witness.push([0x50]);
    assert_eq!(classify(&transaction), StakeSpend::Withdrawal);
}

#[test]
fn slashing__should_be_recognised() {
    let (stake, params) = (stake(), params());
    let leaf = stake.output(&params).expect("keys differ").slashing();
    let stack = vec![[7_u8; 64]; 5];
    let transaction = transaction(&[(stake.outpoint, leaf.witness(stack))], paid(40_000));
    assert_eq!(classify(&transaction), StakeSpend::Slashing);
    let spend = spend_of_unbonding(&stake, &params, &transaction, 0).expect("keys differ");
    assert_eq!(spend, UnbondingSpend::Slashing);
}

#[test]
fn stake_spent_by_a_stake__should_be_both() {
    let params = params();
    let mut transaction = staking(&plan(), &params);
    let (outpoint, witness) = withdrawing(&stake(), &params);
    transaction.input[0].previous_output = outpoint;
    transaction.input[0].witness = witness;
    assert_eq!(classify(&transaction), StakeSpend::Withdrawal);
    assert!(matches!(identify(&transaction, &params), Identified::Stake(_)));
}

#[test]
fn withdrawal_of_two_stakes_and_an_unbonding__should_be_told_input_by_input() {
    let (first, params) = (stake(), params());
    let second = Stake { outpoint: outpoint(10), time: 17, ..first.clone() };
    let leaf = first.unbonding_output(&params).expect("keys differ").timelock();
    let spends = [
        withdrawing(&first, &params),
        (outpoint(11), leaf.witness([[7_u8; 64]])),
        withdrawing(&second, &params),
    ];
    let transaction = transaction(&spends, paid(100_000));
    let of_stake = |stake: &Stake, input| spend_of_stake(stake, &params, &transaction, input);
    assert_eq!(of_stake(&first, 0), Ok(StakeSpend::Withdrawal));
    assert_eq!(of_stake(&second, 2), Ok(StakeSpend::Withdrawal));
    let of_unbonding = spend_of_unbonding(&first, &params, &transaction, 1);
    assert_eq!(of_unbonding, Ok(UnbondingSpend::Withdrawal));
    // The lock of another stake is another script.
    assert_eq!(of_stake(&first, 2), Ok(StakeSpend::Unknown));
    assert_eq!(of_stake(&first, 3), Ok(StakeSpend::Unknown), "there is no such input");
}

#[rstest]
#[case::empty(&[])]
#[case::one_item(&[&[1; 64][..]])]
#[case::key_and_annex(&[&[1; 64][..], &[0x50, 0][..]])]
#[case::annex_alone(&[&[0x50][..]])]
#[case::empty_items(&[&[][..], &[][..]])]
fn short_witness__should_be_unknown(#[case] items: &[&[u8]]) {
    let witness = Witness::from_slice(items);
    let transaction = transaction(&[(stake().outpoint, witness)], paid(1));
    assert_eq!(classify(&transaction), StakeSpend::Unknown);
    let spend = spend_of_unbonding(&stake(), &params(), &transaction, 0);
    assert_eq!(spend, Ok(UnbondingSpend::Unknown));
}

#[test]
fn tapscript__should_be_the_item_before_the_control_block() {
    let plain = Witness::from_slice(&[&[1_u8][..], &[2], &[3]]);
    assert_eq!(tapscript(&plain), Some(&[2_u8][..]));
    let with_annex = Witness::from_slice(&[&[1_u8][..], &[2], &[3], &[0x50]]);
    assert_eq!(tapscript(&with_annex), Some(&[2_u8][..]));
}

#[test]
fn stake_of_another_committee__should_be_an_error() {
    let params = with_committee(&[1, 101], 2);
    let error = spend_of_stake(&stake(), &params, &unbonding(), 0);
    assert_eq!(error, Err(trestle_staking::script::ScriptError::DuplicateKey(key(1))));
}
