//! A consumer whose data is the blocks it has gone through. Its store refuses a block that comes
//! twice and a disconnect of anything but what was connected.

use std::{sync::Arc, time::Duration};

use bitcoin::{BlockHash, hashes::Hash};
use trestle_chain::headers::Position;
use trestle_store::{Batch, Op, Store, StoreError, Table, memory::MemoryStore};

use super::chain::FakeChain;
use crate::follower::{Cursor, Feed, FeedConfig, Step};

const SPACE: &str = "test_ledger";
const LEDGER: Table<u32, [u8; 32]> = Table::new(SPACE, 1);

pub(super) struct Consumer {
    pub(super) store: MemoryStore,
    pub(super) feed: Feed,
}

/// Waits of a test are as short as they can be; nothing depends on how long they are.
pub(super) fn quick() -> FeedConfig {
    FeedConfig {
        poll: Duration::from_millis(1),
        first_retry: Duration::from_micros(100),
        longest_retry: Duration::from_millis(2),
        ..FeedConfig::default()
    }
}

impl Consumer {
    pub(super) async fn must_start(chain: &FakeChain, start: u32) -> Self {
        Self::must_restart(chain, start, MemoryStore::new()).await
    }

    /// A consumer on data that is there already, as after a crash.
    pub(super) async fn must_restart(chain: &FakeChain, start: u32, store: MemoryStore) -> Self {
        Self::must_start_with(chain, start, store, quick()).await
    }

    pub(super) async fn must_start_with(
        chain: &FakeChain,
        start: u32,
        store: MemoryStore,
        config: FeedConfig,
    ) -> Self {
        let cursor = Cursor::new("test", start);
        let shared = Arc::new(store.clone());
        let feed = Feed::start(Arc::new(chain.clone()), shared, cursor, config, None).await;
        Self { store, feed: feed.expect("the cursor is whole") }
    }

    pub(super) async fn must_next(&mut self) -> Step {
        self.feed.next().await.expect("nothing stops the feed here")
    }

    pub(super) async fn commit(&self, steps: &[Step]) -> Result<(), StoreError> {
        let mut batch = Batch::new();
        for step in steps {
            match step {
                Step::Connect { height, hash, block } => {
                    assert_eq!(block.block_hash(), *hash);
                    LEDGER.insert(&mut batch, height, &hash.to_byte_array());
                }
                Step::Disconnect { height, hash } => {
                    let row = [&[1], hash.as_byte_array().as_slice()].concat();
                    let key = height.to_be_bytes().to_vec();
                    batch.push(Op::Expect(SPACE, key, Some(row)));
                    LEDGER.delete(&mut batch, height);
                }
            }
            self.feed.cursor().record(&mut batch, step);
        }
        self.store.commit(batch).await
    }

    pub(super) async fn must_commit(&self, steps: &[Step]) {
        self.commit(steps).await.expect("each step follows from what is stored");
    }

    /// Takes and commits steps, one at a time, until the chain's tip is reached.
    pub(super) async fn must_reach_tip(&mut self, chain: &FakeChain) -> Vec<Step> {
        let mut steps = Vec::new();
        while !self.is_at_tip(chain).await {
            let step = self.must_next().await;
            self.must_commit(std::slice::from_ref(&step)).await;
            steps.push(step);
        }
        steps
    }

    pub(super) async fn is_at_tip(&self, chain: &FakeChain) -> bool {
        let tip = self.feed.cursor().tip(&self.store).await.expect("the cursor is whole");
        tip.map(|tip| tip.hash) == chain.best().last().copied()
    }

    /// The blocks that this consumer's data is made of.
    pub(super) async fn must_ledger(&self) -> Vec<Position> {
        let rows = LEDGER.all(&self.store).await.expect("memory always answers");
        let position = |(height, hash)| Position { height, hash: BlockHash::from_byte_array(hash) };
        rows.into_iter().map(position).collect()
    }
}

/// How many blocks steps take off and put on.
pub(super) fn count(steps: &[Step]) -> (usize, usize) {
    let off = steps.iter().filter(|step| matches!(step, Step::Disconnect { .. })).count();
    (off, steps.len() - off)
}
