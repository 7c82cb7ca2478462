//! The tests every store implementation passes.
//!
//! One function a property, each on an empty store; [`run`] runs them all. They panic where the
//! store is wrong, with the property in the message.

use std::sync::Arc;

use futures::future::join_all;

use crate::{Batch, Op, Outbox, Row, Scan, Space, Store, StoreError, Table};

const SPACE: Space = "suite";
const OTHER: Space = "suite_other";

/// Runs every property, each on a store of its own that `fresh` makes and that must be empty.
pub async fn run(fresh: impl AsyncFn() -> Arc<dyn Store>) {
    empty_store_has_no_rows(&*fresh().await).await;
    batch_applies_in_order(&*fresh().await).await;
    batch_applies_whole_or_not_at_all(&*fresh().await).await;
    insert_needs_an_absent_row(&*fresh().await).await;
    expect_needs_the_exact_value(&*fresh().await).await;
    preconditions_see_earlier_operations(&*fresh().await).await;
    conflict_names_the_first_row(&*fresh().await).await;
    spaces_are_apart(&*fresh().await).await;
    empty_keys_and_values_are_kept(&*fresh().await).await;
    keys_sort_as_bytes(&*fresh().await).await;
    scan_keeps_to_its_prefix(&*fresh().await).await;
    scan_continues_after_a_key(&*fresh().await).await;
    scan_keeps_to_its_limit(&*fresh().await).await;
    large_values_are_kept(&*fresh().await).await;
    large_batches_are_kept(&*fresh().await).await;
    one_of_many_concurrent_commits_wins(&*fresh().await).await;
    concurrent_commits_all_last(&*fresh().await).await;
    many_values_are_read_in_their_order(&*fresh().await).await;
    table_reads_back_what_it_wrote(&*fresh().await).await;
    table_refuses_other_formats(&*fresh().await).await;
    outbox_keeps_what_is_owed(&*fresh().await).await;
}

/// A new store answers reads with nothing, and takes an empty batch.
pub async fn empty_store_has_no_rows(store: &dyn Store) {
    assert_eq!(store.get(SPACE, b"k").await, Ok(None), "a new store has no rows");
    assert_eq!(rows(store, all()).await, []);
    assert_eq!(store.commit(Batch::new()).await, Ok(()), "an empty batch commits");
}

/// Later operations on a row win over earlier ones of the same batch.
pub async fn batch_applies_in_order(store: &dyn Store) {
    must_commit(store, [put("a", "1"), put("b", "1")]).await;

    must_commit(store, [put("a", "2"), put("a", "3"), delete("b"), put("c", "1"), delete("c")])
        .await;

    assert_eq!(rows(store, all()).await, [row("a", "3")], "operations apply in order");
}

/// A batch whose last operation conflicts changes nothing.
pub async fn batch_applies_whole_or_not_at_all(store: &dyn Store) {
    must_commit(store, [put("a", "1"), put("b", "1")]).await;

    let refused = [put("a", "2"), delete("b"), put("c", "2"), insert("a", "9")];
    must_conflict(store, refused, "a").await;

    let unchanged = [row("a", "1"), row("b", "1")];
    assert_eq!(rows(store, all()).await, unchanged, "a refused batch changes nothing");
    must_commit(store, [put("c", "3")]).await;
    assert_eq!(store.get(SPACE, b"c").await, Ok(Some(b"3".to_vec())), "the store goes on");
}

/// An insert of a row that exists is refused, also if it is the same value.
pub async fn insert_needs_an_absent_row(store: &dyn Store) {
    must_commit(store, [insert("a", "1")]).await;
    must_conflict(store, [insert("a", "1")], "a").await;
    must_commit(store, [delete("a")]).await;
    must_commit(store, [insert("a", "2")]).await;
    assert_eq!(rows(store, all()).await, [row("a", "2")]);
}

/// An expectation holds for exactly the value it names.
pub async fn expect_needs_the_exact_value(store: &dyn Store) {
    must_commit(store, [expect("a", None), put("a", "1"), put("empty", "")]).await;

    must_commit(store, [expect("a", Some("1")), expect("empty", Some(""))]).await;
    must_conflict(store, [expect("a", None)], "a").await;
    must_conflict(store, [expect("a", Some("12"))], "a").await;
    must_conflict(store, [expect("a", Some(""))], "a").await;
    must_conflict(store, [expect("empty", None)], "empty").await;
    must_conflict(store, [expect("missing", Some(""))], "missing").await;
    assert_eq!(rows(store, all()).await, [row("a", "1"), row("empty", "")]);
}

