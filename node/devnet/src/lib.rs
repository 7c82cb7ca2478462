//! Starts real processes (bitcoind, PostgreSQL, RabbitMQ, nodes) for the demo and the end-to-end tests.
//!
//! Everything here lives as long as the value that stands for it. Dropping a [`Bitcoind`]
//! ends its process and removes its folder; so does a signal to the harness; and a harness
//! that is killed takes its processes with it and leaves its folders to the next one. Any
//! number of harnesses run side by side.

mod account;
mod cleanup;
mod lease;
mod spawn;

pub mod bitcoind;
pub mod folder;
pub mod network;
pub mod npm;
pub mod port;
pub mod postgres;
pub mod process;
pub mod queues;
pub mod rabbitmq;
pub mod wait;
pub mod wallet;

pub use bitcoind::{Bitcoind, Options};
pub use cleanup::{before_the_end, leave_signals_to_caller};
pub use folder::Folder;
pub use network::{Devnet, DevnetOptions, Metrics, Node, NodeSpec};
pub use port::Port;
pub use postgres::Postgres;
pub use process::Process;
pub use rabbitmq::RabbitMq;
pub use wallet::OfflineWallet;
