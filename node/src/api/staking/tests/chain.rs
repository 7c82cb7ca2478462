//! Blocks made for the index: keys by number, stakes, unbondings, withdrawals.

use std::sync::Arc;

use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Transaction, TxMerkleNode, TxOut,
    Txid, XOnlyPublicKey,
    block::{Header, Version},
    hashes::Hash as _,
    key::Keypair,
    secp256k1::{Message, Secp256k1, schnorr::Signature},
};
use serde_json::json;
use tokio::sync::{Mutex, watch};
use trestle_actors::{
    follower::Step,
    staking::{Events, Index, Settings, ingress::StakingStatus},
};
use trestle_staking::{
    GlobalParams, Stake, VersionParams,
    tx::{Funding, StakePlan, Unbonding},
};
use trestle_store::memory::MemoryStore;

/// The first height; the cap is reached by ten stakes of 100,000 sat.
pub(super) const START: u32 = 100;
/// 2023-11-14T22:13:20Z, in the header of the first block; each has one second more.
pub(super) const TIME: u32 = 1_700_000_000;
pub(super) const MEMBERS: [u8; 3] = [101, 102, 103];

pub(super) struct Chain {
    pub(super) store: MemoryStore,
    pub(super) params: Arc<GlobalParams>,
    pub(super) index: Arc<Mutex<Index>>,
    pub(super) status: watch::Sender<StakingStatus>,
    blocks: Vec<BlockHash>,
    height: u32,
    coins: u32,
}

pub(super) fn keypair(number: u8) -> Keypair {
    Keypair::from_seckey_slice(&Secp256k1::new(), &[number; 32]).expect("small and not zero")
}

pub(super) fn key(number: u8) -> XOnlyPublicKey {
    keypair(number).x_only_public_key().0
}

pub(super) fn sign(number: u8, hash: [u8; 32]) -> Signature {
    Secp256k1::new().sign_schnorr_no_aux_rand(&Message::from_digest(hash), &keypair(number))
}

fn params_text() -> String {
    let keys = MEMBERS.map(|number| keypair(number).public_key().to_string());
    json!({ "versions": [{
        "version": 0, "activation_height": START, "staking_cap": 1_000_000, "tag": "74657374",
        "covenant_pks": keys, "covenant_quorum": 2, "unbonding_time": 3, "unbonding_fee": 500,
        "max_staking_amount": 200_000, "min_staking_amount": 10_000, "max_staking_time": 1000,
        "min_staking_time": 10, "confirmation_depth": 2,
    }] })
    .to_string()
}

impl Chain {
    pub(super) async fn new() -> Self {
        Self::of(&params_text(), START).await
    }

    /// With other parameters, from `height` on.
    pub(super) async fn of(text: &str, height: u32) -> Self {
        let store = MemoryStore::new();
        let params = Arc::new(GlobalParams::parse(text).expect("valid parameters"));
        let events = Events::On { confirmed_info: false };
        let settings = Settings { start: Some(height), events, ..Settings::default() };
        let index = Index::load(Arc::new(store.clone()), Arc::clone(&params), text, settings);
        let index = Arc::new(Mutex::new(index.await.expect("an empty store")));
        let status = super::statuses();
        Self { store, params, index, status, blocks: Vec::new(), height, coins: 0 }
    }

    pub(super) fn version(&self) -> &VersionParams {
        self.params.params_at(self.height).expect("active")
    }

    /// A block of these transactions on top; its height.
    pub(super) async fn mine(&mut self, transactions: Vec<Transaction>) -> u32 {
        let height = self.height;
        let previous = self.blocks.last().copied().unwrap_or_else(BlockHash::all_zeros);
        let header = Header {
            version: Version::TWO,
            prev_blockhash: previous,
            merkle_root: TxMerkleNode::all_zeros(),
            time: TIME + height - START,
            bits: CompactTarget::from_consensus(0),
            nonce: height,
        };
        let block = Arc::new(Block { header, txdata: transactions });
        let step = Step::Connect { height, hash: header.block_hash(), block };
        self.take(step).await;
        self.blocks.push(header.block_hash());
        self.height += 1;
        height
    }

    pub(super) async fn mine_empty(&mut self, blocks: u32) {
        for _ in 0..blocks {
            self.mine(Vec::new()).await;
        }
    }

    /// Takes the last block back.
    pub(super) async fn undo(&mut self) {
        let hash = self.blocks.pop().expect("a block");
        self.height -= 1;
        self.take(Step::Disconnect { height: self.height, hash }).await;
    }

    async fn take(&self, step: Step) {
        let taken = self.index.lock().await.take(&[step]).await.expect("a chain");
        self.status.send_modify(|status| {
            status.tip = taken.tip;
            status.confirmed = taken.confirmed;
            status.last_event = taken.last_event;
        });
    }

    /// A staking transaction of its own.
    pub(super) fn stake(&mut self, staker: u8, provider: u8, value: u64, time: u16) -> Transaction {
        self.coins += 1;
        let plan = StakePlan {
            staker: key(staker),
            finality_provider: key(provider),
            value: Amount::from_sat(value),
            time,
        };
        let mut coin = [0; 32];
        coin[..4].copy_from_slice(&self.coins.to_le_bytes());
        let coin = OutPoint { txid: Txid::from_byte_array(coin), vout: 0 };
        let paid = TxOut { value: Amount::from_sat(10_000_000), script_pubkey: ScriptBuf::new() };
        let funding = Funding::new(vec![(coin, paid)], Vec::new(), self.version());
        plan.transaction(self.version(), &funding).expect("within the parameters")
    }

    /// What a stake made by [`Self::stake`] is.
    pub(super) fn stake_of(
        &self,
        transaction: &Transaction,
        staker: u8,
        provider: u8,
        time: u16,
    ) -> Stake {
        Stake {
            outpoint: OutPoint { txid: transaction.compute_txid(), vout: 0 },
            staker: key(staker),
            finality_provider: key(provider),
            value: transaction.output[0].value,
            time,
            params_version: 0,
        }
    }

    /// The signed unbonding of a stake.
    pub(super) fn unbonding(&self, stake: &Stake, staker: u8) -> Transaction {
        let unbonding = Unbonding::new(stake, self.version()).expect("of these parameters");
        let hash = unbonding.sighash();
        let members = MEMBERS[..2].iter().map(|member| (key(*member), sign(*member, hash)));
        unbonding.finish(&sign(staker, hash), &members.collect()).expect("a quorum")
    }
}