/// Preconditions are about the rows as the operations before them leave them.
pub async fn preconditions_see_earlier_operations(store: &dyn Store) {
    must_commit(store, [put("a", "1")]).await;

    must_commit(store, [delete("a"), expect("a", None), insert("a", "2"), expect("a", Some("2"))])
        .await;
    must_commit(store, [expect("a", Some("2")), put("a", "3"), expect("a", Some("3"))]).await;
    must_conflict(store, [put("b", "1"), insert("b", "2")], "b").await;
    must_conflict(store, [insert("b", "1"), insert("b", "1")], "b").await;
    must_conflict(store, [put("a", "4"), expect("a", Some("3"))], "a").await;
    must_conflict(store, [delete("a"), expect("a", Some("3"))], "a").await;
    must_conflict(store, [expect("a", Some("3")), expect("a", Some("4"))], "a").await;
    must_conflict(store, [expect("a", Some("3")), insert("a", "4")], "a").await;

    assert_eq!(rows(store, all()).await, [row("a", "3")]);
}

/// Of several preconditions that fail, the first in the batch is named.
pub async fn conflict_names_the_first_row(store: &dyn Store) {
    must_commit(store, [put("a", "1"), put("b", "1")]).await;
    must_conflict(store, [put("c", "1"), insert("b", "2"), insert("a", "2")], "b").await;
    must_conflict(store, [put("c", "1"), insert("b", "2"), insert("c", "2")], "b").await;
    must_conflict(store, [put("c", "1"), insert("c", "2"), insert("b", "2")], "c").await;
}

/// The same key in two spaces is two rows.
pub async fn spaces_are_apart(store: &dyn Store) {
    must_commit(store, [put("a", "1"), Op::Insert(OTHER, b"a".to_vec(), b"2".to_vec())]).await;
    assert_eq!(store.get(SPACE, b"a").await, Ok(Some(b"1".to_vec())));
    assert_eq!(store.get(OTHER, b"a").await, Ok(Some(b"2".to_vec())));

    must_commit(store, [Op::Delete(OTHER, b"a".to_vec())]).await;
    assert_eq!(rows(store, all()).await, [row("a", "1")]);
    assert_eq!(store.scan(OTHER, all()).await, Ok(Vec::new()));
}

/// The empty key and the empty value are a key and a value.
pub async fn empty_keys_and_values_are_kept(store: &dyn Store) {
    must_commit(store, [insert("", "x"), insert("e", ""), insert("f", "y")]).await;
    assert_eq!(store.get(SPACE, b"").await, Ok(Some(b"x".to_vec())), "the empty key");
    assert_eq!(store.get(SPACE, b"e").await, Ok(Some(Vec::new())), "the empty value");
    assert_eq!(rows(store, all()).await, [row("", "x"), row("e", ""), row("f", "y")]);
    must_conflict(store, [insert("", "z")], "").await;
    must_commit(store, [put("", ""), expect("", Some("")), delete("e")]).await;
    assert_eq!(rows(store, all()).await, [row("", ""), row("f", "y")]);
}

/// Keys are bytes: no text order, no end at zero, and a prefix sorts before what extends it.
pub async fn keys_sort_as_bytes(store: &dyn Store) {
    let sorted: [&[u8]; 10] =
        [b"", &[0], &[0, 0], &[0, 0xff], b"A", b"a", b"a\0", &[0x7f], &[0x80], &[0xff, 0xff]];
    let ops = sorted.iter().rev().map(|key| Op::Put(SPACE, key.to_vec(), key.to_vec()));
    must_commit(store, ops).await;

    let up = keys(store, all()).await;
    assert_eq!(up, sorted, "keys sort as bytes");
    let mut down = keys(store, Scan { reverse: true, ..all() }).await;
    down.reverse();
    assert_eq!(down, sorted, "a reverse scan is the same order backwards");
}

