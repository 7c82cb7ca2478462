//! One connection to the broker with one channel in confirm mode.

use futures::future::join_all;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, PublisherConfirm,
    message::BasicReturnMessage,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::time::timeout;
use trestle_actors::ports::{EventMessage, PublishError};

use crate::{Settings, fault, topology};

/// Delivery mode of messages that survive a restart of the broker.
const PERSISTENT: u8 = 2;

/// A connection. Dropping it closes it.
pub(crate) struct Link {
    connection: Connection,
    channel: Channel,
    declared: bool,
}

impl Link {
    /// Connects and logs in.
    pub(crate) async fn open(settings: &Settings) -> Result<Self, PublishError> {
        let uri = settings.uri().await?;
        let opening = async {
            // Shown in the broker's list of connections.
            let properties =
                ConnectionProperties::default().with_connection_name("trestle events".into());
            let connection = Connection::connect_uri(uri, properties).await?;
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok(Self { connection, channel, declared: false })
        };
        match timeout(settings.patience, opening).await {
            Ok(opened) => opened.map_err(|error| fault::link(settings, &error)),
            Err(_) => Err(fault::silent(settings, "to a new connection")),
        }
    }

    /// Whether it still stands, as far as heartbeats and earlier calls showed.
    pub(crate) fn stands(&self) -> bool {
        self.connection.status().connected() && self.channel.status().connected()
    }

    /// Makes the queues, once a connection.
    pub(crate) async fn declare(&mut self, settings: &Settings) -> Result<(), PublishError> {
        if self.declared {
            return Ok(());
        }
        let declaring = topology::declare(&self.channel, settings.queue_type);
        match timeout(settings.patience, declaring).await {
            Ok(Ok(())) => self.declared = true,
            Ok(Err(undeclared)) => return Err(fault::declare(settings, undeclared)),
            Err(_) => return Err(fault::silent(settings, "to the declaration of queues")),
        }
        Ok(())
    }

    /// Publishes in order, then waits for all confirmations.
    ///
    /// An error leaves the link unusable, and nothing is known of any message.
    pub(crate) async fn publish(
        &mut self,
        settings: &Settings,
        batch: &[EventMessage],
    ) -> Result<Vec<Result<(), PublishError>>, PublishError> {
        let publishing = async {
            let mut confirms = Vec::with_capacity(batch.len());
            for message in batch {
                confirms.push(self.send(message).await?);
            }
            join_all(confirms).await.into_iter().collect::<Result<Vec<_>, _>>()
        };
        let confirmations: Vec<Confirmation> = match timeout(settings.patience, publishing).await {
            Ok(Ok(confirmations)) => confirmations,
            Ok(Err(error)) => return Err(fault::link(settings, &error)),
            Err(_) if self.connection.status().blocked() => {
                let what = "to messages: it holds publishers back because it is short of memory or \
                            disk";
                return Err(fault::silent(settings, what));
            }
            Err(_) => return Err(fault::silent(settings, "to messages")),
        };
        let outcomes = batch.iter().zip(confirmations);
        let outcomes: Vec<_> = outcomes.map(|(sent, said)| outcome(sent, said)).collect();
        let unroutable = |outcome: &Result<(), PublishError>| {
            matches!(outcome, Err(PublishError::Unroutable { .. }))
        };
        if outcomes.iter().any(unroutable) {
            self.declared = false;
        }
        Ok(outcomes)
    }

    async fn send(&self, message: &EventMessage) -> lapin::Result<PublisherConfirm> {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let mut headers = FieldTable::default();
        headers.insert(topology::ATTEMPTS_HEADER.into(), AMQPValue::LongInt(message.attempts));
        let properties = BasicProperties::default()
            .with_content_type("text/plain".into())
            .with_delivery_mode(PERSISTENT)
            .with_message_id(message.message_id.as_str().into())
            .with_headers(headers);
        let queue = message.queue.name().into();
        self.channel.basic_publish("".into(), queue, options, &message.body, properties).await
    }
}

/// A message that came back found no queue, even though the broker acknowledges having dealt with
/// it.
fn outcome(message: &EventMessage, confirmation: Confirmation) -> Result<(), PublishError> {
    let queue = message.queue.name();
    match confirmation {
        Confirmation::Ack(None) => Ok(()),
        Confirmation::Ack(Some(returned)) => unroutable(queue, &returned),
        Confirmation::Nack(Some(returned)) => unroutable(queue, &returned),
        Confirmation::Nack(None) => {
            let reason = "it said so; its log tells why (a full queue, or too few of its nodes up)";
            Err(PublishError::NotTaken { queue, reason: reason.into() })
        }
        Confirmation::NotRequested => {
            Err(PublishError::NotTaken { queue, reason: "it was not asked to confirm".into() })
        }
    }
}

fn unroutable(queue: &'static str, returned: &BasicReturnMessage) -> Result<(), PublishError> {
    Err(PublishError::Unroutable { queue, reason: returned.reply_text.as_str().to_owned() })
}
