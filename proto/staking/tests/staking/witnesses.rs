//! Every script path of every output, spent under consensus, and refused when it should be.

use std::collections::BTreeMap;

use bitcoin::{Amount, OutPoint, Sequence, Transaction, TxOut, bip32::KeySource};
use rstest::rstest;
use trestle_staking::{
    Stake, VersionParams,
    tx::{
        SlashPlan, Slashing, Unbonding, WithdrawError, Withdrawable, Withdrawal, WitnessError,
        signature_of,
    },
};

use crate::fixture::{
    MEMBERS, PROVIDER, STAKER, consensus, key, outpoint, params, sign, signatures, somewhere,
    stake, with_committee,
};

/// Members by descending key, as witnesses have them.
fn descending() -> Vec<u8> {
    let mut members = MEMBERS.to_vec();
    members.sort_by_key(|member| std::cmp::Reverse(key(*member).serialize()));
    members
}

fn unbonding<'a>(stake: &Stake, params: &'a VersionParams) -> Unbonding<'a> {
    Unbonding::new(stake, params).expect("worth more than the fee")
}

fn must_unbond(stake: &Stake, params: &VersionParams, members: &[u8]) -> Transaction {
    let unbonding = unbonding(stake, params);
    let hash = unbonding.sighash();
    let signatures = signatures(members, hash);
    unbonding.finish(&sign(STAKER, hash), &signatures).expect("a quorum of good signatures")
}

/// The unbonding with this stack before script and control block.
fn unbonding_with(stack: &[Vec<u8>]) -> (Transaction, [TxOut; 1]) {
    let (stake, params) = (stake(), params());
    let unbonding = unbonding(&stake, &params);
    let spent = &unbonding.spend().spent()[0];
    let mut transaction = unbonding.transaction().clone();
    transaction.input[0].witness = spent.leaf.witness(stack);
    (transaction, [spent.output.clone()])
}

#[rstest]
#[case(&[101, 102])]
#[case(&[101, 103])]
#[case(&[102, 103])]
#[case(&[101, 102, 103])]
fn unbonding__should_be_valid_with_any_quorum(#[case] members: &[u8]) {
    let (stake, params) = (stake(), params());
    let signed = must_unbond(&stake, &params, members);
    let spent = [stake.tx_out(&params).expect("keys differ")];
    assert_eq!(consensus(&signed, &spent), Ok(()));
    let filled = signed.input[0].witness.iter().take(3).filter(|item| !item.is_empty()).count();
    assert_eq!(filled, 2, "exactly the quorum signs");
}

#[test]
fn unbonding__should_be_valid_with_a_committee_of_one() {
    let params = with_committee(&[101], 1);
    let stake = stake();
    let signed = must_unbond(&stake, &params, &[101]);
    assert_eq!(consensus(&signed, &[stake.tx_out(&params).expect("keys differ")]), Ok(()));
}

#[test]
fn unbonding__should_keep_its_id_when_signed() {
    let (stake, params) = (stake(), params());
    let id = unbonding(&stake, &params).transaction().compute_txid();
    assert_eq!(must_unbond(&stake, &params, &[101, 102]).compute_txid(), id);
}

#[rstest]
#[case::quorum_short_by_one(&[true, false, false], false)]
#[case::one_too_many(&[true, true, true], false)]
#[case::exactly_the_quorum(&[true, false, true], true)]
fn consensus__should_count_members(#[case] signs: &[bool; 3], #[case] valid: bool) {
    let hash = unbonding(&stake(), &params()).sighash();
    let item = |(member, signs): (u8, &bool)| {
        if *signs { sign(member, hash).serialize().to_vec() } else { Vec::new() }
    };
    let mut stack: Vec<_> = descending().into_iter().zip(signs).map(item).collect();
    stack.push(sign(STAKER, hash).serialize().to_vec());
    let (transaction, spent) = unbonding_with(&stack);
    assert_eq!(consensus(&transaction, &spent).is_ok(), valid);
}

#[test]
fn consensus__should_refuse_members_in_ascending_order() {
    let hash = unbonding(&stake(), &params()).sighash();
    let mut stack: Vec<Vec<u8>> =
        descending().iter().rev().map(|member| sign(*member, hash).serialize().to_vec()).collect();
    stack[0].clear();
    stack.push(sign(STAKER, hash).serialize().to_vec());
    let (transaction, spent) = unbonding_with(&stack);
    assert!(consensus(&transaction, &spent).is_err());
}