/// A prefix selects by bytes, also where it ends in 0xff and has no next prefix.
pub async fn scan_keeps_to_its_prefix(store: &dyn Store) {
    let stored: [&[u8]; 9] = [
        b"",
        b"a",
        b"a\0",
        &[b'a', 0xff],
        &[b'a', 0xff, 1],
        b"b",
        &[0xfe],
        &[0xff],
        &[0xff, 0xff, 3],
    ];
    must_commit(store, stored.iter().map(|key| Op::Put(SPACE, key.to_vec(), vec![1]))).await;

    let prefixes: [&[u8]; 8] =
        [b"", b"a", &[b'a', 0xff], b"b", b"c", &[0xfe], &[0xff], &[0xff, 0xff]];
    for prefix in prefixes {
        let scan = Scan { prefix: prefix.to_vec(), ..all() };
        let mut wanted: Vec<&[u8]> =
            stored.iter().copied().filter(|key| key.starts_with(prefix)).collect();
        assert_eq!(keys(store, scan.clone()).await, wanted, "prefix {prefix:02x?}");
        wanted.reverse();
        let down = Scan { reverse: true, ..scan };
        assert_eq!(keys(store, down).await, wanted, "prefix {prefix:02x?} in reverse");
    }
}

/// `after` is exclusive, need not exist, follows the direction, and stays within the prefix.
pub async fn scan_continues_after_a_key(store: &dyn Store) {
    must_commit(store, ["a1", "a2", "a3", "b1"].map(|key| put(key, "v"))).await;
    let cases: [(&str, &str, bool, &[&str]); 12] = [
        ("", "a1", false, &["a2", "a3", "b1"]),
        ("", "a15", false, &["a2", "a3", "b1"]),
        ("", "", false, &["a1", "a2", "a3", "b1"]),
        ("", "b1", false, &[]),
        ("a", "a2", false, &["a3"]),
        ("a", "0", false, &["a1", "a2", "a3"]),
        ("a", "c", false, &[]),
        ("", "a3", true, &["a2", "a1"]),
        ("", "", true, &[]),
        ("a", "z", true, &["a3", "a2", "a1"]),
        ("b", "a9", true, &[]),
        ("a", "a2", true, &["a1"]),
    ];
    for (prefix, after, reverse, wanted) in cases {
        let after = Some(after.as_bytes().to_vec());
        let scan = Scan { prefix: prefix.into(), after, reverse, ..all() };
        let wanted: Vec<_> = wanted.iter().map(|key| key.as_bytes().to_vec()).collect();
        assert_eq!(keys(store, scan.clone()).await, wanted, "{scan:?}");
    }
}

/// Pages of any size put together are the whole, in both directions.
pub async fn scan_keeps_to_its_limit(store: &dyn Store) {
    let stored: Vec<Vec<u8>> = (0..10_u8).map(|i| vec![i]).collect();
    must_commit(store, stored.iter().map(|key| Op::Put(SPACE, key.clone(), key.clone()))).await;
    assert_eq!(rows(store, Scan::default()).await, [], "a limit of 0 gives no rows");

    for (limit, reverse) in [(1, false), (3, true), (5, false), (10, true), (u32::MAX, false)] {
        let mut read = Vec::new();
        let mut after = None;
        loop {
            let page = keys(store, Scan { after, reverse, limit, ..Scan::default() }).await;
            assert!(page.len() <= limit as usize, "a page has at most {limit} rows");
            let Some(last) = page.last() else { break };
            after = Some(last.clone());
            read.extend(page);
        }
        if reverse {
            read.reverse();
        }
        assert_eq!(read, stored, "pages of {limit}, reverse {reverse}");
    }
}

/// A value of one megabyte with every byte in it.
pub async fn large_values_are_kept(store: &dyn Store) {
    let value: Vec<u8> = (0..=u8::MAX).cycle().take(1 << 20).collect();
    must_commit(store, [Op::Put(SPACE, b"large".to_vec(), value.clone())]).await;
    let same = Op::Expect(SPACE, b"large".to_vec(), Some(value.clone()));
    must_commit(store, [same, put("small", "1")]).await;
    let read = store.get(SPACE, b"large").await.expect("reads the large value");
    assert!(read.as_deref() == Some(value.as_slice()), "a large value reads back as it was");
}

/// A thousand operations of every kind in one batch.
pub async fn large_batches_are_kept(store: &dyn Store) {
    const ROWS: u32 = 1_000;
    let key = |i: u32| i.to_be_bytes().to_vec();
    must_commit(store, (0..ROWS).map(|i| Op::Insert(SPACE, key(i), vec![1]))).await;

    // Every third row is deleted, every third checked, every third replaced.
    let ops = (0..ROWS).map(|i| match i % 3 {
        0 => Op::Delete(SPACE, key(i)),
        1 => Op::Expect(SPACE, key(i), Some(vec![1])),
        _ => Op::Put(SPACE, key(i), vec![2]),
    });
    must_commit(store, ops).await;

    let left: Vec<Row> = (0..ROWS)
        .filter(|i| i % 3 != 0)
        .map(|i| (key(i), vec![u8::try_from(i % 3).expect("below 3")]))
        .collect();
    assert_eq!(rows(store, all()).await, left);
    let stale = (0..ROWS).map(|i| Op::Expect(SPACE, key(i), (i % 3 != 0).then(|| vec![1])));
    let refused = store.commit(Batch { ops: stale.collect() }).await;
    assert_eq!(refused, Err(StoreError::Conflict { space: SPACE, key: "00000002".into() }));
}

