//! What fuzz targets and their seeds have in common: one version of staking parameters, and one
//! stake under it.

use std::sync::LazyLock;

use bitcoin::{
    Amount, OutPoint, PublicKey, TxOut, Txid,
    hashes::Hash as _,
    key::Keypair,
    secp256k1::{All, Message, Secp256k1, schnorr::Signature},
};
use trestle_staking::{
    Cap, Covenant, Stake, Tag, VersionParams,
    tx::{Funding, StakePlan},
};

static SECP: LazyLock<Secp256k1<All>> = LazyLock::new(Secp256k1::new);

/// Who stakes.
pub const STAKER: u8 = 1;
/// Whom the stake is delegated to.
pub const PROVIDER: u8 = 2;
/// The committee.
pub const MEMBERS: [u8; 3] = [101, 102, 103];

/// A key pair by number.
pub fn keypair(number: u8) -> Keypair {
    Keypair::from_seckey_slice(&SECP, &[number; 32]).expect("small and not zero")
}

/// A signature without randomness.
pub fn sign(number: u8, hash: [u8; 32]) -> Signature {
    SECP.sign_schnorr_no_aux_rand(&Message::from_digest(hash), &keypair(number))
}

/// Two of three sign; any tag but this one is foreign.
pub fn params() -> VersionParams {
    let pairs = MEMBERS.map(keypair);
    let keys = pairs.iter().map(|pair| pair.x_only_public_key().0);
    VersionParams {
        version: 0,
        activation_height: 100,
        cap: Cap::Height(200),
        tag: Tag(*b"fuzz"),
        covenant_pks: pairs.iter().map(|pair| PublicKey::new(pair.public_key())).collect(),
        covenant: Covenant::new(keys, 2).expect("different keys and a quorum of them"),
        unbonding_time: 20,
        unbonding_fee: Amount::from_sat(500),
        max_staking_amount: Amount::from_sat(100_000),
        min_staking_amount: Amount::from_sat(10_000),
        max_staking_time: 1000,
        min_staking_time: 10,
        confirmation_depth: 2,
    }
}

/// A stake to be made.
pub fn plan() -> StakePlan {
    StakePlan {
        staker: keypair(STAKER).x_only_public_key().0,
        finality_provider: keypair(PROVIDER).x_only_public_key().0,
        value: Amount::from_sat(50_000),
        time: 100,
    }
}

/// What pays for it.
pub fn funding() -> Funding {
    let coin = TxOut { value: Amount::from_sat(60_000), script_pubkey: Default::default() };
    let outpoint = OutPoint { txid: Txid::from_byte_array([7; 32]), vout: 0 };
    Funding::new(vec![(outpoint, coin)], Vec::new(), &params())
}

/// The stake that is made so.
pub fn stake() -> Stake {
    let params = params();
    let transaction = plan().transaction(&params, &funding()).expect("within the parameters");
    plan().stake(OutPoint { txid: transaction.compute_txid(), vout: 0 }, &params)
}
