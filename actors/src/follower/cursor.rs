//! How far a consumer has come, durably: the hash of every block it has gone through.

use std::ops::Range;

use bincode::{Decode, Encode};
use bitcoin::{BlockHash, hashes::Hash};
use trestle_chain::headers::{Branch, PAGE};
use trestle_store::{Batch, Scan, Store, StoreError, Table};

use super::Step;
use crate::ports::chain::Tip;

const HEADS: Table<String, Head> = Table::new("follower_head", 1);
const HASHES: Table<Vec<u8>, [u8; 32]> = Table::new("follower_hash", 1);

/// Rows from `start` up to, without, `next` count; those from `next` on are left over from before
/// a reset and are written again in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
struct Head {
    start: u32,
    next: u32,
}

/// The durable place of one consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    name: String,
    start: u32,
}

impl Cursor {
    /// The cursor of the consumer `name` (at most 255 bytes), which needs blocks from height
    /// `start` on. A start below the one that is stored begins from there again.
    pub fn new(name: impl Into<String>, start: u32) -> Self {
        Self { name: name.into(), start }
    }

    /// The first height that the consumer needs.
    pub const fn start(&self) -> u32 {
        self.start
    }

    /// Adds the change that goes with a step to the batch of its effects.
    pub fn record(&self, batch: &mut Batch, step: &Step) {
        match step {
            Step::Connect { height, hash, .. } => self.connect(batch, *height, *hash),
            Step::Disconnect { height, .. } => self.disconnect(batch, *height),
        }
    }

    /// Adds "this block has been gone through" to a batch.
    pub fn connect(&self, batch: &mut Batch, height: u32, hash: BlockHash) {
        HASHES.put(batch, &self.key(height), &hash.to_byte_array());
        self.put_head(batch, height.saturating_add(1));
    }

    /// Adds "the block at this height has been undone" to a batch.
    pub fn disconnect(&self, batch: &mut Batch, height: u32) {
        HASHES.delete(batch, &self.key(height));
        self.put_head(batch, height);
    }

    /// Adds "go through the blocks again from this height" to a batch. The feed must be reloaded
    /// after the commit. Has no meaning above the tip.
    pub fn reset(&self, batch: &mut Batch, to: u32) {
        self.put_head(batch, to.max(self.start));
    }

    /// The last block gone through.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn tip(&self, store: &dyn Store) -> Result<Option<Tip>, StoreError> {
        let next = self.next(store).await?;
        let Some(height) = next.checked_sub(1).filter(|height| *height >= self.start) else {
            return Ok(None);
        };
        let hashes = self.hashes(store, height..next).await?;
        Ok(hashes.first().map(|hash| Tip { height, hash: *hash }))
    }

    /// The hash of the block at a height; `None` if it was not gone through.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn hash(
        &self,
        store: &dyn Store,
        height: u32,
    ) -> Result<Option<BlockHash>, StoreError> {
        let next = self.next(store).await?;
        if !(self.start..next).contains(&height) {
            return Ok(None);
        }
        let hash = HASHES.get(store, &self.key(height)).await?;
        Ok(hash.map(BlockHash::from_byte_array))
    }

    /// The height of the block that comes next.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn next(&self, store: &dyn Store) -> Result<u32, StoreError> {
        let head = HEADS.get(store, &self.name).await?;
        let head = head.filter(|head| head.start <= self.start && head.next >= self.start);
        Ok(head.map_or(self.start, |head| head.next))
    }

    /// The stored branch, with its last page in memory.
    pub(super) async fn load(&self, store: &dyn Store) -> Result<Branch, StoreError> {
        let next = self.next(store).await?;
        let base = next.saturating_sub(PAGE).max(self.start);
        let newest = self.hashes(store, base..next).await?;
        Branch::stored(self.start, base, newest)
            .ok_or_else(|| self.corrupt("its heights are out of range"))
    }

    /// The stored hashes at these heights, which must all be there.
    pub(super) async fn hashes(
        &self,
        store: &dyn Store,
        heights: Range<u32>,
    ) -> Result<Vec<BlockHash>, StoreError> {
        let mut hashes = Vec::with_capacity(heights.len().min(PAGE as usize));
        let mut from = heights.start;
        while from < heights.end {
            let scan = Scan {
                prefix: self.prefix(),
                after: from.checked_sub(1).map(|before| self.key(before)),
                limit: (heights.end - from).min(PAGE),
                ..Scan::default()
            };
            let rows = HASHES.scan(store, scan).await?;
            let before = from;
            for (key, hash) in rows {
                if key != self.key(from) {
                    break;
                }
                hashes.push(BlockHash::from_byte_array(hash));
                from += 1;
            }
            if from == before {
                break;
            }
        }
        if from < heights.end {
            return Err(self.corrupt(&format!("the hash at height {from} is missing")));
        }
        Ok(hashes)
    }

    fn put_head(&self, batch: &mut Batch, next: u32) {
        HEADS.put(batch, &self.name, &Head { start: self.start, next });
    }

    /// Begins with the length of the name, so that no name's rows lie among another's.
    fn prefix(&self) -> Vec<u8> {
        let length = u8::try_from(self.name.len()).unwrap_or(u8::MAX);
        [&[length], self.name.as_bytes()].concat()
    }

    fn key(&self, height: u32) -> Vec<u8> {
        [self.prefix(), height.to_be_bytes().to_vec()].concat()
    }

    fn corrupt(&self, what: &str) -> StoreError {
        StoreError::Corrupt(format!("the block cursor of {}: {what}", self.name))
    }
}
