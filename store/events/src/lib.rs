//! Events for other programs, through a RabbitMQ broker (AMQP 0-9-1).
//!
//! The queues, their dead letters and their delays are those of the reference services of Babylon
//! staking, so that programs that read their queues read ours. [`Broker`] publishes batches;
//! [`Drain`] takes what is owed from the outbox, publishes it in order and forgets it only when
//! the broker has confirmed it.
//!
//! Always holds: every message is delivered at least once, under an id that stays the same however
//! often it is published; a broker that is down, full or set up otherwise delays messages, loses
//! none and stops nothing else; no password is in a log or an error of ours. (At the level `trace`
//! the AMQP client itself logs what it sends: keep the target `lapin` at `debug` or above.)

mod broker;
mod drain;
mod fault;
mod link;
mod metrics;
mod settings;
pub mod topology;

pub use broker::Broker;
pub use drain::Drain;
pub use metrics::{FailureLabels, Metrics, QueueLabel};
pub use settings::{QueueType, Settings, SettingsError};
