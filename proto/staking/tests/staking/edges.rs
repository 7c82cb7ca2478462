//! Corners where rules meet: heights and versions, other forms of the OP_RETURN, a committee of
//! one, one block.

use bitcoin::{Amount, OutPoint, ScriptBuf, Transaction, TxOut, Witness};
use rstest::rstest;
use serde_json::{Value, json};
use trestle_chain::Stored;
use trestle_machine::{Machine as _, Step};
use trestle_staking::{
    GlobalParams, Stake, VersionParams,
    delegation::{ConfirmedStake, Delegation, Event, StateName, Unbonding as Confirmed},
    identify::{
        Identified, InvalidStake, NotStaking, StakeSpend, UnbondingSpend, spend_of_stake,
        spend_of_unbonding,
    },
    script::{Keys, StakingData, StakingOutput},
    tx::Unbonding,
};

use crate::{
    fixture::{
        PROVIDER, STAKER, identify, key, outpoint, params, plan, sign, signatures, somewhere,
        stake, staking, transaction, with_committee,
    },
    params::{file, key_hex, version},
};

/// From 100 on a window up to 200; from 250 on another committee and larger stakes.
fn two_versions() -> GlobalParams {
    let mut first = version(0, 100);
    first["staking_cap"] = json!(0);
    first["cap_height"] = json!(200);
    let mut second = version(1, 250);
    second["min_staking_amount"] = json!(20_000);
    let mut third = version(2, 300);
    third["covenant_pks"] = [101, 102, 103, 104, 106].map(key_hex).into_iter().collect::<Value>();
    GlobalParams::parse(&file(&[first, second, third])).expect("keeps all rules")
}

/// A stake of 10,000 sat for 1,000 blocks as an indexer would find it under these parameters.
fn stake_under(params: &VersionParams) -> Transaction {
    let keys = Keys::new(&params.covenant, key(STAKER), &[key(PROVIDER)]).expect("all differ");
    let data = StakingData {
        tag: params.tag,
        staker: key(STAKER),
        finality_provider: key(PROVIDER),
        time: 1_000,
    };
    let script_pubkey = StakingOutput::new(&keys, 1_000).script_pubkey();
    let outputs = vec![
        TxOut { value: Amount::from_sat(10_000), script_pubkey },
        TxOut { value: Amount::ZERO, script_pubkey: data.to_script() },
    ];
    transaction(&[(outpoint(7), Witness::new())], outputs)
}

/// What the same transaction is at a height, and whether it is overflow there.
fn at(height: u32) -> Option<(Identified, bool)> {
    let all = two_versions();
    let transaction = stake_under(all.version(0).expect("there is one"));
    let params = all.params_at(height)?;
    let overflow = params.cap.overflows(height, Amount::ZERO);
    Some((identify(&transaction, params), overflow))
}

#[rstest]
#[case::at_activation(100, false)]
#[case::at_cap_height(200, false)]
#[case::above_cap_height(201, true)]
#[case::before_the_next_version(249, true)]
fn stake__should_go_by_the_version_of_its_height(#[case] height: u32, #[case] overflow: bool) {
    let (identified, is_overflow) = at(height).expect("a version is active");
    let Identified::Stake(stake) = identified else { panic!("{identified:?}") };
    assert_eq!((stake.params_version, is_overflow), (0, overflow));
}

#[test]
fn stake_before_the_first_activation__should_be_under_no_version() {
    assert_eq!(at(99), None);
}

#[test]
fn stake_of_an_earlier_versions_amount__should_be_invalid() {
    let (identified, _) = at(250).expect("a version is active");
    let Identified::Invalid { reason, stake } = identified else { panic!("{identified:?}") };
    assert_eq!((reason, stake.params_version), (InvalidStake::ValueTooLow, 1));
}

#[test]
fn stake_of_an_earlier_committee__should_not_be_a_stake() {
    let not = Identified::NotStaking(NotStaking::NoStakingOutput);
    assert_eq!(at(300), Some((not, false)));
}

/// The bytes of a good OP_RETURN.
fn data() -> Vec<u8> {
    staking(&plan(), &params()).output[1].script_pubkey.to_bytes()
}

/// 73 bytes with their length in bytes of its own behind the opcode, as no builder makes them.
fn pushed_otherwise(head: &[u8]) -> ScriptBuf {
    let mut bytes = data();
    bytes[1..=head.len()].copy_from_slice(head);
    ScriptBuf::from_bytes(bytes)
}

#[rstest]
#[case::pushdata_1(&[0x4c, 0x46])]
#[case::pushdata_2(&[0x4d, 0x45, 0x00])]
fn other_push__should_neither_make_nor_break_a_stake(#[case] head: &[u8]) {
    let params = params();
    let mut alone = staking(&plan(), &params);
    alone.output[1].script_pubkey = pushed_otherwise(head);
    assert_eq!(identify(&alone, &params), Identified::NotStaking(NotStaking::NoTag));

    let mut beside = staking(&plan(), &params);
    beside.output.push(TxOut { value: Amount::ZERO, script_pubkey: pushed_otherwise(head) });
    assert!(matches!(identify(&beside, &params), Identified::Stake(_)));
}

