//! A process that dies, or a store that fails, at every commit.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use futures::future::{BoxFuture, FutureExt};
use trestle_store::{Batch, Row, Scan, Space, Store, StoreError, memory::MemoryStore};

use super::world::*;
use crate::staking::index::Index;

/// What a commit does instead of succeeding.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Refused,
    Lost,
    Kept,
}

/// Fails at one commit, counted from 0.
#[derive(Clone)]
struct Failing {
    inner: MemoryStore,
    commits: Arc<Mutex<u32>>,
    at: u32,
    trouble: Trouble,
}

impl Store for Failing {
    fn get<'a>(
        &'a self,
        space: Space,
        key: &'a [u8],
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        self.inner.get(space, key)
    }
    fn scan(&self, space: Space, scan: Scan) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        self.inner.scan(space, scan)
    }
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            let now = {
                let mut commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
                *commits += 1;
                *commits - 1
            };
            if now != self.at {
                return self.inner.commit(batch).await;
            }
            match self.trouble {
                Trouble::Refused => Err(StoreError::Unavailable("disk full".into())),
                Trouble::Lost => Err(StoreError::Unknown("connection lost".into())),
                Trouble::Kept => {
                    self.inner.commit(batch).await?;
                    Err(StoreError::Unknown("connection lost".into()))
                }
            }
        }
        .boxed()
    }
}

impl Failing {
    fn new(at: u32, trouble: Trouble) -> Self {
        Self { inner: MemoryStore::new(), commits: Arc::default(), at, trouble }
    }
}

/// A branch with everything in it, and another that replaces most of it.
async fn branches() -> (World, [Chain; 2]) {
    let mut world = World::plain().await;
    let all = [1, 2, 3].map(|salt| world.stake(Spec { time: 10, ..Spec::of(salt, 20_000) }));
    world.chain.mine(vec![all[0].tx.clone()]);
    world.chain.mine(vec![all[1].tx.clone(), all[0].unbonding()]);
    for _ in 0..9 {
        world.chain.mine(Vec::new());
    }
    world.chain.mine(vec![all[0].unbonding_withdrawal(), all[1].withdrawal()]);
    for _ in 0..3 {
        world.chain.mine(Vec::new());
    }
    let first = world.chain.clone();
    world.chain.lose(14);
    world.chain.mine(vec![all[1].tx.clone(), all[2].tx.clone()]);
    for _ in 0..14 {
        world.chain.mine(Vec::new());
    }
    let second = world.chain.clone();
    (world, [first, second])
}

#[tokio::test]
async fn index__should_end_the_same_whichever_commit_fails() {
    let (mut world, branches) = branches().await;
    for chain in &branches {
        world.chain = chain.clone();
        world.sync().await;
    }
    world.must_be_whole().await;
    let (rows, stream) = (dump(&world.store).await, world.events().await);
    for trouble in [Trouble::Refused, Trouble::Lost, Trouble::Kept] {
        for dies in [true, false] {
            // The first commit stores the parameters; the failure of that one is told at the start.
            for at in 1..60 {
                let store = Failing::new(at, trouble);
                let mut index = must_load(&store, &world.text).await;
                let mut failed = 0;
                for chain in &branches {
                    // As the feed does: what follows on the stored place, one step a commit.
                    loop {
                        let steps = chain.steps_for(&index).await;
                        let Some(step) = steps.first() else { break };
                        if index.take(std::slice::from_ref(step)).await.is_ok() {
                            continue;
                        }
                        failed += 1;
                        if dies {
                            index = must_load(&store, &world.text).await;
                        } else {
                            index.reload().await.expect("it reads");
                        }
                    }
                }
                let what = format!("{trouble:?} at {at}, dies {dies}");
                assert_eq!(failed, u32::from(at <= 44), "{what}");
                assert_same(&dump(&store.inner).await, &rows, &what);
                assert_eq!(events(&store.inner).await, stream, "{what}");
            }
        }
    }
}

