//! The client, and the follower on it, against a real bitcoind.
#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

mod follow;
#[path = "../../../../proto/keys/tests/keys/frost.rs"]
mod frost;
mod key_convention;
mod outages;
mod reads;
mod transactions;

use std::time::Duration;

use bitcoin::Network;
use trestle_bitcoind::{Auth, Bitcoind, Config, Secret};
use trestle_devnet::{Bitcoind as Node, Options};

async fn must_start() -> Node {
    Node::start(Options::default()).await.expect("bitcoind starts; scripts/setup installs one")
}

fn config_of(node: &Node) -> Config {
    let auth = Auth::Password { user: node.user().into(), password: Secret::new(node.password()) };
    let retries = 0;
    let timeout = Duration::from_secs(60);
    Config { retries, timeout, ..Config::new(node.rpc_url(), auth, Network::Regtest) }
}

fn client_of(node: &Node) -> Bitcoind {
    Bitcoind::new(&config_of(node)).expect("the harness gives a good URL")
}
