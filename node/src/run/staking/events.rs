//! The events of staking, out of the stored stream: to the node's own listeners, and to a broker
//! where the config names one.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use trestle_actors::staking::{
    StakingHandle,
    events::{EventStream, EventView},
    ingress::StakingStatus,
    query,
};
use trestle_store::Store;
use trestle_store_events::{Broker, Drain, Metrics, QueueType, Settings};

use super::super::{RunError, actors::Parts, feeds::Tasks};
use crate::{
    config::{self, EventsConfig},
    events::{Event, EventBus},
    metrics,
};

/// Events that are read at once.
const PAGE: u32 = 256;
/// Wait before a store that does not answer is asked again.
const AGAIN: Duration = Duration::from_secs(2);

/// Starts both.
pub(super) fn tell(
    parts: &mut Parts<'_>,
    handle: &StakingHandle,
    tasks: &mut Tasks,
) -> Result<(), RunError> {
    let (newest, changed) = watch::channel(0);
    let (store, bus) = (Arc::clone(&parts.store), parts.events.clone());
    let (status, stop) = (handle.status(), parts.stop.clone());
    tasks.spawn(async move {
        stop.run_until_cancelled(publish(store, status, newest, bus)).await;
        Ok(())
    });
    let Some(events) = &parts.config.events else { return Ok(()) };
    let settings = settings(events)?;
    let counters = Metrics::default();
    counters.register(metrics::ours(parts.registry));
    counters.register_compatible(parts.registry);
    tracing::info!(broker = settings.broker(), user = settings.user(), "events go to a broker");
    let broker = Arc::new(Broker::new(settings, counters.clone()));
    let stream = Arc::new(EventStream::new(Arc::clone(&parts.store)));
    let drain = Drain::new(stream, broker, counters);
    let stop = parts.stop.clone();
    tasks.spawn(async move {
        let drained = drain.run(changed, stop).await;
        drained.map_err(|error| RunError::Staking(format!("events for the broker: {error}")))
    });
    Ok(())
}

fn settings(config: &EventsConfig) -> Result<Settings, RunError> {
    let kind = match config.queue_type {
        config::QueueType::Quorum => QueueType::Quorum,
        config::QueueType::Classic => QueueType::Classic,
    };
    Settings::new(&config.amqp, config.amqp_password_file.clone(), kind)
        .map_err(|error| RunError::Staking(format!("events.amqp in the config: {error}")))
}

/// Publishes every event on the bus, beginning with the first of this boot, until the actor is gone.
/// `newest` is told too, for whoever reads the stream itself.
async fn publish(
    store: Arc<dyn Store>,
    mut status: watch::Receiver<StakingStatus>,
    newest: watch::Sender<u64>,
    bus: EventBus,
) {
    // What was there when the index was loaded is no news.
    let mut told = status.borrow_and_update().last_event;
    loop {
        newest.send_replace(told);
        if status.changed().await.is_err() {
            return;
        }
        let last = status.borrow_and_update().last_event;
        while told < last {
            match query::events(&*store, told, PAGE).await {
                Ok(page) if page.is_empty() => break,
                Ok(page) => {
                    for (number, row) in page {
                        told = number;
                        bus.publish(event(number, row.view()));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the events of staking cannot be read; trying again");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }
}

fn event(number: u64, view: EventView) -> Event {
    Event::Staking {
        number,
        what: view.kind.to_owned(),
        reverted: view.reverted,
        staking_tx: view.txid.map(|txid| txid.to_string()),
        height: view.height,
    }
}
