//! From text to [`Config`]: one function a section, defaults beside the key they are for.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use bitcoin::{Address, Amount, FeeRate, address::NetworkUnchecked};
use toml::de::DeTable;
use trestle_wire::hello::Role;

use super::{
    AdminConfig, ApiConfig, BitcoinAuth, BitcoinConfig, Config, ConfigError, CoordinatorConfig,
    LogConfig, LogFormat, P2pConfig, PolicyConfig, Recipients, Section, Sink, StoreConfig,
    listeners, staking,
};
use crate::{params::network, values};

/// All satoshis there will ever be.
const MAX_SATS: u64 = 2_100_000_000_000_000;
const PATH: &str = "the path of a file";
const ROLES: &str = "\"bootnode\", \"committee\" or \"coordinator\"";

pub(super) fn config(file: &Path, text: &str) -> Result<Config, ConfigError> {
    let sink = Sink::new(file, text);
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        sink.add(error.span().map(|span| span.start), "", error.message());
    }
    let root = Section::root(table.get_ref(), &sink);
    let config = read(file, &root);
    root.finish();
    sink.finish(config)
}

fn read(file: &Path, root: &Section<'_>) -> Option<Config> {
    let folder = file.parent().unwrap_or(Path::new("")).to_owned();
    let data_dir = path(root, "data_dir", &folder);
    if !root.has("data_dir") {
        root.missing("data_dir", "the folder for keys and data");
    }
    let data_dir = data_dir.unwrap_or_default();
    let roles = roles(root);
    let follows_chain = roles.iter().any(|role| *role != Role::Bootnode);
    let params = path(root, "params", &folder);
    let network = network(root, false);
    if follows_chain && !root.has("params") {
        root.missing("params", "the path of the shared parameters, which these roles need");
    }
    if !follows_chain && !root.has("params") && !root.has("network") {
        root.missing("network", "the network's name, or params");
    }
    let keys = path(root, "keys", &folder).unwrap_or_else(|| data_dir.join("node.keys"));
    let bitcoin_section = root.section("bitcoin");
    if follows_chain && !bitcoin_section.is_present() {
        root.missing("bitcoin", "a section that says how to reach bitcoind");
    }
    // Every section is read, so that its problems show, before any failure ends this.
    let bitcoin = bitcoin(&bitcoin_section, &folder);
    let p2p = p2p(&root.section("p2p"), &roles);
    let store = store(&root.section("store"), &folder);
    let api = api(&root.section("api"));
    let admin = admin(&root.section("admin"), &folder, &data_dir);
    let log = log(&root.section("log"));
    let committee = policy(&root.section("committee"));
    let coordinator = coordinator(&root.section("coordinator"));
    let staking = staking::staking(&root.section("staking"), &folder);
    let events = staking::events(&root.section("events"), &folder);
    let covenant = staking::covenant(&root.section("covenant"), &folder, &data_dir);
    if staking.is_some() && !roles.contains(&Role::Coordinator) {
        root.problem("staking", "only a node with the role \"coordinator\" serves staking");
    }
    if events.is_some() && staking.is_none() {
        root.problem("events", "there are events only with a [staking] section that is enabled");
    }
    if root.has("covenant") && !roles.contains(&Role::Committee) {
        root.problem("covenant", "only a node with the role \"committee\" signs for the covenant");
    }
    listeners::check(root, &p2p, &api, &admin, &covenant);
    let file = file.to_owned();
    Some(Config {
        file,
        data_dir,
        roles,
        params,
        network,
        keys,
        p2p,
        bitcoin,
        store,
        api,
        admin,
        log,
        committee,
        coordinator,
        staking,
        events,
        covenant,
    })
}

fn roles(root: &Section<'_>) -> BTreeSet<Role> {
    let listed = root.list("roles", ROLES, values::role);
    if !root.has("roles") || root.is_empty_list("roles") {
        root.missing("roles", &format!("a list of {ROLES}, at least one"));
    }
    listed.into_iter().flatten().collect()
}

