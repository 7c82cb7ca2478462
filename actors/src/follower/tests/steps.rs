use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use trestle_store::memory::MemoryStore;

use super::{
    chain::FakeChain,
    consumer::{Consumer, count, quick},
};
use crate::{
    follower::{Cursor, Feed, FeedConfig, FeedStatus, Step},
    ports::{
        ReadChain,
        chain::{ChainStatus, Tip},
    },
};

#[tokio::test]
async fn feed__should_give_every_block_from_the_start_height() {
    let chain = FakeChain::of(40);
    let mut consumer = Consumer::must_start(&chain, 10).await;

    let steps = consumer.must_reach_tip(&chain).await;

    assert_eq!(count(&steps), (0, 30));
    assert_eq!(consumer.must_ledger().await, chain.positions(10));
}

#[tokio::test]
async fn feed__should_wait_for_a_start_height_in_the_future() {
    let chain = FakeChain::of(5);
    let mut consumer = Consumer::must_start(&chain, 7).await;
    let mut status = consumer.feed.status();
    let following = |status: &FeedStatus| matches!(status, FeedStatus::Following(_));
    status.wait_for(following).await.expect("the feed lives");

    chain.mine(4);
    let step = consumer.must_next().await;

    assert_eq!(step.height(), 7);
}

#[tokio::test]
async fn feed__should_page_through_more_headers_than_one_answer_has() {
    let chain = FakeChain::of(4_100);
    let mut consumer = Consumer::must_start(&chain, 0).await;

    let mut taken = 0;
    while taken < 4_100 {
        let steps = consumer.feed.next_many(500, 1 << 20).await.expect("the chain answers");
        assert!(steps.len() <= 500);
        consumer.must_commit(&steps).await;
        taken += steps.len();
    }

    assert_eq!(consumer.must_ledger().await, chain.positions(0));
}

#[tokio::test]
async fn feed__should_stop_a_batch_at_its_bytes_and_lose_nothing() {
    let chain = FakeChain::of(50);
    let mut consumer = Consumer::must_start(&chain, 0).await;

    // Smaller than any block: one block a batch, not none.
    for _ in 0..50 {
        let steps = consumer.feed.next_many(10, 1).await.expect("the chain answers");
        assert_eq!(steps.len(), 1);
        consumer.must_commit(&steps).await;
    }

    assert_eq!(consumer.must_ledger().await, chain.positions(0));
}

#[tokio::test]
async fn feed__should_ask_for_small_blocks_in_groups() {
    let chain = FakeChain::of(500);
    let mut consumer = Consumer::must_start(&chain, 0).await;

    consumer.must_reach_tip(&chain).await;

    assert_eq!(consumer.must_ledger().await, chain.positions(0));
    let groups = chain.groups();
    assert!((500 / 16..500 / 8).contains(&groups), "{groups} groups for 500 blocks");
}

#[tokio::test]
async fn feed__should_ask_for_blocks_one_by_one_where_a_group_is_refused() {
    let chain = FakeChain::of(100);
    chain.refuse_groups(true);
    let mut consumer = Consumer::must_start(&chain, 0).await;

    consumer.must_reach_tip(&chain).await;

    assert_eq!(consumer.must_ledger().await, chain.positions(0));
    assert!(chain.groups() > 0, "no group was asked for");
    assert_eq!(chain.fetched(), 100, "a block was read twice");
}

#[tokio::test]
async fn feed__should_not_run_ahead_of_its_bounds() {
    let chain = FakeChain::of(200);
    let config = FeedConfig { max_requests: 3, max_blocks: 4, ..quick() };
    let mut consumer = Consumer::must_start_with(&chain, 0, MemoryStore::new(), config).await;

    for taken in 1..=200 {
        consumer.must_next().await;
        // A queue of fetches, a queue of steps, and one in hand on each side of both.
        let ahead = chain.fetched().saturating_sub(taken);
        assert!(ahead <= 4 + 4 + 3, "{ahead} blocks ahead");
    }

    assert!(chain.most_at_once() <= 3, "{} requests at once", chain.most_at_once());
}

