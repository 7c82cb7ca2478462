//! Keys by number, the parameters, and stakes.

use bitcoin::{
    Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxOut, Txid, XOnlyPublicKey,
    hashes::Hash,
    key::Keypair,
    secp256k1::{Message, Secp256k1, schnorr::Signature},
};
use serde_json::json;
use trestle_actors::staking::pipeline::UnbondingForm;
use trestle_staking::{
    GlobalParams, Stake, VersionParams,
    tx::{Funding, StakePlan, Unbonding},
};
use trestle_wire::Peer;

pub(crate) const COORDINATOR: u8 = 1;
/// Two of them must sign.
pub(crate) const MEMBERS: [u8; 3] = [101, 102, 103];
const PROVIDER: u8 = 2;

pub(crate) fn peer(number: u8) -> Peer {
    Peer([number; 32])
}

pub(crate) fn keypair(number: u8) -> Keypair {
    Keypair::from_seckey_slice(&Secp256k1::new(), &[number; 32]).expect("small and not zero")
}

pub(crate) fn x_only(number: u8) -> XOnlyPublicKey {
    keypair(number).x_only_public_key().0
}

pub(crate) fn full_key(number: u8) -> [u8; 33] {
    keypair(number).public_key().serialize()
}

pub(crate) fn sign(pair: &Keypair, hash: [u8; 32]) -> Signature {
    Secp256k1::new().sign_schnorr_no_aux_rand(&Message::from_digest(hash), pair)
}

/// From height 100; from 130 on an unbonding costs more, and all else is the same.
pub(crate) fn params_text() -> String {
    let version = |number: u32, activation: u32, fee: u32| {
        json!({
            "version": number,
            "activation_height": activation,
            "staking_cap": 2_000_000,
            "tag": "74657374",
            "covenant_pks": MEMBERS.map(|member| hex::encode(full_key(member))),
            "covenant_quorum": 2,
            "unbonding_time": 5,
            "unbonding_fee": fee,
            "max_staking_amount": 100_000,
            "min_staking_amount": 10_000,
            "max_staking_time": 1000,
            "min_staking_time": 10,
            "confirmation_depth": 2,
        })
    };
    json!({ "versions": [version(0, 100, 500), version(1, 130, 700)] }).to_string()
}

pub(crate) fn params() -> GlobalParams {
    GlobalParams::parse(&params_text()).expect("the parameters are good")
}

/// A stake, its transaction, and its unbonding.
#[derive(Clone)]
pub(crate) struct Staked {
    pub(crate) stake: Stake,
    pub(crate) transaction: Transaction,
    pub(crate) params: VersionParams,
    pub(crate) staker: Keypair,
}

impl Staked {
    /// The `number`th of a block.
    pub(crate) fn new(height: u32, number: u32, params: &VersionParams) -> Self {
        Self::with(height, number, 20_000, 100, params)
    }

    pub(crate) fn with(
        height: u32,
        number: u32,
        sats: u64,
        time: u16,
        params: &VersionParams,
    ) -> Self {
        let mut secret = [3; 32];
        secret[..4].copy_from_slice(&number.to_be_bytes());
        secret[4..8].copy_from_slice(&height.to_be_bytes());
        let staker = Keypair::from_seckey_slice(&Secp256k1::new(), &secret).expect("a scalar");
        let plan = StakePlan {
            staker: staker.x_only_public_key().0,
            finality_provider: x_only(PROVIDER),
            value: Amount::from_sat(sats),
            time,
        };
        let coin = TxOut { value: Amount::from_sat(1_000_000), script_pubkey: ScriptBuf::new() };
        let funding = Funding::new(vec![(coin_of(&secret), coin)], Vec::new(), params);
        let transaction = plan.transaction(params, &funding).expect("within the parameters");
        let outpoint = OutPoint { txid: transaction.compute_txid(), vout: 0 };
        let stake = plan.stake(outpoint, params);
        Self { stake, transaction, params: params.clone(), staker }
    }

    pub(crate) fn txid(&self) -> Txid {
        self.stake.outpoint.txid
    }

    pub(crate) fn unbonding(&self) -> Unbonding<'_> {
        Unbonding::new(&self.stake, &self.params).expect("enough is left")
    }

    pub(crate) fn unbonding_txid(&self) -> Txid {
        self.unbonding().transaction().compute_txid()
    }

    /// What the staker posts.
    pub(crate) fn form(&self) -> UnbondingForm {
        let unbonding = self.unbonding();
        UnbondingForm {
            staking: self.txid(),
            unbonding: self.unbonding_txid(),
            transaction: unbonding.transaction().clone(),
            signature: sign(&self.staker, unbonding.sighash()),
        }
    }

    /// The staker's own way out, when the lock has ended.
    pub(crate) fn withdrawal(&self) -> Transaction {
        let leaf = self.stake.output(&self.params).expect("different keys").timelock();
        let mut transaction = self.unbonding().transaction().clone();
        transaction.input[0].sequence = Sequence::from_height(self.stake.time);
        transaction.input[0].witness = leaf.witness([[0; 64]]);
        transaction.output[0].script_pubkey = ScriptBuf::new();
        transaction
    }

    /// Staker, provider and committee at once.
    pub(crate) fn slashing(&self) -> Transaction {
        let leaf = self.stake.output(&self.params).expect("different keys").slashing();
        let mut transaction = self.unbonding().transaction().clone();
        transaction.input[0].witness = leaf.witness([[0; 64]]);
        transaction.output[0].script_pubkey = ScriptBuf::new();
        transaction
    }
}

fn coin_of(secret: &[u8; 32]) -> OutPoint {
    OutPoint { txid: Txid::from_byte_array(*secret), vout: 0 }
}
