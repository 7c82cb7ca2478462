//! A whole Trestle network of real processes on this machine: a bitcoind, a bootnode, the
//! members of one committee and its coordinator, each from a config file of its own.
//!
//! Everything a node needs is a file in the network's folder, so a person can stop one, change
//! its file and start it again by hand:
//!
//! ```text
//! conf/params.toml, conf/NAME.toml   the shared parameters; one config a node
//! NAME/                              data folder of a node
//! logs/NAME.log                      its output, of all its starts
//! passphrase, bitcoind.password      mode 0600
//! ```

mod config;
mod ground;
mod metrics;
mod node;
mod program;
pub mod staking;
mod template;

use std::path::{Path, PathBuf};

use eyre::{Result, ensure};

pub use config::NodeSpec;
pub use metrics::Metrics;
pub use node::Node;
pub use program::find as find_trestle;

use crate::{Bitcoind, Options};
use ground::Ground;

/// Name of the committee in the parameters.
pub const COMMITTEE: &str = "main";

/// Size and settings of a network.
#[derive(Clone, Debug)]
pub struct DevnetOptions {
    /// Committee members.
    pub members: u16,
    /// How many of them sign.
    pub threshold: u16,
    /// Where its files go, and stay; without it a folder that is removed at the end.
    pub dir: Option<PathBuf>,
    /// Settings for each member, see [`NodeSpec::settings`].
    pub member_settings: Vec<String>,
    /// Settings for the coordinator.
    pub coordinator_settings: Vec<String>,
    /// Relays besides the bootnode. With any, the bootnode serves as none.
    pub relays: u16,
    /// So many members, the first ones, have no listen address and are reached through relays.
    pub hidden_members: u16,
    /// Whether the coordinator is such a node as well.
    pub hidden_coordinator: bool,
}

impl Default for DevnetOptions {
    /// 2 of 3, coins usable after one confirmation.
    fn default() -> Self {
        Self {
            members: 3,
            threshold: 2,
            dir: None,
            member_settings: vec!["committee.min_confirmations = 1".into()],
            coordinator_settings: vec!["coordinator.confirmations = 1".into()],
            relays: 0,
            hidden_members: 0,
            hidden_coordinator: false,
        }
    }
}

/// A network. Dropping it kills its processes and removes its folder.
#[derive(Debug)]
pub struct Devnet {
    // Dropped in this order: whoever writes into the folder goes before it.
    /// Runs the committee's sessions and its wallet.
    pub coordinator: Node,
    /// The members, by index from 1: the first has index 1.
    pub committee: Vec<Node>,
    /// Those through which hidden nodes are reached; the bootnode where there are none.
    pub relays: Vec<Node>,
    /// What all others find each other through.
    pub bootnode: Node,
    /// The chain they all look at.
    pub bitcoind: Bitcoind,
    ground: Ground,
    bootnodes: Vec<String>,
}

impl Devnet {
    /// Starts a bitcoind with spendable coins and writes the keys and files of every node;
    /// starts no node.
    ///
    /// # Errors
    /// When a program is missing or fails.
    pub async fn prepare(options: &DevnetOptions) -> Result<Self> {
        let (members, threshold) = (options.members, options.threshold);
        ensure!(
            0 < threshold && threshold <= members,
            "expected a threshold from 1 to {members} (the number of members), got {threshold}"
        );
        let bitcoind = Bitcoind::start(Options::default()).await?;
        // Also ends the initial download, in which no node would be ready.
        bitcoind.mine(101).await?;
        let ground = Ground::new(options.dir.as_deref(), &bitcoind)?;
        let serves = format!("p2p.serve_relay = {}", options.relays == 0);
        let spec = NodeSpec::new("bootnode", "bootnode").settings(&[serves]);
        let bootnode = ground.node(spec, &[]).await?;
        let bootnodes = vec![bootnode.multiaddr()];
        let mut relays = Vec::new();
        for number in 1..=options.relays {
            let spec = NodeSpec::new(format!("relay-{number}"), "bootnode").serves_relay();
            relays.push(ground.node(spec, &bootnodes).await?);
        }
        let through: Vec<_> = relays.iter().map(Node::multiaddr).collect();
        let hide =
            |spec: NodeSpec, hidden| if hidden { spec.behind(through.clone()) } else { spec };
        let mut committee = Vec::new();
        for index in 1..=members {
            let spec = NodeSpec::new(format!("committee-{index}"), "committee")
                .settings(&options.member_settings);
            let spec = hide(spec, index <= options.hidden_members);
            committee.push(ground.node(spec, &bootnodes).await?);
        }
        let spec =
            NodeSpec::new("coordinator", "coordinator").settings(&options.coordinator_settings);
        let coordinator = ground.node(hide(spec, options.hidden_coordinator), &bootnodes).await?;
        config::write_params(&ground.params(), threshold, &committee, &[&coordinator])?;
        Ok(Self { coordinator, committee, relays, bootnode, bitcoind, ground, bootnodes })
    }

    /// Prepares a network, starts all of it and waits until every node is ready.
    ///
    /// # Errors
    /// When a program is missing, fails or does not become ready.
    pub async fn start(options: &DevnetOptions) -> Result<Self> {
        let mut devnet = Self::prepare(options).await?;
        devnet.start_nodes().await?;
        Ok(devnet)
    }

    /// Starts every node and waits until all are ready.
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
        Ok(())
    }

    /// Stops every node, then bitcoind, in good order.
    ///
    /// # Errors
    /// When one does not end by itself.
    pub async fn stop(&mut self) -> Result<()> {
        for node in self.nodes_mut() {
            node.stop().await?;
        }
        self.bitcoind.stop().await
    }

    /// Writes keys and files of a further node, which is not started and in no committee.
    ///
    /// # Errors
    /// When the program or the folder refuses.
    pub async fn add(&self, spec: NodeSpec) -> Result<Node> {
        self.ground.node(spec, &self.bootnodes).await
    }

    /// The bootnode, the relays, the members and the coordinator.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        std::iter::once(&self.bootnode)
            .chain(&self.relays)
            .chain(&self.committee)
            .chain([&self.coordinator])
    }

    /// As [`nodes`](Self::nodes).
    pub fn nodes_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        std::iter::once(&mut self.bootnode)
            .chain(&mut self.relays)
            .chain(&mut self.committee)
            .chain([&mut self.coordinator])
    }

    /// Writes shared parameters of another network to `file`: one committee of that name, with
    /// these members by index from 1.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_params(
        file: &Path,
        threshold: u16,
        members: &[Node],
        coordinators: &[&Node],
    ) -> Result<()> {
        config::write_params(file, threshold, members, coordinators)
    }

    /// Where its files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.ground.path()
    }

    /// The shared parameters, for tests that alter them.
    #[must_use]
    pub fn params(&self) -> PathBuf {
        self.ground.params()
    }
}
