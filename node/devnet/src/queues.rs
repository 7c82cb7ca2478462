//! Reading what a broker's queues hold, as a consumer does.

use std::time::Duration;

use eyre::{Context as _, OptionExt as _, Result};
use lapin::{
    Connection, ConnectionProperties,
    options::{BasicAckOptions, BasicGetOptions},
};
use serde_json::Value;
use tokio::time::timeout;

use crate::RabbitMq;

/// Longest wait for the broker.
const LIMIT: Duration = Duration::from_secs(30);

/// One message that was taken from a queue.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// What makes it the same on every republish.
    pub message_id: String,
    /// What it says.
    pub body: Value,
}

impl RabbitMq {
    /// Takes everything that a queue holds now, in its order.
    ///
    /// # Errors
    /// When there is no such queue, or a message is not JSON with an id.
    pub async fn take(&self, queue: &str) -> Result<Vec<Taken>> {
        timeout(LIMIT, self.take_all(queue)).await.wrap_err("the broker does not answer")?
    }

    async fn take_all(&self, queue: &str) -> Result<Vec<Taken>> {
        let connection = Connection::connect(&self.url(), ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        let mut taken = Vec::new();
        while let Some(got) = channel.basic_get(queue.into(), BasicGetOptions::default()).await? {
            let id = got.delivery.properties.message_id().as_ref();
            let message_id = id.ok_or_eyre("a message without an id")?.as_str().to_owned();
            let body = serde_json::from_slice(&got.delivery.data)?;
            got.delivery.ack(BasicAckOptions::default()).await?;
            taken.push(Taken { message_id, body });
        }
        connection.close(200, "done".into()).await?;
        Ok(taken)
    }
}
