//! `trestle node`: set a node up, and look at a running one.

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use trestle_wire::Network;

use super::{
    CliError, Exit, block_on,
    client::NodeArgs,
    output::Output,
    table::{pairs, table},
    template::Template,
};
use crate::{
    api::dto::{NodeDto, ReadyDto},
    config::{self, Config, ConfigError, Problem},
    keystore,
};

#[derive(Debug, Subcommand)]
pub(super) enum NodeCommand {
    /// Writes a commented config for one or more roles, and says what to do next.
    Init(Box<InitArgs>),
    /// Shows who a running node is, whether it is ready, and its peers.
    Status(NodeArgs),
}

/// What a new node's config says.
#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// What the node is to do: one role, or several as `--role bootnode,committee`.
    #[arg(long, value_enum, value_delimiter = ',', required = true)]
    role: Vec<RoleArg>,
    /// The folder for config and data; made if it is missing.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// The shared parameters; committee members and coordinators need them.
    #[arg(long, value_name = "FILE")]
    params: Option<PathBuf>,
    /// The network of a bootnode without parameters, "regtest" if it is not given. Parameters say it
    /// themselves: then it must be the same.
    #[arg(long, value_name = "NAME")]
    network: Option<Network>,
    /// A first contact: a multiaddress that ends in /p2p/PEER.
    #[arg(long, value_name = "MULTIADDR", value_parser = contact)]
    bootnode: Vec<String>,
    /// Where the node listens for peers.
    #[arg(long, value_name = "MULTIADDR", value_parser = address)]
    p2p_listen: Vec<String>,
    /// An address that other nodes reach it at.
    #[arg(long, value_name = "MULTIADDR", value_parser = address)]
    external: Vec<String>,
    /// Where the public HTTP listener is.
    #[arg(long, value_name = "ADDRESS:PORT")]
    api_listen: Option<SocketAddr>,
    /// Where the admin HTTP listener is.
    #[arg(long, value_name = "ADDRESS:PORT")]
    admin_listen: Option<SocketAddr>,
    /// bitcoind's RPC address.
    #[arg(long, value_name = "URL")]
    bitcoin_rpc: Option<String>,
    /// bitcoind's cookie.
    #[arg(long, value_name = "FILE")]
    bitcoin_cookie: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum RoleArg {
    Bootnode,
    Committee,
    Coordinator,
}

impl RoleArg {
    const fn name(self) -> &'static str {
        match self {
            Self::Bootnode => "bootnode",
            Self::Committee => "committee",
            Self::Coordinator => "coordinator",
        }
    }

    /// The sections that only this role has.
    const fn sections(self) -> &'static [&'static str] {
        match self {
            Self::Bootnode => &[],
            Self::Committee => &["committee", "covenant", "covenant.http"],
            Self::Coordinator => &["coordinator", "staking", "events"],
        }
    }

    const fn template(self) -> &'static str {
        match self {
            Self::Bootnode => include_str!("../../../conf/bootnode.toml"),
            Self::Committee => include_str!("../../../conf/committee.toml"),
            Self::Coordinator => include_str!("../../../conf/coordinator.toml"),
        }
    }
}

#[derive(Serialize)]
struct Initialised {
    config: PathBuf,
    next: Vec<String>,
}

#[derive(Serialize)]
struct Status {
    node: NodeDto,
    ready: ReadyDto,
}

pub(super) fn run(output: &Output, command: NodeCommand) -> Result<(), CliError> {
    match command {
        NodeCommand::Init(args) => init(output, &args),
        NodeCommand::Status(args) => block_on(status(output, args)),
    }
}

fn init(output: &Output, args: &InitArgs) -> Result<(), CliError> {
    let file = args.dir.join("node.toml");
    let network = args.network()?;
    let text = config_text(args, network)?;
    // Whatever was given on the command line is checked as if it had been written by hand.
    Config::parse(&file, &text).map_err(|error| unusable(&error))?;
    std::fs::create_dir_all(&args.dir)
        .map_err(|e| CliError::failed(format!("{} cannot be made: {e}", args.dir.display())))?;
    keystore::write_new(&file, text.as_bytes())
        .map_err(|e| CliError::new(Exit::Failed, e.to_string()))?;
    let shown = file.display();
    let mut next = vec![format!("trestle keys new -c {shown}")];
    if args.follows_chain() {
        let params = args.params.clone().unwrap_or_else(|| args.dir.join("params.toml"));
        next.push(format!(
            "list this node's peer id and committee key in {} (the same content at every node)",
            params.display()
        ));
        next.push(format!("trestle params check {}", params.display()));
    }
    next.push(format!("trestle run -c {shown}"));
    output.result(&Initialised { config: file.clone(), next }, |done| {
        let steps = done.next.iter().enumerate();
        let steps: String =
            steps.map(|(number, step)| format!("  {}. {step}\n", number + 1)).collect();
        format!("wrote {shown}\n\nnext:\n{steps}")
    })
}

fn address(text: &str) -> Result<String, String> {
    config::multiaddr(text).ok_or_else(|| {
        "expected a multiaddress such as /ip4/0.0.0.0/tcp/7170 or /ip4/0.0.0.0/udp/7170/quic-v1"
            .into()
    })
}

fn contact(text: &str) -> Result<String, String> {
    config::peer_multiaddr(text).ok_or_else(|| {
        "expected a multiaddress that ends in /p2p/PEER, such as /ip4/192.0.2.1/tcp/7170/p2p/12D3…; \
         a running node prints its own"
            .into()
    })
}

