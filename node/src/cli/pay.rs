//! `trestle committee pay`, `payments` and `payment`.

use std::time::Duration;

use bitcoin::Amount;
use clap::{Args, ValueEnum};
use rand::{RngCore as _, rngs::OsRng};
use tokio::time::{Instant, sleep};
use trestle_wire::Hash32;

use super::{
    CliError, Exit,
    client::{Client, NodeArgs, committee_name},
    output::Output,
    table::{pairs, table},
    units,
};
use crate::api::dto::{PayBody, PaymentDto, RecipientDto};

/// How often a payment that is waited for is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// A payment to be made.
#[derive(Debug, Args)]
pub(super) struct PayArgs {
    /// The committee that pays.
    #[arg(value_parser = committee_name)]
    name: String,
    /// Who is paid; repeat it, with its amount, to pay several at once.
    #[arg(long, value_name = "ADDRESS", required = true)]
    to: Vec<String>,
    /// How much: satoshis (10000, 10000sat) or bitcoins (0.5btc).
    #[arg(long, required = true, value_parser = units::amount, allow_hyphen_values = true)]
    amount: Vec<Amount>,
    #[command(flatten)]
    rate: RateArgs,
    /// Names the request: the same request under the same name is one payment, however often it is
    /// sent. Without it there is a random one.
    #[arg(long, value_name = "NAME")]
    id: Option<String>,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    node: NodeArgs,
}

/// What fees begin with.
#[derive(Debug, Args)]
pub(super) struct RateArgs {
    /// The rate to begin with, in sat/vB; without it the node's bitcoind is asked.
    #[arg(
        long = "fee-rate", value_name = "SAT/VB", value_parser = units::fee_rate_per_kvb,
        allow_hyphen_values = true
    )]
    pub(super) sat_per_kvb: Option<u64>,
}

/// Whether a command waits for its payment.
#[derive(Debug, Args)]
pub(super) struct WaitArgs {
    /// Waits until the payment has come so far.
    #[arg(long, value_name = "PHASE")]
    wait: Option<WaitFor>,
    /// Longest wait in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600)]
    timeout: u64,
}

/// How far a payment should have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum WaitFor {
    /// Signed and sent.
    Broadcast,
    /// In a block.
    Confirmed,
    /// So deep that it counts as final.
    Settled,
}

/// Which payments.
#[derive(Debug, Args)]
pub(super) struct PaymentsArgs {
    /// The committee that pays.
    #[arg(value_parser = committee_name)]
    name: String,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    limit: u32,
    #[command(flatten)]
    node: NodeArgs,
}

/// Which payment.
#[derive(Debug, Args)]
pub(super) struct PaymentArgs {
    /// The payment's id.
    payment: Hash32,
    #[command(flatten)]
    node: NodeArgs,
}

pub(super) async fn pay(output: &Output, args: PayArgs) -> Result<(), CliError> {
    if args.to.len() != args.amount.len() {
        let (to, amounts) = (args.to.len(), args.amount.len());
        return Err(CliError::usage(format!(
            "{to} --to and {amounts} --amount: expected one amount for each address, in order"
        )));
    }
    let recipients = args.to.into_iter().zip(args.amount);
    let recipients =
        recipients.map(|(address, value)| RecipientDto { address, sats: value.to_sat() }).collect();
    let idempotency_key = args.id.unwrap_or_else(random_id);
    output.note(&format!("payment request {idempotency_key}: repeat it with --id if in doubt"));
    let repeat = |error: CliError| {
        // The node has said no: nothing is under way that a repetition could find.
        if error.exit == Exit::Refused && !error.outcome_is_unknown() {
            return error;
        }
        let hint = format!("repeat it with --id {idempotency_key} if in doubt");
        let given = error.body.hint.clone();
        error.hint(given.map_or_else(|| hint.clone(), |given| format!("{given}; {hint}")))
    };
    let client = args.node.connect()?;
    let body = PayBody {
        idempotency_key: idempotency_key.clone(),
        recipients,
        fee_rate_sat_per_kvb: args.rate.sat_per_kvb,
    };
    let path = format!("/v1/committees/{}/pay", args.name);
    let payment: PaymentDto = client.post(&path, &body).await.map_err(repeat)?;
    let payment = args.wait.follow(output, &client, payment).await.map_err(repeat)?;
    output.result(&payment, payment_text)
}

