//! What the tests of both databases share.

use std::sync::Arc;

use trestle_store::{Batch, Op, Space, Store, StoreError};

pub(crate) const SPACE: Space = "test";

pub(crate) fn put(key: &str, value: impl Into<Vec<u8>>) -> Batch {
    Batch { ops: vec![Op::Put(SPACE, key.into(), value.into())] }
}

/// Many tasks raise one counter, each by reading it and expecting what it read. Returns where it
/// ends.
pub(crate) async fn count_up(store: Arc<dyn Store>, tasks: usize, each: usize) -> u64 {
    let counters: Vec<_> = (0..tasks)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for _ in 0..each {
                    raise(&*store).await;
                }
            })
        })
        .collect();
    for counter in counters {
        counter.await.expect("a counter ends");
    }
    let end = store.get(SPACE, b"counter").await.expect("reads").expect("counted");
    u64::from_be_bytes(end.try_into().expect("eight bytes"))
}

async fn raise(store: &dyn Store) {
    loop {
        let now = store.get(SPACE, b"counter").await.expect("reads");
        let number = now.as_ref().map_or(0, |bytes| {
            u64::from_be_bytes(bytes.as_slice().try_into().expect("eight bytes"))
        });
        let next = (number + 1).to_be_bytes().to_vec();
        let raise = vec![
            Op::Expect(SPACE, b"counter".to_vec(), now),
            Op::Put(SPACE, b"counter".to_vec(), next),
        ];
        match store.commit(Batch { ops: raise }).await {
            Ok(()) => return,
            Err(StoreError::Conflict { .. }) => {}
            Err(e) => panic!("a commit neither applied nor conflicted: {e}"),
        }
    }
}