#[tokio::test]
async fn index__should_end_the_same_whichever_commit_fails_while_the_next_is_planned() {
    let (mut world, branches) = branches().await;
    for chain in &branches {
        world.chain = chain.clone();
        world.sync_behind(3).await;
    }
    world.must_be_whole().await;
    let (rows, told) = (dump(&world.store).await, fold(&world.events().await));
    for trouble in [Trouble::Refused, Trouble::Lost, Trouble::Kept] {
        for at in 1..18 {
            let store = Failing::new(at, trouble);
            let mut index = must_load(&store, &world.text).await;
            let mut failed = 0;
            for chain in &branches {
                while !caught_up(&mut index, chain).await {
                    failed += 1;
                    index.reload().await.expect("it reads");
                }
            }
            let what = format!("{trouble:?} at {at}");
            assert_eq!(failed, u32::from(at <= 15), "{what}");
            assert_same(&dump(&store.inner).await, &rows, &what);
            assert_eq!(fold(&events(&store.inner).await), told, "{what}");
        }
    }
}

/// Goes on from the stored place in groups, each committed as the next is worked out; whether it
/// got to the tip.
async fn caught_up(index: &mut Index, chain: &Chain) -> bool {
    for steps in chain.steps_for(index).await.chunks(3) {
        if hand_over(index, steps).await.is_err() {
            return false;
        }
    }
    index.settle().await.is_ok()
}

fn assert_same(ours: &BTreeMap<&str, Rows>, theirs: &BTreeMap<&str, Rows>, what: &str) {
    for (space, rows) in theirs {
        assert_eq!(ours.get(space), Some(rows), "{space}, {what}");
    }
}

#[tokio::test]
async fn index__should_read_its_state_back_by_itself_after_a_failed_commit() {
    // Given a commit that is kept although the store cannot say so
    let (world, [chain, _]) = branches().await;
    let store = Failing::new(2, Trouble::Kept);
    let mut index = must_load(&store, &world.text).await;
    let steps = chain.steps_for(&index).await;
    index.take(&steps[..1]).await.expect("the first commits");
    index.take(&steps[1..3]).await.expect_err("the second does not say");
    // When the same steps come again, and more
    let taken = index.take(&steps[1..5]).await.expect("the known ones are passed over");
    // Then
    assert_eq!(taken.counts.connected, 2);
    assert_eq!(index.tip().map(|tip| tip.height), Some(START + 4));
}

#[tokio::test]
async fn replays__should_change_nothing() {
    let (mut world, [chain, _]) = branches().await;
    world.chain = chain;
    let steps = world.chain.steps_for(&world.index).await;
    world.sync().await;
    let (rows, stream) = (dump(&world.store).await, world.events().await);
    let taken = world.index.take(&steps).await.expect("known blocks are passed over");
    assert_eq!(taken.counts.connected, 0);
    assert_eq!(dump(&world.store).await, rows);
    assert_eq!(world.events().await, stream);
}

#[tokio::test]
async fn steps__should_be_refused_where_they_do_not_follow() {
    let mut world = World::plain().await;
    world.pass(2).await;
    let mut other = world.chain.clone();
    other.lose(1);
    let mut longer = other.clone();
    longer.mine(Vec::new());
    longer.mine(Vec::new());
    // Another block at the tip's height, one above an unknown parent, and one too high.
    let height = world.chain.tip();
    for height in [height, height + 1] {
        let step = connect(height, longer.at(height).expect("mined"));
        world.index.take(&[step]).await.expect_err("it does not follow");
    }
    let block = world.chain.at(height).expect("mined").clone();
    world.index.take(&[connect(height + 5, &block)]).await.expect_err("too high");
    let wrong = crate::follower::Step::Disconnect {
        height,
        hash: world.chain.at(height - 1).expect("mined").block_hash(),
    };
    world.index.take(&[wrong]).await.expect_err("it is not the tip");
    assert_eq!(world.index.tip().map(|tip| tip.height), Some(height));
}

fn connect(height: u32, block: &Arc<bitcoin::Block>) -> crate::follower::Step {
    let block = Arc::clone(block);
    crate::follower::Step::Connect { height, hash: block.block_hash(), block }
}
