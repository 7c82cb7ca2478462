use bitcoin::{BlockHash, hashes::Hash};
use trestle_store::{Batch, Op, Store, StoreError};

use super::{chain::FakeChain, consumer::Consumer};
use crate::{
    follower::{FeedStatus, FollowError},
    ports::ChainError,
};

fn transient() -> [ChainError; 5] {
    [
        ChainError::Unreachable("connection refused".into()),
        ChainError::NotReady("loading".into()),
        ChainError::NotFound("block".into()),
        ChainError::Refused("wrong password".into()),
        ChainError::Malformed("half an answer".into()),
    ]
}

#[tokio::test]
async fn feed__should_survive_a_failure_of_any_call() {
    for error in transient() {
        for nth in 1..30 {
            let chain = FakeChain::of(20);
            chain.fail_call(nth, error.clone());
            let mut consumer = Consumer::must_start(&chain, 0).await;

            consumer.must_reach_tip(&chain).await;

            assert_eq!(consumer.must_ledger().await, chain.positions(0), "{error} at {nth}");
        }
    }
}

#[tokio::test]
async fn feed__should_survive_a_chain_that_fails_most_of_the_time() {
    let chain = FakeChain::of(40);
    let errors = transient();
    for nth in (1..400).filter(|nth| nth % 3 != 0) {
        chain.fail_call(nth, errors[nth as usize % 2].clone());
    }
    let mut consumer = Consumer::must_start(&chain, 0).await;

    consumer.must_reach_tip(&chain).await;

    assert_eq!(consumer.must_ledger().await, chain.positions(0));
}

#[tokio::test]
async fn feed__should_report_the_loss_of_bitcoind_and_its_return() {
    let chain = FakeChain::of(10);
    let mut consumer = Consumer::must_start(&chain, 0).await;
    consumer.must_reach_tip(&chain).await;
    let mut status = consumer.feed.status();

    chain.set_down(Some(ChainError::Unreachable("connection refused".into())));
    let retrying = |status: &FeedStatus| matches!(status, FeedStatus::Retrying(_));
    let said = status.wait_for(retrying).await.expect("the feed lives").clone();
    chain.mine(2);
    chain.set_down(None);
    let steps = consumer.must_reach_tip(&chain).await;
    let following = |status: &FeedStatus| matches!(status, FeedStatus::Following(_));
    status.wait_for(following).await.expect("the feed lives");

    let reason = "bitcoind is unreachable: connection refused".into();
    assert_eq!((said, steps.len()), (FeedStatus::Retrying(reason), 2));
}

#[tokio::test]
async fn feed__should_say_that_the_chain_is_wrong_and_go_on_when_it_is_right() {
    let chain = FakeChain::of(10);
    let mut consumer = Consumer::must_start(&chain, 0).await;
    consumer.must_reach_tip(&chain).await;
    let wrong = ChainError::WrongChain { expected: "mainnet".into(), got: "regtest".into() };

    chain.set_down(Some(wrong.clone()));
    let stopped = consumer.feed.next().await;
    let status = consumer.feed.status().borrow().clone();
    chain.mine(1);
    chain.set_down(None);

    assert_eq!(stopped, Err(FollowError::Chain(wrong.clone())));
    assert_eq!(status, FeedStatus::Stopped(FollowError::Chain(wrong)));
    assert_eq!(consumer.must_next().await.height(), 10);
}

#[tokio::test]
async fn feed__should_say_that_a_block_is_pruned_after_the_blocks_before_it() {
    let chain = FakeChain::of(10);
    let pruned = chain.best()[6];
    chain.set_pruned([pruned]);
    let mut consumer = Consumer::must_start(&chain, 0).await;

    for height in 0..6 {
        assert_eq!(consumer.must_next().await.height(), height);
    }
    let stopped = consumer.feed.next().await;

    assert_eq!(stopped, Err(FollowError::Chain(ChainError::Pruned(pruned))));
}

#[tokio::test]
async fn feed__should_say_that_a_block_is_missing_once_until_it_is_there() {
    let chain = FakeChain::of(10);
    let missing = chain.best()[4];
    chain.set_missing([missing]);
    let mut consumer = Consumer::must_start(&chain, 0).await;

    for height in 0..4 {
        assert_eq!(consumer.must_next().await.height(), height);
    }
    let stopped = consumer.feed.next().await;
    chain.set_missing([]);

    let text = format!("bitcoind does not have block {missing}");
    assert_eq!(stopped, Err(FollowError::Missing(text)));
    assert_eq!(consumer.must_next().await.height(), 4);
}

#[tokio::test]
async fn feed__should_step_over_a_block_that_is_missing_because_its_branch_is_lost() {
    let chain = FakeChain::of(10);
    let lost = chain.best()[8..].to_vec();
    chain.set_missing(lost);
    chain.on_call(9, |state| state.reorg(2, 3));
    let mut consumer = Consumer::must_start(&chain, 0).await;

    while chain.best().len() < 11 || !consumer.is_at_tip(&chain).await {
        let step = consumer.must_next().await;
        consumer.must_commit(&[step]).await;
    }

    assert_eq!(consumer.must_ledger().await, chain.positions(0));
}

#[tokio::test]
async fn reload__should_refuse_a_cursor_with_a_hole() {
    let chain = FakeChain::of(10);
    let mut consumer = Consumer::must_start(&chain, 0).await;
    consumer.must_reach_tip(&chain).await;

    let mut batch = Batch::new();
    let key = [b"\x04test".as_slice(), &7_u32.to_be_bytes()].concat();
    batch.push(Op::Delete("follower_hash", key));
    consumer.store.commit(batch).await.expect("memory takes it");
    let reloaded = consumer.feed.reload().await;

    assert!(matches!(reloaded, Err(StoreError::Corrupt(_))), "{reloaded:?}");
    assert_eq!(consumer.feed.next().await, Err(FollowError::Ended));
}

#[tokio::test]
async fn commit__should_refuse_a_step_that_does_not_follow() {
    let chain = FakeChain::of(3);
    let mut consumer = Consumer::must_start(&chain, 0).await;
    let step = consumer.must_next().await;
    consumer.must_commit(std::slice::from_ref(&step)).await;

    let twice = consumer.commit(&[step]).await;
    let stranger = crate::follower::Step::Disconnect { height: 0, hash: BlockHash::all_zeros() };
    let undone = consumer.commit(&[stranger]).await;

    assert!(matches!(twice, Err(StoreError::Conflict { .. })));
    assert!(matches!(undone, Err(StoreError::Conflict { .. })));
}
