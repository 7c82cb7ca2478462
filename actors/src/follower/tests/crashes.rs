use rand_chacha::{ChaCha8Rng, rand_core::RngCore, rand_core::SeedableRng};

use super::{chain::FakeChain, consumer::Consumer};

#[tokio::test]
async fn feed__should_replay_nothing_committed_after_a_crash_at_any_step() {
    for crash_after in 0..=14 {
        let chain = FakeChain::of(8);
        let mut consumer = Consumer::must_start(&chain, 0).await;
        consumer.must_reach_tip(&chain).await;
        chain.reorg(5, 9);

        // 14 steps lie ahead: 5 off, 9 on. Some are committed, one more is taken and lost.
        for _ in 0..crash_after {
            let step = consumer.must_next().await;
            consumer.must_commit(&[step]).await;
        }
        let lost = if crash_after < 14 { Some(consumer.must_next().await) } else { None };
        let store = consumer.store.clone();
        drop(consumer);
        let mut consumer = Consumer::must_restart(&chain, 0, store).await;

        let steps = consumer.must_reach_tip(&chain).await;

        assert_eq!(steps.len(), 14 - crash_after);
        assert_eq!(steps.first(), lost.as_ref());
        assert_eq!(consumer.must_ledger().await, chain.positions(0));
    }
}

#[tokio::test]
async fn feed__should_go_on_from_the_cursor_after_a_commit_that_failed() {
    let chain = FakeChain::of(10);
    let mut consumer = Consumer::must_start(&chain, 0).await;
    let committed = consumer.must_next().await;
    consumer.must_commit(&[committed]).await;
    let lost = [consumer.must_next().await, consumer.must_next().await];

    consumer.feed.reload().await.expect("the cursor is whole");
    let again = [consumer.must_next().await, consumer.must_next().await];

    assert_eq!(again, lost);
}

#[tokio::test]
async fn feed__should_end_in_the_best_chain_whatever_crashes_and_reorgs_come() {
    for seed in 0..60 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut below = |bound: u32| rng.next_u32() % bound;
        let chain = FakeChain::of(20);
        let mut consumer = Consumer::must_start(&chain, 3).await;
        for _ in 0..40 {
            match below(4) {
                0 => chain.reorg(below(15) as usize, below(18)),
                1 => chain.mine(below(4)),
                2 => {
                    let store = consumer.store.clone();
                    drop(consumer);
                    consumer = Consumer::must_restart(&chain, 3, store).await;
                }
                _ => {
                    for _ in 0..below(12) {
                        if consumer.is_at_tip(&chain).await || chain.best().len() < 5 {
                            break;
                        }
                        let steps = consumer.feed.next_many(1 + below(5) as usize, 1 << 20).await;
                        let steps = steps.expect("the chain answers");
                        // Sometimes lost before the commit.
                        if below(5) == 0 {
                            consumer.feed.reload().await.expect("the cursor is whole");
                        } else {
                            consumer.must_commit(&steps).await;
                        }
                    }
                }
            }
            if chain.best().len() < 5 {
                chain.mine(5);
            }
        }

        consumer.must_reach_tip(&chain).await;

        assert_eq!(consumer.must_ledger().await, chain.positions(3), "seed {seed}");
    }
}
