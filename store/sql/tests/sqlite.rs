//! The store on SQLite: the suite, what survives, and what is refused.
#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

mod common;
mod disk;

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use common::{SPACE, count_up, put};
use disk::SmallDisk;
use sqlx::{ConnectOptions, sqlite::SqliteConnectOptions};
use tempfile::{TempDir, tempdir};
use trestle_store::{Batch, Op, Scan, Store, StoreError, Table, suite};
use trestle_store_sql::{Config, LockError, OpenError, SqlStore, open};

#[tokio::test]
async fn sqlite__should_pass_the_suite() {
    let dir = must_make_dir();
    let count = AtomicUsize::new(0);
    suite::run(async || {
        let name = format!("{}.sqlite", count.fetch_add(1, Ordering::Relaxed));
        Arc::new(must_open(&dir.path().join(name)).await) as Arc<dyn Store>
    })
    .await;
}

#[tokio::test]
async fn memory__should_be_a_url() {
    let store = open("memory").await.expect("always there");
    store.commit(put("a", "1")).await.expect("commits");
    assert_eq!(store.get(SPACE, b"a").await, Ok(Some(b"1".to_vec())));
    let other = open("memory").await.expect("always there");
    assert_eq!(other.get(SPACE, b"a").await, Ok(None), "each is its own");
}

#[tokio::test]
async fn reader__should_read_beside_the_owner_and_write_nothing() {
    // Given
    let dir = must_make_dir();
    let path = dir.path().join("node.sqlite");
    let config = Config::new(&format!("sqlite:{}", path.display())).expect("a good url");
    let missing = SqlStore::open_reader(config.clone()).await;
    assert!(missing.is_err() && !path.exists(), "{missing:?}");
    let owner = must_open(&path).await;
    owner.commit(put("a", "1")).await.expect("commits");

    // When
    let reader = SqlStore::open_reader(config).await.expect("the owner does not mind");
    owner.commit(put("a", "2")).await.expect("commits");

    // Then
    assert_eq!(reader.get(SPACE, b"a").await, Ok(Some(b"2".to_vec())));
    let refused = reader.commit(put("a", "3")).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    reader.close().await;
    owner.commit(put("a", "4")).await.expect("the owner goes on");
}

