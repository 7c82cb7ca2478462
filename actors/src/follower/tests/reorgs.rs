use super::{
    chain::FakeChain,
    consumer::{Consumer, count},
};

#[tokio::test]
async fn feed__should_undo_reorgs_of_any_depth() {
    for depth in [1, 10, 100] {
        let chain = FakeChain::of(150);
        let mut consumer = Consumer::must_start(&chain, 0).await;
        consumer.must_reach_tip(&chain).await;

        chain.reorg(depth, u32::try_from(depth).expect("small") + 1);
        let steps = consumer.must_reach_tip(&chain).await;

        assert_eq!(count(&steps), (depth, depth + 1));
        assert_eq!(consumer.must_ledger().await, chain.positions(0));
    }
}

#[tokio::test]
async fn feed__should_follow_a_branch_of_equal_height() {
    let chain = FakeChain::of(20);
    let mut consumer = Consumer::must_start(&chain, 0).await;
    consumer.must_reach_tip(&chain).await;

    chain.reorg(3, 3);
    let steps = consumer.must_reach_tip(&chain).await;

    assert_eq!(count(&steps), (3, 3));
    assert_eq!(consumer.must_ledger().await, chain.positions(0));
}

#[tokio::test]
async fn feed__should_follow_a_chain_that_became_shorter() {
    let chain = FakeChain::of(40);
    let mut consumer = Consumer::must_start(&chain, 0).await;
    consumer.must_reach_tip(&chain).await;

    chain.reorg(25, 0);
    let cut = consumer.must_reach_tip(&chain).await;
    chain.reorg(5, 2);
    let switched = consumer.must_reach_tip(&chain).await;

    assert_eq!((count(&cut), count(&switched)), ((25, 0), (5, 2)));
    assert_eq!(consumer.must_ledger().await, chain.positions(0));
}

#[tokio::test]
async fn feed__should_undo_everything_when_the_start_block_itself_is_replaced() {
    let chain = FakeChain::of(30);
    let mut consumer = Consumer::must_start(&chain, 20).await;
    consumer.must_reach_tip(&chain).await;

    chain.reorg(15, 3);
    let below = {
        let mut steps = Vec::new();
        for _ in 0..10 {
            let step = consumer.must_next().await;
            consumer.must_commit(std::slice::from_ref(&step)).await;
            steps.push(step);
        }
        steps
    };
    chain.mine(10);
    let steps = consumer.must_reach_tip(&chain).await;

    assert_eq!((count(&below), count(&steps)), ((10, 0), (0, 8)));
    assert_eq!(consumer.must_ledger().await, chain.positions(20));
}

#[tokio::test]
async fn feed__should_survive_a_reorg_at_any_call_of_a_catch_up() {
    for nth in 1..60 {
        let chain = FakeChain::of(50);
        chain.on_call(nth, |state| state.reorg(30, 35));
        let mut consumer = Consumer::must_start(&chain, 0).await;

        // The reorg may come after the old tip was reached; the new one still has to be.
        while chain.best().len() < 55 || !consumer.is_at_tip(&chain).await {
            let step = consumer.must_next().await;
            consumer.must_commit(&[step]).await;
        }

        assert_eq!(consumer.must_ledger().await, chain.positions(0), "reorg at call {nth}");
    }
}

#[tokio::test]
async fn feed__should_undo_a_reorg_that_happened_while_it_was_down() {
    for depth in [1, 10, 100] {
        let chain = FakeChain::of(150);
        let mut consumer = Consumer::must_start(&chain, 0).await;
        consumer.must_reach_tip(&chain).await;
        let store = consumer.store.clone();
        drop(consumer);

        chain.reorg(depth, 3);
        let mut consumer = Consumer::must_restart(&chain, 0, store).await;
        let steps = consumer.must_reach_tip(&chain).await;

        assert_eq!(count(&steps), (depth, 3));
        assert_eq!(consumer.must_ledger().await, chain.positions(0));
    }
}

#[tokio::test]
async fn feed__should_undo_more_than_it_holds_in_memory() {
    let chain = FakeChain::of(6_000);
    let mut consumer = Consumer::must_start(&chain, 100).await;
    while !consumer.is_at_tip(&chain).await {
        let steps = consumer.feed.next_many(1_000, 1 << 20).await.expect("the chain answers");
        consumer.must_commit(&steps).await;
    }

    chain.reorg(5_500, 20);
    while !consumer.is_at_tip(&chain).await {
        let steps = consumer.feed.next_many(1_000, 1 << 20).await.expect("the chain answers");
        consumer.must_commit(&steps).await;
    }

    assert_eq!(consumer.must_ledger().await, chain.positions(100));
}
