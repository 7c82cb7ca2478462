//! A stream of events in memory.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::future::{BoxFuture, ready};
use trestle_actors::ports::{OwedEvent, OwedEvents};
use trestle_store::StoreError;

use super::message;

/// Events 1, 2, …, each with one message, and how far the broker has them.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<State>);

#[derive(Default)]
struct State {
    newest: u64,
    settled: u64,
    fault: Option<StoreError>,
}

impl Ledger {
    pub(crate) fn new(newest: u64) -> Self {
        Self(Mutex::new(State { newest, ..State::default() }))
    }

    pub(crate) fn owe_up_to(&self, number: u64) {
        self.state().newest = number;
    }

    pub(crate) fn left(&self) -> u64 {
        let state = self.state();
        state.newest - state.settled
    }

    /// The next reading fails.
    pub(crate) fn fail_once(&self, fault: StoreError) {
        self.state().fault = Some(fault);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OwedEvents for Ledger {
    fn owed(&self, limit: u32) -> BoxFuture<'_, Result<Vec<OwedEvent>, StoreError>> {
        let mut state = self.state();
        if let Some(fault) = state.fault.take() {
            return Box::pin(ready(Err(fault)));
        }
        let numbers = (state.settled + 1..=state.newest).take(limit as usize);
        let owed = numbers.map(|number| OwedEvent { number, messages: vec![message(number)] });
        Box::pin(ready(Ok(owed.collect())))
    }

    fn newest(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(ready(Ok(self.state().newest)))
    }

    fn settle(&self, number: u64) -> BoxFuture<'_, Result<(), StoreError>> {
        let mut state = self.state();
        assert!(state.settled < number && number <= state.newest, "only forwards: {number}");
        state.settled = number;
        Box::pin(ready(Ok(())))
    }
}
