//! A Bitcoin chain in memory: blocks, the set of unspent outputs, reorgs of any depth, and a pool
//! from which the miner takes what it likes. It keeps every version of a payment that it was ever
//! given, so that which one confirms is the miner's choice and not the rules' of a node.
//!
//! Always holds: a transaction in the pool satisfies consensus, signature by signature.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn,
    TxMerkleNode, TxOut, Txid, Witness,
    absolute::LockTime,
    block::{Header, Version as BlockVersion},
    consensus::serialize,
    hashes::Hash,
    transaction::Version,
};
use bitcoinconsensus::{Utxo, VERIFY_ALL_PRE_TAPROOT, VERIFY_TAPROOT};
use rand_chacha::ChaCha8Rng;
use trestle_actors::{
    follower::Step,
    ports::chain::{Accepted, Coin, CoinView, Tip},
};

use super::dice;

/// The id of the transaction whose outputs fund the committee: they are nobody's, and need no
/// signature.
const FAUCET: [u8; 32] = [0xFA; 32];
/// Blocks before a coinbase may be spent.
const MATURE: u32 = 100;

struct Known {
    block: Arc<Block>,
    height: u32,
}

#[derive(Clone)]
struct Unspent {
    output: TxOut,
    height: u32,
    coinbase: bool,
}

/// The chain, and the pool.
pub(crate) struct Chain {
    known: BTreeMap<BlockHash, Known>,
    active: Vec<BlockHash>,
    unspent: BTreeMap<OutPoint, Unspent>,
    pool: BTreeMap<Txid, Transaction>,
    outputs: BTreeMap<OutPoint, TxOut>,
    serial: u32,
    /// Where coinbases go.
    pub(crate) miner: ScriptBuf,
}

impl Chain {
    pub(crate) fn new() -> Self {
        let mut chain = Self {
            known: BTreeMap::new(),
            active: Vec::new(),
            unspent: BTreeMap::new(),
            pool: BTreeMap::new(),
            outputs: BTreeMap::new(),
            serial: 0,
            miner: ScriptBuf::from_bytes(vec![0x51]),
        };
        chain.append(Vec::new());
        chain
    }

    pub(crate) fn height(&self) -> u32 {
        u32::try_from(self.active.len() - 1).expect("a simulation has few blocks")
    }

    pub(crate) fn tip(&self) -> Tip {
        Tip { height: self.height(), hash: *self.active.last().expect("there is a first block") }
    }

    /// Pays a script out of nowhere; in the pool, not in a block yet.
    pub(crate) fn fund(&mut self, script: &ScriptBuf, amount: Amount) -> OutPoint {
        self.serial += 1;
        let previous_output = OutPoint { txid: Txid::from_byte_array(FAUCET), vout: self.serial };
        let input = TxIn { previous_output, ..unsigned_input() };
        let output = TxOut { value: amount, script_pubkey: script.clone() };
        let transaction = transaction(vec![input], vec![output]);
        let txid = transaction.compute_txid();
        self.admit(transaction);
        OutPoint { txid, vout: 0 }
    }

    /// Hands a transaction to the pool.
    pub(crate) fn broadcast(&mut self, transaction: &Transaction) -> Accepted {
        let txid = transaction.compute_txid();
        if self.confirmed(&txid) {
            return Accepted::Confirmed;
        }
        if self.pool.contains_key(&txid) {
            return Accepted::Mempool;
        }
        match self.verify(transaction) {
            Ok(()) => {
                self.admit(transaction.clone());
                Accepted::Mempool
            }
            Err(reason) => Accepted::Rejected(reason),
        }
    }

    /// Empties the pool of the committee's transactions, as a node does that is started again, and
    /// says how many there were. Those of others are sent again by others.
    pub(crate) fn forget(&mut self) -> u64 {
        let before = self.pool.len();
        self.pool.retain(|_, transaction| transaction.input.iter().any(is_faucet));
        (before - self.pool.len()) as u64
    }

    fn admit(&mut self, transaction: Transaction) {
        let txid = transaction.compute_txid();
        for (vout, output) in (0..).zip(&transaction.output) {
            self.outputs.insert(OutPoint { txid, vout }, output.clone());
        }
        self.pool.insert(txid, transaction);
    }

