//! Blocks without proof of work.

use std::{collections::BTreeSet, sync::Arc};

use bitcoin::{
    Block, BlockHash, CompactTarget, Transaction, TxMerkleNode, Txid,
    block::{Header, Version},
    hashes::Hash,
};
use trestle_actors::{follower::Step, staking::Index};

/// The first block's height.
pub(crate) const FIRST: u32 = 100;

/// The best chain. A block that is mined where another was is another block.
#[derive(Default)]
pub(crate) struct Chain {
    blocks: Vec<Arc<Block>>,
    mined: u32,
}

impl Chain {
    pub(crate) fn mine(&mut self, txdata: Vec<Transaction>) {
        self.mined += 1;
        let prev_blockhash =
            self.blocks.last().map_or(BlockHash::all_zeros(), |block| block.block_hash());
        let header = Header {
            version: Version::TWO,
            prev_blockhash,
            merkle_root: TxMerkleNode::all_zeros(),
            time: 1_700_000_000 + self.mined,
            bits: CompactTarget::from_consensus(0),
            nonce: self.mined,
        };
        self.blocks.push(Arc::new(Block { header, txdata }));
    }

    /// Forgets the last blocks.
    pub(crate) fn forget(&mut self, count: usize) {
        self.blocks.truncate(self.blocks.len() - count);
    }

    /// The height of the block that comes next.
    pub(crate) fn next(&self) -> u32 {
        FIRST + u32::try_from(self.blocks.len()).expect("few")
    }

    pub(crate) fn tip(&self) -> (u32, BlockHash) {
        (self.next() - 1, self.blocks.last().expect("one at least").block_hash())
    }

    fn hash(&self, height: u32) -> Option<BlockHash> {
        let place = usize::try_from(height.checked_sub(FIRST)?).ok()?;
        self.blocks.get(place).map(|block| block.block_hash())
    }

    /// The transactions in it.
    pub(crate) fn txids(&self) -> BTreeSet<Txid> {
        let all = self.blocks.iter().flat_map(|block| &block.txdata);
        all.map(Transaction::compute_txid).collect()
    }

    /// All blocks.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let connect = |(height, block): (u32, &Arc<Block>)| Step::Connect {
            height,
            hash: block.block_hash(),
            block: Arc::clone(block),
        };
        (FIRST..).zip(&self.blocks).map(connect).collect()
    }

    /// What an index has to take next, one step; `None` when it is there.
    pub(crate) fn step(&self, index: &Index) -> Option<Step> {
        let tip = index.tip();
        if let Some(tip) = tip.filter(|tip| self.hash(tip.height) != Some(tip.hash)) {
            return Some(Step::Disconnect { height: tip.height, hash: tip.hash });
        }
        let height = index.head().next();
        let place = usize::try_from(height - FIRST).expect("few");
        let block = Arc::clone(self.blocks.get(place)?);
        Some(Step::Connect { height, hash: block.block_hash(), block })
    }
}
