//! What an actor needs from outside, as traits. `node` implements them over libp2p, bitcoind and
//! the operating system; tests over a seeded simulation.

pub mod chain;
pub mod compute;
pub mod network;
pub mod time;

pub use chain::{Broadcast, ChainError, EstimateFee, ReadChain, ReadCoins};
pub use compute::{Compute, compute};
pub use network::{Delivery, Inbound, SendMessage};
pub use time::Clock;
