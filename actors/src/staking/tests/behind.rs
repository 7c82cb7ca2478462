//! Blocks that are worked out while those before them are being committed.

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use tokio::sync::Semaphore;
use trestle_store::{Batch, Row, Scan, Space, Store, StoreError, memory::MemoryStore};

use super::world::*;
use crate::staking::query;

/// Commits only as often as it is told to.
#[derive(Clone)]
struct Slow {
    inner: MemoryStore,
    may: Arc<Semaphore>,
}

impl Slow {
    /// The parameters are stored at the start.
    fn new() -> Self {
        Self { inner: MemoryStore::new(), may: Arc::new(Semaphore::new(1)) }
    }
}

impl Store for Slow {
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
            self.may.acquire().await.expect("never closed").forget();
            self.inner.commit(batch).await
        }
        .boxed()
    }
}

/// With an unbonding time that does not end in these tests: what is due is looked for in the store.
async fn world() -> World {
    World::new(&[Rules { unbonding_time: 100, ..Rules::default() }]).await
}

/// A chain with a stake, and its unbonding when that is confirmed.
fn chain(world: &World) -> (Chain, Staked) {
    let staked = world.stake(Spec { time: 1_000, ..Spec::of(1, 50_000) });
    let mut chain = Chain::default();
    chain.mine(vec![staked.tx.clone()]);
    for _ in 0..3 {
        chain.mine(Vec::new());
    }
    chain.mine(vec![staked.unbonding()]);
    for _ in 0..3 {
        chain.mine(Vec::new());
    }
    (chain, staked)
}

#[tokio::test]
async fn group__should_be_worked_out_on_rows_that_are_not_stored_yet() {
    // Given a stake whose commit does not come to its end
    let world = world().await;
    let (chain, staked) = chain(&world);
    let store = Slow::new();
    let mut index = must_load(&store, &world.text).await;
    let steps = chain.steps_for(&index).await;
    let first = hand_over(&mut index, &steps[..4]).await.expect("nothing is before it");
    assert_eq!(first, None);
    // When the unbonding is worked out
    let prepared = crate::staking::Prepared::all(&steps[4..], index.params());
    let planned = index.plan(prepared).await.expect("it needs no range");
    // Then it has found the stake, and the index says nothing of either before they are stored
    assert_eq!(planned.taken.counts.unbonding, 1);
    assert_eq!((index.tip(), index.totals().counters.active_delegations), (None, 0));
    assert_eq!(query::delegation(&store, staked.txid()).await, Ok(None));
    store.may.add_permits(1);
    let first = index.hand_over(planned).await.expect("it commits").expect("it was under way");
    assert_eq!((first.counts.connected, first.counts.active), (4, 1));
    assert_eq!(index.tip().map(|tip| tip.height), Some(START + 3));
    store.may.add_permits(1);
    let second = index.settle().await.expect("it commits").expect("it was under way");
    assert_eq!((second.counts.connected, second.counts.unbonding), (4, 1));
    assert_eq!(index.tip().map(|tip| tip.height), Some(chain.tip()));
    assert_eq!(index.settle().await, Ok(None));
}

#[tokio::test]
async fn commit__should_be_refused_while_another_is_under_way() {
    let world = world().await;
    let (chain, _) = chain(&world);
    let store = Slow::new();
    let mut index = must_load(&store, &world.text).await;
    let steps = chain.steps_for(&index).await;
    let overtaken = crate::staking::Prepared::all(&steps[..2], index.params());
    let overtaken = index.plan(overtaken).await.expect("memory answers");
    hand_over(&mut index, &steps[..2]).await.expect("nothing is before it");

    index.take(&steps[2..3]).await.expect_err("one is under way");
    index.hand_over(overtaken).await.expect_err("another plan came before it");

    assert_eq!(index.tip(), None);
    assert!(index.is_behind());
}

#[tokio::test]
async fn reload__should_wait_for_what_is_under_way() {
    // Given a commit that is slow
    let world = world().await;
    let (chain, _) = chain(&world);
    let store = Slow::new();
    let mut index = must_load(&store, &world.text).await;
    let steps = chain.steps_for(&index).await;
    hand_over(&mut index, &steps[..4]).await.expect("nothing is before it");
    // When the state is read back
    let mut reload = Box::pin(index.reload());
    assert!(reload.as_mut().now_or_never().is_none(), "it may still happen");
    store.may.add_permits(1);
    reload.await.expect("memory answers");
    // Then
    assert_eq!(index.tip().map(|tip| tip.height), Some(START + 3));
}
