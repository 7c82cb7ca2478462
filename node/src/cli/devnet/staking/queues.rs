//! The events: what the database holds, and that the broker got exactly that.

use std::collections::BTreeMap;

use eyre::{Result, ensure, eyre};
use serde_json::Value;
use trestle_actors::staking::query;
use trestle_devnet::{queues::Taken, wait};
use trestle_staking::events::Queue;

use super::checks::Stage;
use crate::cli::devnet::story::PATIENCE;

/// Events that are read at once.
const PAGE: u32 = 500;

/// Messages by queue, in their order.
type Owed = BTreeMap<&'static str, Vec<Taken>>;

impl Stage<'_, '_> {
    /// Looks that the events are those of the story and, where there is a broker, that its queues
    /// hold them and nothing else. Gives how many events of each kind there are.
    pub(super) async fn events(&mut self) -> Result<BTreeMap<&'static str, usize>> {
        self.teller.step("events", "what was told of all this");
        let mut counted = BTreeMap::new();
        let mut owed = Owed::new();
        let mut after = 0;
        loop {
            let page = query::events(&self.store, after, PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            ensure!(*last == after + u64::try_from(page.len())?, "a gap in the numbers of events");
            after = *last;
            for (_, row) in page {
                for message in row.messages() {
                    let body: Value = serde_json::from_slice(&message.body)?;
                    let taken = Taken { message_id: message.message_id, body };
                    owed.entry(message.queue.name()).or_default().push(taken);
                }
                let view = row.view();
                ensure!(!view.reverted, "nothing that was told is taken back here: {view:?}");
                *counted.entry(view.kind).or_default() += 1;
            }
        }
        let expected = [("active", 6), ("unbonding", 1), ("expired", 2), ("withdraw", 2)];
        for (kind, number) in expected {
            let told = counted.get(kind).copied().unwrap_or_default();
            ensure!(told == number, "expected {number} events {kind}, got {counted:?}");
        }
        self.tell(&format!("events by kind: {counted:?}"));
        self.stream(&owed, after).await?;
        if self.net.rabbit.is_some() {
            self.broker(&owed).await?;
        }
        Ok(counted)
    }

    /// The API's stream, from its begin, says the same.
    async fn stream(&self, owed: &Owed, events: u64) -> Result<()> {
        let path = "/v1/staking/events?after=0";
        let number = usize::try_from(events)?;
        let streamed = self.net.coordinator.stream(path, |seen| seen.len() >= number).await?;
        let mut said = Owed::new();
        for (place, event) in streamed.iter().enumerate() {
            ensure!(event["number"] == place + 1, "expected event {}, got {event}", place + 1);
            for message in event["messages"].as_array().into_iter().flatten() {
                let queue = message["queue"]
                    .as_str()
                    .and_then(|name| Queue::ALL.into_iter().find(|queue| queue.name() == name));
                let queue = queue.ok_or_else(|| eyre!("a message for no queue: {message}"))?;
                let message_id = message["message_id"].as_str().unwrap_or_default().to_owned();
                let taken = Taken { message_id, body: message["body"].clone() };
                said.entry(queue.name()).or_default().push(taken);
            }
        }
        ensure!(said == *owed, "the stream said {said:?}, the database has {owed:?}");
        self.tell(&format!("{events} events came over the API's stream, each as stored"));
        Ok(())
    }

    async fn broker(&mut self, owed: &Owed) -> Result<()> {
        let Some(rabbit) = &self.net.rabbit else { return Ok(()) };
        let mut messages = 0;
        // By default nobody is told the locked value at each confirmed block.
        for queue in Queue::ALL {
            let expected = owed.get(queue.name()).map(Vec::as_slice).unwrap_or_default();
            let mut taken: Vec<Taken> = Vec::new();
            let what = format!("the broker to have all of {}", queue.name());
            wait::until(&what, PATIENCE, async || {
                taken.extend(rabbit.take(queue.name()).await?);
                Ok((taken.len() >= expected.len()).then_some(()))
            })
            .await?;
            // At least once: what came twice came under the same id.
            let mut seen = std::collections::BTreeSet::new();
            taken.retain(|message| seen.insert(message.message_id.clone()));
            ensure!(taken == expected, "{}: expected {expected:?}, got {taken:?}", queue.name());
            messages += taken.len();
        }
        self.messages = Some(messages);
        self.tell(&format!("{messages} messages came out of RabbitMQ, each as stored"));
        Ok(())
    }
}