#[test]
fn unbonding__should_refuse_wrong_signatures() {
    let (stake, params) = (stake(), params());
    let hash = unbonding(&stake, &params).sighash();
    let staker = sign(STAKER, hash);
    let finish = |staker, members: &BTreeMap<_, _>| {
        unbonding(&stake, &params).finish(staker, members).expect_err("not a quorum")
    };
    let few = signatures(&[101], hash);
    assert_eq!(finish(&staker, &few), WitnessError::TooFew { got: 1, quorum: 2 });
    let mut strange = signatures(&[101, 102], hash);
    strange.insert(key(55), sign(55, hash));
    assert_eq!(finish(&staker, &strange), WitnessError::NotAMember(key(55)));
    let mut bad = signatures(&[101, 102], hash);
    bad.insert(key(103), sign(103, [1; 32]));
    assert_eq!(finish(&staker, &bad), WitnessError::Member(key(103)));
    let swapped = sign(PROVIDER, hash);
    let error = WitnessError::Staker { input: 0, key: key(STAKER) };
    assert_eq!(finish(&swapped, &signatures(&[101, 102], hash)), error);
}

/// The output of the stake's unbonding.
fn unbonded() -> (OutPoint, Amount) {
    let transaction = must_unbond(&stake(), &params(), &[101, 102]);
    (OutPoint { txid: transaction.compute_txid(), vout: 0 }, transaction.output[0].value)
}

fn withdrawables() -> Vec<Withdrawable> {
    let (first, params) = (stake(), params());
    let second = Stake { outpoint: outpoint(10), time: 17, ..first.clone() };
    let (outpoint, value) = unbonded();
    let all = [
        Withdrawable::stake(&first, &params),
        Withdrawable::stake(&second, &params),
        Withdrawable::unbonding(&first, outpoint, value, &params),
    ];
    let mut all: Vec<_> = all.into_iter().map(|each| each.expect("keys differ")).collect();
    all.push(Withdrawable::slashed(key(STAKER), 5, self::outpoint(11), Amount::from_sat(9_000)));
    all
}

fn signed_withdrawal(withdrawal: Withdrawal) -> Transaction {
    let signatures: Vec<_> =
        withdrawal.to_sign().iter().map(|(_, hash)| sign(STAKER, *hash)).collect();
    withdrawal.finish(&signatures).expect("one good signature for each input")
}

#[test]
fn withdrawal__should_spend_stakes_unbondings_and_slashing_change_at_once() {
    let fee = Amount::from_sat(1_000);
    let withdrawal = Withdrawal::with_fee(withdrawables(), somewhere(), fee).expect("rich enough");
    let (weight, spent) = (withdrawal.weight(), withdrawal.spend().prevouts());
    let signed = signed_withdrawal(withdrawal);
    assert_eq!(consensus(&signed, &spent), Ok(()));
    assert_eq!(signed.weight(), weight, "the prediction was exact");
    let sequences: Vec<u32> = signed.input.iter().map(|input| input.sequence.0).collect();
    assert_eq!(sequences, [100, 17, 20, 5]);
    let paid: Amount = spent.iter().map(|output| output.value).sum();
    assert_eq!(paid - signed.output[0].value, fee);
}

#[test]
fn withdrawal__should_pay_the_rate_of_its_signed_virtual_bytes() {
    let rate = bitcoin::FeeRate::from_sat_per_vb_u32(7);
    let withdrawal =
        Withdrawal::with_rate(withdrawables(), somewhere(), rate).expect("rich enough");
    let spent: Amount = withdrawal.spend().prevouts().iter().map(|output| output.value).sum();
    let signed = signed_withdrawal(withdrawal);
    let fee = spent - signed.output[0].value;
    assert_eq!(fee.to_sat(), 7 * u64::try_from(signed.vsize()).expect("small"));
    assert_ne!(signed.weight().to_wu() % 4, 0, "or weight would give the same fee");
}

#[rstest]
#[case::too_early(Sequence::from_height(99))]
#[case::disabled(Sequence::MAX)]
#[case::by_time(Sequence::from_512_second_intervals(100))]
fn consensus__should_refuse_a_withdrawal_with_another_lock(#[case] sequence: Sequence) {
    let (stake, params) = (stake(), params());
    let from = Withdrawable::stake(&stake, &params).expect("keys differ");
    let withdrawal = Withdrawal::with_fee(vec![from], somewhere(), Amount::from_sat(500));
    let withdrawal = withdrawal.expect("rich enough");
    let (spent, leaf) = (withdrawal.spend().prevouts(), withdrawal.spend().spent()[0].leaf.clone());
    let mut transaction = withdrawal.transaction().clone();
    transaction.input[0].sequence = sequence;
    let prevouts = bitcoin::sighash::Prevouts::All(&spent);
    let hash = bitcoin::sighash::SighashCache::new(&transaction)
        .taproot_script_spend_signature_hash(
            0,
            &prevouts,
            leaf.hash(),
            bitcoin::TapSighashType::Default,
        )
        .expect("one input");
    let signature = sign(STAKER, *hash.as_ref()).serialize();
    transaction.input[0].witness = leaf.witness([signature]);
    assert!(consensus(&transaction, &spent).is_err());
}

