//! The actor with its feed, on a chain in memory.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bitcoin::{Block, BlockHash, block::Header};
use futures::future::{BoxFuture, FutureExt};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use trestle_store::memory::MemoryStore;

use super::world::*;
use crate::{
    follower::{FeedConfig, FeedStatus},
    ports::{ChainError, Clock, Compute, ReadChain, chain::Tip, compute::Work},
    runtime::{ActorStatus, Mailbox, run},
    staking::{
        Metrics, StakingActor,
        feed::{FeedMeans, StakingJobs},
        ingress::StakingStatus,
        query,
    },
};

/// The best chain, which a test can change.
#[derive(Clone, Default)]
struct Best(Arc<Mutex<Chain>>);

impl Best {
    fn read<T>(&self, read: impl FnOnce(&mut Chain) -> T) -> T {
        read(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ReadChain for Best {
    fn tip(&self) -> BoxFuture<'_, Result<Tip, ChainError>> {
        let tip = self.read(|chain| {
            let hash = chain.blocks.last().expect("tests have a block").block_hash();
            Tip { height: chain.tip(), hash }
        });
        async move { Ok(tip) }.boxed()
    }
    fn headers(&self, from: u32, count: u32) -> BoxFuture<'_, Result<Vec<Header>, ChainError>> {
        let headers = self.read(|chain| {
            let heights = (from..=chain.tip()).take(count as usize);
            heights.filter_map(|height| chain.at(height).map(|block| block.header)).collect()
        });
        async move { Ok(headers) }.boxed()
    }
    fn block(&self, hash: BlockHash) -> BoxFuture<'_, Result<Block, ChainError>> {
        let found = self.read(|chain| {
            chain.blocks.iter().find(|block| block.block_hash() == hash).map(|b| (**b).clone())
        });
        async move { found.ok_or_else(|| ChainError::NotFound(hash.to_string())) }.boxed()
    }
}

/// Does work at once.
struct AtOnce;

impl Compute for AtOnce {
    fn submit(&self, work: Work) -> BoxFuture<'_, ()> {
        work();
        async {}.boxed()
    }
}

struct Never;

impl Clock for Never {
    fn now_ms(&self) -> u64 {
        0
    }
}

#[tokio::test]
async fn actor__should_follow_the_chain_and_say_where_it_is() {
    // Given an actor on a chain with a stake
    let world = World::plain().await;
    let staked = world.stake(Spec::of(1, 50_000));
    let best = Best::default();
    best.read(|chain| {
        chain.mine(vec![staked.tx.clone()]);
        for _ in 0..20 {
            chain.mine(Vec::new());
        }
    });
    let store = MemoryStore::new();
    let index = must_load(&store, &world.text).await;
    let (mailbox, letters) = Mailbox::new(16);
    let (status, mut news) = watch::channel(StakingStatus::default());
    let means = FeedMeans {
        store: Arc::new(store.clone()),
        chain: Arc::new(best.clone()),
        compute: Arc::new(AtOnce),
        tips: None,
        config: FeedConfig { poll: Duration::from_millis(1), ..FeedConfig::default() },
        params: Arc::clone(index.params()),
        cursor: index.cursor().clone(),
        status: watch::channel(FeedStatus::Starting).0,
    };
    let mut jobs = StakingJobs::new(means, mailbox);
    let actor = StakingActor::new(index, Metrics::default(), status);
    let (health, _) = watch::channel(ActorStatus::Loading);
    let stop = CancellationToken::new();
    let carry_out = move |job| jobs.start(job);
    let clock = Arc::new(Never);
    let running = tokio::spawn(run(actor, letters, clock, carry_out, health, stop.clone()));
    // When it has come to the tip
    let tip = best.read(|chain| chain.tip());
    let at = |height| move |status: &StakingStatus| status.tip.is_some_and(|t| t.height == height);
    news.wait_for(at(tip)).await.expect("the actor runs");
    // Then
    let found = query::delegation(&store, staked.txid()).await.expect("memory answers");
    assert!(found.is_some());
    // And when the tip is replaced, it follows
    let hash = best.read(|chain| {
        chain.lose(1);
        chain.mine(Vec::new());
        chain.mine(Vec::new());
        chain.blocks.last().expect("mined").block_hash()
    });
    let seen = news.wait_for(|status| status.tip.is_some_and(|tip| tip.hash == hash)).await;
    let seen = *seen.expect("the actor runs");
    assert_eq!(seen.confirmed, Some(tip + 1 - 2));
    stop.cancel();
    let ended = running.await.expect("no panic");
    assert_eq!(ended, Ok(()));
}
