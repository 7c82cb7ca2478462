//! Who owns a node's store, and what is left of it when the node ends.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use trestle_devnet::Postgres;

use crate::support::Folder;

const PATIENCE: Duration = Duration::from_secs(40);

/// What a coordinator without peers and bitcoind logs when it has nothing left to do.
const IDLE: &str = "ready component=\"coordinator\"";

/// Looks at a log until it says something.
fn must_log(folder: &Folder, what: &str) {
    let end = Instant::now() + PATIENCE;
    while !folder.log().contains(what) {
        assert!(Instant::now() < end, "{what:?} is not in\n{}", folder.log());
        std::thread::yield_now();
    }
}

/// Two folders of one coordinator, as on two machines, with a database between them.
fn must_share(postgres: &Postgres) -> (Folder, Folder) {
    let (first, second) = (Folder::new(), Folder::new());
    let store = format!("[store]\nurl = {:?}\n", postgres.url());
    first.write_role_config(&["coordinator"], &store);
    std::fs::create_dir(second.path("data")).expect("a folder");
    for file in ["node.toml", "params.toml", "data/node.keys"] {
        std::fs::copy(first.path(file), second.path(file)).expect("a copy");
    }
    (first, second)
}

fn token(postgres: &Postgres) -> String {
    postgres.sql("postgres", "SELECT token FROM trestle_owner").expect("an owner")
}

#[test]
fn store__should_be_closed_with_the_node() {
    let folder = Folder::new();
    folder.write_role_config(&["coordinator"], "");
    let node = folder.must_start(&[]);
    assert!(folder.path("data/trestle.sqlite-wal").exists(), "the log of a running node");

    assert!(node.must_stop().success(), "{}", folder.log());

    assert!(folder.path("data/trestle.sqlite").exists());
    for left in ["data/trestle.sqlite-wal", "data/trestle.sqlite-shm", "data/endpoints.json"] {
        assert!(!folder.path(left).exists(), "{left} is left behind; {}", folder.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn database__should_be_taken_over_when_its_owner_is_killed() {
    // Given an owner, and a second machine that waits and can be stopped while it does.
    let postgres = Postgres::start().await.expect("a PostgreSQL");
    let (first, second) = must_share(&postgres);
    let owner = first.must_start(&[]);
    let before = token(&postgres);
    let waiting = second.must_spawn(&[]);
    must_log(&second, "waiting until it lets go");
    assert!(!second.path("data/endpoints.json").exists(), "nobody is served meanwhile");
    assert_eq!(token(&postgres), before);

    // When
    owner.must_signal(Signal::KILL);

    // Then
    let next = waiting.must_be_reached(&second);
    assert!(second.log().contains("took the database over"), "{}", second.log());
    assert_ne!(token(&postgres), before);
    assert!(next.must_get("/healthz").starts_with("HTTP/1.1 200"));
    assert_eq!(next.endpoints["peer"], owner.endpoints["peer"]);
    assert!(next.must_stop().success(), "{}", second.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn database__should_be_waited_for_no_longer_than_the_node_is_wanted() {
    let postgres = Postgres::start().await.expect("a PostgreSQL");
    let (first, second) = must_share(&postgres);
    let owner = first.must_start(&[]);
    let waiting = second.must_spawn(&[]);
    must_log(&second, "waiting until it lets go");

    assert!(waiting.must_stop().success(), "{}", second.log());

    assert!(owner.must_get("/healthz").starts_with("HTTP/1.1 200"), "the owner goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn owner__should_end_when_it_was_paused_and_taken_over_from() {
    // Given an owner that stands still and keeps its session.
    let postgres = Postgres::start().await.expect("a PostgreSQL");
    let (first, second) = must_share(&postgres);
    let paused = first.must_start(&[]);
    must_log(&first, IDLE);
    paused.must_signal(Signal::STOP);

    // When
    let next = second.must_start(&["--take-over"]);
    must_log(&second, IDLE);
    let rows = "SELECT md5(string_agg(r::text, ',' ORDER BY r::text)) FROM trestle_kv r";
    let (owner, stored) = (token(&postgres), postgres.sql("postgres", rows).expect("rows"));
    paused.must_signal(Signal::CONT);

    // Then the first finds out by itself, and has changed nothing.
    let status = paused.must_end();
    assert_eq!(status.code(), Some(1), "{}", first.log());
    assert!(first.log().contains("another process has taken the database over"), "{}", first.log());
    assert_eq!(token(&postgres), owner);
    assert_eq!(postgres.sql("postgres", rows).expect("rows"), stored);
    assert!(next.must_get("/healthz").starts_with("HTTP/1.1 200"), "the second goes on");
}
