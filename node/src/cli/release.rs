//! `trestle committee release`.

use std::time::Duration;

use bitcoin::OutPoint;
use clap::Args;

use super::{
    CliError,
    client::{NodeArgs, committee_name},
    output::Output,
    pay::{self, WaitFor, payment_text},
    units,
};
use crate::api::dto::{PaymentDto, ReleaseBody};

/// A coin to be had back.
#[derive(Debug, Args)]
pub(super) struct ReleaseArgs {
    /// The committee whose coin it is.
    #[arg(value_parser = committee_name)]
    name: String,
    /// The coin, TXID:VOUT; `trestle committee coins` shows it as bound.
    coin: OutPoint,
    /// The rate to begin with, in sat/vB; without it the node's bitcoind is asked.
    #[arg(
        long, value_name = "SAT/VB", value_parser = units::fee_rate_per_kvb,
        allow_hyphen_values = true
    )]
    fee_rate: Option<u64>,
    /// Waits until it has come so far; once it is settled, the payment that the coin was bound to
    /// can never be made.
    #[arg(long, value_name = "PHASE")]
    wait: Option<WaitFor>,
    /// Longest wait in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600)]
    timeout: u64,
    #[command(flatten)]
    node: NodeArgs,
}

pub(super) async fn release(output: &Output, args: ReleaseArgs) -> Result<(), CliError> {
    let client = args.node.connect()?;
    let path = format!("/v1/committees/{}/coins/{}/release", args.name, args.coin);
    let body = ReleaseBody { fee_rate_sat_per_kvb: args.fee_rate };
    let mut payment: PaymentDto = client.post(&path, &body).await?;
    if let Some(phase) = args.wait {
        let longest = Duration::from_secs(args.timeout);
        payment = pay::wait(output, &client, payment, phase, longest).await?;
    }
    output.result(&payment, payment_text)
}
