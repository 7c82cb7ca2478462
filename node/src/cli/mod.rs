//! The command line.
//!
//! Always holds: a command's result goes to stdout, as a table or with `--json` as one JSON value;
//! progress, logs and errors go to stderr; secrets come from files, descriptors or a prompt.

mod cancel;
mod client;
mod committee;
mod devnet;
mod error;
mod keys;
mod node;
mod output;
mod params;
mod passphrase;
mod pay;
mod release;
mod run;
mod staking;
mod table;
mod template;
mod units;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use error::{CliError, Exit};
use output::Output;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed
  2  the command line makes no sense
  3  the node refused
  4  the node cannot be reached
  5  the config or the shared parameters cannot be used
  6  the keys cannot be used (missing, wrong passphrase, wrong mode, damaged)

With --json a result is one JSON document on stdout, and an error is one on stderr:
{\"error\":{\"code\":…,\"message\":…,\"hint\":…}}, after the log where a command writes one.";

/// One Bitcoin covenant node for every role.
#[derive(Debug, Parser)]
#[command(name = "trestle", version, about, after_help = EXIT_CODES, propagate_version = true)]
struct Cli {
    /// Prints the result as JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a node until it is told to stop.
    Run(run::RunArgs),
    /// Makes and shows a node's keys.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Sets a node up, or looks at a running one.
    #[command(subcommand)]
    Node(node::NodeCommand),
    /// Makes keys, signs and pays with a committee, through a running coordinator.
    #[command(subcommand)]
    Committee(committee::CommitteeCommand),
    /// Looks at a file of shared parameters.
    #[command(subcommand)]
    Params(params::ParamsCommand),
    /// Stakes bitcoins, takes them back, and shows what is staked.
    #[command(subcommand)]
    Staking(staking::StakingCommand),
    /// Starts a network of this machine's own, on regtest.
    #[command(subcommand)]
    Devnet(devnet::DevnetCommand),
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misread(&error),
    };
    let output = Output::new(cli.json);
    // Before anything is written: also `keys new` and `node init` make files.
    crate::process::harden();
    let done = match cli.command {
        Command::Run(args) => run::run(&output, args),
        Command::Keys(command) => keys::run(&output, command),
        Command::Node(command) => node::run(&output, command),
        Command::Committee(command) => committee::run(&output, command),
        Command::Params(command) => params::run(&output, command),
        Command::Staking(command) => staking::run(&output, command),
        Command::Devnet(command) => devnet::run(&output, command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output.error(&error);
            error.exit.into()
        }
    }
}

/// Shows what is wrong with a command line, or the help that was asked for.
fn misread(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|argument| argument == "--json");
    if !json || !error.use_stderr() {
        error.exit();
    }
    let text = error.to_string();
    // The rest is the usage, for people.
    let what = text.split("\n\n").next().unwrap_or_default().trim();
    let error = CliError::usage(what.strip_prefix("error: ").unwrap_or(what));
    Output::new(true).error(&error.hint("--help shows what the command takes"));
    Exit::Usage.into()
}

/// Runs a command that talks to a node.
fn block_on(work: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|e| CliError::failed(format!("the runtime did not start: {e}")))?.block_on(work)
}
