//! The table of a network's endpoints.

use std::path::Path;

use serde_json::{Value, json};
use trestle_devnet::Bitcoind;
use trestle_devnet::network::{Devnet, Node, staking::StakingNet};

use crate::cli::table::table;

/// Where everything can be reached.
pub(super) fn endpoints(devnet: &Devnet) -> Value {
    let status = format!("trestle committee status -c {}", devnet.coordinator.config().display());
    all(devnet.folder(), &devnet.bitcoind, &mut devnet.nodes(), &status)
}

/// The same of a staking network, for people.
pub(super) fn staking(network: &StakingNet) -> String {
    let stats = format!("curl {}/v1/stats", network.coordinator.api_url());
    text(&all(network.folder(), &network.bitcoind, &mut network.nodes(), &stats))
}

fn all(
    folder: &Path,
    bitcoind: &Bitcoind,
    nodes: &mut dyn Iterator<Item = &Node>,
    command: &str,
) -> Value {
    let node = |node: &Node| {
        json!({
            "name": node.name(),
            "peer": node.peer(),
            "api": node.api_url(),
            "admin": node.admin_url(),
            "config": node.config(),
        })
    };
    json!({
        "folder": folder,
        "bitcoin_cli": bitcoind.cli(),
        "try": command,
        "nodes": nodes.map(node).collect::<Vec<_>>(),
    })
}

/// The same for people.
pub(super) fn text(endpoints: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let nodes = endpoints["nodes"].as_array().cloned().unwrap_or_default();
    let rows = nodes.iter().map(|node| {
        [text(&node["name"]), text(&node["api"]), text(&node["admin"]), text(&node["config"])]
    });
    format!(
        "{}\n\nbitcoin   {}\nAPI docs  {}/docs\nmetrics   {}/metrics\ntry       {}",
        table(["node", "api", "admin", "config"], rows.collect()),
        text(&endpoints["bitcoin_cli"]),
        nodes.last().map(|node| text(&node["api"])).unwrap_or_default(),
        nodes.last().map(|node| text(&node["api"])).unwrap_or_default(),
        text(&endpoints["try"]),
    )
}