#[tokio::test]
async fn next__should_lose_no_step_when_it_is_dropped() {
    let chain = FakeChain::of(100);
    let mut consumer = Consumer::must_start(&chain, 0).await;

    let mut steps = Vec::new();
    while steps.len() < 100 {
        tokio::select! {
            biased;
            step = consumer.feed.next() => steps.push(step.expect("the chain answers")),
            () = tokio::task::yield_now() => {}
        }
    }

    consumer.must_commit(&steps).await;
    assert_eq!(consumer.must_ledger().await, chain.positions(0));
}

#[tokio::test]
async fn feed__should_wake_with_the_watched_tip() {
    let chain = FakeChain::of(3);
    let (tips, wake) = watch::channel(ChainStatus::Unknown);
    // Polling alone would take longer than any test may.
    let config = FeedConfig { poll: Duration::from_secs(3_600), ..quick() };
    let store = Arc::new(MemoryStore::new());
    let cursor = Cursor::new("test", 0);
    let feed = Feed::start(Arc::new(chain.clone()), store, cursor, config, Some(wake)).await;
    let mut feed = feed.expect("an empty cursor is whole");
    let mut status = feed.status();
    for _ in 0..3 {
        feed.next().await.expect("the chain answers");
    }
    let following = |status: &FeedStatus| matches!(status, FeedStatus::Following(_));
    status.wait_for(following).await.expect("the feed lives");

    chain.mine(1);
    let Tip { height, hash } = chain.tip().await.expect("the chain answers");
    let tip = Tip { height, hash };
    tips.send(ChainStatus::Connected { tip, time: 0, ibd: false }).expect("the feed listens");

    let step = feed.next().await.expect("the chain answers");
    assert!(matches!(step, Step::Connect { height: 3, hash: got, .. } if got == hash));
}

#[tokio::test]
async fn reset__should_give_the_steps_again_from_a_height() {
    let chain = FakeChain::of(30);
    let mut consumer = Consumer::must_start(&chain, 5).await;
    consumer.must_reach_tip(&chain).await;

    consumer.feed.reset(20).await.expect("the store takes it");

    for height in 20..30 {
        let step = consumer.must_next().await;
        assert!(matches!(step, Step::Connect { height: got, .. } if got == height), "{step:?}");
    }
}

#[tokio::test]
async fn reset__should_survive_a_reorg_below_its_height() {
    let chain = FakeChain::of(30);
    let mut consumer = Consumer::must_start(&chain, 0).await;
    consumer.must_reach_tip(&chain).await;
    chain.reorg(15, 16);

    consumer.feed.reset(20).await.expect("the store takes it");

    let left = consumer.must_next().await;
    assert!(matches!(left, Step::Disconnect { height: 19, .. }), "{left:?}");
}

#[tokio::test]
async fn reset__should_do_nothing_above_the_tip() {
    let chain = FakeChain::of(10);
    let mut consumer = Consumer::must_start(&chain, 0).await;
    consumer.must_reach_tip(&chain).await;

    consumer.feed.reset(50).await.expect("the store takes it");
    chain.mine(1);

    assert_eq!(consumer.must_next().await.height(), 10);
}

#[tokio::test]
async fn cursor__should_begin_again_for_a_lower_start_height_only() {
    let chain = FakeChain::of(30);
    let mut consumer = Consumer::must_start(&chain, 20).await;
    consumer.must_reach_tip(&chain).await;
    let store = consumer.store;

    let next = |start| Cursor::new("test", start);
    let higher = next(25).next(&store).await.expect("memory always answers");
    let lower = next(15).next(&store).await.expect("memory always answers");
    let stranger = Cursor::new("tes", 20).next(&store).await.expect("memory always answers");

    assert_eq!((higher, lower, stranger), (30, 15, 20));
}