/// Of many commits that expect the same state exactly one is applied.
pub async fn one_of_many_concurrent_commits_wins(store: &dyn Store) {
    must_commit(store, [put("turn", "free")]).await;
    let claim = |i: u8| {
        let taken = Op::Put(SPACE, b"turn".to_vec(), vec![i]);
        let mine = Op::Insert(OTHER, vec![i], vec![]);
        store.commit(Batch { ops: vec![expect("turn", Some("free")), taken, mine] })
    };

    let outcomes = join_all((0..50).map(claim)).await;

    let winners: Vec<usize> = (0..outcomes.len()).filter(|i| outcomes[*i].is_ok()).collect();
    assert_eq!(winners.len(), 1, "exactly one commit wins: {outcomes:?}");
    for lost in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert_eq!(*lost, StoreError::Conflict { space: SPACE, key: hex("turn") });
    }
    let winner = u8::try_from(winners[0]).expect("50 commits");
    assert_eq!(store.get(SPACE, b"turn").await, Ok(Some(vec![winner])));
    assert_eq!(store.scan(OTHER, all()).await, Ok(vec![(vec![winner], vec![])]));
}

/// Commits that do not touch each other are all applied, however they are grouped, and a refused
/// one among them takes none with it.
pub async fn concurrent_commits_all_last(store: &dyn Store) {
    must_commit(store, [put("taken", "1")]).await;
    let commit = |i: u8| {
        let mut ops = vec![Op::Insert(OTHER, vec![i], vec![i])];
        if i.is_multiple_of(10) {
            ops.push(insert("taken", "2"));
        }
        store.commit(Batch { ops })
    };

    let outcomes = join_all((0..100).map(commit)).await;

    let applied: Vec<Row> = (0..100).filter(|i| i % 10 != 0).map(|i| (vec![i], vec![i])).collect();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), applied.len());
    assert_eq!(store.scan(OTHER, all()).await, Ok(applied));
}

/// Reading many at once gives what reading one by one does, also for absent and repeated keys.
pub async fn many_values_are_read_in_their_order(store: &dyn Store) {
    let key = |number: u32| number.to_be_bytes().to_vec();
    let ops = (0..700).map(|number| Op::Put(SPACE, key(2 * number), key(number))).collect();
    store.commit(Batch { ops }).await.expect("it fits");
    let mut at: Vec<crate::At> = (0..1_300).rev().map(|number| (SPACE, key(number))).collect();
    at.push((SPACE, key(0)));
    at.push((OTHER, key(0)));

    let read = store.get_many(&at).await.expect("it was stored");

    assert_eq!(read.len(), at.len());
    for ((space, key), value) in at.iter().zip(read) {
        assert_eq!(store.get(space, key).await, Ok(value), "{space} {key:?}");
    }
    assert_eq!(store.get_many(&[]).await, Ok(Vec::new()));
}

/// Typed rows read back, in order of their keys, over more than one page.
pub async fn table_reads_back_what_it_wrote(store: &dyn Store) {
    let table: Table<u32, (String, Vec<u8>)> = Table::new(SPACE, 1);
    let value = |i: u32| (format!("row {i}"), vec![1; i as usize % 7]);
    let mut batch = Batch::new();
    for i in 0..1_500 {
        table.insert(&mut batch, &i, &value(i));
    }
    assert_eq!(store.commit(batch).await, Ok(()));

    assert_eq!(table.get(store, &700).await, Ok(Some(value(700))));
    assert_eq!(table.get(store, &1_500).await, Ok(None));
    let all: Vec<_> = (0..1_500).map(|i| (i, value(i))).collect();
    assert_eq!(table.all(store).await, Ok(all));
    let scan = Scan { after: Some(10_u32.to_be_bytes().to_vec()), limit: 2, ..Scan::default() };
    assert_eq!(table.scan(store, scan).await, Ok(vec![(11, value(11)), (12, value(12))]));

    let mut batch = Batch::new();
    table.put(&mut batch, &1, &value(99));
    table.delete(&mut batch, &2);
    assert_eq!(store.commit(batch).await, Ok(()));
    assert_eq!(table.get(store, &1).await, Ok(Some(value(99))));
    assert_eq!(table.get(store, &2).await, Ok(None));
}

