//! The swarm: its protocols, the task that owns it, and what it keeps of its peers.

mod backoff;
mod behaviour;
mod book;
mod codec;
mod contact;
mod door;
mod events;
mod messages;
mod node;
pub(crate) mod queue;
mod relays;
mod start;

pub use self::start::start;
