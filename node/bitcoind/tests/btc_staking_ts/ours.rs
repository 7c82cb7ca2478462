//! What this project builds. From the other side it takes the fees, which are the caller's to
//! choose, and how many coins were spent; nothing else.

use std::collections::BTreeMap;

use bitcoin::{
    Amount, OutPoint, PublicKey, ScriptBuf, Sequence, Transaction, TxOut,
    absolute::LockTime,
    consensus::encode::{deserialize_hex, serialize_hex},
    key::Keypair,
    secp256k1::{Message, Secp256k1, schnorr::Signature},
};
use trestle_staking::{
    Cap, Covenant, Tag, VersionParams,
    identify::{Identified, identify},
    script::{Keys, StakingData, StakingOutput, UnbondingOutput},
    tx::{
        Funding, SlashPlan, Slashing, StakePlan, Unbonding, Withdrawable, Withdrawal, WitnessError,
    },
};

use crate::{
    case::{Case, SecretText},
    theirs::{Built, Scripts},
};

/// Change below this goes to the fee, in the other library.
const DUST: u64 = 546;

pub(crate) fn build(case: &Case, theirs: &Built) -> Built {
    let params = params(case);
    let plan = StakePlan {
        staker: case.staker,
        finality_provider: case.provider,
        value: Amount::from_sat(case.value),
        time: case.time,
    };
    let staking = staking(case, &plan, &params, theirs);
    let stake = plan.stake(OutPoint { txid: staking.compute_txid(), vout: 0 }, &params);
    assert_eq!(identify(&staking, &params), Identified::Stake(stake.clone()));

    let unbonding = Unbonding::new(&stake, &params).expect("worth more than the fee");
    let unsigned = unbonding.transaction().clone();
    let unbonding_signed = sign_unbonding(case, unbonding).expect("exactly a quorum signed");
    let unbonded = (OutPoint { txid: unsigned.compute_txid(), vout: 0 }, unsigned.output[0].value);

    let from = Withdrawable::stake(&stake, &params).expect("keys differ");
    let withdrawal = withdraw(case, from, theirs.withdrawal_fee);
    let from = Withdrawable::unbonding(&stake, unbonded.0, unbonded.1, &params);
    let early = withdraw(case, from.expect("keys differ"), theirs.early_fee);
    let slashing = Slashing::of_stake(&stake, &params, &slash_plan(case, stake.value));
    let of_unbonding =
        Slashing::of_unbonding(&stake, unbonded, &params, &slash_plan(case, unbonded.1));
    Built {
        scripts: scripts(case, &params),
        staking: serialize_hex(&staking),
        staking_fee: staking_fee(case, &staking, theirs),
        unbonding: serialize_hex(&unsigned),
        unbonding_signed: serialize_hex(&unbonding_signed),
        withdrawal: serialize_hex(withdrawal.transaction()),
        withdrawal_fee: theirs.withdrawal_fee,
        withdrawal_signed: sign_withdrawal(case, withdrawal),
        early: serialize_hex(early.transaction()),
        early_fee: theirs.early_fee,
        early_signed: sign_withdrawal(case, early),
        slashing: serialize_hex(slashing.expect("rich enough").transaction()),
        slashing_of_unbonding: serialize_hex(of_unbonding.expect("rich enough").transaction()),
    }
}

fn params(case: &Case) -> VersionParams {
    let full = |key: &bitcoin::XOnlyPublicKey| {
        PublicKey::new(key.public_key(bitcoin::secp256k1::Parity::Even))
    };
    let tag = hex::decode(&case.tag).expect("hex");
    VersionParams {
        version: 0,
        activation_height: u64::from(case.lock_height) + 1,
        cap: Cap::Height(u64::MAX),
        tag: Tag(tag.try_into().expect("four bytes")),
        covenant_pks: case.covenant.iter().map(full).collect(),
        covenant: Covenant::new(case.covenant.clone(), case.quorum).expect("different keys"),
        unbonding_time: case.unbonding_time,
        unbonding_fee: Amount::from_sat(case.unbonding_fee),
        max_staking_amount: Amount::MAX_MONEY,
        min_staking_amount: Amount::from_sat(1),
        max_staking_time: u16::MAX,
        min_staking_time: 1,
        confirmation_depth: 10,
    }
}