pub(super) async fn payments(output: &Output, args: PaymentsArgs) -> Result<(), CliError> {
    let path = format!("/v1/committees/{}/payments?limit={}", args.name, args.limit);
    let payments: Vec<PaymentDto> = args.node.connect()?.get(&path).await?;
    output.result(&payments, |payments| {
        let row = |payment: &PaymentDto| {
            let sats: u64 = payment.recipients.iter().map(|recipient| recipient.sats).sum();
            let txid = payment.txid.clone();
            let latest = || payment.versions.last().map(|version| version.txid.clone());
            [
                payment.payment.clone(),
                payment.phase.clone(),
                sats.to_string(),
                txid.or_else(latest).unwrap_or_else(|| "-".into()),
            ]
        };
        table(["payment", "phase", "sats", "txid"], payments.iter().map(row).collect())
    })
}

pub(super) async fn payment(output: &Output, args: PaymentArgs) -> Result<(), CliError> {
    let path = format!("/v1/payments/{}", args.payment);
    let payment: PaymentDto = args.node.connect()?.get(&path).await?;
    output.result(&payment, payment_text)
}

impl WaitArgs {
    /// Waits as asked, and tells how the payment comes along.
    pub(super) async fn follow(
        &self,
        output: &Output,
        client: &Client,
        payment: PaymentDto,
    ) -> Result<PaymentDto, CliError> {
        let Some(phase) = self.wait else { return Ok(payment) };
        if let Some(notice) = &payment.notice {
            output.note(notice);
        }
        wait(output, client, payment, phase, Duration::from_secs(self.timeout)).await
    }
}

async fn wait(
    output: &Output,
    client: &Client,
    mut payment: PaymentDto,
    until: WaitFor,
    longest: Duration,
) -> Result<PaymentDto, CliError> {
    let end = Instant::now() + longest;
    let path = format!("/v1/payments/{}", payment.payment);
    let mut shown = String::new();
    loop {
        let now = match &payment.note {
            Some(note) => format!("{}: {note}", payment.phase),
            None => payment.phase.clone(),
        };
        if now != shown {
            output.note(&now);
            shown = now;
        }
        if ["failed", "cancelled", "used_before"].contains(&payment.phase.as_str()) {
            return Err(CliError::failed(format!("the payment is over: {shown}")));
        }
        if reached(&payment.phase, until) {
            return Ok(payment);
        }
        if Instant::now() >= end {
            return Err(CliError::failed(format!(
                "after {} s the payment {} is only {shown}; it goes on by itself",
                longest.as_secs(),
                payment.payment
            ))
            .hint("`trestle committee cancel` ends one that is not signed yet"));
        }
        sleep(LOOK).await;
        payment = client.get(&path).await?;
    }
}

fn reached(phase: &str, until: WaitFor) -> bool {
    let far_enough: &[&str] = match until {
        WaitFor::Broadcast => &["broadcast", "confirmed", "settled"],
        WaitFor::Confirmed => &["confirmed", "settled"],
        WaitFor::Settled => &["settled"],
    };
    far_enough.contains(&phase)
}

pub(super) fn payment_text(payment: &PaymentDto) -> String {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    let mut lines = vec![
        ("payment", payment.payment.clone()),
        ("request", payment.idempotency_key.clone()),
        ("committee", payment.committee.clone()),
        ("phase", payment.phase.clone()),
    ];
    for recipient in &payment.recipients {
        lines.push(("to", format!("{}  {}", recipient.address, units::sats(recipient.sats))));
    }
    lines.push(("anchor", or_dash(payment.anchor.clone())));
    for version in &payment.versions {
        let text = format!("{}  fee {}", version.txid, units::sats(version.fee_sats));
        lines.push(("version", text));
    }
    let by = if payment.phase == "used_before" { "spent by" } else { "confirmed" };
    lines.push((by, or_dash(payment.txid.clone())));
    lines.push(("height", or_dash(payment.height.map(|height| height.to_string()))));
    lines.push(("signed in", or_dash(payment.sign_ms.map(|took| format!("{took} ms")))));
    if let Some(note) = &payment.note {
        lines.push(("note", note.clone()));
    }
    if let Some(notice) = &payment.notice {
        lines.push(("notice", notice.clone()));
    }
    pairs(&lines)
}

fn random_id() -> String {
    let mut bytes = [0; 16];
    OsRng.fill_bytes(&mut bytes);
    hex::encode(bytes)
}
