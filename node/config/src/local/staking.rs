//! `[staking]`, `[events]` and `[covenant]`: a coordinator's index, API and broker, and how a
//! member signs.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use super::{
    BitcoinAuth,
    parse::{auth, listen, path, rpc},
};
use crate::section::Section;

/// How a coordinator serves staking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StakingConfig {
    /// The registry of finality providers; without it they are known by their keys alone.
    pub finality_providers: Option<PathBuf>,
    /// Delegations on a page of the API.
    pub delegations_page: u16,
    /// Finality providers, and stakers, on a page of the API.
    pub providers_page: u16,
    /// Largest body of a request, in bytes.
    pub max_body: usize,
    /// Requests a second from one address, and as many saved up.
    pub rate_limit: u32,
    /// Origins whose pages may read the API (`https://stake.example.org`), or `*`.
    pub cors_origins: Vec<String>,
    /// Whether the event stream has the value locked as of each last confirmed block too.
    pub confirmed_info: bool,
}

/// The broker that gets the events of staking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventsConfig {
    /// `amqp://USER@HOST:PORT/VHOST`, without a password.
    pub amqp: String,
    /// A file whose first line is the user's password.
    pub amqp_password_file: Option<PathBuf>,
    /// What kind of queues there are.
    pub queue_type: QueueType,
}

/// RabbitMQ's `x-queue-type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueType {
    /// Replicated.
    Quorum,
    /// On one broker.
    Classic,
}

/// How a member of the covenant signs unbonding transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CovenantConfig {
    /// Where the covenant key is.
    pub signer: CovenantSigner,
    /// Stakes above this height are not signed for.
    pub max_staking_height: u32,
    /// `POST /v1/sign-unbonding-tx` for pipelines that know nothing of peers; off without it.
    pub http: Option<CovenantHttpConfig>,
}

/// Where the covenant key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CovenantSigner {
    /// In the node's own encrypted key file.
    Local,
    /// In a bitcoind wallet, which signs PSBTs.
    Wallet(WalletConfig),
}

/// A bitcoind wallet; the bitcoind need not know the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalletConfig {
    /// The RPC address, `http://HOST:PORT`.
    pub rpc: String,
    /// Who the node is to it.
    pub auth: BitcoinAuth,
    /// The wallet's name.
    pub name: String,
}

/// The listener for signing by HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CovenantHttpConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The bearer token; made at first start.
    pub token_file: PathBuf,
}

/// `[staking]`; nothing where it is not there or switched off.
pub(super) fn staking(section: &Section<'_>, folder: &Path) -> Option<StakingConfig> {
    let enable = section.boolean("enable").unwrap_or(true);
    let origin = |text: &str| {
        let plain = text.split_once("://").is_some_and(|(scheme, host)| {
            matches!(scheme, "http" | "https") && !host.is_empty() && !host.contains('/')
        });
        (plain || text == "*").then(|| text.to_owned())
    };
    let config = StakingConfig {
        finality_providers: path(section, "finality_providers", folder),
        delegations_page: section.number("delegations_page", 1..=1_000).unwrap_or(10),
        providers_page: section.number("providers_page", 1..=1_000).unwrap_or(500),
        max_body: section.number("max_body_bytes", 1_024..=1_048_576).unwrap_or(4_096),
        rate_limit: section.number("rate_limit", 1..=100_000).unwrap_or(50),
        cors_origins: section
            .list("cors_origins", "origins (https://HOST), or \"*\"", origin)
            .unwrap_or_default(),
        confirmed_info: section.boolean("confirmed_info").unwrap_or(false),
    };
    section.finish();
    (section.is_present() && enable).then_some(config)
}

/// `[events]`; nothing without a broker.
pub(super) fn events(section: &Section<'_>, folder: &Path) -> Option<EventsConfig> {
    const URL: &str = "amqp://USER@HOST:PORT/VHOST";
    let amqp = section.string("amqp", URL).inspect(|url| {
        let Some(rest) = url.strip_prefix("amqp://") else {
            section.problem("amqp", format!("expected {URL}, in quotes"));
            return;
        };
        let user = rest.split_once('@').map_or("", |(user, _)| user);
        if user.contains(':') {
            section.problem("amqp", "no password here: put it into amqp_password_file");
        }
    });
    let amqp_password_file = path(section, "amqp_password_file", folder);
    let queue_type = section.string("queue_type", "\"quorum\" or \"classic\"");
    let queue_type = match queue_type.as_deref() {
        Some("quorum") | None => QueueType::Quorum,
        Some("classic") => QueueType::Classic,
        Some(other) => {
            let what = format!("expected \"quorum\" or \"classic\", got {other:?}");
            section.problem("queue_type", what);
            QueueType::Quorum
        }
    };
    if amqp.is_none() && amqp_password_file.is_some() {
        section.missing("amqp", URL);
    }
    section.finish();
    Some(EventsConfig { amqp: amqp?, amqp_password_file, queue_type })
}

/// `[covenant]`; without it the defaults.
pub(super) fn covenant(section: &Section<'_>, folder: &Path, data_dir: &Path) -> CovenantConfig {
    const SIGNER: &str = "\"local\" or \"wallet\"";
    let wallet_section = section.section("wallet");
    let wallet = wallet(&wallet_section, folder);
    let signer = section.string("signer", SIGNER).unwrap_or_else(|| "local".into());
    let signer = match (signer.as_str(), wallet) {
        ("local", _) if wallet_section.is_present() => {
            section.problem("signer", "expected \"wallet\", since there is [covenant.wallet]");
            CovenantSigner::Local
        }
        ("wallet", Some(wallet)) => CovenantSigner::Wallet(wallet),
        ("wallet", None) => {
            if !wallet_section.is_present() {
                section.missing("wallet", "[covenant.wallet], which says how to reach the wallet");
            }
            CovenantSigner::Local
        }
        ("local", _) => CovenantSigner::Local,
        (other, _) => {
            section.problem("signer", format!("expected {SIGNER}, got {other:?}"));
            CovenantSigner::Local
        }
    };
    let most = u64::from(u32::MAX);
    let max_staking_height = section.number("max_staking_height", 0..=most).unwrap_or(u32::MAX);
    let http = http(&section.section("http"), folder, data_dir);
    section.finish();
    CovenantConfig { signer, max_staking_height, http }
}

fn wallet(section: &Section<'_>, folder: &Path) -> Option<WalletConfig> {
    const NAME: &str = "the name of a wallet that is loaded there";
    let rpc = rpc(section);
    let auth = auth(section, folder);
    let name = section.string("name", NAME);
    section.finish();
    if !section.is_present() {
        return None;
    }
    if !section.has("name") {
        section.missing("name", NAME);
    }
    if name.as_ref().is_some_and(|name| name.is_empty() || name.chars().any(char::is_control)) {
        section.problem("name", "expected a wallet's name, as `listwallets` shows it");
    }
    Some(WalletConfig { rpc: rpc?, auth: auth?, name: name? })
}

fn http(section: &Section<'_>, folder: &Path, data_dir: &Path) -> Option<CovenantHttpConfig> {
    let listen = listen(section, 7182);
    let enable = section.boolean("enable").unwrap_or(true);
    let token_file =
        path(section, "token_file", folder).unwrap_or_else(|| data_dir.join("covenant.token"));
    section.finish();
    (section.is_present() && enable).then_some(CovenantHttpConfig { listen, token_file })
}