#[test]
fn version_byte_1_beside_the_tagged__should_not_matter() {
    let params = params();
    let mut bytes = data();
    bytes[6] = 1;
    let mut transaction = staking(&plan(), &params);
    let script_pubkey = ScriptBuf::from_bytes(bytes);
    transaction.output.insert(0, TxOut { value: Amount::ZERO, script_pubkey });
    let Identified::Stake(stake) = identify(&transaction, &params) else { panic!("a stake") };
    assert_eq!(stake.outpoint.vout, 1);
}

#[test]
fn committee_of_one__should_have_all_kinds_of_spends() {
    let params = with_committee(&[101], 1);
    let stake = stake();
    let unbonding = Unbonding::new(&stake, &params).expect("worth more than the fee");
    let hash = unbonding.sighash();
    let unbonding = unbonding.finish(&sign(STAKER, hash), &signatures(&[101], hash));
    let unbonding = unbonding.expect("a quorum of one");
    let staking = stake.output(&params).expect("keys differ");
    let output = stake.unbonding_output(&params).expect("keys differ");
    let spend = |witness| transaction(&[(outpoint(9), witness)], Vec::new());
    let signed = [[7_u8; 64]];

    let txid = unbonding.compute_txid();
    let of_stake = |spend: &Transaction| spend_of_stake(&stake, &params, spend, 0);
    assert_eq!(of_stake(&unbonding), Ok(StakeSpend::Unbonding { txid, version: 2 }));
    let withdrawal = spend(staking.timelock().witness(signed));
    assert_eq!(of_stake(&withdrawal), Ok(StakeSpend::Withdrawal));
    let slashing = spend(staking.slashing().witness(signed));
    assert_eq!(of_stake(&slashing), Ok(StakeSpend::Slashing));
    let of_unbonding = |spend: &Transaction| spend_of_unbonding(&stake, &params, spend, 0);
    let withdrawal = spend(output.timelock().witness(signed));
    assert_eq!(of_unbonding(&withdrawal), Ok(UnbondingSpend::Withdrawal));
    assert_eq!(of_unbonding(&slashing), Ok(UnbondingSpend::Slashing));
}

#[test]
fn spend_of_an_unbonding__should_be_recognised_with_an_annex() {
    let (stake, params) = (stake(), params());
    let output = stake.unbonding_output(&params).expect("keys differ");
    for (leaf, kind) in [
        (output.timelock(), UnbondingSpend::Withdrawal),
        (output.slashing(), UnbondingSpend::Slashing),
    ] {
        let mut witness = leaf.witness([[7_u8; 64]]);
        witness.push([0x50, 1]);
        let spend = transaction(&[(outpoint(9), witness)], Vec::new());
        assert_eq!(spend_of_unbonding(&stake, &params, &spend, 0), Ok(kind));
    }
}

/// A stake locked for the unbonding time has the script of its unbonding's output: only the outpoint
/// tells which of the two is spent.
#[test]
fn lock_of_the_unbonding_time__should_be_a_withdrawal_from_both_outputs() {
    let params = params();
    let stake = Stake { time: params.unbonding_time, ..stake() };
    let leaf = stake.output(&params).expect("keys differ").timelock();
    let output = TxOut { value: Amount::from_sat(1_000), script_pubkey: somewhere() };
    let spend = transaction(&[(stake.outpoint, leaf.witness([[7_u8; 64]]))], vec![output]);
    assert_eq!(spend_of_stake(&stake, &params, &spend, 0), Ok(StakeSpend::Withdrawal));
    let of_unbonding = spend_of_unbonding(&stake, &params, &spend, 0);
    assert_eq!(of_unbonding, Ok(UnbondingSpend::Withdrawal));
}

/// Stake, unbonding and the next stake may stand in one block, and blocks be handled again.
#[rstest]
#[case::in_the_order_of_the_block(false)]
#[case::the_other_way_round(true)]
fn stake_and_unbonding_in_one_block__should_be_unbonding(#[case] reversed: bool) {
    let (stake, unbonding) = (stake(), OutPoint { txid: outpoint(8).txid, vout: 0 });
    let staked = ConfirmedStake {
        height: 120,
        output_index: 0,
        value: stake.value.to_sat(),
        timelock: stake.time,
        staker: stake.staker.into(),
        provider: stake.finality_provider.into(),
        overflow: true,
    };
    let unbonded =
        Confirmed { txid: Stored(unbonding.txid), height: 120, timelock: 20, standard: true };
    let mut events = [Event::StakeConfirmed(staked), Event::UnbondingConfirmed(unbonded)];
    if reversed {
        events.reverse();
    }
    let apply = |delegation: Delegation, event: &Event| match delegation.apply(event) {
        Ok(Step::Applied { state, .. }) => state,
        Ok(Step::Duplicate) => delegation,
        Err(refusal) => panic!("{refusal:?}"),
    };
    let once = events.iter().fold(Delegation::default(), apply);
    assert_eq!(once.name(), StateName::Unbonding);
    assert_eq!(events.iter().fold(once, apply), once, "the block again");
}
