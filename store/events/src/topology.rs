//! What stands at the broker: for every queue `Q` a durable `Q` and a durable `Q_delay`, and one
//! exchange for all dead letters.
//!
//! ```text
//! publisher ── "" ──> Q ── rejected ──> common_dlx ── Q_routing_key ──> Q_delay ── TTL ── "" ──> Q
//! ```
//!
//! A reader that cannot handle a message yet publishes a copy to `Q_delay` with a time to live;
//! when that has passed, the copy is back in `Q`.

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, LongString, ShortString},
};
use trestle_staking::events::Queue;

use crate::QueueType;

/// The exchange that rejected messages go to.
pub const DEAD_LETTERS: &str = "common_dlx";

/// The header with the number of attempts that readers made, an int32.
pub const ATTEMPTS_HEADER: &str = "x-processing-attempts";

/// The name of the queue where messages for `queue` wait.
#[must_use]
pub fn delay_queue(queue: Queue) -> String {
    format!("{}_delay", queue.name())
}

/// The key under which dead letters of `queue` are routed.
#[must_use]
pub fn routing_key(queue: Queue) -> String {
    format!("{}_routing_key", queue.name())
}

/// Something that could not be declared.
#[derive(Debug)]
pub(crate) struct Undeclared {
    pub(crate) what: String,
    pub(crate) error: lapin::Error,
}

/// Makes everything that is missing. What stands already with the same settings stays as it is.
pub(crate) async fn declare(channel: &Channel, kind: QueueType) -> Result<(), Undeclared> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel
        .exchange_declare(DEAD_LETTERS.into(), ExchangeKind::Direct, options, FieldTable::default())
        .await
        .map_err(|error| Undeclared { what: format!("the exchange {DEAD_LETTERS}"), error })?;
    for queue in Queue::ALL {
        let delay = delay_queue(queue);
        // "" is the default exchange, where a queue's name is its routing key.
        declare_queue(channel, &delay, kind, "", queue.name()).await?;
        let key = routing_key(queue);
        declare_queue(channel, queue.name(), kind, DEAD_LETTERS, &key).await?;
        channel
            .queue_bind(
                short(&delay),
                DEAD_LETTERS.into(),
                short(&key),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await
            .map_err(|error| Undeclared { what: format!("the binding {key}"), error })?;
    }
    Ok(())
}

async fn declare_queue(
    channel: &Channel,
    name: &str,
    kind: QueueType,
    dead_letters: &str,
    key: &str,
) -> Result<(), Undeclared> {
    let mut arguments = FieldTable::default();
    let mut set = |name: &str, value: &str| {
        arguments.insert(short(name), AMQPValue::LongString(LongString::from(value)));
    };
    set("x-queue-type", kind.name());
    set("x-dead-letter-exchange", dead_letters);
    set("x-dead-letter-routing-key", key);
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let declared = channel.queue_declare(short(name), options, arguments).await;
    declared.map(drop).map_err(|error| Undeclared { what: format!("the queue {name}"), error })
}

/// A name of ours, which is far shorter than the 255 bytes that a short string has.
fn short(name: &str) -> ShortString {
    ShortString::from(name)
}