/// Why the config would not load: there is no file yet that could be corrected.
fn unusable(error: &ConfigError) -> CliError {
    let told = |problem: &Problem| format!("{}: {}", problem.key, problem.what);
    let told: Vec<String> = error.problems.iter().map(told).collect();
    CliError::usage(format!("such a config would not load: {}", told.join("; ")))
        .hint("nothing was written: give other values on the command line")
}

impl InitArgs {
    /// The network that the config names; parameters, where the config names those, say it
    /// themselves.
    fn network(&self) -> Result<Option<Network>, CliError> {
        let asks = self.network.is_some() || !self.follows_chain();
        // A file that is made later is read by the node then.
        let file = self.params.as_deref().filter(|file| asks && file.exists());
        let theirs = match file {
            Some(file) => Some(config::load_shared_params(file)?.params.network),
            None => None,
        };
        if let (Some(file), Some(theirs), Some(wanted)) = (file, theirs, self.network)
            && theirs != wanted
        {
            let what = format!(
                "--network says {}, and the parameters in {} are of {}",
                wanted.name(),
                file.display(),
                theirs.name()
            );
            return Err(CliError::usage(what).hint("leave --network out to use theirs"));
        }
        let named = self.network.or(theirs).unwrap_or(Network::Regtest);
        Ok((!self.follows_chain()).then_some(named))
    }

    fn follows_chain(&self) -> bool {
        self.role.iter().any(|role| *role != RoleArg::Bootnode)
    }

    /// The file of the first role that follows a chain, which has all sections but other roles' own.
    fn template(&self) -> Template {
        let roles: BTreeSet<RoleArg> = self.role.iter().copied().collect();
        let chain = roles.iter().find(|role| **role != RoleArg::Bootnode).copied();
        let base = chain.unwrap_or(RoleArg::Bootnode);
        let mut template = Template::new(base.template());
        if roles.len() == 1 {
            return template;
        }
        let names: Vec<String> = roles.iter().map(|role| role.name().to_owned()).collect();
        template.list("", "roles", &names);
        for role in roles.into_iter().filter(|role| *role != base) {
            match role {
                RoleArg::Bootnode => template.flag("p2p", "serve_relay", true),
                RoleArg::Committee | RoleArg::Coordinator => {
                    for section in role.sections() {
                        template.take_section(section, role.template());
                    }
                }
            }
        }
        template
    }
}

fn config_text(args: &InitArgs, network: Option<Network>) -> Result<String, CliError> {
    let mut template = args.template();
    let absolute = |path: &PathBuf| {
        std::path::absolute(path)
            .map(|path| path.display().to_string())
            .map_err(|e| CliError::failed(format!("{}: {e}", path.display())))
    };
    if let Some(network) = network {
        template.text("", "network", network.name());
    } else {
        let params = args.params.as_ref().map(absolute).transpose()?;
        template.text("", "params", params.as_deref().unwrap_or("params.toml"));
        if let Some(rpc) = &args.bitcoin_rpc {
            template.text("bitcoin", "rpc", rpc);
        }
        if let Some(cookie) = &args.bitcoin_cookie {
            template.text("bitcoin", "cookie_file", &absolute(cookie)?);
        }
    }
    for (key, list) in
        [("bootnodes", &args.bootnode), ("listen", &args.p2p_listen), ("external", &args.external)]
    {
        if !list.is_empty() {
            template.list("p2p", key, list);
        }
    }
    for (section, listen) in [("api", args.api_listen), ("admin", args.admin_listen)] {
        if let Some(listen) = listen {
            template.text(section, "listen", &listen.to_string());
        }
    }
    Ok(template.finish())
}

async fn status(output: &Output, args: NodeArgs) -> Result<(), CliError> {
    let client = args.connect()?;
    let node: NodeDto = client.get("/v1/node").await?;
    // Not being ready is an answer too, under another status.
    let (_, body) = client.get_any("/readyz").await?;
    let ready: ReadyDto = serde_json::from_slice(&body)
        .map_err(|e| CliError::failed(format!("the node's answer has another form: {e}")))?;
    let endpoints = client.endpoints().clone();
    output.result(&Status { node, ready }, |status| {
        let node = &status.node;
        let mut lines = vec![
            ("peer", node.peer.clone()),
            ("committee key", node.committee_key.clone()),
            ("roles", node.roles.join(", ")),
            ("network", node.network.clone()),
            ("params", node.params_hash.clone().unwrap_or_else(|| "-".into())),
            ("version", node.version.clone()),
            ("api", endpoints.api),
            ("ready", if status.ready.ready { "yes" } else { "no" }.into()),
        ];
        lines.extend(node.listen.iter().map(|address| ("listening on", address.clone())));
        let parts = status.ready.components.iter();
        let parts = parts.map(|(part, health)| [part.clone(), health.clone()]).collect();
        let peers = node.peers.iter().map(|peer| {
            let yes = |flag| if flag { "yes" } else { "no" }.to_owned();
            // With a bootnode there is nothing to agree on.
            let agrees = if peer.listed { yes(peer.agrees) } else { "-".into() };
            [peer.peer.clone(), peer.roles.join(", "), agrees, yes(peer.relayed)]
        });
        format!(
            "{}\n{}\n{}",
            pairs(&lines),
            table(["component", "health"], parts),
            table(["connected peer", "roles", "agrees", "relayed"], peers.collect())
        )
    })
}