fn scripts(case: &Case, params: &VersionParams) -> Scripts {
    let keys = Keys::new(&params.covenant, case.staker, &[case.provider]).expect("keys differ");
    let staking = StakingOutput::new(&keys, case.time);
    let unbonding = UnbondingOutput::new(&keys, case.unbonding_time);
    let data = StakingData {
        tag: params.tag,
        staker: case.staker,
        finality_provider: case.provider,
        time: case.time,
    };
    assert_eq!(staking.slashing().script, unbonding.slashing().script);
    Scripts {
        timelock: staking.timelock().script.to_hex_string(),
        unbonding: staking.unbonding().script.to_hex_string(),
        slashing: staking.slashing().script.to_hex_string(),
        unbonding_timelock: unbonding.timelock().script.to_hex_string(),
        data: data.to_script().to_hex_string(),
    }
}

/// The coins in falling order of value, as many as the other library took.
fn funding(case: &Case, theirs: &Built, params: &VersionParams) -> Funding {
    let their_tx: Transaction = deserialize_hex(&theirs.staking).expect("a transaction");
    let mut coins = case.coins.clone();
    coins.sort_by_key(|coin| std::cmp::Reverse(coin.value));
    coins.truncate(their_tx.input.len());
    let sum: u64 = coins.iter().map(|coin| coin.value).sum();
    let left = sum.saturating_sub(case.value + theirs.staking_fee);
    let change =
        TxOut { value: Amount::from_sat(left), script_pubkey: case.change_address.script_pubkey() };
    let coins = coins.iter().map(|coin| {
        let script_pubkey = ScriptBuf::from_hex(&coin.script).expect("hex");
        let output = TxOut { value: Amount::from_sat(coin.value), script_pubkey };
        (OutPoint { txid: coin.txid, vout: coin.vout }, output)
    });
    let change = if left > DUST { vec![change] } else { Vec::new() };
    // Ours is not replaceable, theirs is.
    let sequence = Sequence::ENABLE_RBF_NO_LOCKTIME;
    Funding { sequence, ..Funding::new(coins.collect(), change, params) }
}

fn staking(case: &Case, plan: &StakePlan, params: &VersionParams, theirs: &Built) -> Transaction {
    let funding = funding(case, theirs, params);
    assert_eq!(funding.lock_time, LockTime::from_consensus(case.lock_height));
    plan.transaction(params, &funding).expect("the coins pay for it")
}

/// What the stake's coins pay beyond its outputs, less the dust that the other library does not
/// count as fee.
fn staking_fee(case: &Case, staking: &Transaction, theirs: &Built) -> u64 {
    let coin = |outpoint: OutPoint| {
        let found = case
            .coins
            .iter()
            .find(|coin| OutPoint { txid: coin.txid, vout: coin.vout } == outpoint);
        found.expect("a coin of the case").value
    };
    let inputs: u64 = staking.input.iter().map(|input| coin(input.previous_output)).sum();
    let outputs: u64 = staking.output.iter().map(|output| output.value.to_sat()).sum();
    let dust = (inputs - outputs).saturating_sub(theirs.staking_fee);
    assert!(dust <= DUST);
    inputs - outputs - dust
}

fn withdraw(case: &Case, from: Withdrawable, fee: u64) -> Withdrawal {
    let to = case.withdraw_address.script_pubkey();
    Withdrawal::with_fee(vec![from], to, Amount::from_sat(fee)).expect("rich enough")
}

fn sign_withdrawal(case: &Case, withdrawal: Withdrawal) -> String {
    let to_sign = withdrawal.to_sign();
    let signatures: Vec<_> =
        to_sign.iter().map(|(_, hash)| sign(&case.staker_secret, *hash)).collect();
    serialize_hex(&withdrawal.finish(&signatures).expect("the staker's own"))
}

fn sign_unbonding(case: &Case, unbonding: Unbonding<'_>) -> Result<Transaction, WitnessError> {
    let hash = unbonding.sighash();
    let members: BTreeMap<_, _> =
        case.signers.iter().map(|member| (member.key, sign(&member.secret, hash))).collect();
    unbonding.finish(&sign(&case.staker_secret, hash), &members)
}

/// The part in the arithmetic of the other library: floating point, rounded down.
fn slash_plan(case: &Case, value: Amount) -> SlashPlan {
    let rate = case.slash_percent as f64 / 100.0;
    let slashed = (value.to_sat() as f64 * rate).floor();
    SlashPlan {
        to: case.slash_address.script_pubkey(),
        slashed: Amount::from_sat(slashed as u64),
        fee: Amount::from_sat(case.slash_fee),
        change_time: case.unbonding_time,
    }
}

fn sign(secret: &SecretText, hash: [u8; 32]) -> Signature {
    let secp = Secp256k1::new();
    let pair = Keypair::from_seckey_str(&secp, &secret.0).expect("a secret");
    secp.sign_schnorr_no_aux_rand(&Message::from_digest(hash), &pair)
}
