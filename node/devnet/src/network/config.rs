//! The text of the config files: those under `conf/`, with what is particular to this network
//! and to one node filled in.

use std::fs;
use std::path::{Path, PathBuf};

use eyre::{Context as _, Result, bail};
use serde::Serialize;

use super::template::Template;
use super::{COMMITTEE, node::Node};

/// How often a node asks bitcoind for news, in ms: a person or a test waits for it.
const POLL_MS: u32 = 100;

/// What is particular to one node.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    name: String,
    roles: Vec<String>,
    listens: bool,
    relays: Vec<String>,
    serves_relay: bool,
    log: String,
    settings: Vec<String>,
}

impl NodeSpec {
    /// A node called `name` (its files are) with one role of the config.
    #[must_use]
    pub fn new(name: impl Into<String>, role: &str) -> Self {
        Self {
            name: name.into(),
            roles: vec![role.to_owned()],
            listens: true,
            relays: Vec::new(),
            serves_relay: role == "bootnode",
            log: "info".into(),
            settings: Vec::new(),
        }
    }

    /// Adds a role.
    #[must_use]
    pub fn role(mut self, role: &str) -> Self {
        self.roles.push(role.to_owned());
        self
    }

    /// Gives it no address to listen on: others reach it through `relays` (multiaddresses
    /// that end in `/p2p/PEER`) only.
    #[must_use]
    pub fn behind(mut self, relays: Vec<String>) -> Self {
        self.listens = false;
        self.relays = relays;
        self
    }

    /// Lets others be reached through it.
    #[must_use]
    pub const fn serves_relay(mut self) -> Self {
        self.serves_relay = true;
        self
    }

    /// Sets the level or filter of its log; `info` without it.
    #[must_use]
    pub fn log(mut self, filter: impl Into<String>) -> Self {
        self.log = filter.into();
        self
    }

    /// Sets keys of the config, each as `section.key = VALUE` in TOML. They win over what the
    /// harness sets.
    #[must_use]
    pub fn settings(mut self, settings: &[String]) -> Self {
        self.settings.extend_from_slice(settings);
        self
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// How the nodes reach bitcoind.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) rpc: String,
    pub(super) user: String,
    pub(super) password_file: PathBuf,
}

/// The config of `node`.
pub(super) fn node(
    spec: &NodeSpec,
    node: &Node,
    params: &Path,
    bootnodes: &[String],
    chain: &Chain,
) -> Result<String> {
    let port = node.p2p_port();
    let listen = if spec.listens {
        vec![format!("/ip4/127.0.0.1/tcp/{port}"), format!("/ip4/127.0.0.1/udp/{port}/quic-v1")]
    } else {
        Vec::new()
    };
    let others: Vec<_> = bootnodes.iter().filter(|address| **address != node.multiaddr()).collect();
    let mut config = Template::new(base(&spec.roles)?);
    let set = [
        ("data_dir", toml(&node.data())?),
        ("roles", toml(&spec.roles)?),
        ("params", toml(params)?),
        ("keys", toml(node.keys())?),
        ("p2p.listen", toml(&listen)?),
        // Nobody confirms an address of this machine from outside.
        ("p2p.external", toml(&listen)?),
        ("p2p.bootnodes", toml(&others)?),
        ("p2p.relays", toml(&spec.relays)?),
        ("p2p.serve_relay", spec.serves_relay.to_string()),
        ("bitcoin.rpc", toml(&chain.rpc)?),
        ("bitcoin.user", toml(&chain.user)?),
        ("bitcoin.password_file", toml(&chain.password_file)?),
        ("bitcoin.poll_ms", POLL_MS.to_string()),
        ("api.listen", toml(&node.api_address())?),
        ("admin.listen", toml(&node.admin_address())?),
        ("admin.token_file", toml(&node.token_file())?),
        ("log.level", toml(&spec.log)?),
    ];
    config.unset("bitcoin.cookie_file");
    // Alone among the roles, a bootnode looks at no chain.
    let follows_chain = spec.roles.iter().any(|role| role != "bootnode");
    for (key, value) in set {
        if follows_chain || !key.starts_with("bitcoin.") {
            config.set(key, &value);
        }
    }
    with_settings(&config.finish(), &spec.settings)
}

/// The text of a config with keys set, each as `section.key = VALUE`.
pub(super) fn with_settings(text: &str, settings: &[String]) -> Result<String> {
    let mut config = Template::new(text);
    for setting in settings {
        let Some((key, value)) = setting.split_once('=') else {
            bail!("expected a setting as `section.key = VALUE`, got {setting:?}");
        };
        config.set(key.trim(), value.trim());
    }
    Ok(config.finish())
}

/// The file of `conf/` for the first of `roles`.
fn base(roles: &[String]) -> Result<&'static str> {
    match roles.first().map(String::as_str) {
        Some("bootnode") => Ok(include_str!("../../../../conf/bootnode.toml")),
        Some("committee") => Ok(include_str!("../../../../conf/committee.toml")),
        Some("coordinator") => Ok(include_str!("../../../../conf/coordinator.toml")),
        other => bail!("expected the role bootnode, committee or coordinator, got {other:?}"),
    }
}

/// Writes the shared parameters of a committee with `members` by index from 1.
pub(super) fn write_params(
    file: &Path,
    threshold: u16,
    members: &[Node],
    coordinators: &[&Node],
) -> Result<()> {
    let coordinators: Vec<_> = coordinators.iter().map(|node| node.peer()).collect();
    let mut lines = vec![
        "network = \"regtest\"".to_owned(),
        "\n[[committee]]".into(),
        format!("name = {}", toml(COMMITTEE)?),
        "scheme = \"frost\"".into(),
        format!("threshold = {threshold}"),
        format!("coordinators = {}", toml(&coordinators)?),
    ];
    for (place, member) in members.iter().enumerate() {
        lines.extend([
            "\n[[committee.member]]".into(),
            format!("index = {}", place + 1),
            format!("peer = {}", toml(member.peer())?),
            format!("key = {}", toml(member.committee_key())?),
        ]);
    }
    lines.push(String::new());
    fs::write(file, lines.join("\n")).wrap_err_with(|| format!("cannot write {}", file.display()))
}

/// Writes the shared parameters of a staking network, without committees. Each covenant key has its
/// holder; the global parameters are in `global-params.json` beside `file`.
pub(super) fn write_staking_params<'a>(
    file: &Path,
    holders: impl Iterator<Item = (&'a str, &'a Node)>,
    coordinators: &[&Node],
) -> Result<()> {
    let coordinators: Vec<_> = coordinators.iter().map(|node| node.peer()).collect();
    let mut lines = vec![
        "network = \"regtest\"".to_owned(),
        "\n[staking]".into(),
        "global_params = \"global-params.json\"".into(),
        format!("coordinators = {}", toml(&coordinators)?),
        "\n[staking.members]".into(),
    ];
    for (key, node) in holders {
        lines.push(format!("{} = {}", toml(key)?, toml(node.peer())?));
    }
    lines.push(String::new());
    fs::write(file, lines.join("\n")).wrap_err_with(|| format!("cannot write {}", file.display()))
}

/// A string or a list of strings as TOML: what JSON writes for them is TOML as well.
fn toml<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    serde_json::to_string(value).wrap_err("a path is no text")
}
