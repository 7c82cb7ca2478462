//! Regtest chains of our own making, the same on every machine: blocks of real transactions whose
//! coins anyone can spend.
//!
//! A prelude matures one subsidy and splits it into as many coins as a block has payments; every
//! later block spends each of them on, as its [`Plan`] says. The serialized blocks are kept in the
//! user's cache, with a checksum: a file that is not exactly what was written is made again.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, Network, OutPoint, ScriptBuf, Sequence, Target,
    Transaction, TxIn, TxMerkleNode, TxOut, Txid, Witness,
    absolute::LockTime,
    block::{Header, Version},
    blockdata::script::Builder,
    consensus::{deserialize, serialize},
    constants::genesis_block,
    hashes::{Hash as _, sha256},
    opcodes::all::{OP_PUSHNUM_1, OP_RETURN},
    transaction,
};
use eyre::{Context as _, OptionExt as _, Result, ensure};

/// The first block that has all its payments.
pub(crate) const FIRST: u32 = 102;

/// Seconds between blocks.
const SPACING: u32 = 600;
/// Regtest halves the subsidy every 150 blocks; only the first is ever spent.
const FULL_SUBSIDY: u32 = 149;

/// A chain to be made.
#[derive(Clone, Copy)]
pub(crate) struct Plan<F> {
    /// Its name in the cache; changes whenever what is generated does.
    pub(crate) file: &'static str,
    /// Blocks with all their payments.
    pub(crate) blocks: u32,
    /// Transactions of such a block, its coinbase included.
    pub(crate) transactions: usize,
    /// The outputs of the payment at a height and place that has this to spend. The first is spent
    /// in the next block.
    pub(crate) outputs: F,
}

/// The two outputs that most payments have: all of it, and nothing.
pub(crate) fn payment(value: Amount) -> Vec<TxOut> {
    vec![open(value), open(Amount::ZERO)]
}

impl<F: Fn(u32, usize, Amount) -> Vec<TxOut>> Plan<F> {
    /// All blocks from height 1 on: from the cache, or made and put there.
    ///
    /// # Errors
    /// When the cache folder cannot be written.
    pub(crate) fn chain(&self) -> Result<Vec<Vec<u8>>> {
        let file = folder()?.join(self.file);
        if let Some(blocks) = read(&file) {
            return Ok(blocks);
        }
        crate::say(&format!("making the chain of {} (once)", self.file));
        let blocks: Vec<Vec<u8>> = self.generate()?.iter().map(serialize).collect();
        write(&file, &blocks)?;
        Ok(blocks)
    }

    fn generate(&self) -> Result<Vec<Block>> {
        let genesis = genesis_block(Network::Regtest);
        let mut parent = genesis.header;
        let mut blocks: Vec<Block> = Vec::new();
        let mut coins: Vec<(OutPoint, Amount)> = Vec::new();
        for height in 1..FIRST + self.blocks {
            let payments = if height + 1 == FIRST {
                let first = blocks.first().and_then(|block| block.txdata.first());
                let subsidy = first.ok_or_eyre("the first block is missing")?.compute_txid();
                let split = split(subsidy, self.transactions.saturating_sub(1));
                coins = outputs(&split).collect();
                vec![split]
            } else {
                let paid = coins.iter().enumerate().map(|(place, (coin, value))| {
                    pay(*coin, (self.outputs)(height, place, *value))
                });
                let payments: Vec<Transaction> = paid.collect();
                coins = payments.iter().filter_map(|payment| outputs(payment).next()).collect();
                payments
            };
            let block = mine(&parent, height, payments)?;
            parent = block.header;
            blocks.push(block);
        }
        Ok(blocks)
    }
}

/// The last block's hash.
///
/// # Errors
/// When there is none.
pub(crate) fn tip(blocks: &[Vec<u8>]) -> Result<BlockHash> {
    let last: Block = deserialize(blocks.last().ok_or_eyre("the chain has no blocks")?)?;
    Ok(last.block_hash())
}