#[test]
fn withdrawal__should_refuse_what_it_cannot_build() {
    let build = |from, fee| {
        Withdrawal::with_fee(from, somewhere(), Amount::from_sat(fee)).expect_err("cannot be built")
    };
    assert_eq!(build(Vec::new(), 1), WithdrawError::Nothing);
    let mut twice = withdrawables();
    twice.push(twice[0].clone());
    assert_eq!(build(twice, 1), WithdrawError::Twice(stake().outpoint));
    let one = || vec![Withdrawable::stake(&stake(), &params()).expect("keys differ")];
    assert_eq!(build(one(), 50_001), WithdrawError::Fee { fee: 50_001, value: 50_000 });
    let dust = WithdrawError::Dust { fee: 49_671, left: 329, dust: 330 };
    assert_eq!(build(one(), 49_671), dust);
}

#[test]
fn withdrawal__should_refuse_wrong_signatures() {
    let fee = Amount::from_sat(1_000);
    let withdrawal = Withdrawal::with_fee(withdrawables(), somewhere(), fee).expect("rich enough");
    let mut signatures: Vec<_> =
        withdrawal.to_sign().iter().map(|(_, hash)| sign(STAKER, *hash)).collect();
    signatures.swap(1, 2);
    let wrong = withdrawal.clone().finish(&signatures);
    assert_eq!(wrong, Err(WitnessError::Staker { input: 1, key: key(STAKER) }));
    let few = withdrawal.finish(&signatures[..3]);
    assert_eq!(few, Err(WitnessError::Count { got: 3, inputs: 4 }));
}

fn slash_plan() -> SlashPlan {
    SlashPlan {
        to: somewhere(),
        slashed: Amount::from_sat(5_000),
        fee: Amount::from_sat(1_000),
        change_time: 20,
    }
}

fn must_slash(slashing: Slashing<'_>) {
    let hash = slashing.sighash();
    let spent = slashing.spend().prevouts();
    let members = signatures(&[101, 103], hash);
    let signed = slashing.finish(&sign(STAKER, hash), &sign(PROVIDER, hash), &members);
    let signed = signed.expect("all have signed");
    assert_eq!(consensus(&signed, &spent), Ok(()));
    assert_eq!(signed.output[0].value, Amount::from_sat(5_000));
    assert_eq!(spent[0].value - signed.output[1].value, Amount::from_sat(6_000));
}

#[test]
fn slashing__should_spend_a_stake() {
    let params = params();
    must_slash(Slashing::of_stake(&stake(), &params, &slash_plan()).expect("rich enough"));
}

#[test]
fn slashing__should_spend_an_unbonding() {
    let params = params();
    let slashing = Slashing::of_unbonding(&stake(), unbonded(), &params, &slash_plan());
    must_slash(slashing.expect("rich enough"));
}

#[test]
fn slashing__should_need_the_provider() {
    let params = params();
    let slashing = Slashing::of_stake(&stake(), &params, &slash_plan()).expect("rich enough");
    let hash = slashing.sighash();
    let members = signatures(&[101, 103], hash);
    let finished = slashing.finish(&sign(STAKER, hash), &sign(STAKER, hash), &members);
    assert_eq!(finished, Err(WitnessError::Provider(key(PROVIDER))));
}

#[test]
fn psbt_for_a_member__should_carry_all_that_its_wallet_needs() {
    let (stake, params) = (stake(), params());
    let unbonding = unbonding(&stake, &params);
    let member = params.covenant_pks[0];
    let psbt = unbonding.member_psbt(&member);
    let psbt = bitcoin::Psbt::deserialize(&psbt.serialize()).expect("a well-formed PSBT");
    let input = &psbt.inputs[0];
    assert_eq!(input.witness_utxo, stake.tx_out(&params).ok());
    assert!(input.bip32_derivation.contains_key(&member.inner));
    assert!(input.tap_key_origins.contains_key(&key(101)));
    let (control_block, (script, _)) = input.tap_scripts.first_key_value().expect("one script");
    let leaf = &unbonding.spend().spent()[0].leaf;
    assert_eq!((control_block, script), (&leaf.control_block, &leaf.script));
}

#[test]
fn psbt__should_give_back_the_signature_of_a_key() {
    let params = params();
    let unbonding = unbonding(&stake(), &params);
    let mut psbt = unbonding.staker_psbt(KeySource::default());
    assert_eq!(signature_of(&psbt, 0, &key(STAKER)), None);
    let signature = sign(STAKER, unbonding.sighash());
    let leaf = unbonding.spend().spent()[0].leaf.hash();
    let typed =
        bitcoin::taproot::Signature { signature, sighash_type: bitcoin::TapSighashType::Default };
    psbt.inputs[0].tap_script_sigs.insert((key(STAKER), leaf), typed);
    assert_eq!(signature_of(&psbt, 0, &key(STAKER)), Some(signature));
    assert_eq!(signature_of(&psbt, 0, &key(PROVIDER)), None);
    assert_eq!(signature_of(&psbt, 1, &key(STAKER)), None);
    assert!(unbonding.verify_staker(&signature));
}