#[tokio::test]
async fn sqlite__should_keep_rows_over_close_and_over_drop() {
    // Given
    let dir = must_make_dir();
    let path = dir.path().join("node.sqlite");
    let url = format!("sqlite:{}", path.display());
    let closed = must_open(&path).await;
    closed.commit(put("closed", "1")).await.expect("commits");
    closed.close().await;
    let after = closed.commit(put("late", "1")).await;
    assert!(matches!(after, Err(StoreError::Unavailable(_))), "{after:?}");

    // When
    let dropped = open(&url).await.expect("it was closed");
    dropped.commit(put("dropped", "2")).await.expect("commits");
    drop(dropped);

    // Then
    let store = open(&url).await.expect("it was dropped");
    assert_eq!(store.get(SPACE, b"closed").await, Ok(Some(b"1".to_vec())));
    assert_eq!(store.get(SPACE, b"dropped").await, Ok(Some(b"2".to_vec())));
    assert_eq!(store.get(SPACE, b"late").await, Ok(None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite__should_count_every_raise_of_concurrent_tasks() {
    let dir = must_make_dir();
    let store = Arc::new(must_open(&dir.path().join("node.sqlite")).await);
    assert_eq!(count_up(store, 8, 25).await, 200);
}

#[tokio::test]
async fn sqlite__should_refuse_a_second_owner() {
    // Given
    let dir = must_make_dir();
    let path = dir.path().join("node.sqlite");
    let first = must_open(&path).await;

    // When
    let second = open_error(&path).await;

    // Then
    assert_eq!(second, OpenError::Locked(LockError::Held(path.display().to_string())));
    first.commit(put("a", "1")).await.expect("the first goes on");
}

#[tokio::test]
async fn sqlite__should_refuse_commits_on_a_full_disk_and_go_on_when_there_is_room() {
    // Given: a disk of a few megabytes, with some of it taken by another file.
    let disk = SmallDisk::new();
    let mut config = must_config(&disk.path().join("node.sqlite"));
    config.max_pages = disk.max_pages();
    let store = SqlStore::open(config).await.expect("there is room for a start");
    store.commit(put("first", "1")).await.expect("there is room");
    let large = |i: u32| put(&format!("large {i}"), vec![7; 200_000]);

    // When
    let mut written = 0;
    let full = loop {
        match store.commit(large(written)).await {
            Ok(()) => written += 1,
            Err(full) => break full,
        }
        assert!(written < 1_000, "the disk is small");
    };

    // Then: nothing of the refused batch is there, and what was committed is.
    assert!(matches!(full, StoreError::Unavailable(_)), "{full:?}");
    assert!(full.to_string().contains("full"), "{full}");
    assert!(written > 0);
    let refused = format!("large {written}");
    assert_eq!(store.get(SPACE, refused.as_bytes()).await, Ok(None));
    assert_eq!(store.get(SPACE, b"first").await, Ok(Some(b"1".to_vec())));

    // When there is room again
    disk.make_room();
    if disk.max_pages().is_some() {
        let gone = Op::Delete(SPACE, b"large 0".to_vec());
        store.commit(Batch { ops: vec![gone] }).await.expect("removing needs no room");
    }

    // Then
    store.commit(put("later", "2")).await.expect("there is room again");
    store.commit(large(written)).await.expect("there is room for the large one");
    assert_eq!(store.get(SPACE, b"later").await, Ok(Some(b"2".to_vec())));
    assert_eq!(store.get(SPACE, b"first").await, Ok(Some(b"1".to_vec())));
    store.close().await;
}

#[tokio::test]
async fn sqlite__should_refuse_a_file_that_is_no_database() {
    let dir = must_make_dir();
    let path = dir.path().join("node.sqlite");
    fs::write(&path, vec![b'x'; 10_000]).expect("writes");
    let refused = open_error(&path).await;
    assert!(matches!(refused, OpenError::Store(StoreError::Corrupt(_))), "{refused:?}");
}

#[tokio::test]
async fn sqlite__should_refuse_a_file_that_was_cut() {
    let dir = must_make_dir();
    let path = must_make_database(&dir).await;
    let file = fs::OpenOptions::new().write(true).open(&path).expect("opens");
    file.set_len(8_192).expect("cuts");
    let refused = open_error(&path).await;
    assert!(matches!(refused, OpenError::Store(StoreError::Corrupt(_))), "{refused:?}");
}

#[tokio::test]
async fn sqlite__should_report_damage_inside_when_it_is_met() {
    // Given: every page but the first two (header and schema) is overwritten.
    let dir = must_make_dir();
    let path = must_make_database(&dir).await;
    let mut bytes = fs::read(&path).expect("reads");
    bytes[8_192..].fill(0xa5);
    fs::write(&path, bytes).expect("writes");

    // When: the schema is whole, so this may open; reading rows finds out.
    let damage = match SqlStore::open(must_config(&path)).await {
        Ok(store) => store
            .scan(SPACE, Scan { limit: u32::MAX, ..Scan::default() })
            .await
            .expect_err("the rows are gone"),
        Err(OpenError::Store(e)) => e,
        Err(e) => panic!("{e}"),
    };

    // Then
    assert!(matches!(damage, StoreError::Corrupt(_)), "{damage:?}");
}

#[tokio::test]
async fn sqlite__should_refuse_the_database_of_another_program() {
    let dir = must_make_dir();
    let path = dir.path().join("other.sqlite");
    must_execute(&path, "CREATE TABLE bookmarks (url TEXT)").await;
    assert_eq!(open_error(&path).await, OpenError::Foreign(path.display().to_string()));
}

#[tokio::test]
async fn sqlite__should_refuse_a_newer_or_altered_database() {
    let dir = must_make_dir();
    let path = must_make_database(&dir).await;

    must_execute(&path, "INSERT INTO trestle_migrations VALUES (99, '0099_future', 'h')").await;
    let newer = open_error(&path).await;
    assert_eq!(newer, OpenError::Newer("0099_future".into()));
    assert!(newer.to_string().contains("newer Trestle"), "{newer}");

    must_execute(&path, "DELETE FROM trestle_migrations WHERE id = 99").await;
    must_execute(&path, "UPDATE trestle_migrations SET hash = 'other' WHERE id = 1").await;
    assert_eq!(open_error(&path).await, OpenError::Altered("0001_kv".into()));
}

#[tokio::test]
async fn sqlite__should_read_a_database_of_format_version_1() {
    // Given: a copy of what version 1 wrote.
    let dir = must_make_dir();
    let path = dir.path().join("v1.sqlite");
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1.sqlite");
    fs::copy(fixture, &path).expect("the fixture is committed");

    // When
    let store = must_open(&path).await;

    // Then
    let table: Table<u32, (String, Vec<u8>)> = Table::new("fixture", 1);
    let rows = vec![(1, ("one".into(), vec![1])), (2, ("two".into(), vec![2, 2]))];
    assert_eq!(table.all(&store).await, Ok(rows));
    assert_eq!(store.get("fixture_raw", &[]).await, Ok(Some(vec![])));
    assert_eq!(store.get("fixture_raw", &[0, 0xff]).await, Ok(Some(vec![0, 1, 0xff])));
    store.commit(put("new", "row")).await.expect("it takes new rows");
}

#[tokio::test]
async fn sqlite__should_name_a_missing_folder() {
    let refused = open_error(Path::new("/nonexistent/node.sqlite")).await.to_string();
    assert!(refused.contains("/nonexistent/node.sqlite"), "{refused}");
    assert!(refused.contains("check that the folder exists"), "{refused}");
}

fn must_make_dir() -> TempDir {
    tempdir().expect("a temporary folder")
}

fn must_config(path: &Path) -> Config {
    Config::new(&format!("sqlite:{}", path.display())).expect("a good url")
}

async fn must_open(path: &Path) -> SqlStore {
    SqlStore::open(must_config(path)).await.expect("it opens")
}

async fn open_error(path: &Path) -> OpenError {
    SqlStore::open(must_config(path)).await.expect_err("it is refused")
}

/// A closed database of many pages.
async fn must_make_database(dir: &TempDir) -> std::path::PathBuf {
    let path = dir.path().join("node.sqlite");
    let store = must_open(&path).await;
    for i in 0..100 {
        store.commit(put(&format!("row {i}"), vec![i; 1_000])).await.expect("commits");
    }
    store.close().await;
    assert!(fs::metadata(&path).expect("it is there").len() > 20 * 4_096);
    path
}

async fn must_execute(path: &Path, statement: &'static str) {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = options.connect().await.expect("opens");
    sqlx::query(statement).execute(&mut connection).await.expect("executes");
    sqlx::Connection::close(connection).await.expect("closes");
}