/// A value of another version, cut short, too long, or with an impossible length is damaged.
pub async fn table_refuses_other_formats(store: &dyn Store) {
    let table: Table<u32, Vec<u64>> = Table::new(SPACE, 2);
    let mut batch = Batch::new();
    table.put(&mut batch, &0, &vec![1, 2, 3]);
    assert_eq!(store.commit(batch).await, Ok(()));
    let stored = store.get(SPACE, &0_u32.to_be_bytes()).await.expect("reads").expect("is there");
    let older = [&[1], &stored[1..]].concat();
    let cut = stored[..stored.len() - 1].to_vec();
    let longer = [stored.as_slice(), &[0]].concat();
    // bincode's marker for a 64-bit length, then a length that no memory holds.
    let endless = [&[2, 253][..], &[0xff; 8]].concat();

    for (what, bytes) in
        [("older", older), ("cut", cut), ("longer", longer), ("endless", endless), ("", vec![])]
    {
        must_commit(store, [Op::Put(SPACE, 1_u32.to_be_bytes().to_vec(), bytes)]).await;
        let read = table.get(store, &1).await;
        assert!(matches!(read, Err(StoreError::Corrupt(_))), "{what}: {read:?}");
    }
    must_commit(store, [put("a key of another form", "")]).await;
    let read = table.all(store).await;
    assert!(matches!(read, Err(StoreError::Corrupt(_))), "{read:?}");
}

/// Effects stay owed, in order and once each, until they are settled.
pub async fn outbox_keeps_what_is_owed(store: &dyn Store) {
    let outbox: Outbox<u64, String> = Outbox::new(SPACE, 1);
    let mut batch = Batch::new();
    for (key, effect) in [(3, "third"), (1, "first"), (2, "second"), (1, "first")] {
        outbox.owe(&mut batch, &key, &effect.into());
    }
    assert_eq!(store.commit(batch).await, Ok(()));
    let owed = vec![(1, "first".into()), (2, "second".into()), (3, "third".into())];
    assert_eq!(outbox.owed(store).await, Ok(owed));

    let mut batch = Batch::new();
    outbox.settle(&mut batch, &2);
    assert_eq!(store.commit(batch).await, Ok(()));
    let owed = vec![(1, "first".into()), (3, "third".into())];
    assert_eq!(outbox.owed(store).await, Ok(owed));
}

fn all() -> Scan {
    Scan { limit: u32::MAX, ..Scan::default() }
}

fn put(key: &str, value: &str) -> Op {
    Op::Put(SPACE, key.into(), value.into())
}

fn insert(key: &str, value: &str) -> Op {
    Op::Insert(SPACE, key.into(), value.into())
}

fn delete(key: &str) -> Op {
    Op::Delete(SPACE, key.into())
}

fn expect(key: &str, value: Option<&str>) -> Op {
    Op::Expect(SPACE, key.into(), value.map(Into::into))
}

fn row(key: &str, value: &str) -> Row {
    (key.into(), value.into())
}

fn hex(key: &str) -> String {
    key.bytes().map(|byte| format!("{byte:02x}")).collect()
}

async fn must_commit(store: &dyn Store, ops: impl IntoIterator<Item = Op>) {
    let batch = Batch { ops: ops.into_iter().collect() };
    assert_eq!(store.commit(batch).await, Ok(()), "the batch commits");
}

async fn must_conflict(store: &dyn Store, ops: impl IntoIterator<Item = Op>, key: &str) {
    let batch = Batch { ops: ops.into_iter().collect() };
    let wanted = Err(StoreError::Conflict { space: SPACE, key: hex(key) });
    assert_eq!(store.commit(batch.clone()).await, wanted, "{batch:?}");
}

async fn rows(store: &dyn Store, scan: Scan) -> Vec<Row> {
    store.scan(SPACE, scan).await.expect("a scan reads")
}

async fn keys(store: &dyn Store, scan: Scan) -> Vec<Vec<u8>> {
    rows(store, scan).await.into_iter().map(|(key, _)| key).collect()
}