fn p2p(section: &Section<'_>, roles: &BTreeSet<Role>) -> P2pConfig {
    const ADDRESS: &str = "multiaddresses (/ip4/…/tcp/… or /ip4/…/udp/…/quic-v1)";
    const PEER: &str = "multiaddresses that end in /p2p/PEER";
    let list = |key| section.list(key, ADDRESS, values::multiaddr);
    let peers = |key| section.list(key, PEER, values::peer_multiaddr).unwrap_or_default();
    let everywhere =
        || ["/ip4/0.0.0.0/tcp/7170", "/ip4/0.0.0.0/udp/7170/quic-v1"].map(str::to_owned).to_vec();
    let config = P2pConfig {
        listen: list("listen").unwrap_or_else(everywhere),
        external: list("external").unwrap_or_default(),
        bootnodes: peers("bootnodes"),
        relays: peers("relays"),
        serve_relay: section.boolean("serve_relay").unwrap_or(roles.contains(&Role::Bootnode)),
    };
    section.finish();
    config
}

fn bitcoin(section: &Section<'_>, folder: &Path) -> Option<BitcoinConfig> {
    let rpc = rpc(section);
    let auth = auth(section, folder);
    let poll = section.number("poll_ms", 50..=60_000).unwrap_or(1_000);
    section.finish();
    Some(BitcoinConfig { rpc: rpc?, auth: auth?, poll: Duration::from_millis(poll) })
}

/// How a bitcoind is reached; a section that is there must say it.
pub(super) fn rpc(section: &Section<'_>) -> Option<String> {
    const RPC: &str = "bitcoind's RPC address, http://HOST:PORT";
    if section.is_present() && !section.has("rpc") {
        section.missing("rpc", RPC);
    }
    let rpc = section.string("rpc", RPC);
    rpc.inspect(|rpc| {
        if !rpc.starts_with("http://") || rpc.contains('@') {
            let what = "expected http://HOST:PORT without user or password; those have keys here";
            section.problem("rpc", what);
        }
    })
}

/// Who the node is to a bitcoind; a section that is there must say it.
pub(super) fn auth(section: &Section<'_>, folder: &Path) -> Option<BitcoinAuth> {
    let cookie = path(section, "cookie_file", folder);
    let user = section.string("user", "an rpcauth user");
    let password_file = path(section, "password_file", folder);
    if !section.is_present() {
        return None;
    }
    match (cookie, user, password_file) {
        (Some(cookie), None, None) => Some(BitcoinAuth::Cookie(cookie)),
        (None, Some(user), Some(password_file)) => Some(BitcoinAuth::User { user, password_file }),
        _ => {
            section.problem("", "expected either cookie_file, or user and password_file");
            None
        }
    }
}

fn store(section: &Section<'_>, folder: &Path) -> StoreConfig {
    const URL: &str =
        "\"sqlite\", \"sqlite:FILE\", \"memory\" or \"postgres://USER@HOST/DATABASE\"";
    let url = section.string("url", URL).unwrap_or_else(|| "sqlite".into());
    let postgres = url.strip_prefix("postgres://");
    if !matches!(url.as_str(), "sqlite" | "memory")
        && !url.starts_with("sqlite:")
        && postgres.is_none()
    {
        section.problem("url", format!("expected {URL}, got {url:?}"));
    }
    let user = postgres.and_then(|rest| rest.split_once('@')).map(|(user, _)| user);
    if user.is_some_and(|user| user.contains(':')) {
        section.problem("url", "no password here: put it into password_file or password_env");
    }
    let password_file = path(section, "password_file", folder);
    let password_env = section.string("password_env", "the name of an environment variable");
    if password_file.is_some() && password_env.is_some() {
        section.problem("password_env", "expected only one of password_file and password_env");
    }
    section.finish();
    StoreConfig { url, password_file, password_env }
}

fn api(section: &Section<'_>) -> ApiConfig {
    let listen = listen(section, 7180);
    // 512 are all that a listener takes.
    let connections_per_address = section.number("connections_per_address", 1..=512).unwrap_or(64);
    section.finish();
    ApiConfig { listen, connections_per_address }
}

