//! The staking index on a store in memory, on SQLite and on a real PostgreSQL: after the same story,
//! told with restarts at the same places, all rows are the same.
#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

mod chain;

use std::{collections::BTreeMap, sync::Arc};

use bitcoin::Txid;
use chain::{Chain, Staked, params};
use trestle_actors::{
    follower::Step,
    staking::{Events, Index, Settings, query},
};
use trestle_devnet::Postgres;
use trestle_staking::{GlobalParams, delegation::StateName};
use trestle_store::{Scan, Space, Store, memory::MemoryStore};
use trestle_store_sql::{Config, SqlStore};

/// All that the index and its cursor write.
const SPACES: [Space; 18] = [
    "follower_hash",
    "follower_head",
    "staking.at",
    "staking.delegation",
    "staking.event",
    "staking.expiry",
    "staking.head",
    "staking.orphan",
    "staking.params",
    "staking.provider",
    "staking.provider_rank",
    "staking.staker",
    "staking.staker_rank",
    "staking.told",
    "staking.totals",
    "staking.txid",
    "staking.unbonding",
    "staking.window",
];

enum Move {
    /// One commit.
    Take(Vec<Step>),
    /// The process ends and comes back.
    Restart,
}

struct Story {
    text: String,
    params: Arc<GlobalParams>,
    moves: Vec<Move>,
    /// Where it ends.
    states: Vec<(Txid, StateName)>,
}

/// Stakes to the cap and above it, unbonding, withdrawal, slashing, expiry, and a reorganisation
/// deeper than what counts as confirmed, broken off in its middle.
fn story() -> Story {
    use Move::{Restart, Take};
    let (text, params) = params();
    let [unbonded, slashed, overflow, expired, withdrawn] =
        [(1, 50_000, 100), (2, 40_000, 100), (3, 30_000, 100), (4, 10_000, 10), (5, 10_000, 10)]
            .map(|(number, value, time)| Staked::new(number, value, time, &params));
    let mut chain = Chain::default();
    let stakes = [&unbonded, &slashed, &overflow].map(|staked| staked.tx.clone()).to_vec();
    let mut moves = vec![
        Take(chain.pass(2)),
        Take(vec![chain.mine(stakes)]),
        Restart,
        Take(chain.pass(2)),
        Take(vec![chain.mine(vec![unbonded.unbonding(), expired.tx.clone()])]),
        Take(vec![chain.mine(vec![withdrawn.tx.clone()])]),
        Take(chain.pass(3)),
        Restart,
        Take(vec![chain.mine(vec![slashed.slashing()])]),
        Take(chain.pass(2)),
    ];
    // Seven blocks go, four more than can go unseen, and with them the slashing and a stake, which
    // the other branch has later and in one block.
    moves.extend([Take(chain.lose(4)), Restart, Take(chain.lose(3)), Restart]);
    moves.push(Take(chain.pass(4)));
    moves.push(Restart);
    moves.push(Take(vec![chain.mine(vec![unbonded.unbonding_withdrawal()])]));
    moves.push(Take(vec![chain.mine(vec![slashed.slashing(), withdrawn.tx.clone()])]));
    moves.push(Take(chain.pass(20)));
    moves.push(Take(vec![chain.mine(vec![withdrawn.withdrawal()])]));
    moves.extend((0..3).map(|_| Take(chain.pass(1))));
    let states = vec![
        (unbonded.txid(), StateName::Withdrawn),
        (slashed.txid(), StateName::Slashed),
        (overflow.txid(), StateName::Active),
        (expired.txid(), StateName::Unbonded),
        (withdrawn.txid(), StateName::Withdrawn),
    ];
    Story { text, params, moves, states }
}

type Rows = BTreeMap<Space, Vec<(Vec<u8>, Vec<u8>)>>;

/// Plays it; `reopen` gives the store as after a start of the process.
async fn play(story: &Story, mut reopen: impl AsyncFnMut() -> Arc<dyn Store>) -> Rows {
    let load = async |store: Arc<dyn Store>| {
        let settings =
            Settings { events: Events::On { confirmed_info: true }, ..Settings::default() };
        let params = Arc::clone(&story.params);
        Index::load(store, params, &story.text, settings).await.expect("the same parameters")
    };
    let mut index = load(reopen().await).await;
    for each in &story.moves {
        match each {
            Move::Take(steps) => {
                index.take(steps).await.expect("a valid chain");
            }
            Move::Restart => {
                drop(index);
                index = load(reopen().await).await;
            }
        }
    }
    for (txid, state) in &story.states {
        let found = index.delegation(*txid).await.expect("the store answers");
        assert_eq!(found.map(|(_, row)| row.delegation.name()), Some(*state), "{txid}");
    }
    let events = query::events(index.store().as_ref(), 0, 1_000).await.expect("the store answers");
    assert!(events.iter().any(|(_, event)| event.view().reverted), "the reorganisation was deep");
    assert_eq!(events.len() as u64, index.head().last_event);
    let mut rows = Rows::new();
    for space in SPACES {
        let all = Scan { limit: 100_000, ..Scan::default() };
        rows.insert(space, index.store().scan(space, all).await.expect("the store answers"));
    }
    rows
}

async fn in_memory(story: &Story) -> Rows {
    let store = MemoryStore::new();
    play(story, async || Arc::new(store.clone()) as _).await
}

/// Closes what was open before.
async fn reopened(open: &mut Option<Arc<SqlStore>>, url: &str) -> Arc<dyn Store> {
    if let Some(before) = open.take() {
        before.close().await;
    }
    let config = Config::new(url).expect("a good url");
    let store = Arc::new(SqlStore::open(config).await.expect("it opens"));
    *open = Some(Arc::clone(&store));
    store
}

fn must_be_same(ours: &Rows, memory: &Rows) {
    for space in SPACES {
        assert_eq!(ours.get(space), memory.get(space), "{space}");
    }
}

#[tokio::test]
async fn sqlite__should_hold_the_same_rows_as_memory() {
    let story = story();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let url = format!("sqlite:{}", dir.path().join("index.sqlite").display());
    let mut open = None;
    let rows = play(&story, async || reopened(&mut open, &url).await).await;
    must_be_same(&rows, &in_memory(&story).await);
}

#[tokio::test]
async fn postgres__should_hold_the_same_rows_as_memory_and_no_others() {
    let story = story();
    let postgres = Postgres::start().await.expect("a PostgreSQL");
    let mut open = None;
    let rows = play(&story, async || reopened(&mut open, &postgres.url()).await).await;
    must_be_same(&rows, &in_memory(&story).await);
    let stored = postgres.sql("postgres", "SELECT COUNT(*) FROM trestle_kv").expect("a count");
    assert_eq!(stored.trim(), rows.values().map(Vec::len).sum::<usize>().to_string());
}