fn folder() -> Result<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    let folder = cache.ok_or_eyre("set XDG_CACHE_HOME or HOME")?.join("trestle/bench");
    fs::create_dir_all(&folder).wrap_err_with(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// Each block after its length in 4 bytes, and SHA-256 of it all.
fn write(file: &Path, blocks: &[Vec<u8>]) -> Result<()> {
    let mut bytes = Vec::new();
    for block in blocks {
        bytes.extend(u32::try_from(block.len())?.to_le_bytes());
        bytes.extend(block);
    }
    let sum = sha256::Hash::hash(&bytes);
    bytes.extend(sum.as_byte_array());
    // In one move, so that nobody reads half a file.
    let new = file.with_extension(format!("{}.new", std::process::id()));
    fs::write(&new, bytes).wrap_err_with(|| format!("cannot write {}", new.display()))?;
    fs::rename(&new, file).wrap_err_with(|| format!("cannot write {}", file.display()))
}

fn read(file: &Path) -> Option<Vec<Vec<u8>>> {
    let bytes = fs::read(file).ok()?;
    let (mut rest, sum) = bytes.split_last_chunk::<32>()?;
    if sha256::Hash::hash(rest).to_byte_array() != *sum {
        return None;
    }
    let mut blocks = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (block, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        blocks.push(block.to_vec());
        rest = after;
    }
    Some(blocks)
}

fn outputs(payment: &Transaction) -> impl Iterator<Item = (OutPoint, Amount)> {
    let txid = payment.compute_txid();
    (0..).zip(&payment.output).map(move |(vout, output)| (OutPoint { txid, vout }, output.value))
}

fn split(subsidy: Txid, parts: usize) -> Transaction {
    let value = Amount::from_int_btc(50) / parts as u64;
    pay(OutPoint { txid: subsidy, vout: 0 }, vec![open(value); parts])
}

fn pay(previous_output: OutPoint, output: Vec<TxOut>) -> Transaction {
    let input = TxIn {
        previous_output,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::from_slice(&[open_script().as_bytes()]),
    };
    let (version, lock_time) = (transaction::Version::TWO, LockTime::ZERO);
    Transaction { version, lock_time, input: vec![input], output }
}

/// A coin that anyone can spend.
pub(crate) fn open(value: Amount) -> TxOut {
    TxOut { value, script_pubkey: open_script().to_p2wsh() }
}

fn open_script() -> ScriptBuf {
    Builder::new().push_opcode(OP_PUSHNUM_1).into_script()
}

fn mine(parent: &Header, height: u32, payments: Vec<Transaction>) -> Result<Block> {
    let header = Header {
        version: Version::from_consensus(0x2000_0000),
        prev_blockhash: parent.block_hash(),
        merkle_root: TxMerkleNode::all_zeros(),
        time: parent.time + SPACING,
        bits: CompactTarget::from_consensus(0x207f_ffff),
        nonce: 0,
    };
    let mut txdata = vec![coinbase(height)];
    txdata.extend(payments);
    let mut block = Block { header, txdata };
    let root = block.witness_root().ok_or_eyre("a block has transactions")?;
    let commitment = Block::compute_witness_commitment(&root, &[0; 32]);
    let mut data = [0; 36];
    data[..4].copy_from_slice(&[0xaa, 0x21, 0xa9, 0xed]);
    data[4..].copy_from_slice(commitment.as_byte_array());
    let script_pubkey = Builder::new().push_opcode(OP_RETURN).push_slice(data).into_script();
    block.txdata[0].output.push(TxOut { value: Amount::ZERO, script_pubkey });
    block.header.merkle_root = block.compute_merkle_root().ok_or_eyre("no transactions")?;
    let target = Target::from_compact(block.header.bits);
    while block.header.validate_pow(target).is_err() {
        block.header.nonce += 1;
        ensure!(block.header.nonce < 10_000, "no nonce for block {height}");
    }
    Ok(block)
}

fn coinbase(height: u32) -> Transaction {
    let value = if height <= FULL_SUBSIDY { Amount::from_int_btc(50) } else { Amount::ZERO };
    let input = TxIn {
        previous_output: OutPoint::null(),
        // BIP-34, and at least two bytes.
        script_sig: Builder::new().push_int(height.into()).push_int(0).into_script(),
        sequence: Sequence::MAX,
        witness: Witness::from_slice(&[[0; 32]]),
    };
    let (version, lock_time) = (transaction::Version::TWO, LockTime::ZERO);
    Transaction { version, lock_time, input: vec![input], output: vec![open(value)] }
}