fn admin(section: &Section<'_>, folder: &Path, data_dir: &Path) -> AdminConfig {
    let listen = listen(section, 7181);
    let token_file =
        path(section, "token_file", folder).unwrap_or_else(|| data_dir.join("admin.token"));
    let hosts = section.list("hosts", "host names", |name| {
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-[]:".contains(c);
        (!name.is_empty() && name.chars().all(plain)).then(|| name.to_ascii_lowercase())
    });
    let hosts = hosts.unwrap_or_default();
    if !listen.ip().is_loopback() && hosts.is_empty() {
        let what = "expected a loopback address; for another one list under hosts the names that \
                    requests may be made to";
        section.problem("listen", what);
    }
    section.finish();
    AdminConfig { listen, token_file, hosts }
}

pub(super) fn listen(section: &Section<'_>, port: u16) -> SocketAddr {
    section
        .parsed("listen", "ADDRESS:PORT, for example \"127.0.0.1:7180\"")
        .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], port)))
}

fn log(section: &Section<'_>) -> LogConfig {
    let format = section.string("format", "\"text\" or \"json\"");
    let format = match format.as_deref() {
        Some("text") | None => LogFormat::Text,
        Some("json") => LogFormat::Json,
        Some(other) => {
            section.problem("format", format!("expected \"text\" or \"json\", got {other:?}"));
            LogFormat::Text
        }
    };
    let level = section.string("level", "a level or filter").unwrap_or_else(|| "info".into());
    if let Err(e) = tracing_subscriber::EnvFilter::builder().parse(&level) {
        section.problem("level", format!("expected a level or filter, got {level:?}: {e}"));
    }
    section.finish();
    LogConfig { format, level }
}

fn policy(section: &Section<'_>) -> PolicyConfig {
    let sats =
        |key, default| Amount::from_sat(section.number(key, 0..=MAX_SATS).unwrap_or(default));
    let config = PolicyConfig {
        max_fee: sats("max_fee_sats", 100_000),
        max_fee_rate: rate(section, "max_fee_rate", 200),
        max_payment: sats("max_payment_sats", 10_000_000),
        window: sats("window_sats", 100_000_000),
        window_blocks: section.number("window_blocks", 1..=52_560).unwrap_or(144),
        min_confirmations: section.number("min_confirmations", 1..=1_000).unwrap_or(3),
        recipients: recipients(section),
        text_prefixes: section
            .list("text_prefixes", "texts", |text| (text.len() <= 1_024).then(|| text.to_owned()))
            .unwrap_or_default(),
    };
    if config.max_payment > config.window {
        section.problem("max_payment_sats", "expected at most window_sats: the window is smaller");
    }
    section.finish();
    config
}

fn recipients(section: &Section<'_>) -> Recipients {
    const EXPECTED: &str = "\"any\" or a list of addresses";
    if section.is_string("recipients") {
        let text = section.string("recipients", EXPECTED);
        if text.as_deref() != Some("any") {
            section.problem("recipients", format!("expected {EXPECTED}"));
        }
        return Recipients::Any;
    }
    let address = |text: &str| text.parse::<Address<NetworkUnchecked>>().ok();
    section.list("recipients", "addresses", address).map_or(Recipients::Any, Recipients::Only)
}

fn coordinator(section: &Section<'_>) -> CoordinatorConfig {
    let config = CoordinatorConfig {
        confirmations: section.number("confirmations", 1..=1_000).unwrap_or(3),
        settle_depth: section.number("settle_depth", 1..=10_000).unwrap_or(12),
        bump_after_blocks: section.number("bump_after_blocks", 1..=1_000).unwrap_or(3),
        max_fee_rate: rate(section, "max_fee_rate", 200),
        nonce_pool: section.number("nonce_pool", 0..=1_000).unwrap_or(64),
        dkg_deadline: Duration::from_secs(
            section.number("dkg_deadline_secs", 1..=3_600).unwrap_or(60),
        ),
    };
    section.finish();
    config
}

// A whole number of sat/vB.
fn rate(section: &Section<'_>, key: &'static str, default: u64) -> FeeRate {
    let rate = section.number(key, 1..=100_000).unwrap_or(default);
    FeeRate::from_sat_per_vb(rate).expect("100,000 sat/vB is within the type")
}

pub(super) fn path(section: &Section<'_>, key: &'static str, folder: &Path) -> Option<PathBuf> {
    let text = section.string(key, PATH)?;
    if text.is_empty() {
        section.problem(key, format!("expected {PATH}, got an empty text"));
    }
    Some(folder.join(text))
}
