//! What the tests on a real broker share: messages, a publisher and a reader.

mod ledger;

use std::time::Duration;

use bitcoin::{BlockHash, hashes::Hash};
use futures::StreamExt as _;
use lapin::{
    Channel, Connection, ConnectionProperties, Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions},
    types::FieldTable,
};
use tokio::time::timeout;
use trestle_actors::ports::EventMessage;
use trestle_devnet::RabbitMq;
use trestle_staking::events::{BtcInfo, ConfirmedInfo, Event, Queue};
use trestle_store_events::{Broker, Metrics, QueueType, Settings};

pub(crate) use ledger::Ledger;

/// Longest wait for anything that comes: far above what it takes on a loaded machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Message `number` of the run; every fifth goes into another queue.
pub(crate) fn message(number: u64) -> EventMessage {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    let block = BlockHash::from_byte_array(bytes);
    if number.is_multiple_of(5) {
        let info = ConfirmedInfo { height: number, tvl: 1 };
        EventMessage::new(info.message_id(block), &Event::ConfirmedInfo(info))
    } else {
        let info = BtcInfo { height: number, confirmed_tvl: 1, unconfirmed_tvl: 2 };
        EventMessage::new(info.message_id(block), &Event::BtcInfo(info))
    }
}

pub(crate) async fn must_start() -> RabbitMq {
    RabbitMq::start().await.expect("a broker starts")
}

pub(crate) fn must_settings(url: &str, queue_type: QueueType) -> Settings {
    Settings::new(url, None, queue_type).expect("a URL of the harness")
}

/// A publisher, and what it counts in.
pub(crate) fn must_publisher(rabbit: &RabbitMq, queue_type: QueueType) -> (Broker, Metrics) {
    let metrics = Metrics::default();
    (Broker::new(must_settings(&rabbit.url(), queue_type), metrics.clone()), metrics)
}

/// A connection of a reader.
pub(crate) struct Reader {
    pub(crate) channel: Channel,
    _connection: Connection,
}

impl Reader {
    pub(crate) async fn must_connect(url: &str) -> Self {
        let connection = Connection::connect(url, ConnectionProperties::default());
        let connection = connection.await.expect("a reader connects");
        let channel = connection.create_channel().await.expect("and has a channel");
        Self { channel, _connection: connection }
    }

    pub(crate) async fn must_consume(&self, queue: &str) -> Consumer {
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        let consumer = self.channel.basic_consume(queue.into(), "".into(), options, arguments);
        consumer.await.expect("the queue can be read")
    }
}

/// The next message, not acknowledged.
pub(crate) async fn must_next(consumer: &mut Consumer) -> Delivery {
    let next = timeout(LIMIT, consumer.next()).await.expect("a message comes in time");
    next.expect("the reader is connected").expect("and reads")
}

/// The next message, acknowledged.
pub(crate) async fn must_take(consumer: &mut Consumer) -> Delivery {
    let delivery = must_next(consumer).await;
    delivery.ack(BasicAckOptions::default()).await.expect("it is acknowledged");
    delivery
}

pub(crate) fn id(delivery: &Delivery) -> String {
    let id = delivery.properties.message_id().as_ref().expect("every message has an id");
    id.as_str().to_owned()
}

/// The queues that [`message`] uses.
pub(crate) const QUEUES: [Queue; 2] = [Queue::BtcInfo, Queue::ConfirmedInfo];
