//! The rules of the drain, on a publisher in memory that does what it is told.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use crate::common::{LIMIT, Ledger, message};
use futures::future::{BoxFuture, pending, ready};
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use trestle_actors::ports::{EventHealth, EventMessage, PublishError, PublishEvents};
use trestle_devnet::wait;
use trestle_store::StoreError;
use trestle_store_events::{Drain, Metrics};

/// Takes everything but what it was told to refuse.
#[derive(Default)]
struct Fake(Mutex<State>);

#[derive(Default)]
struct State {
    /// The ids of every batch that came.
    batches: Vec<Vec<String>>,
    /// Messages refused, and how often yet.
    refuse: BTreeMap<String, u32>,
    /// Batches that are lost as a whole, their fate unknown.
    lose: u32,
    /// Takes a batch and never answers.
    silent: bool,
}

impl Fake {
    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How often each message came.
    fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for id in self.with(|state| state.batches.concat()) {
            *counts.entry(id).or_default() += 1;
        }
        counts
    }
}

fn refusal() -> PublishError {
    PublishError::NotTaken { queue: "btc_info_queue", reason: "full".into() }
}

impl PublishEvents for Fake {
    fn declare(&self) -> BoxFuture<'_, Result<(), PublishError>> {
        Box::pin(ready(Ok(())))
    }

    fn publish(
        &self,
        batch: Vec<EventMessage>,
    ) -> BoxFuture<'_, Result<Vec<Result<(), PublishError>>, PublishError>> {
        self.with(|state| {
            let ids: Vec<_> = batch.into_iter().map(|message| message.message_id).collect();
            state.batches.push(ids.clone());
            if state.silent {
                return Box::pin(pending()) as BoxFuture<'_, _>;
            }
            if state.lose > 0 {
                state.lose -= 1;
                return Box::pin(ready(Err(refusal())));
            }
            let mut take = |id: String| match state.refuse.get_mut(&id) {
                Some(left) if *left > 0 => {
                    *left -= 1;
                    Err(refusal())
                }
                Some(_) | None => Ok(()),
            };
            Box::pin(ready(Ok(ids.into_iter().map(&mut take).collect())))
        })
    }

    fn health(&self) -> EventHealth {
        EventHealth::Unknown
    }
}

struct Running {
    ledger: Arc<Ledger>,
    fake: Arc<Fake>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), StoreError>>,
    newest: watch::Sender<u64>,
}

fn start(owed: u64, fake: Fake) -> Running {
    start_on(Arc::new(Ledger::new(owed)), fake)
}

fn start_on(ledger: Arc<Ledger>, fake: Fake) -> Running {
    let fake = Arc::new(fake);
    let (newest, woken) = watch::channel(0);
    let stop = CancellationToken::new();
    let drain = Drain::new(Arc::clone(&ledger) as _, Arc::clone(&fake) as _, Metrics::default());
    let task = tokio::spawn(drain.run(woken, stop.clone()));
    Running { ledger, fake, stop, task, newest }
}

impl Running {
    async fn must_reach(&self, what: &str, reached: impl Fn(&Self) -> bool) {
        let until = wait::until(what, LIMIT, async || Ok(reached(self).then_some(())));
        until.await.expect("it comes to that");
    }
}

fn ids(numbers: impl IntoIterator<Item = u64>) -> Vec<String> {
    numbers.into_iter().map(|number| message(number).message_id).collect()
}

#[tokio::test]
async fn drain__should_publish_in_bounded_batches_in_order() {
    let running = start(150, Fake::default());
    running.must_reach("the end", |running| running.ledger.left() == 0).await;
    let batches = running.fake.with(|state| state.batches.clone());
    assert_eq!(batches, [ids(1..=64), ids(65..=128), ids(129..=150)]);
}

#[tokio::test]
async fn drain__should_publish_a_lost_batch_again_under_the_same_ids() {
    let fake = Fake::default();
    fake.with(|state| state.lose = 2);
    let running = start(3, fake);
    running.must_reach("the end", |running| running.ledger.left() == 0).await;
    let batches = running.fake.with(|state| state.batches.clone());
    assert_eq!(batches, [ids(1..=3), ids(1..=3), ids(1..=3)]);
}

#[tokio::test]
async fn drain__should_repeat_only_what_was_refused_and_keep_its_place_until_then() {
    // Given a message in the middle that is refused twice
    let fake = Fake::default();
    fake.with(|state| state.refuse.insert(message(7).message_id, 2));
    let running = start(20, fake);

    // When it was tried, its place and what is behind it stay owed.
    running.must_reach("a refusal", |running| running.ledger.left() < 20).await;
    assert_eq!(running.ledger.left(), 14, "events 1 to 6 are settled");

    // Then it is repeated alone.
    running.must_reach("the end", |running| running.ledger.left() == 0).await;
    let counts = running.fake.counts();
    let repeated: BTreeSet<_> = counts.iter().filter(|(_, count)| **count != 1).collect();
    assert_eq!(repeated, BTreeSet::from([(&message(7).message_id, &3)]));
    assert_eq!(counts.len(), 20);
}

#[tokio::test]
async fn drain__should_forget_nothing_when_it_is_stopped_before_a_confirmation() {
    // Given
    let fake = Fake::default();
    fake.with(|state| state.silent = true);
    let running = start(5, fake);
    running.must_reach("a batch", |running| !running.fake.counts().is_empty()).await;

    // When
    running.stop.cancel();
    let ended = timeout(LIMIT, running.task).await.expect("at once").expect("no panic");

    // Then the next one sends them again.
    assert_eq!((ended, running.ledger.left()), (Ok(()), 5));
    let next = start_on(running.ledger, Fake::default());
    next.must_reach("the end", |running| running.ledger.left() == 0).await;
    assert_eq!(next.fake.with(|state| state.batches.clone()), [ids(1..=5)]);
}

#[tokio::test]
async fn drain__should_wait_for_a_store_that_is_away_and_end_on_a_damaged_one() {
    // Given
    let ledger = Arc::new(Ledger::new(5));
    ledger.fail_once(StoreError::Unavailable("gone for a moment".into()));
    let running = start_on(Arc::clone(&ledger), Fake::default());
    running.must_reach("the end", |running| running.ledger.left() == 0).await;

    // When
    ledger.fail_once(StoreError::Corrupt("damaged".into()));
    running.newest.send_replace(5);

    // Then
    let ended = timeout(LIMIT, running.task).await.expect("soon").expect("no panic");
    assert_eq!(ended, Err(StoreError::Corrupt("damaged".into())));
}
