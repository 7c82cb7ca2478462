//! The stream as the broker is owed it.

use std::sync::Arc;

use futures::future::BoxFuture;
use trestle_store::{Batch, Scan, Store, StoreError};

use crate::{
    ports::{OwedEvent, OwedEvents},
    staking::{
        query,
        tables::{EVENTS, PUBLISHED},
    },
};

/// The stored stream, and the place up to which the broker has it.
///
/// Always holds: there is one at most for a store, as nothing else writes that place.
pub struct EventStream(Arc<dyn Store>);

impl EventStream {
    /// The stream of the index in this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }
}

impl OwedEvents for EventStream {
    fn owed(&self, limit: u32) -> BoxFuture<'_, Result<Vec<OwedEvent>, StoreError>> {
        Box::pin(async move {
            let published = PUBLISHED.get(&*self.0, &[]).await?.unwrap_or(0);
            let rows = query::events(&*self.0, published, limit).await?;
            let owed = rows.into_iter();
            Ok(owed.map(|(number, row)| OwedEvent { number, messages: row.messages() }).collect())
        })
    }

    fn newest(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            let scan = Scan { limit: 1, reverse: true, ..Scan::default() };
            Ok(EVENTS.scan(&*self.0, scan).await?.first().map_or(0, |(number, _)| *number))
        })
    }

    fn settle(&self, number: u64) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let mut batch = Batch::new();
            PUBLISHED.put(&mut batch, &[], &number);
            self.0.commit(batch).await
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use trestle_store::memory::MemoryStore;

    use super::*;
    use crate::staking::events::{EventRow, What};

    fn row(height: u32) -> EventRow {
        let what = What::Tip { block: [7; 32], height, confirmed_tvl: 1, unconfirmed_tvl: 2 };
        EventRow { tip: height, what }
    }

    #[tokio::test]
    async fn event_stream__should_go_on_after_the_last_event_that_the_broker_has() {
        // Given
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let stream = EventStream::new(Arc::clone(&store));
        assert_eq!(stream.newest().await, Ok(0));
        assert_eq!(stream.owed(10).await, Ok(Vec::new()));
        let mut batch = Batch::new();
        (1..=5).for_each(|number| EVENTS.insert(&mut batch, &number, &row(100)));
        store.commit(batch).await.expect("room in memory");

        // When
        let numbers = async |stream: &EventStream, limit| {
            let owed = stream.owed(limit).await.expect("rows");
            assert!(owed.iter().all(|event| event.messages == row(100).messages()));
            owed.into_iter().map(|event| event.number).collect::<Vec<_>>()
        };
        assert_eq!(numbers(&stream, 3).await, [1, 2, 3]);
        stream.settle(2).await.expect("room in memory");

        // Then, by another over the same store too
        assert_eq!(numbers(&stream, 2).await, [3, 4]);
        assert_eq!(numbers(&EventStream::new(store), 10).await, [3, 4, 5]);
        assert_eq!(stream.newest().await, Ok(5));
    }
}
