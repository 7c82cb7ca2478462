//! Requests to unbond, check by check.

use bitcoin::{
    Amount, OutPoint, Sequence, Transaction, TxIn, TxOut, Txid, absolute::LockTime, hashes::Hash,
    transaction::Version,
};
use rstest::rstest;
use trestle_staking::tx::{
    NotPresigned, RequestFault, Unbonding, UnbondingError, check_request, presigned_form,
};

use crate::fixture::{outpoint, params, sign, somewhere, stake};

/// The request of the stake's owner, changed in some way, and signed again as it stands if the
/// stake is still what it spends.
fn check(change: impl Fn(&mut Transaction)) -> Result<(), RequestFault> {
    let (stake, params) = (stake(), params());
    let unbonding = Unbonding::new(&stake, &params).expect("worth more than the fee");
    let mut transaction = unbonding.transaction().clone();
    change(&mut transaction);
    let staker = sign(1, unbonding.sighash());
    check_request(&transaction, None, &stake, &params, &staker).map(|_| ())
}

#[test]
fn good_request__should_be_accepted_with_or_without_witness() {
    assert_eq!(check(|_| {}), Ok(()));
    assert_eq!(check(|tx| tx.input[0].witness.push([1; 64])), Ok(()));
}

#[rstest]
#[case::no_input(|tx: &mut Transaction| tx.input.clear(), NotPresigned::Empty)]
#[case::no_output(|tx: &mut Transaction| tx.output.clear(), NotPresigned::Empty)]
#[case::two_inputs(|tx: &mut Transaction| tx.input.push(TxIn {
    previous_output: outpoint(50), ..TxIn::default() }), NotPresigned::Inputs(2))]
#[case::same_input_twice(|tx: &mut Transaction| tx.input.push(tx.input[0].clone()),
    NotPresigned::Twice(stake().outpoint))]
#[case::coinbase(|tx: &mut Transaction| tx.input[0].previous_output = OutPoint::null(),
    NotPresigned::Null)]
#[case::two_outputs(|tx: &mut Transaction| tx.output.push(TxOut {
    value: Amount::ZERO, script_pubkey: somewhere() }), NotPresigned::Outputs(2))]
#[case::too_rich(|tx: &mut Transaction| tx.output[0].value = Amount::from_sat(u64::MAX),
    NotPresigned::Value)]
#[case::locked(|tx: &mut Transaction| tx.lock_time = LockTime::from_consensus(7),
    NotPresigned::LockTime(7))]
#[case::version_1(|tx: &mut Transaction| tx.version = Version::ONE, NotPresigned::Version(1))]
#[case::version_3(|tx: &mut Transaction| tx.version = Version(3), NotPresigned::Version(3))]
#[case::replaceable(|tx: &mut Transaction| tx.input[0].sequence = Sequence::ZERO,
    NotPresigned::Sequence(0))]
#[case::signature_script(|tx: &mut Transaction| tx.input[0].script_sig = somewhere(),
    NotPresigned::ScriptSig(34))]
#[case::heavy(|tx: &mut Transaction| tx.input[0].witness.push(vec![0; 400_000]),
    NotPresigned::Weight(400_384))]
#[case::larger_than_a_block(|tx: &mut Transaction| tx.input[0].script_sig =
    vec![0x51; 1_000_000].into(), NotPresigned::TooLarge(1_000_098))]
fn wrong_form__should_be_refused(
    #[case] change: fn(&mut Transaction),
    #[case] reason: NotPresigned,
) {
    assert_eq!(check(change), Err(RequestFault::Form(reason)));
}

#[rstest]
#[case::another_transaction(|tx: &mut Transaction| tx.input[0].previous_output = outpoint(50),
    RequestFault::PrevTxid(outpoint(50).txid))]
#[case::another_output(|tx: &mut Transaction| tx.input[0].previous_output.vout = 4,
    RequestFault::PrevIndex { expected: 0, got: 4 })]
#[case::another_value(|tx: &mut Transaction| tx.output[0].value = Amount::from_sat(49_499),
    RequestFault::Value { expected: 49_500, got: 49_499 })]
#[case::another_script(|tx: &mut Transaction| tx.output[0].script_pubkey = somewhere(),
    RequestFault::Script)]
fn wrong_content__should_be_refused(
    #[case] change: fn(&mut Transaction),
    #[case] reason: RequestFault,
) {
    assert_eq!(check(change), Err(reason));
}

#[test]
fn wrong_id__should_be_refused() {
    let (stake, params) = (stake(), params());
    let unbonding = Unbonding::new(&stake, &params).expect("worth more than the fee");
    let transaction = unbonding.transaction().clone();
    let staker = sign(1, unbonding.sighash());
    let (is, said) = (transaction.compute_txid(), Txid::all_zeros());
    let checked = check_request(&transaction, Some(said), &stake, &params, &staker);
    assert_eq!(checked.map(|_| ()), Err(RequestFault::Txid { is, said }));
    assert!(check_request(&transaction, Some(is), &stake, &params, &staker).is_ok());
}

#[test]
fn strange_signature__should_be_refused() {
    let (stake, params) = (stake(), params());
    let unbonding = Unbonding::new(&stake, &params).expect("worth more than the fee");
    let transaction = unbonding.transaction().clone();
    for signature in [sign(2, unbonding.sighash()), sign(1, [1; 32])] {
        let checked = check_request(&transaction, None, &stake, &params, &signature);
        assert_eq!(checked.map(|_| ()), Err(RequestFault::Signature));
    }
}

#[test]
fn stake_not_worth_its_fee__should_have_no_unbonding() {
    let poor = trestle_staking::Stake { value: Amount::from_sat(500), ..stake() };
    let error = Unbonding::new(&poor, &params()).map(|_| ());
    assert_eq!(error, Err(UnbondingError::NothingLeft { value: 500, fee: 500 }));
}

#[test]
fn parameters_of_another_version__should_give_no_unbonding() {
    let params = trestle_staking::VersionParams { version: 3, ..params() };
    let error = Unbonding::new(&stake(), &params).map(|_| ());
    assert_eq!(error, Err(UnbondingError::OtherVersion { stake: 0, got: 3 }));
}

#[test]
fn unbonding__should_have_the_form() {
    let (stake, params) = (stake(), params());
    let unbonding = Unbonding::new(&stake, &params).expect("worth more than the fee");
    assert_eq!(presigned_form(unbonding.transaction()), Ok(()));
}
