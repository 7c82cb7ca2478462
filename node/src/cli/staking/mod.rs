//! `trestle staking`: what stakers do from the command line.
//!
//! Always holds: what is signed was built here, under parameters of a local file, and checked
//! against what the chain says; an API is believed about states and figures, never about scripts,
//! keys or amounts. A staker's key comes from a file or stdin, never from the command line.

mod amount;
mod api;
mod chain;
mod coins;
mod confirm;
mod database;
mod export;
mod find;
mod follow;
mod ground;
mod import;
mod key;
mod local;
mod params;
mod psbt;
mod reads;
mod replace;
mod rules;
mod signer;
mod stake;
mod unbond;
mod wallet;
mod warnings;
mod withdraw;

use clap::Subcommand;

use super::{CliError, block_on, output::Output};

#[derive(Debug, Subcommand)]
pub(super) enum StakingCommand {
    /// Looks at a file of global parameters.
    #[command(subcommand)]
    Params(params::ParamsCommand),
    /// Locks bitcoins, delegated to a finality provider.
    Stake(Box<stake::StakeArgs>),
    /// Ends a lock early: signs the unbonding, and has the covenant committee sign it.
    Unbond(Box<unbond::UnbondArgs>),
    /// Takes back what is past its lock, stakes and unbondings together.
    Withdraw(Box<withdraw::WithdrawArgs>),
    /// Lists the delegations of a staker.
    Delegations(reads::DelegationsArgs),
    /// Shows what is staked, in all or by one staker.
    Stats(reads::StatsArgs),
    /// Lists finality providers and what is delegated to them.
    FinalityProviders(reads::ProvidersArgs),
    /// Writes the confirmed stakes as CSV, from the database of a node, running or not.
    Export(export::ExportArgs),
    /// Goes through raw blocks in files, without a bitcoind and without a running node.
    ImportBlocks(import::ImportArgs),
}

pub(super) fn run(output: &Output, command: StakingCommand) -> Result<(), CliError> {
    match command {
        StakingCommand::Params(command) => params::run(output, command),
        StakingCommand::Stake(args) => block_on(stake::run(output, *args)),
        StakingCommand::Unbond(args) => block_on(unbond::run(output, *args)),
        StakingCommand::Withdraw(args) => block_on(withdraw::run(output, *args)),
        StakingCommand::Delegations(args) => block_on(reads::delegations(output, args)),
        StakingCommand::Stats(args) => block_on(reads::stats(output, args)),
        StakingCommand::FinalityProviders(args) => block_on(reads::providers(output, args)),
        StakingCommand::Export(args) => block_on(export::run(output, args)),
        StakingCommand::ImportBlocks(args) => block_on(import::run(output, args)),
    }
}
