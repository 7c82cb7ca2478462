//! Keys by number, a committee of some of them, and a stake to be made.

use bitcoin::{
    Amount, PublicKey, XOnlyPublicKey,
    key::Keypair,
    secp256k1::{Message, Secp256k1, schnorr::Signature},
};
use trestle_staking::{Cap, Covenant, Tag, VersionParams, tx::StakePlan};

pub(crate) const STAKER: u8 = 1;
pub(crate) const PROVIDER: u8 = 2;
/// Of every stake here, in sat.
pub(crate) const VALUE: u64 = 50_000;
/// Some of their keys have odd y coordinates.
pub(crate) const THREE: Committee = Committee { members: &[101, 102, 103], quorum: 2 };

/// Members by number, and how many of them must sign.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Committee {
    pub(crate) members: &'static [u8],
    pub(crate) quorum: u32,
}

pub(crate) fn keypair(number: u8) -> Keypair {
    Keypair::from_seckey_slice(&Secp256k1::new(), &[number; 32]).expect("small and not zero")
}

pub(crate) fn key(number: u8) -> XOnlyPublicKey {
    keypair(number).x_only_public_key().0
}

pub(crate) fn public(number: u8) -> PublicKey {
    PublicKey::new(keypair(number).public_key())
}

pub(crate) fn sign(number: u8, hash: [u8; 32]) -> Signature {
    Secp256k1::new().sign_schnorr_no_aux_rand(&Message::from_digest(hash), &keypair(number))
}

/// From height 100; locks of 5 to 1000 blocks; unbonding takes 5 blocks and 2,000 sat.
pub(crate) fn params(committee: Committee) -> VersionParams {
    let keys = committee.members.iter().map(|member| key(*member));
    VersionParams {
        version: 0,
        activation_height: 100,
        cap: Cap::Height(10_000),
        tag: Tag(*b"test"),
        covenant_pks: committee.members.iter().map(|member| public(*member)).collect(),
        covenant: Covenant::new(keys, committee.quorum).expect("different keys and a quorum"),
        unbonding_time: 5,
        unbonding_fee: Amount::from_sat(2_000),
        max_staking_amount: Amount::from_sat(100_000),
        min_staking_amount: Amount::from_sat(10_000),
        max_staking_time: 1000,
        min_staking_time: 5,
        confirmation_depth: 2,
    }
}

pub(crate) fn plan(time: u16) -> StakePlan {
    StakePlan {
        staker: key(STAKER),
        finality_provider: key(PROVIDER),
        value: Amount::from_sat(VALUE),
        time,
    }
}
