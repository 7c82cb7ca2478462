//! Publishes the stream of events in order, and moves on only when the broker has confirmed.
//!
//! Always holds: the place in the stream moves past an event after all its messages are confirmed,
//! and for no other reason. A crash or a lost connection in between publishes some of them once
//! more, under the same ids.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use trestle_actors::ports::{EventMessage, OwedEvent, OwedEvents, PublishError, PublishEvents};
use trestle_store::StoreError;

use crate::Metrics;

/// Events published before their confirmations are waited for: enough to hide the round trip to
/// the broker, few enough that a batch of large transactions fits into memory many times.
const BATCH: u32 = 64;

/// Time between two looks at the connection, and for events whose writer did not wake us, when
/// there is nothing to do.
const IDLE: Duration = Duration::from_secs(5);

/// First and longest wait after a failure.
const WAITS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// The task that brings the broker up to date.
pub struct Drain {
    events: Arc<dyn OwedEvents>,
    publisher: Arc<dyn PublishEvents>,
    metrics: Metrics,
    /// Messages (event, place in it) that are confirmed and stand behind one that is not. They are
    /// not published again while this task lives. No more than the messages of one batch.
    ahead: BTreeSet<(u64, usize)>,
    /// When something was last confirmed, or nothing was owed.
    progress: Instant,
    wait: Duration,
}

/// What one round came to.
enum Round {
    /// Nothing is owed.
    Idle,
    /// Everything of a batch is published.
    Progress,
    /// Something is not.
    Failed(PublishError),
}

/// A message and where it is from.
type Placed = ((u64, usize), EventMessage);

impl Drain {
    /// A task that is not running yet. `metrics` are those that the publisher counts in.
    #[must_use]
    pub fn new(
        events: Arc<dyn OwedEvents>,
        publisher: Arc<dyn PublishEvents>,
        metrics: Metrics,
    ) -> Self {
        let (ahead, progress) = (BTreeSet::new(), Instant::now());
        Self { events, publisher, metrics, ahead, progress, wait: WAITS.0 }
    }

    /// Runs until `stop`. `newest` is changed by whoever adds events, after the commit; its value
    /// does not matter.
    ///
    /// # Errors
    /// When the store is damaged or is another process's by now. A store or a broker that is away
    /// is waited for.
    pub async fn run(
        mut self,
        mut newest: watch::Receiver<u64>,
        stop: CancellationToken,
    ) -> Result<(), StoreError> {
        loop {
            newest.mark_unchanged();
            // Giving a round up half-way is a crash at that point, which loses nothing.
            let Some(round) = stop.run_until_cancelled(self.round()).await else { return Ok(()) };
            let (pause, idle) = match round {
                Ok(Round::Progress) => {
                    self.recovered();
                    continue;
                }
                Ok(Round::Idle) => {
                    self.recovered();
                    (IDLE, true)
                }
                Ok(Round::Failed(error)) => (self.failed(&error), false),
                Err(error @ (StoreError::Unavailable(_) | StoreError::Unknown(_))) => {
                    (self.failed(&error), false)
                }
                Err(error) => return Err(error),
            };
            let woken = async {
                // New events change nothing about a failure, and a writer that is gone wakes
                // nobody.
                if !idle || newest.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = woken => {}
                () = sleep(pause) => {}
            }
        }
    }

    async fn round(&mut self) -> Result<Round, StoreError> {
        let owed = self.events.owed(BATCH).await?;
        self.show(&owed).await?;
        let (Some(first), Some(last)) = (owed.first(), owed.last()) else {
            // Keeps the connection, or notices that it is gone, and makes the queues for readers
            // that wait for them.
            let ready = self.publisher.declare().await;
            return Ok(ready.map_or_else(Round::Failed, |()| Round::Idle));
        };
        let (first, last) = (first.number, last.number);
        let batch = self.missing(owed);
        let failure = self.publish(&batch).await;
        let stuck = batch.iter().find(|(place, _)| !self.ahead.contains(place));
        // Everything before the event with the first message that is not confirmed.
        let done = stuck.map_or(last, |((event, _), _)| event.saturating_sub(1));
        if done >= first {
            self.events.settle(done).await?;
            self.ahead.retain(|(event, _)| *event > done);
        }
        let failure = failure.or_else(|| stuck.map(|(_, message)| unanswered(message)));
        Ok(failure.map_or(Round::Progress, Round::Failed))
    }

    /// The messages of these events that are not confirmed yet.
    fn missing(&self, owed: Vec<OwedEvent>) -> Vec<Placed> {
        let placed = owed.into_iter().flat_map(|OwedEvent { number, messages }| {
            let messages = messages.into_iter().enumerate();
            messages.map(move |(index, message)| ((number, index), message))
        });
        placed.filter(|(place, _)| !self.ahead.contains(place)).collect()
    }

    /// Publishes and notes what is confirmed; the first failure.
    async fn publish(&mut self, batch: &[Placed]) -> Option<PublishError> {
        if batch.is_empty() {
            return None;
        }
        let messages = batch.iter().map(|(_, message)| message.clone()).collect();
        let outcomes = match self.publisher.publish(messages).await {
            Ok(outcomes) => outcomes,
            Err(error) => return Some(error),
        };
        let mut failure = None;
        for ((place, _), outcome) in batch.iter().zip(outcomes) {
            match outcome {
                Ok(()) => {
                    self.ahead.insert(*place);
                    self.progress = Instant::now();
                }
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure
    }

    /// Shows how far behind the broker is.
    async fn show(&mut self, owed: &[OwedEvent]) -> Result<(), StoreError> {
        let (Some(first), Some(last)) = (owed.first(), owed.last()) else {
            self.progress = Instant::now();
            self.metrics.owed.set(0);
            self.metrics.waiting_seconds.set(0);
            return Ok(());
        };
        let full = u32::try_from(owed.len()).is_ok_and(|count| count >= BATCH);
        let newest = if full { self.events.newest().await? } else { last.number };
        let behind = newest.saturating_sub(first.number).saturating_add(1);
        self.metrics.owed.set(i64::try_from(behind).unwrap_or(i64::MAX));
        let waiting = self.progress.elapsed().as_secs();
        self.metrics.waiting_seconds.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        Ok(())
    }

    /// The next wait: twice the one before, up to the longest.
    fn failed(&mut self, error: &dyn std::error::Error) -> Duration {
        let wait = self.wait;
        if wait == WAITS.0 {
            tracing::warn!(%error, "events cannot be published; they are kept and tried again");
        } else {
            tracing::debug!(%error, wait_s = wait.as_secs(), "events cannot be published yet");
        }
        self.wait = wait.saturating_mul(2).min(WAITS.1);
        wait
    }

    fn recovered(&mut self) {
        if self.wait != WAITS.0 {
            tracing::info!("events are published again");
        }
        self.wait = WAITS.0;
    }
}

/// For a publisher that answers for fewer messages than it was given.
fn unanswered(message: &EventMessage) -> PublishError {
    let reason = "nothing was said about it".into();
    PublishError::NotTaken { queue: message.queue.name(), reason }
}
