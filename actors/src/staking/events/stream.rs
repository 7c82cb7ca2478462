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
    use crate::staking::events::{EVENTS_A_ROW, EventRow, Gathered, What};

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
        // In rows of one and of two.
        EVENTS.insert(&mut batch, &1, &vec![row(100)]);
        EVENTS.insert(&mut batch, &3, &vec![row(100); 2]);
        EVENTS.insert(&mut batch, &5, &vec![row(100); 2]);
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
    #[tokio::test]
    async fn events__should_begin_and_end_anywhere_in_rows_of_any_length() {
        // Given rows of 1 to 64 events, as many rows as take several reads
        let store = MemoryStore::new();
        let (mut batch, mut last) = (Batch::new(), 0);
        for length in (1..=EVENTS_A_ROW).chain(std::iter::repeat_n(1, 100)) {
            let events = (0..length as u64).map(|place| row(last as u32 + 1 + place as u32));
            let events: Vec<EventRow> = events.collect();
            last += length as u64;
            EVENTS.insert(&mut batch, &last, &events);
        }
        store.commit(batch).await.expect("room in memory");

        for (after, limit) in [(0, 1), (0, 1_000), (1, 64), (2_000, 1_000), (2_079, 90), (7, 3)] {
            // When
            let events = query::events(&store, after, limit).await.expect("rows");

            // Then each has the number that it was stored as
            let numbers: Vec<u64> = events.iter().map(|(number, _)| *number).collect();
            let end = last.min(after + u64::from(limit));
            assert_eq!(numbers, (after + 1..=end).collect::<Vec<_>>());
            assert!(events.iter().all(|(number, event)| *event == row(*number as u32)));
        }
        assert_eq!(query::events(&store, last, 10).await, Ok(Vec::new()));
    }

    #[test]
    fn gathered__should_give_a_row_when_it_is_full() {
        let mut gathered = Gathered::default();
        assert_eq!(gathered.take(), None);
        let full: Vec<_> = (1..=65).filter_map(|height| gathered.add(row(height))).collect();
        assert_eq!(full, [(1..=64).map(row).collect::<Vec<_>>()]);
        assert_eq!(gathered.take(), Some(vec![row(65)]));
        assert_eq!(gathered.take(), None);
    }
}
