//! `trestle committee release`.

use bitcoin::OutPoint;
use clap::Args;

use super::{
    CliError,
    client::{NodeArgs, committee_name},
    output::Output,
    pay::{RateArgs, WaitArgs, payment_text},
};
use crate::api::dto::{PaymentDto, ReleaseBody};

/// A coin to be had back. Once its release is settled, no version of a payment that spends the coin
/// can confirm.
#[derive(Debug, Args)]
pub(super) struct ReleaseArgs {
    /// The committee whose coin it is.
    #[arg(value_parser = committee_name)]
    name: String,
    /// The coin, TXID:VOUT; `trestle committee coins` shows it as bound.
    coin: OutPoint,
    #[command(flatten)]
    rate: RateArgs,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    node: NodeArgs,
}

pub(super) async fn release(output: &Output, args: ReleaseArgs) -> Result<(), CliError> {
    let client = args.node.connect()?;
    let path = format!("/v1/committees/{}/coins/{}/release", args.name, args.coin);
    let body = ReleaseBody { fee_rate_sat_per_kvb: args.rate.sat_per_kvb };
    let payment: PaymentDto = client.post(&path, &body).await?;
    let payment = args.wait.follow(output, &client, payment).await?;
    output.result(&payment, payment_text)
}
