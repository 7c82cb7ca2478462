//! Stakes, their spends, and the blocks that hold them.

use std::sync::Arc;

use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn,
    TxMerkleNode, TxOut, Txid, Witness, XOnlyPublicKey,
    absolute::LockTime,
    block::{Header, Version as BlockVersion},
    hashes::Hash as _,
    key::Keypair,
    secp256k1::Secp256k1,
    transaction::Version,
};
use trestle_actors::follower::Step;
use trestle_staking::{
    GlobalParams, Stake, VersionParams,
    script::{Keys, Leaf, StakingData, StakingOutput},
};

/// The first height.
pub(crate) const START: u32 = 100;

fn keypair(number: u8) -> Keypair {
    Keypair::from_seckey_slice(&Secp256k1::new(), &[number; 32]).expect("small and not zero")
}

fn key(number: u8) -> XOnlyPublicKey {
    keypair(number).x_only_public_key().0
}

/// One version: 2 of 3, depth 3, unbonding 4 blocks, a cap of 100,000 sats.
pub(crate) fn params() -> (String, Arc<GlobalParams>) {
    let keys = [101, 102, 103].map(|number| format!("\"{}\"", keypair(number).public_key()));
    let text = format!(
        r#"{{"versions":[{{"version":0,"activation_height":{START},"staking_cap":100000,
        "tag":"74657374","covenant_pks":[{}],"covenant_quorum":2,"unbonding_time":4,
        "unbonding_fee":500,"max_staking_amount":100000,"min_staking_amount":10000,
        "max_staking_time":1000,"min_staking_time":10,"confirmation_depth":3}}]}}"#,
        keys.join(",")
    );
    let params = GlobalParams::parse(&text).expect("valid parameters");
    (text, Arc::new(params))
}

fn transaction(input: TxIn, output: Vec<TxOut>) -> Transaction {
    Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input: vec![input], output }
}

fn input(previous_output: OutPoint, witness: Witness) -> TxIn {
    TxIn { previous_output, script_sig: ScriptBuf::new(), sequence: Sequence::MAX, witness }
}

fn pay(value: u64, script_pubkey: ScriptBuf) -> TxOut {
    TxOut { value: Amount::from_sat(value), script_pubkey }
}

fn somewhere(value: u64) -> TxOut {
    pay(value, ScriptBuf::new_p2tr(&Secp256k1::new(), key(77), None))
}

/// The index does not look at signatures.
fn witness(leaf: &Leaf) -> Witness {
    leaf.witness([[1; 64]])
}

/// A stake, and what spends it.
pub(crate) struct Staked {
    pub(crate) tx: Transaction,
    stake: Stake,
    params: VersionParams,
}

impl Staked {
    /// The number is the staker's, and makes it like no other.
    pub(crate) fn new(number: u8, value: u64, time: u16, params: &GlobalParams) -> Self {
        let params = params.versions()[0].clone();
        let (staker, finality_provider) = (key(number), key(50));
        let keys = Keys::new(&params.covenant, staker, &[finality_provider]);
        let output = StakingOutput::new(&keys.expect("keys that differ"), time).script_pubkey();
        let data = StakingData { tag: params.tag, staker, finality_provider, time };
        let from = OutPoint { txid: Txid::from_byte_array([number; 32]), vout: 7 };
        let outputs = vec![pay(value, output), pay(0, data.to_script()), somewhere(1_000)];
        let tx = transaction(input(from, Witness::new()), outputs);
        let stake = Stake {
            outpoint: OutPoint { txid: tx.compute_txid(), vout: 0 },
            staker,
            finality_provider,
            value: Amount::from_sat(value),
            time,
            params_version: params.version,
        };
        Self { tx, stake, params }
    }

    pub(crate) fn txid(&self) -> Txid {
        self.stake.outpoint.txid
    }

    fn output(&self) -> StakingOutput {
        self.stake.output(&self.params).expect("keys that differ")
    }

    pub(crate) fn unbonding(&self) -> Transaction {
        let paid = self.stake.unbonding_tx_out(&self.params).expect("keys that differ");
        let spend = input(self.stake.outpoint, witness(&self.output().unbonding()));
        transaction(spend, vec![paid.expect("more than the fee")])
    }

    pub(crate) fn withdrawal(&self) -> Transaction {
        let spend = input(self.stake.outpoint, witness(&self.output().timelock()));
        transaction(spend, vec![somewhere(9_000)])
    }

    pub(crate) fn unbonding_withdrawal(&self) -> Transaction {
        let output = self.stake.unbonding_output(&self.params).expect("keys that differ");
        let from = OutPoint { txid: self.unbonding().compute_txid(), vout: 0 };
        transaction(input(from, witness(&output.timelock())), vec![somewhere(9_000)])
    }

    pub(crate) fn slashing(&self) -> Transaction {
        let spend = input(self.stake.outpoint, witness(&self.output().slashing()));
        transaction(spend, vec![somewhere(100), somewhere(9_000)])
    }
}

/// A branch from [`START`] on, as the steps along it.
#[derive(Default)]
pub(crate) struct Chain {
    blocks: Vec<Arc<Block>>,
    salt: u32,
}

impl Chain {
    fn height(&self) -> u32 {
        START + u32::try_from(self.blocks.len()).expect("few")
    }

    /// A block on top, which no other is like.
    pub(crate) fn mine(&mut self, txs: Vec<Transaction>) -> Step {
        self.salt += 1;
        let last = self.blocks.last();
        let prev_blockhash = last.map_or_else(BlockHash::all_zeros, |block| block.block_hash());
        let coinbase = transaction(input(OutPoint::null(), Witness::new()), vec![somewhere(50)]);
        let header = Header {
            version: BlockVersion::TWO,
            prev_blockhash,
            merkle_root: TxMerkleNode::all_zeros(),
            time: 1_700_000_000 + self.salt,
            bits: CompactTarget::from_consensus(0x207f_ffff),
            nonce: 0,
        };
        let mut block = Block { header, txdata: [vec![coinbase], txs].concat() };
        block.header.merkle_root = block.compute_merkle_root().expect("a transaction");
        let (height, hash, block) = (self.height(), block.block_hash(), Arc::new(block));
        self.blocks.push(Arc::clone(&block));
        Step::Connect { height, hash, block }
    }

    pub(crate) fn pass(&mut self, blocks: u32) -> Vec<Step> {
        (0..blocks).map(|_| self.mine(Vec::new())).collect()
    }

    /// Takes blocks off, the last first.
    pub(crate) fn lose(&mut self, blocks: u32) -> Vec<Step> {
        let take = |_| {
            let hash = self.blocks.pop().expect("so many blocks").block_hash();
            Step::Disconnect { height: self.height(), hash }
        };
        (0..blocks).map(take).collect()
    }
}
