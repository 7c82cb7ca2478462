//! What a block costs must not depend on how much is stored.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::future::BoxFuture;
use trestle_store::{Batch, Op, Row, Scan, Space, Store, StoreError, memory::MemoryStore};

use super::world::*;

/// What was asked of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Asked {
    gets: BTreeMap<Space, usize>,
    scans: BTreeMap<Space, usize>,
    scanned_rows: usize,
    writes: BTreeMap<Space, usize>,
    commits: usize,
}

#[derive(Clone, Default)]
struct Counting {
    inner: MemoryStore,
    asked: Arc<Mutex<Asked>>,
}

impl Counting {
    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Counting {
    fn get<'a>(
        &'a self,
        space: Space,
        key: &'a [u8],
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        *self.asked().gets.entry(space).or_default() += 1;
        self.inner.get(space, key)
    }
    fn scan(&self, space: Space, scan: Scan) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        Box::pin(async move {
            let rows = self.inner.scan(space, scan).await?;
            let mut asked = self.asked();
            *asked.scans.entry(space).or_default() += 1;
            asked.scanned_rows += rows.len();
            Ok(rows)
        })
    }
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        let mut asked = self.asked();
        asked.commits += 1;
        for op in &batch.ops {
            let (Op::Put(space, ..) | Op::Insert(space, ..) | Op::Delete(space, _)) = op else {
                continue;
            };
            *asked.writes.entry(space).or_default() += 1;
        }
        drop(asked);
        self.inner.commit(batch)
    }
}

/// What one block with all kinds of things in it costs on top of `stored` delegations.
async fn cost(stored: u32) -> Asked {
    let rules = Rules { depth: 2, cap: r#""cap_height":1000"#.into(), ..Rules::default() };
    let text = text(&[rules]);
    let world = World::new(&[Rules::default()]).await;
    let params = trestle_staking::GlobalParams::parse(&text).expect("valid parameters");
    let version = params.versions()[0].clone();
    let store = Counting::default();
    let mut index = must_load(&store, &text).await;
    let mut chain = world.chain.clone();
    // Old ones of five stakers, and three that the measured block spends.
    let old = (0..stored).map(|salt| {
        let staker = 1 + u8::try_from(salt % 5).expect("small");
        stake(Spec { staker, time: 1_000, ..Spec::of(salt, 20_000) }, &version).tx
    });
    let ours = [1, 2, 3, 4].map(|n| {
        let time = [500, 10, 500, 11][n as usize - 1];
        stake(Spec { staker: 9, time, ..Spec::of(1 << 20 | n, 20_000) }, &version)
    });
    chain.mine(old.chain(ours.iter().map(|ours| ours.tx.clone())).collect());
    for _ in 0..9 {
        chain.mine(Vec::new());
    }
    let spends = vec![
        ours[0].unbonding(),
        ours[1].withdrawal(),
        ours[2].slashing(),
        stake(Spec { staker: 3, ..Spec::of(1 << 21, 30_000) }, &version).tx,
    ];
    // When these come in, and the next block confirms them and ends a timelock
    let mut measured = chain.clone();
    measured.mine(spends);
    measured.mine(Vec::new());
    let steps = measured.steps_for(&index).await;
    let (before, after) = steps.split_at(steps.len() - 2);
    for step in before {
        index.take(std::slice::from_ref(step)).await.expect("a valid chain");
    }
    *store.asked() = Asked::default();
    let mut expired = 0;
    for step in after {
        let taken = index.take(std::slice::from_ref(step)).await.expect("a valid chain");
        expired += taken.counts.expired;
    }
    assert_eq!(expired, 1, "the fourth timelock ends at one of the measured blocks");
    let asked = store.asked().clone();
    assert_eq!(index.totals().counters.total_delegations, i64::from(stored) + 5);
    asked
}

#[tokio::test]
async fn block__should_cost_the_same_with_10_and_with_10_000_delegations_stored() {
    let (few, many) = (cost(10).await, cost(10_000).await);
    // One timelock is read with those that end later: one page at most, whatever is stored.
    assert!(many.scanned_rows <= 256, "{many:?}");
    let strip = |asked: &Asked| Asked { scanned_rows: 0, ..asked.clone() };
    assert_eq!(strip(&few), strip(&many));
    assert_eq!(few.commits, 2);
    assert!(few.gets.values().sum::<usize>() < 40, "{few:?}");
}

#[tokio::test]
async fn empty_block__should_touch_only_its_place_in_the_chain() {
    let store = Counting::default();
    let text = text(&[Rules::default()]);
    let mut index = must_load(&store, &text).await;
    let mut chain = Chain::default();
    for _ in 0..10 {
        chain.mine(Vec::new());
    }
    let steps = chain.steps_for(&index).await;
    index.take(&steps[..9]).await.expect("a valid chain");
    *store.asked() = Asked::default();
    index.take(&steps[9..]).await.expect("a valid chain");
    let asked = store.asked().clone();
    let writes: Vec<(&str, usize)> = asked.writes.into_iter().collect();
    let expected = ["follower_hash", "follower_head", "staking.event", "staking.head"];
    assert_eq!(writes, expected.map(|space| (space, 1)));
    assert_eq!((asked.gets.len(), asked.scans.len()), (0, 0));
}

#[tokio::test]
async fn catching_up__should_write_a_row_once_however_many_blocks_touch_it() {
    let world = World::plain().await;
    let store = Counting::default();
    let mut index = must_load(&store, &world.text).await;
    let mut chain = Chain::default();
    for salt in 0..20 {
        chain.mine(vec![world.stake(Spec::of(salt, 20_000)).tx]);
    }
    let steps = chain.steps_for(&index).await;
    index.take(&steps).await.expect("a valid chain");
    let asked = store.asked().clone();
    for (space, most) in [
        ("staking.provider", 1),
        ("staking.provider_rank", 1),
        ("staking.totals", 1),
        ("staking.window", 2),
        ("staking.delegation", 18),
        ("staking.event", 1),
    ] {
        assert_eq!(asked.writes.get(space), Some(&most), "{space}: {asked:?}");
    }
}
