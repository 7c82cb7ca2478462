//! `trestle devnet`: a network of this machine's own, on regtest, from real processes.

mod demo;
mod report;
mod staking;
mod story;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use trestle_devnet::{
    Bitcoind,
    network::{Devnet, DevnetOptions},
};
use trestle_wire::committee::MAX_MEMBERS;

use super::{CliError, output::Output};

/// Members of a committee that pays, and of them signers, at the least.
const LEAST_SIGNERS: u16 = 2;

/// A network of this machine's own.
#[derive(Debug, Subcommand)]
pub(super) enum DevnetCommand {
    /// Starts a network and shows it until Ctrl-C.
    Up(DevnetArgs),
    /// Plays a network's life. `committee`: key generation, payments, a member killed and back.
    /// `staking`: the seven scenarios of stakes, on-demand unbonding, caps, expiry and a
    /// reorganisation.
    Demo(DemoArgs),
}

/// The size of a network.
#[derive(Clone, Debug, Args)]
pub(super) struct DevnetArgs {
    /// How many committee members.
    #[arg(long, value_name = "N", default_value_t = 3)]
    committee: u16,
    /// How many of them sign.
    #[arg(long, value_name = "T", default_value_t = 2)]
    threshold: u16,
    /// Where its files go; a temporary folder without it.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// What is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Story {
    /// A committee that pays.
    Committee,
    /// Staking.
    Staking,
}

/// What a staking network stores in and tells events to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Stack {
    /// SQLite, and the API's stream of events.
    Embedded,
    /// PostgreSQL, and RabbitMQ besides.
    Full,
}

/// What the demo does.
#[derive(Clone, Debug, Args)]
pub(super) struct DemoArgs {
    /// What is played.
    #[arg(value_name = "STORY", value_enum, default_value = "committee")]
    story: Story,
    /// The network.
    #[command(flatten)]
    network: DevnetArgs,
    /// What the nodes of `staking` store in and tell events to.
    #[arg(long, value_enum, default_value = "embedded")]
    stack: Stack,
    /// Leaves the network up at the end, until Ctrl-C.
    #[arg(long)]
    keep: bool,
}

impl DevnetArgs {
    /// Refuses a size that no network can have, before anything starts. `least` members have to
    /// sign at the least.
    fn check(&self, least: u16) -> Result<(), CliError> {
        let (members, threshold) = (self.committee, self.threshold);
        let most = u16::try_from(MAX_MEMBERS).unwrap_or(u16::MAX);
        if !(least..=most).contains(&members) {
            let what = format!("--committee {members}: expected {least} to {most} members");
            return Err(CliError::usage(what));
        }
        if !(least..=members).contains(&threshold) {
            let what = format!(
                "--threshold {threshold}: expected {least} to {members}, the number of members \
                 (--committee)"
            );
            return Err(CliError::usage(what));
        }
        Ok(())
    }

    fn options(&self) -> DevnetOptions {
        DevnetOptions {
            members: self.committee,
            threshold: self.threshold,
            dir: self.dir.clone(),
            ..DevnetOptions::default()
        }
    }
}

pub(super) fn run(output: &Output, command: DevnetCommand) -> Result<(), CliError> {
    // Not on the main thread's runtime alone: processes die with the thread that started them.
    super::block_on(async {
        match command {
            DevnetCommand::Up(args) => {
                args.check(LEAST_SIGNERS)?;
                up(output, &args).await
            }
            DevnetCommand::Demo(args) => demo::run(output, &args).await,
        }
    })
}

async fn up(output: &Output, args: &DevnetArgs) -> Result<(), CliError> {
    output.note("starting bitcoind and the nodes");
    let devnet = Devnet::start(&args.options()).await.map_err(failed)?;
    give_coins(output, &devnet.bitcoind).await;
    output.result(&report::endpoints(&devnet), report::text)?;
    output.note(match &args.dir {
        Some(_) => "Ctrl-C ends the network; its files stay in the folder of --dir",
        None => "Ctrl-C ends the network and removes its files",
    });
    // The harness answers the signal: it ends every process, removes the folder and exits.
    std::future::pending::<()>().await;
    drop(devnet);
    Ok(())
}

/// Gives the person who looks on a wallet with coins, so that payments can be made with the printed
/// line as it is. A bitcoind without wallets can mine and show, and is talked to without one.
async fn give_coins(output: &Output, bitcoind: &Bitcoind) {
    if let Err(error) = bitcoind.make_wallet("devnet", 10 * 100_000_000).await {
        output.note(&format!("there is no wallet to pay from at this bitcoind: {error:#}"));
    }
}

fn failed(error: impl std::fmt::Display) -> CliError {
    CliError::failed(format!("{error:#}"))
}
