use std::{sync::Arc, time::Duration};

use bitcoin::BlockHash;
use trestle_actors::follower::{Cursor, Feed, FeedConfig, Step};
use trestle_bitcoind::Bitcoind;
use trestle_devnet::Bitcoind as Node;
use trestle_store::{Batch, Store, memory::MemoryStore};

use crate::{client_of, must_start};

pub(crate) struct Follower {
    store: Arc<MemoryStore>,
    pub(crate) feed: Feed,
    /// The blocks gone through, from height 0 on.
    pub(crate) branch: Vec<BlockHash>,
}

impl Follower {
    pub(crate) async fn must_start(client: &Bitcoind) -> Self {
        Self::must_go_on(client, Arc::new(MemoryStore::new()), Vec::new()).await
    }

    async fn must_go_on(
        client: &Bitcoind,
        store: Arc<MemoryStore>,
        branch: Vec<BlockHash>,
    ) -> Self {
        let config = FeedConfig {
            poll: Duration::from_millis(20),
            longest_retry: Duration::from_millis(200),
            ..FeedConfig::default()
        };
        let chain = Arc::new(client.clone());
        let feed = Feed::start(chain, store.clone(), Cursor::new("test", 0), config, None).await;
        Self { store, feed: feed.expect("the cursor is whole"), branch }
    }

    /// Commits steps until this block has been connected. Returns how many were undone.
    pub(crate) async fn must_reach(&mut self, tip: BlockHash) -> usize {
        let mut undone = 0;
        while self.branch.last() != Some(&tip) {
            let steps = self.feed.next_many(100, 8 << 20).await.expect("bitcoind is fine");
            let mut batch = Batch::new();
            for step in &steps {
                match step {
                    Step::Connect { height, hash, block } => {
                        assert_eq!(*height as usize, self.branch.len());
                        assert_eq!(block.block_hash(), *hash);
                        self.branch.push(*hash);
                    }
                    Step::Disconnect { hash, .. } => {
                        assert_eq!(self.branch.pop(), Some(*hash));
                        undone += 1;
                    }
                }
                self.feed.cursor().record(&mut batch, step);
            }
            self.store.commit(batch).await.expect("memory takes it");
        }
        undone
    }
}

async fn must_tip(node: &Node) -> BlockHash {
    node.tip().await.expect("bitcoind answers")
}

#[tokio::test]
async fn follower__should_undo_a_reorg_of_ten() {
    let node = must_start().await;
    node.mine(120).await.expect("bitcoind mines");
    let mut follower = Follower::must_start(&client_of(&node)).await;
    follower.must_reach(must_tip(&node).await).await;

    node.reorg(10).await.expect("bitcoind reorganizes");
    let undone = follower.must_reach(must_tip(&node).await).await;

    assert_eq!((undone, follower.branch.len()), (10, 122));
}

#[tokio::test]
async fn follower__should_follow_a_cut_and_a_return_to_the_old_branch() {
    let node = must_start().await;
    let mined = node.mine(30).await.expect("bitcoind mines");
    let mut follower = Follower::must_start(&client_of(&node)).await;
    follower.must_reach(mined[29]).await;

    node.invalidate(mined[20]).await.expect("bitcoind takes it");
    let cut = follower.must_reach(mined[19]).await;
    node.reconsider(mined[20]).await.expect("bitcoind takes it");
    let back = follower.must_reach(mined[29]).await;

    assert_eq!((cut, back), (10, 0));
}

#[tokio::test]
async fn follower__should_undo_a_reorg_that_happened_while_it_was_down() {
    let node = must_start().await;
    node.mine(40).await.expect("bitcoind mines");
    let client = client_of(&node);
    let mut follower = Follower::must_start(&client).await;
    follower.must_reach(must_tip(&node).await).await;
    let Follower { store, feed, branch } = follower;
    drop(feed);

    node.reorg(10).await.expect("bitcoind reorganizes");
    let mut follower = Follower::must_go_on(&client, store, branch).await;
    let undone = follower.must_reach(must_tip(&node).await).await;

    assert_eq!((undone, follower.branch.len()), (10, 42));
}
