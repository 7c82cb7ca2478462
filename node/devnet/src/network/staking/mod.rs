//! A network that does staking: a bitcoind, a bootnode, the covenant's members and a coordinator,
//! and what the larger ones have besides: a PostgreSQL, a RabbitMQ, an offline wallet.
//!
//! Its files lie as those of [`Devnet`](super::Devnet); beside `conf/params.toml` there are
//! `conf/global-params.json` and `conf/finality-providers.json`.

mod look;
mod params;
mod staker;

use std::fs;
use std::path::{Path, PathBuf};

use bitcoin::secp256k1::XOnlyPublicKey;
use eyre::{Context as _, OptionExt as _, Result, ensure};
use serde_json::json;
use trestle_staking::{GlobalParams, VersionParams};

pub use params::{DEPTH, FIRST_ACTIVATION, SECOND_ACTIVATION, UNBONDING_TIME};
pub use staker::{Staker, any_key};

use super::ground::Ground;
use super::{Node, NodeSpec, config};
use crate::bitcoind::write_private;
use crate::{Bitcoind, OfflineWallet, Options, Postgres, RabbitMq};

/// What a staking network is made of.
#[derive(Clone, Debug)]
pub struct StakingOptions {
    /// Covenant members.
    pub members: u16,
    /// How many of them sign an unbonding.
    pub quorum: u16,
    /// Whether all nodes keep their data in one PostgreSQL, a database each, and not in SQLite.
    pub postgres: bool,
    /// Whether there is a RabbitMQ that gets the events.
    pub amqp: bool,
    /// Whether the last member signs with an offline wallet, which is unlocked.
    pub wallet: bool,
    /// Where its files go, and stay; without it a folder that is removed at the end.
    pub dir: Option<PathBuf>,
    /// What bitcoind is started with.
    pub bitcoind: Options,
    /// Settings for each member, see [`NodeSpec::settings`].
    pub member_settings: Vec<String>,
    /// Settings for the coordinator.
    pub coordinator_settings: Vec<String>,
}

impl Default for StakingOptions {
    /// 2 of 3, one of them with an offline wallet; SQLite, no broker.
    fn default() -> Self {
        Self {
            members: 3,
            quorum: 2,
            postgres: false,
            amqp: false,
            wallet: true,
            dir: None,
            bitcoind: Options::default(),
            member_settings: Vec::new(),
            coordinator_settings: Vec::new(),
        }
    }
}

/// A staking network. Dropping it kills its processes and removes its folder.
#[derive(Debug)]
pub struct StakingNet {
    // Dropped in this order: whoever uses another goes before it.
    /// Indexes stakes, serves the API, collects signatures.
    pub coordinator: Node,
    /// The covenant's members.
    pub members: Vec<Node>,
    /// What all others find each other through.
    pub bootnode: Node,
    /// The last member's wallet, if it has one.
    pub wallet: Option<OfflineWallet>,
    /// Where the events go, if anywhere.
    pub rabbit: Option<RabbitMq>,
    /// Where the nodes' data is, if not in SQLite.
    pub postgres: Option<Postgres>,
    /// The chain they all look at.
    pub bitcoind: Bitcoind,
    ground: Ground,
    global: GlobalParams,
    provider: XOnlyPublicKey,
}

/// Blocks on the chain of a new network: five below the first activation height.
const FIRST_BLOCKS: u64 = FIRST_ACTIVATION - 5;
/// The moniker of the finality provider that is registered.
const PROVIDER: &str = "Devnet Provider";

