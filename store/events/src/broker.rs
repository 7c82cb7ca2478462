//! The broker as a port: one connection that is made when it is needed and dropped when anything
//! about it fails.

use std::sync::{Mutex as Shown, PoisonError};

use futures::future::BoxFuture;
use tokio::sync::Mutex;
use trestle_actors::ports::{EventHealth, EventMessage, PublishError, PublishEvents};

use crate::{Metrics, Settings, link::Link};

/// What fits into a short string of AMQP.
const MAX_ID_BYTES: usize = 255;

/// Publishes to one broker. Tries once a call: waiting between attempts is the caller's.
pub struct Broker {
    settings: Settings,
    metrics: Metrics,
    /// Taken out while in use, so that a call that is given up drops its connection, whose state
    /// nobody knows then.
    link: Mutex<Option<Link>>,
    health: Shown<EventHealth>,
}

impl Broker {
    /// A publisher that has not connected yet.
    #[must_use]
    pub fn new(settings: Settings, metrics: Metrics) -> Self {
        let health = Shown::new(EventHealth::Unknown);
        Self { settings, metrics, link: Mutex::new(None), health }
    }

    /// A link with all queues behind it.
    async fn ready(&self, last: Option<Link>) -> Result<Link, PublishError> {
        let mut link = match last.filter(Link::stands) {
            Some(link) => link,
            None => {
                let link = Link::open(&self.settings).await;
                let link = link.inspect_err(|_| self.metrics.failed("connect", ""))?;
                self.metrics.connections.inc();
                link
            }
        };
        let declared = link.declare(&self.settings).await;
        declared.inspect_err(|_| self.metrics.failed("declare", ""))?;
        Ok(link)
    }

    async fn declare_now(&self) -> Result<(), PublishError> {
        // CORRECTNESS: held while the broker answers, which takes a few times the patience of the
        // settings at most; it is what keeps one connection from being used twice at once.
        let mut slot = self.link.lock().await;
        let last = slot.take();
        let link = self.noted(self.ready(last).await)?;
        *slot = Some(link);
        Ok(())
    }

    async fn publish_now(
        &self,
        batch: &[EventMessage],
    ) -> Result<Vec<Result<(), PublishError>>, PublishError> {
        too_long(batch)?;
        // CORRECTNESS: as above.
        let mut slot = self.link.lock().await;
        let last = slot.take();
        let mut link = self.noted(self.ready(last).await)?;
        let sent = link.publish(&self.settings, batch).await;
        let outcomes = self.noted(sent).inspect_err(|_| {
            let queue = batch.first().map_or("", |message| message.queue.name());
            self.metrics.failed("sendMessage", queue);
        })?;
        for (message, outcome) in batch.iter().zip(&outcomes) {
            match outcome {
                Ok(()) => self.metrics.published(message.queue),
                Err(_) => self.metrics.failed("sendMessage", message.queue.name()),
            }
        }
        let first = outcomes.iter().find_map(|outcome| outcome.as_ref().err());
        self.note(first.map_or(EventHealth::Connected, |error| EventHealth::Failed(error.clone())));
        *slot = Some(link);
        Ok(outcomes)
    }

    fn noted<T>(&self, result: Result<T, PublishError>) -> Result<T, PublishError> {
        self.note(match &result {
            Ok(_) => EventHealth::Connected,
            Err(error) => EventHealth::Failed(error.clone()),
        });
        result
    }

    fn note(&self, health: EventHealth) {
        self.metrics.connected.set(i64::from(health == EventHealth::Connected));
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = health;
    }
}

/// Ids are ours and far shorter; one that does not fit must not reach the client, which panics.
fn too_long(batch: &[EventMessage]) -> Result<(), PublishError> {
    match batch.iter().find(|message| message.message_id.len() > MAX_ID_BYTES) {
        None => Ok(()),
        Some(message) => Err(PublishError::NotTaken {
            queue: message.queue.name(),
            reason: format!(
                "its id has {} bytes, AMQP has room for {MAX_ID_BYTES}",
                message.message_id.len()
            ),
        }),
    }
}

impl PublishEvents for Broker {
    fn declare(&self) -> BoxFuture<'_, Result<(), PublishError>> {
        Box::pin(self.declare_now())
    }

    fn publish(
        &self,
        batch: Vec<EventMessage>,
    ) -> BoxFuture<'_, Result<Vec<Result<(), PublishError>>, PublishError>> {
        Box::pin(async move { self.publish_now(&batch).await })
    }

    fn health(&self) -> EventHealth {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
