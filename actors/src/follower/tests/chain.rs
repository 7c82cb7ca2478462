//! A chain in memory that can change and fail at any call.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bitcoin::{
    Block, BlockHash, CompactTarget, ScriptBuf, Transaction, TxMerkleNode,
    absolute::LockTime,
    block::{Header, Version},
    hashes::Hash,
    transaction,
};
use futures::future::{BoxFuture, FutureExt};
use trestle_chain::headers::Position;

use crate::ports::{ChainError, ReadChain, chain::Tip};

/// Something to do when the chain is called the n-th time.
type Hook = Box<dyn FnOnce(&mut State) + Send>;

#[derive(Clone, Default)]
pub(super) struct FakeChain {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub(super) struct State {
    blocks: BTreeMap<BlockHash, Block>,
    best: Vec<BlockHash>,
    salt: u32,
    calls: u32,
    hooks: BTreeMap<u32, Hook>,
    failing: BTreeMap<u32, ChainError>,
    /// Every call fails with this.
    down: Option<ChainError>,
    missing: BTreeSet<BlockHash>,
    pruned: BTreeSet<BlockHash>,
    /// Requests for several blocks, answered or not.
    groups: usize,
    refuse_groups: bool,
    at_once: usize,
    most_at_once: usize,
    fetched: usize,
}

impl FakeChain {
    /// A chain of this many blocks.
    pub(super) fn of(blocks: u32) -> Self {
        let chain = Self::default();
        chain.lock().mine(blocks);
        chain
    }

    pub(super) fn mine(&self, blocks: u32) {
        self.lock().mine(blocks);
    }

    /// Takes `lost` blocks off the top and mines `gained` others.
    pub(super) fn reorg(&self, lost: usize, gained: u32) {
        self.lock().reorg(lost, gained);
    }

    /// Does something when the n-th call from now comes, before it is answered.
    pub(super) fn on_call(&self, nth: u32, hook: impl FnOnce(&mut State) + Send + 'static) {
        let mut state = self.lock();
        let at = state.calls + nth;
        state.hooks.insert(at, Box::new(hook));
    }

    /// Lets the n-th call from now fail.
    pub(super) fn fail_call(&self, nth: u32, error: ChainError) {
        let mut state = self.lock();
        let at = state.calls + nth;
        state.failing.insert(at, error);
    }

    pub(super) fn set_down(&self, error: Option<ChainError>) {
        self.lock().down = error;
    }

    pub(super) fn set_missing(&self, hashes: impl IntoIterator<Item = BlockHash>) {
        self.lock().missing = hashes.into_iter().collect();
    }

    pub(super) fn set_pruned(&self, hashes: impl IntoIterator<Item = BlockHash>) {
        self.lock().pruned = hashes.into_iter().collect();
    }

    /// Whether requests for several blocks are refused, as those for too many bytes are.
    pub(super) fn refuse_groups(&self, refuse: bool) {
        self.lock().refuse_groups = refuse;
    }

    pub(super) fn groups(&self) -> usize {
        self.lock().groups
    }

    pub(super) fn best(&self) -> Vec<BlockHash> {
        self.lock().best.clone()
    }

    /// The best chain from a height on.
    pub(super) fn positions(&self, start: u32) -> Vec<Position> {
        let best = self.best();
        let all = (0..).zip(best).map(|(height, hash)| Position { height, hash });
        all.skip(start as usize).collect()
    }

    pub(super) fn most_at_once(&self) -> usize {
        self.lock().most_at_once
    }

    pub(super) fn fetched(&self) -> usize {
        self.lock().fetched
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call; it may change the chain or fail.
    fn call(&self) -> Result<MutexGuard<'_, State>, ChainError> {
        let mut state = self.lock();
        state.calls += 1;
        let call = state.calls;
        if let Some(hook) = state.hooks.remove(&call) {
            hook(&mut state);
        }
        let error = state.failing.remove(&call).or_else(|| state.down.clone());
        error.map_or(Ok(state), Err)
    }

    async fn read(&self, hash: BlockHash) -> Result<Block, ChainError> {
        {
            let mut state = self.call()?;
            state.fetched += 1;
            state.at_once += 1;
            state.most_at_once = state.most_at_once.max(state.at_once);
        }
        // Others may come in between.
        tokio::task::yield_now().await;
        let mut state = self.lock();
        state.at_once -= 1;
        if state.pruned.contains(&hash) {
            return Err(ChainError::Pruned(hash));
        }
        let there = state.blocks.get(&hash).filter(|_| !state.missing.contains(&hash));
        there.cloned().ok_or_else(|| ChainError::NotFound(format!("block {hash}")))
    }
}

impl State {
    pub(super) fn mine(&mut self, blocks: u32) {
        for _ in 0..blocks {
            self.salt += 1;
            let parent = self.best.last().copied().unwrap_or_else(BlockHash::all_zeros);
            let block = block_on(parent, self.salt);
            let hash = block.block_hash();
            self.blocks.insert(hash, block);
            self.best.push(hash);
        }
    }

    pub(super) fn reorg(&mut self, lost: usize, gained: u32) {
        let keep = self.best.len().saturating_sub(lost);
        self.best.truncate(keep);
        self.mine(gained);
    }
}

impl ReadChain for FakeChain {
    fn tip(&self) -> BoxFuture<'_, Result<Tip, ChainError>> {
        async move {
            let state = self.call()?;
            let hash = *state.best.last().expect("tests have a block");
            let height = u32::try_from(state.best.len() - 1).expect("tests have few blocks");
            Ok(Tip { height, hash })
        }
        .boxed()
    }

    fn headers(&self, from: u32, count: u32) -> BoxFuture<'_, Result<Vec<Header>, ChainError>> {
        async move {
            let state = self.call()?;
            let hashes = state.best.iter().skip(from as usize).take(count as usize);
            Ok(hashes.map(|hash| state.blocks[hash].header).collect())
        }
        .boxed()
    }

    fn block(&self, hash: BlockHash) -> BoxFuture<'_, Result<Block, ChainError>> {
        self.read(hash).boxed()
    }

    fn blocks(&self, hashes: Vec<BlockHash>) -> BoxFuture<'_, Result<Vec<Block>, ChainError>> {
        async move {
            {
                let mut state = self.lock();
                state.groups += 1;
                if state.refuse_groups {
                    return Err(ChainError::Malformed("too long an answer".into()));
                }
            }
            let mut blocks = Vec::new();
            for hash in hashes {
                blocks.push(self.read(hash).await?);
            }
            Ok(blocks)
        }
        .boxed()
    }
}

/// A block with one transaction, at regtest's difficulty; `salt` makes it like no other.
fn block_on(parent: BlockHash, salt: u32) -> Block {
    let tx = Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::from_consensus(salt),
        input: vec![bitcoin::TxIn::default()],
        output: vec![bitcoin::TxOut {
            value: bitcoin::Amount::ZERO,
            script_pubkey: ScriptBuf::new(),
        }],
    };
    let mut header = Header {
        version: Version::TWO,
        prev_blockhash: parent,
        merkle_root: TxMerkleNode::from_byte_array(tx.compute_txid().to_byte_array()),
        time: salt,
        bits: CompactTarget::from_consensus(0x207f_ffff),
        nonce: 0,
    };
    while header.validate_pow(header.target()).is_err() {
        header.nonce += 1;
    }
    Block { header, txdata: vec![tx] }
}
