//! A bitcoind JSON-RPC client behind the chain ports.
//!
//! Always holds: nothing but [`OfflineWallet`] needs a wallet, and nothing a transaction index;
//! no answer is read from a bitcoind whose genesis block has not been compared since the last lost
//! connection; look-ups that belong together go in one HTTP request; answers, time and tries are
//! bounded; credentials appear in no error, log or `Debug`.

mod broadcast;
mod chain;
mod check;
mod client;
mod coins;
mod config;
mod fees;
mod rpc;
mod wallet;
mod watch;

pub use check::{CheckError, MIN_VERSION, NodeInfo, is_stale};
pub use client::Bitcoind;
pub use config::{Auth, Config, ConfigError, Secret};
pub use rpc::RpcError;
pub use wallet::{OfflineWallet, WalletError};