    fn verify(&self, transaction: &Transaction) -> Result<(), String> {
        let spent = transaction.input.iter().map(|input| {
            let found = self.outputs.get(&input.previous_output).cloned();
            found.ok_or_else(|| "bad-txns-inputs-missingorspent".to_owned())
        });
        let spent: Vec<TxOut> = spent.collect::<Result<_, _>>()?;
        let worth: u64 = spent.iter().map(|output| output.value.to_sat()).sum();
        let paid: u64 = transaction.output.iter().map(|output| output.value.to_sat()).sum();
        if paid > worth {
            return Err("bad-txns-in-belowout".into());
        }
        satisfies_consensus(transaction, &spent)
    }

    fn confirmed(&self, txid: &Txid) -> bool {
        self.transactions().any(|transaction| transaction.compute_txid() == *txid)
    }

    /// The height of the block with that transaction.
    pub(crate) fn height_of(&self, txid: &Txid) -> Option<u32> {
        let has = |hash: &&BlockHash| {
            self.known[*hash].block.txdata.iter().any(|one| one.compute_txid() == *txid)
        };
        self.active.iter().find(has).map(|hash| self.known[hash].height)
    }

    /// Every transaction of the best chain, from the first block on.
    pub(crate) fn transactions(&self) -> impl Iterator<Item = &Transaction> {
        self.active.iter().flat_map(|hash| &self.known[hash].block.txdata)
    }

    /// Mines a block with some of the pool: each transaction that can be in it is, with a chance of
    /// `per_mille`, in an order of the miner's.
    pub(crate) fn mine(&mut self, rng: &mut ChaCha8Rng, per_mille: u32) {
        let mut chosen: Vec<Transaction> = Vec::new();
        let mut skipped: BTreeSet<Txid> = BTreeSet::new();
        let mut available = self.unspent.clone();
        let next = self.height() + 1;
        loop {
            let fits = |transaction: &&Transaction| {
                let txid = transaction.compute_txid();
                !skipped.contains(&txid)
                    && !chosen.iter().any(|one| one.compute_txid() == txid)
                    && transaction.input.iter().all(|input| {
                        is_faucet(input)
                            || available
                                .get(&input.previous_output)
                                .is_some_and(|coin| !coin.coinbase || next - coin.height >= MATURE)
                    })
            };
            let candidates: Vec<&Transaction> = self.pool.values().filter(fits).collect();
            let Some(pick) = dice::pick(rng, &candidates) else { break };
            let transaction = (*pick).clone();
            if dice::chance(rng, per_mille) {
                spend(&mut available, &transaction, next);
                chosen.push(transaction);
            } else {
                skipped.insert(transaction.compute_txid());
            }
        }
        self.append(chosen);
    }

    /// Takes the last `depth` blocks off and mines one more than that.
    pub(crate) fn reorg(&mut self, rng: &mut ChaCha8Rng, depth: u32, per_mille: u32) {
        let depth = depth.min(self.height());
        let keep = self.active.len() - depth as usize;
        for hash in self.active.split_off(keep) {
            let block = Arc::clone(&self.known[&hash].block);
            for transaction in block.txdata.iter().filter(|one| !one.is_coinbase()) {
                self.admit(transaction.clone());
            }
        }
        self.unspent.clear();
        for hash in self.active.clone() {
            let Known { block, height } = &self.known[&hash];
            let (block, height) = (Arc::clone(block), *height);
            for transaction in &block.txdata {
                spend(&mut self.unspent, transaction, height);
            }
        }
        for _ in 0..=depth {
            self.mine(rng, per_mille);
        }
    }

    fn append(&mut self, mut transactions: Vec<Transaction>) {
        self.serial += 1;
        let height = u32::try_from(self.active.len()).expect("a simulation has few blocks");
        transactions.insert(0, coinbase(height, self.serial, &self.miner));
        let header = Header {
            version: BlockVersion::TWO,
            prev_blockhash: self.active.last().copied().unwrap_or(BlockHash::all_zeros()),
            merkle_root: TxMerkleNode::all_zeros(),
            time: height,
            bits: CompactTarget::from_consensus(0x207F_FFFF),
            nonce: self.serial,
        };
        for transaction in &transactions {
            self.pool.remove(&transaction.compute_txid());
            spend(&mut self.unspent, transaction, height);
            for (vout, output) in (0..).zip(&transaction.output) {
                let txid = transaction.compute_txid();
                self.outputs.insert(OutPoint { txid, vout }, output.clone());
            }
        }
        let block = Block { header, txdata: transactions };
        let hash = block.block_hash();
        self.known.insert(hash, Known { block: Arc::new(block), height });
        self.active.push(hash);
    }

