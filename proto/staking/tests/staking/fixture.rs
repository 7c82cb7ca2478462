//! Keys by number, a committee of three, stakes, and consensus' own opinion of a spend.

#[path = "../../../chain/src/testing/consensus.rs"]
mod judge;

use std::collections::BTreeMap;

use bitcoin::{
    Amount, OutPoint, PublicKey, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness,
    XOnlyPublicKey,
    absolute::LockTime,
    hashes::Hash,
    key::Keypair,
    secp256k1::{Message, Secp256k1, schnorr::Signature},
    transaction::Version,
};
use trestle_staking::{
    Cap, Covenant, Stake, Tag, VersionParams,
    identify::{Identified, Identifier, Staking, identify as alone},
    tx::{Funding, StakePlan},
};

pub(crate) use judge::verify as consensus;

pub(crate) const STAKER: u8 = 1;
pub(crate) const PROVIDER: u8 = 2;
/// The committee's members; two of them must sign.
pub(crate) const MEMBERS: [u8; 3] = [101, 102, 103];

pub(crate) fn keypair(number: u8) -> Keypair {
    Keypair::from_seckey_slice(&Secp256k1::new(), &[number; 32]).expect("small and not zero")
}

pub(crate) fn key(number: u8) -> XOnlyPublicKey {
    keypair(number).x_only_public_key().0
}

pub(crate) fn sign(number: u8, hash: [u8; 32]) -> Signature {
    Secp256k1::new().sign_schnorr_no_aux_rand(&Message::from_digest(hash), &keypair(number))
}

pub(crate) fn signatures(members: &[u8], hash: [u8; 32]) -> BTreeMap<XOnlyPublicKey, Signature> {
    members.iter().map(|member| (key(*member), sign(*member, hash))).collect()
}

/// Version 0: from height 100, 10 to 100 thousand sat, 10 to 1000 blocks, cap at height 200.
pub(crate) fn params() -> VersionParams {
    with_committee(&MEMBERS, 2)
}

pub(crate) fn with_committee(members: &[u8], quorum: u32) -> VersionParams {
    let keys = members.iter().map(|member| key(*member));
    VersionParams {
        version: 0,
        activation_height: 100,
        cap: Cap::Height(200),
        tag: Tag(*b"test"),
        covenant_pks: members
            .iter()
            .map(|member| PublicKey::new(keypair(*member).public_key()))
            .collect(),
        covenant: Covenant::new(keys, quorum).expect("different keys and a quorum of them"),
        unbonding_time: 20,
        unbonding_fee: Amount::from_sat(500),
        max_staking_amount: Amount::from_sat(100_000),
        min_staking_amount: Amount::from_sat(10_000),
        max_staking_time: 1000,
        min_staking_time: 10,
        confirmation_depth: 2,
    }
}

pub(crate) fn plan() -> StakePlan {
    StakePlan {
        staker: key(STAKER),
        finality_provider: key(PROVIDER),
        value: Amount::from_sat(50_000),
        time: 100,
    }
}

pub(crate) fn outpoint(number: u8) -> OutPoint {
    OutPoint { txid: Txid::from_byte_array([number; 32]), vout: 0 }
}

/// A stake that is somewhere on the chain.
pub(crate) fn stake() -> Stake {
    plan().stake(outpoint(9), &params())
}

/// A transaction that makes the planned stake, paid for by one coin.
pub(crate) fn staking(plan: &StakePlan, params: &VersionParams) -> Transaction {
    let coin = TxOut { value: Amount::from_sat(10_000_000), script_pubkey: ScriptBuf::new() };
    let funding = Funding::new(vec![(outpoint(7), coin)], Vec::new(), params);
    plan.transaction(params, &funding).expect("within the parameters")
}

/// Any script that somebody can be paid to.
pub(crate) fn somewhere() -> ScriptBuf {
    ScriptBuf::new_p2tr(&Secp256k1::new(), key(77), None)
}

pub(crate) fn transaction(spends: &[(OutPoint, Witness)], output: Vec<TxOut>) -> Transaction {
    let input = |(outpoint, witness): &(OutPoint, Witness)| TxIn {
        previous_output: *outpoint,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: witness.clone(),
    };
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: spends.iter().map(input).collect(),
        output,
    }
}

/// What a transaction is, by itself; among others it must be the same.
pub(crate) fn identify(transaction: &Transaction, params: &VersionParams) -> Identified {
    let identified = alone(transaction, params);
    let (stake, allowed) = match &identified {
        Identified::Stake(stake) => (Some(stake), Ok(())),
        Identified::Invalid { reason, stake } => (Some(stake), Err(*reason)),
        Identified::NotStaking(_) => (None, Ok(())),
    };
    let staking = |place, stake: &Stake| Staking {
        place,
        outpoint: stake.outpoint,
        staker: stake.staker.into(),
        finality_provider: stake.finality_provider.into(),
        value: stake.value,
        time: stake.time,
        params_version: stake.params_version,
        allowed,
    };
    let among = vec![transaction.clone(); 5];
    let expected: Vec<Staking> =
        (0..among.len()).filter_map(|place| Some(staking(place, stake?))).collect();
    assert_eq!(Identifier::new(params).identify_all(&among), expected);
    identified
}