impl StakingNet {
    /// Starts everything but the nodes, and writes their keys and files.
    ///
    /// # Errors
    /// When a program is missing or fails.
    pub async fn prepare(options: &StakingOptions) -> Result<Self> {
        let (members, quorum) = (options.members, options.quorum);
        ensure!(
            0 < quorum && quorum <= members,
            "expected a quorum from 1 to {members} (the number of members), got {quorum}"
        );
        let bitcoind = Bitcoind::start(options.bitcoind.clone()).await?;
        bitcoind.mine(FIRST_BLOCKS).await?;
        let ground = Ground::new(options.dir.as_deref(), &bitcoind)?;
        let servers = Servers::start(options).await?;
        let bootnode = ground.node(NodeSpec::new("bootnode", "bootnode"), &[]).await?;
        let bootnodes = [bootnode.multiaddr()];
        let (mut nodes, mut keys) = (Vec::new(), Vec::new());
        for number in 1..=members {
            let (spec, key) = servers.member(number, members, ground.path())?;
            let node = ground.node(spec.settings(&options.member_settings), &bootnodes).await?;
            keys.push(key.unwrap_or_else(|| node.covenant_key().to_owned()));
            nodes.push(node);
        }
        let provider = any_key();
        let registry = write_providers(ground.path(), &provider)?;
        let spec = servers.coordinator(ground.path())?.settings(&[registry]);
        let spec = spec.settings(&options.coordinator_settings);
        let coordinator = ground.node(spec, &bootnodes).await?;
        let text = params::text(&keys, quorum)?;
        let file = ground.path().join("conf/global-params.json");
        fs::write(&file, &text).wrap_err_with(|| format!("cannot write {}", file.display()))?;
        let holders = keys.iter().map(String::as_str).zip(&nodes);
        config::write_staking_params(&ground.params(), holders, &[&coordinator])?;
        let Servers { postgres, rabbit, wallet } = servers;
        Ok(Self {
            coordinator,
            members: nodes,
            bootnode,
            wallet: wallet.map(|(wallet, _)| wallet),
            rabbit,
            postgres,
            bitcoind,
            ground,
            global: params::parse(&text)?,
            provider,
        })
    }

    /// Prepares a network, starts all of it, and waits until every node is ready and the members
    /// know the coordinator.
    ///
    /// # Errors
    /// When a program is missing, fails or does not become ready.
    pub async fn start(options: &StakingOptions) -> Result<Self> {
        let mut network = Self::prepare(options).await?;
        network.start_nodes().await?;
        Ok(network)
    }

    /// Starts every node and waits as [`start`](Self::start).
    ///
    /// # Errors
    /// When one ends or does not become ready; the error quotes its log.
    pub async fn start_nodes(&mut self) -> Result<()> {
        for node in self.nodes_mut() {
            node.start()?;
        }
        for node in self.nodes_mut() {
            node.wait_ready().await?;
        }
        self.meet().await
    }

    /// Stops every node, then bitcoind, in good order. The servers go when this is dropped.
    ///
    /// # Errors
    /// When one does not end by itself.
    pub async fn stop(&mut self) -> Result<()> {
        for node in self.nodes_mut() {
            node.stop().await?;
        }
        self.bitcoind.stop().await
    }

    /// The bootnode, the members and the coordinator.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        std::iter::once(&self.bootnode).chain(&self.members).chain([&self.coordinator])
    }

    /// As [`nodes`](Self::nodes).
    pub fn nodes_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        std::iter::once(&mut self.bootnode).chain(&mut self.members).chain([&mut self.coordinator])
    }

    /// Somebody new who stakes, with the registered finality provider.
    #[must_use]
    pub fn staker(&self) -> Staker {
        Staker::new(self.provider)
    }

    /// The registered finality provider.
    #[must_use]
    pub const fn provider(&self) -> XOnlyPublicKey {
        self.provider
    }

    /// The global parameters.
    #[must_use]
    pub const fn global(&self) -> &GlobalParams {
        &self.global
    }

    /// A version of the global parameters.
    ///
    /// # Errors
    /// When there is none.
    pub fn version(&self, version: u64) -> Result<&VersionParams> {
        self.global.version(version).ok_or_eyre("no such version of the parameters")
    }

    /// The URL of a node's database, in the form of the config's `store.url`.
    #[must_use]
    pub fn database(&self, node: &Node) -> String {
        match &self.postgres {
            Some(postgres) => {
                let server = postgres.url();
                let (server, _) = server.rsplit_once('/').unwrap_or((&server, ""));
                format!("{server}/{}", node.name().replace('-', "_"))
            }
            None => format!("sqlite:{}", node.data().join("trestle.sqlite").display()),
        }
    }

    /// Where its files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.ground.path()
    }
}