    /// What bitcoind's UTXO set says.
    pub(crate) fn coins(&self, outpoints: &[OutPoint]) -> CoinView {
        let tip = self.tip();
        let coin = |outpoint: &OutPoint| {
            let unspent = self.unspent.get(outpoint)?;
            Some(Coin {
                value: unspent.output.value,
                script: unspent.output.script_pubkey.clone(),
                confirmations: tip.height - unspent.height + 1,
                coinbase: unspent.coinbase,
            })
        };
        CoinView { tip, coins: outpoints.iter().map(coin).collect() }
    }

    /// The confirmed coins of a script that can be spent, largest first.
    pub(crate) fn coins_of(&self, script: &ScriptBuf) -> Vec<(OutPoint, TxOut)> {
        let of = |(_, coin): &(&OutPoint, &Unspent)| {
            coin.output.script_pubkey == *script && !coin.coinbase
        };
        let coins = self.unspent.iter().filter(of);
        let mut coins: Vec<_> = coins.map(|(at, coin)| (*at, coin.output.clone())).collect();
        coins.sort_by_key(|(_, output)| std::cmp::Reverse(output.value));
        coins
    }

    /// The steps of a follower that stands at `at` and needs blocks from `start` on, a few at a
    /// time, and where it stands after them.
    pub(crate) fn steps(
        &self,
        mut at: Option<Tip>,
        start: u32,
        most: usize,
    ) -> (Vec<Step>, Option<Tip>) {
        let mut steps = Vec::new();
        while steps.len() < most {
            if let Some(tip) =
                at.filter(|tip| self.active.get(tip.height as usize) != Some(&tip.hash))
            {
                steps.push(Step::Disconnect { height: tip.height, hash: tip.hash });
                let parent = self.known[&tip.hash].block.header.prev_blockhash;
                at = (tip.height > start).then(|| Tip { height: tip.height - 1, hash: parent });
                continue;
            }
            let height = at.map_or(start, |tip| tip.height + 1);
            let Some(hash) = self.active.get(height as usize).copied() else { break };
            let block = Arc::clone(&self.known[&hash].block);
            steps.push(Step::Connect { height, hash, block });
            at = Some(Tip { height, hash });
        }
        (steps, at)
    }
}

fn is_faucet(input: &TxIn) -> bool {
    input.previous_output.txid.to_byte_array() == FAUCET
}

fn spend(unspent: &mut BTreeMap<OutPoint, Unspent>, transaction: &Transaction, height: u32) {
    for input in &transaction.input {
        unspent.remove(&input.previous_output);
    }
    let txid = transaction.compute_txid();
    let coinbase = transaction.is_coinbase();
    for (vout, output) in (0..).zip(&transaction.output) {
        let coin = Unspent { output: output.clone(), height, coinbase };
        unspent.insert(OutPoint { txid, vout }, coin);
    }
}

fn unsigned_input() -> TxIn {
    TxIn {
        previous_output: OutPoint::null(),
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    }
}

fn transaction(input: Vec<TxIn>, output: Vec<TxOut>) -> Transaction {
    Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input, output }
}

fn coinbase(height: u32, serial: u32, script: &ScriptBuf) -> Transaction {
    let bytes = [height.to_be_bytes(), serial.to_be_bytes()].concat();
    let input = TxIn { script_sig: ScriptBuf::from_bytes(bytes), ..unsigned_input() };
    let output = TxOut { value: Amount::from_sat(5_000_000), script_pubkey: script.clone() };
    transaction(vec![input], vec![output])
}

fn satisfies_consensus(transaction: &Transaction, spent: &[TxOut]) -> Result<(), String> {
    let bytes = serialize(transaction);
    let utxo = |output: &TxOut| Utxo {
        script_pubkey: output.script_pubkey.as_bytes().as_ptr(),
        script_pubkey_len: u32::try_from(output.script_pubkey.len()).expect("scripts are short"),
        value: i64::try_from(output.value.to_sat()).expect("below 21 million"),
    };
    let utxos: Vec<Utxo> = spent.iter().map(utxo).collect();
    let flags = VERIFY_ALL_PRE_TAPROOT | VERIFY_TAPROOT;
    for (index, output) in spent.iter().enumerate() {
        let (script, value) = (output.script_pubkey.as_bytes(), output.value.to_sat());
        bitcoinconsensus::verify_with_flags(script, value, &bytes, Some(&utxos), index, flags)
            .map_err(|error| format!("mandatory-script-verify-flag-failed: {error:?}"))?;
    }
    Ok(())
}
