//! The table of a network's endpoints.

use serde_json::{Value, json};
use trestle_devnet::network::{Devnet, Node};

use crate::cli::table::table;

/// Where everything can be reached.
pub(super) fn endpoints(devnet: &Devnet) -> Value {
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
        "folder": devnet.folder(),
        "bitcoin_cli": devnet.bitcoind.cli(),
        "nodes": devnet.nodes().map(node).collect::<Vec<_>>(),
    })
}

/// The same for people.
pub(super) fn text(endpoints: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let nodes = endpoints["nodes"].as_array().cloned().unwrap_or_default();
    let rows = nodes.iter().map(|node| {
        [text(&node["name"]), text(&node["api"]), text(&node["admin"]), text(&node["config"])]
    });
    let coordinator = nodes.last().map(|node| text(&node["config"])).unwrap_or_default();
    format!(
        "{}\n\nbitcoin   {}\nAPI docs  {}/docs\nmetrics   {}/metrics\ntry       trestle committee status -c {coordinator}",
        table(["node", "api", "admin", "config"], rows.collect()),
        text(&endpoints["bitcoin_cli"]),
        nodes.last().map(|node| text(&node["api"])).unwrap_or_default(),
        nodes.last().map(|node| text(&node["api"])).unwrap_or_default(),
    )
}