/// What a network has besides bitcoind and nodes.
struct Servers {
    postgres: Option<Postgres>,
    rabbit: Option<RabbitMq>,
    /// The last member's, unlocked, and the covenant key in it.
    wallet: Option<(OfflineWallet, String)>,
}

impl Servers {
    async fn start(options: &StakingOptions) -> Result<Self> {
        let postgres = if options.postgres { Some(Postgres::start().await?) } else { None };
        let rabbit = if options.amqp { Some(RabbitMq::start().await?) } else { None };
        let mut wallet = None;
        if options.wallet {
            let key = staker::keypair();
            let offline = OfflineWallet::start(&[key.secret_key()]).await?;
            offline.unlock().await?;
            wallet = Some((offline, key.public_key().to_string()));
        }
        Ok(Self { postgres, rabbit, wallet })
    }

    /// A member, and its covenant key where a wallet has it.
    fn member(&self, number: u16, last: u16, folder: &Path) -> Result<(NodeSpec, Option<String>)> {
        let name = format!("member-{number}");
        let spec = NodeSpec::new(&name, "committee").settings(&self.store(&name)?);
        match self.wallet.as_ref().filter(|_| number == last) {
            Some((wallet, key)) => {
                Ok((spec.settings(&wallet_settings(wallet, folder)?), Some(key.clone())))
            }
            None => Ok((spec, None)),
        }
    }

    fn coordinator(&self, folder: &Path) -> Result<NodeSpec> {
        const NAME: &str = "coordinator";
        let mut settings = self.store(NAME)?;
        settings.push("staking.enable = true".into());
        // One address asks for everything here.
        settings.push("staking.rate_limit = 10000".into());
        if let Some(rabbit) = &self.rabbit {
            settings.extend(broker_settings(rabbit, folder)?);
        }
        Ok(NodeSpec::new(NAME, "coordinator").settings(&settings))
    }

    fn store(&self, name: &str) -> Result<Vec<String>> {
        let Some(postgres) = &self.postgres else { return Ok(Vec::new()) };
        let url = postgres.create_database(&name.replace('-', "_"))?;
        Ok(vec![format!("store.url = {}", json!(url))])
    }
}

/// The registry with one provider in it; gives the setting that names it.
fn write_providers(folder: &Path, key: &XOnlyPublicKey) -> Result<String> {
    let file = folder.join("conf/finality-providers.json");
    let registry = json!({"finality_providers": [{
        "description": {
            "moniker": PROVIDER, "identity": "", "website": "", "details": "",
            "security_contact": "devnet@example.org",
        },
        "commission": "0.050000000000000000",
        "eots_pk": key.to_string(),
    }]});
    fs::write(&file, registry.to_string())
        .wrap_err_with(|| format!("cannot write {}", file.display()))?;
    Ok(format!("staking.finality_providers = {}", json!(file)))
}

fn wallet_settings(wallet: &OfflineWallet, folder: &Path) -> Result<Vec<String>> {
    let file = folder.join("wallet.password");
    write_private(&file, wallet.bitcoind().password())?;
    Ok(vec![
        "covenant.signer = \"wallet\"".into(),
        format!("covenant.wallet.rpc = {}", json!(wallet.bitcoind().rpc_url())),
        format!("covenant.wallet.user = {}", json!(wallet.bitcoind().user())),
        format!("covenant.wallet.password_file = {}", json!(file)),
        format!("covenant.wallet.name = {}", json!(wallet.name())),
    ])
}

fn broker_settings(rabbit: &RabbitMq, folder: &Path) -> Result<Vec<String>> {
    let file = folder.join("amqp.password");
    write_private(&file, rabbit.password())?;
    Ok(vec![
        format!("events.amqp = {}", json!(rabbit.url_without_password())),
        format!("events.amqp_password_file = {}", json!(file)),
    ])
}
