//! The libp2p swarm behind the network port.
//!
//! Always holds: one task owns the swarm; what peers send passes the [`handler`] before an actor
//! sees it; everything that a peer can make us keep is bounded. Envelopes are decoded on a task of
//! their own (`net::door`), so that a large one does not hold up the swarm; bodies are encoded by
//! whoever sends them.

mod address;
mod config;
mod events;
mod handle;
pub mod handler;
mod metrics;
mod net;

use tokio::sync::oneshot;
use trestle_actors::ports::Inbound;
use trestle_wire::Ack;

pub use self::{
    config::{Config, Limits, StartError},
    events::{PeerEvent, PeerInfo},
    handle::P2pHandle,
    handler::{PeerTable, hello::HelloState, rates::Rate},
    net::start,
};

/// A message for the node's actors.
#[derive(Debug)]
pub struct Received {
    /// The message.
    pub inbound: Inbound,
    /// For a durable message: what became of it, said once that is committed. Dropping it tells
    /// the sender to try again later.
    pub ack: Option<oneshot::Sender<Ack>>,
}
