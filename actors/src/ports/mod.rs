//! What an actor needs from outside, as traits. `node` implements them over libp2p, bitcoind and
//! the operating system; tests over a seeded simulation.

pub mod chain;
pub mod compute;
pub mod covenant;
pub mod events;
pub mod network;
pub mod time;

pub use chain::{Broadcast, ChainError, EstimateFee, ReadChain, ReadCoins, TrustedTip};
pub use compute::{Compute, compute};
pub use covenant::{SignError, SignUnbonding, SigningOrder};
pub use events::{EventHealth, EventMessage, OwedEvent, OwedEvents, PublishError, PublishEvents};
pub use network::{Delivery, Inbound, SendMessage};
pub use time::Clock;
