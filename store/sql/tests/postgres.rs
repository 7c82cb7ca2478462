//! The store on a real PostgreSQL: the suite, who owns it, and what happens when the connection or
//! the server goes away.
#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

mod common;
mod proxy;

use std::sync::atomic::{AtomicUsize, Ordering};

use common::{SPACE, count_up, put};
use proxy::{Cut, Proxy};
use trestle_devnet::Postgres;
use trestle_store::{Store, StoreError, suite};
use trestle_store_sql::{Config, OpenError, SqlStore, open};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres__should_pass_the_suite() {
    let postgres = must_start().await;
    let count = AtomicUsize::new(0);
    suite::run(async || {
        // A schema each: quicker than a database each, and a store keeps to its own.
        let schema = format!("suite_{}", count.fetch_add(1, Ordering::Relaxed));
        postgres.sql("postgres", &format!("CREATE SCHEMA {schema}")).expect("a new schema");
        let url = format!("{}?options[search_path]={schema}", postgres.url());
        open(&url).await.expect("it opens")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres__should_count_every_raise_of_concurrent_tasks() {
    let postgres = must_start().await;
    let store = open(&postgres.url()).await.expect("it opens");
    assert_eq!(count_up(store, 8, 25).await, 200);
}

#[tokio::test]
async fn postgres__should_have_one_owner_at_a_time() {
    // Given
    let postgres = must_start().await;
    let first = must_open(&postgres).await;
    first.commit(put("a", "first")).await.expect("the owner commits");

    // When another comes, it is refused and told who is there.
    let refused = SqlStore::open(must_config(&postgres)).await.expect_err("it is taken");
    assert!(matches!(refused, OpenError::Owned(_)), "{refused:?}");
    assert!(refused.to_string().contains("trestle at 127.0.0.1"), "{refused}");
    first.commit(put("a", "second")).await.expect("the owner goes on");

    // When it takes over
    let mut config = must_config(&postgres);
    config.takeover = true;
    first.check_owner().await.expect("still the owner");
    let second = SqlStore::open(config).await.expect("it takes over");

    // Then the first can find out without a commit.
    let seen = first.check_owner().await;
    assert!(matches!(seen, Err(StoreError::NotOwner(_))), "{seen:?}");
    second.check_owner().await.expect("the new owner");

    // Then the first is stopped for good, and the second has everything.
    for _ in 0..2 {
        let fenced = first.commit(put("a", "third")).await;
        assert!(matches!(fenced, Err(StoreError::NotOwner(_))), "{fenced:?}");
    }
    assert_eq!(second.get(SPACE, b"a").await, Ok(Some(b"second".to_vec())));
    second.commit(put("a", "fourth")).await.expect("the new owner commits");

    // When the second ends, the first is still stopped, and a third can open.
    second.close().await;
    let fenced = first.commit(put("a", "fifth")).await;
    assert!(matches!(fenced, Err(StoreError::NotOwner(_))), "{fenced:?}");
    let third = must_open(&postgres).await;
    assert_eq!(third.get(SPACE, b"a").await, Ok(Some(b"fourth".to_vec())));
}

#[tokio::test]
async fn postgres__should_fence_by_token_an_owner_that_still_has_its_session() {
    // Given: someone raised the token without regard for the lock.
    let postgres = must_start().await;
    let store = must_open(&postgres).await;
    store.commit(put("a", "1")).await.expect("the owner commits");
    postgres.sql("postgres", "UPDATE trestle_owner SET token = token + 1").expect("updates");

    // When
    let fenced = store.commit(put("a", "2")).await;

    // Then
    assert!(matches!(fenced, Err(StoreError::NotOwner(_))), "{fenced:?}");
    assert_eq!(store.get(SPACE, b"a").await, Ok(Some(b"1".to_vec())));
}

#[tokio::test]
async fn postgres__should_go_on_after_its_session_or_the_server_ended() {
    // Given
    let mut postgres = must_start().await;
    let store = must_open(&postgres).await;
    store.commit(put("a", "1")).await.expect("commits");

    // When all its sessions end, it connects again as the same owner.
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE application_name = 'trestle'";
    assert_ne!(postgres.sql("postgres", end).expect("terminates"), "0");
    store.commit(put("b", "2")).await.expect("commits on a new session");

    // When the server crashes and comes back
    postgres.crash_and_restart().await.expect("it starts again");

    // Then
    store.commit(put("c", "3")).await.expect("commits on a new session");
    for (key, value) in [("a", "1"), ("b", "2"), ("c", "3")] {
        assert_eq!(store.get(SPACE, key.as_bytes()).await, Ok(Some(value.into())), "{key}");
    }

    // When the server is gone
    drop(postgres);

    // Then
    let gone = store.commit(put("d", "4")).await;
    assert!(matches!(gone, Err(StoreError::Unavailable(_))), "{gone:?}");
}

#[tokio::test]
async fn postgres__should_say_unknown_when_the_connection_ends_during_commit() {
    // Given
    let postgres = must_start().await;
    let proxy = Proxy::start(postgres.port()).await;
    let url = postgres.url().replace(&postgres.port().to_string(), &proxy.port().to_string());
    let store = open(&url).await.expect("it opens");
    store.commit(put("a", "1")).await.expect("the proxy is quiet");

    for (cut, value, stored) in [(Cut::Before, "lost", "1"), (Cut::After, "kept", "kept")] {
        // When
        proxy.cut_next_commit(cut);
        let outcome = store.commit(put("a", value)).await;

        // Then: the caller is told that it must look, and sees what is final.
        assert!(matches!(outcome, Err(StoreError::Unknown(_))), "{value}: {outcome:?}");
        assert_eq!(store.get(SPACE, b"a").await, Ok(Some(stored.into())), "{value}");
        store.commit(put("b", value)).await.expect("the store goes on");
        assert_eq!(store.get(SPACE, b"a").await, Ok(Some(stored.into())), "{value}");
    }
}

#[tokio::test]
async fn postgres__should_refuse_a_newer_database_and_leave_it_alone() {
    // Given
    let postgres = must_start().await;
    must_open(&postgres).await.close().await;
    let future = "INSERT INTO trestle_migrations VALUES (99, '0099_future', 'h')";
    postgres.sql("postgres", future).expect("inserts");
    let token = "SELECT token FROM trestle_owner";
    let before = postgres.sql("postgres", token).expect("reads");

    // When
    let refused = SqlStore::open(must_config(&postgres)).await.expect_err("it is newer");

    // Then
    assert_eq!(refused, OpenError::Newer("0099_future".into()));
    assert_eq!(postgres.sql("postgres", token).expect("reads"), before, "the owner stays");
}

async fn must_start() -> Postgres {
    Postgres::start().await.expect("a PostgreSQL starts")
}

fn must_config(postgres: &Postgres) -> Config {
    Config::new(&postgres.url()).expect("a good url")
}

async fn must_open(postgres: &Postgres) -> SqlStore {
    SqlStore::open(must_config(postgres)).await.expect("it opens")
}
