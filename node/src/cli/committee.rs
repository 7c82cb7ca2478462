//! `trestle committee`: keys, signatures and payments, through a running node.

use std::path::PathBuf;

use bitcoin::OutPoint;
use clap::{Args, Subcommand};
use serde_json::json;
use trestle_wire::committee::sign::MAX_TEXT;

use super::{
    CliError, block_on,
    cancel::{self, CancelArgs},
    client::{Client, NodeArgs, committee_name, read_file},
    output::Output,
    pay::{self, PayArgs, PaymentArgs, PaymentsArgs},
    release::{self, ReleaseArgs},
    table::{pairs, table},
    units::sats,
    verify,
};
use crate::api::dto::{CoinDto, CommitteeDto, DoneDto, KeyDto, LiveDto, SignBody, SignedTextDto};

#[derive(Debug, Subcommand)]
pub(super) enum CommitteeCommand {
    /// Makes a new key with all members; its address can be paid once this returns.
    Dkg(Named),
    /// Shows the latest usable key and its address.
    Key(Named),
    /// Has a text signed (BIP-322); members sign only texts that their config allows.
    Sign(SignArgs),
    /// Checks a BIP-322 signature, without a node.
    Verify(VerifyArgs),
    /// Shows members, keys and money.
    Status(StatusArgs),
    /// Pays.
    Pay(PayArgs),
    /// Gives a payment up, as long as no version of it is signed.
    Cancel(CancelArgs),
    /// Lists payments, latest first.
    Payments(PaymentsArgs),
    /// Shows one payment.
    Payment(PaymentArgs),
    /// Lists the committee's coins.
    Coins(Named),
    /// Pays a coin to the committee itself, to have it back when members bound it to a payment that
    /// is never finished.
    Release(ReleaseArgs),
    /// Sets a coin aside.
    Freeze(CoinArgs),
    /// Takes a frozen coin back.
    Unfreeze(CoinArgs),
    /// Reads the blocks again from a height.
    Rescan(RescanArgs),
}

/// A committee of a node.
#[derive(Debug, Args)]
pub(super) struct Named {
    /// The committee's name.
    #[arg(value_parser = committee_name)]
    name: String,
    #[command(flatten)]
    node: NodeArgs,
}

/// A committee of a node, or all of them.
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// The committee's name; all of them without it.
    #[arg(value_parser = committee_name)]
    name: Option<String>,
    #[command(flatten)]
    node: NodeArgs,
}

/// What is signed.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Text {
    /// The text.
    #[arg(long)]
    text: Option<String>,
    /// The file with the text, byte for byte.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Sign.
#[derive(Debug, Args)]
pub(super) struct SignArgs {
    #[command(flatten)]
    committee: Named,
    #[command(flatten)]
    text: Text,
}

/// Verify.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Whose signature it should be.
    #[arg(long)]
    address: String,
    /// The signature, base64.
    #[arg(long)]
    signature: String,
    #[command(flatten)]
    text: Text,
}

/// A coin of a committee.
#[derive(Debug, Args)]
pub(super) struct CoinArgs {
    #[command(flatten)]
    committee: Named,
    /// The coin, TXID:VOUT.
    coin: OutPoint,
}

/// From where.
#[derive(Debug, Args)]
pub(super) struct RescanArgs {
    #[command(flatten)]
    committee: Named,
    /// The first height.
    #[arg(long, value_name = "HEIGHT")]
    from: u32,
}

pub(super) fn run(output: &Output, command: CommitteeCommand) -> Result<(), CliError> {
    match command {
        CommitteeCommand::Dkg(args) => block_on(dkg(output, args)),
        CommitteeCommand::Key(args) => block_on(key(output, args)),
        CommitteeCommand::Sign(args) => block_on(sign(output, args)),
        CommitteeCommand::Verify(args) => check(output, &args),
        CommitteeCommand::Status(args) => block_on(status(output, args)),
        CommitteeCommand::Pay(args) => block_on(pay::pay(output, args)),
        CommitteeCommand::Cancel(args) => block_on(cancel::cancel(output, args)),
        CommitteeCommand::Payments(args) => block_on(pay::payments(output, args)),
        CommitteeCommand::Payment(args) => block_on(pay::payment(output, args)),
        CommitteeCommand::Coins(args) => block_on(coins(output, args)),
        CommitteeCommand::Release(args) => block_on(release::release(output, args)),
        CommitteeCommand::Freeze(args) => block_on(freeze(output, args, "freeze")),
        CommitteeCommand::Unfreeze(args) => block_on(freeze(output, args, "unfreeze")),
        CommitteeCommand::Rescan(args) => block_on(rescan(output, args)),
    }
}

async fn dkg(output: &Output, args: Named) -> Result<(), CliError> {
    let client = args.node.connect()?;
    output.note(&format!("asking every member of {} to make a key", args.name));
    let path = format!("/v1/committees/{}/dkg", args.name);
    let key: KeyDto = client.post(&path, &json!({})).await?;
    output.result(&key, key_text)
}

async fn key(output: &Output, args: Named) -> Result<(), CliError> {
    let client = args.node.connect()?;
    let live = live(&client, &args.name).await?;
    let Some(key) = live.keys.last() else {
        return Err(CliError::failed(format!("{} has no usable key yet", args.name))
            .hint(format!("make one: `trestle committee dkg {}`", args.name)));
    };
    output.result(key, key_text)
}

async fn sign(output: &Output, args: SignArgs) -> Result<(), CliError> {
    let body = match (args.text.text, args.text.file) {
        (Some(text), _) => SignBody { text: Some(text), hex: None },
        (None, Some(file)) => {
            SignBody { text: None, hex: Some(hex::encode(read_file(&file, MAX_TEXT)?)) }
        }
        (None, None) => return Err(CliError::usage("give --text TEXT or --file FILE")),
    };
    let client = args.committee.node.connect()?;
    let path = format!("/v1/committees/{}/sign", args.committee.name);
    let signed: SignedTextDto = client.post(&path, &body).await?;
    output.result(&signed, |signed| {
        pairs(&[("address", signed.address.clone()), ("signature", signed.signature.clone())])
    })
}

fn check(output: &Output, args: &VerifyArgs) -> Result<(), CliError> {
    let text = match (&args.text.text, &args.text.file) {
        (Some(text), _) => text.clone().into_bytes(),
        (None, Some(file)) => read_file(file, MAX_TEXT)?,
        (None, None) => return Err(CliError::usage("give --text TEXT or --file FILE")),
    };
    let valid = verify::verify(&args.address, &text, &args.signature).map_err(CliError::usage)?;
    if !valid {
        return Err(CliError::failed("the signature is not one of this address over this text"));
    }
    output.result(&json!({ "valid": true }), |_| "the signature is valid".into())
}

async fn status(output: &Output, args: StatusArgs) -> Result<(), CliError> {
    let client = args.node.connect()?;
    let committees = match &args.name {
        Some(name) => vec![client.get(&format!("/v1/committees/{name}")).await?],
        None => client.get::<Vec<CommitteeDto>>("/v1/committees").await?,
    };
    output.result(&committees, |all| all.iter().map(status_text).collect::<Vec<_>>().join("\n"))
}

async fn coins(output: &Output, args: Named) -> Result<(), CliError> {
    let client = args.node.connect()?;
    let coins = live(&client, &args.name).await?.wallet.coins;
    output.result(&coins, |coins| {
        let row = |coin: &CoinDto| {
            let height = coin.height.map_or_else(|| "-".to_owned(), |height| height.to_string());
            [coin.outpoint.clone(), coin.sats.to_string(), height, coin.state.clone()]
        };
        table(["coin", "sats", "height", "state"], coins.iter().map(row).collect())
    })
}

async fn freeze(output: &Output, args: CoinArgs, verb: &str) -> Result<(), CliError> {
    let client = args.committee.node.connect()?;
    let path = format!("/v1/committees/{}/coins/{}/{verb}", args.committee.name, args.coin);
    let done: DoneDto = client.post(&path, &json!({})).await?;
    output.result(&done, |_| format!("{verb}: done"))
}

async fn rescan(output: &Output, args: RescanArgs) -> Result<(), CliError> {
    let client = args.committee.node.connect()?;
    let path = format!("/v1/committees/{}/rescan", args.committee.name);
    let done: DoneDto = client.post(&path, &json!({ "height": args.from })).await?;
    output.result(&done, |_| format!("reading the blocks again from height {}", args.from))
}

async fn live(client: &Client, name: &str) -> Result<LiveDto, CliError> {
    let committee: CommitteeDto = client.get(&format!("/v1/committees/{name}")).await?;
    committee.live.ok_or_else(|| {
        CliError::failed("this node does not coordinate the committee, so it knows nothing of it")
            .hint("ask one of the peers that `trestle committee status` lists as coordinators")
    })
}

fn key_text(key: &KeyDto) -> String {
    let took = key.took_ms.map_or_else(|| "-".to_owned(), |took| format!("{took} ms"));
    pairs(&[
        ("key", key.key.clone()),
        ("address", key.address.clone()),
        ("internal key", key.internal.clone()),
        ("birth height", key.birth.to_string()),
        ("took", took),
    ])
}

fn status_text(committee: &CommitteeDto) -> String {
    let case = if committee.quorums_intersect_honestly {
        "3t > 2n: any two quorums share an honest member"
    } else {
        "3t <= 2n: a lying coordinator with n-t lying members could get two versions signed"
    };
    let mut head = vec![
        ("committee", committee.name.clone()),
        (
            "scheme",
            format!("{} of {}, {}", committee.threshold, committee.members.len(), committee.scheme),
        ),
        ("quorums", case.to_owned()),
    ];
    head.extend(committee.coordinators.iter().map(|peer| ("coordinator", peer.clone())));
    if let Some(live) = &committee.live {
        head.extend(live.keys.iter().map(|key| ("key", format!("{}  {}", key.key, key.address))));
        let wallet = &live.wallet;
        head.extend([
            ("height", wallet.height.to_string()),
            ("spendable", sats(wallet.spendable_sats)),
            ("pending", sats(wallet.pending_sats)),
            ("reserved", sats(wallet.reserved_sats)),
            ("frozen", sats(wallet.frozen_sats)),
            ("bound", sats(wallet.bound_sats)),
        ]);
    }
    let rows = committee.members.iter().map(|member| {
        let live = member.live.as_ref();
        let number = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        [
            member.index.to_string(),
            member.peer.clone(),
            number(live.map(|live| if live.online { "yes" } else { "no" }.to_owned())),
            number(live.map(|live| live.height.to_string())),
            number(live.map(|live| live.nonces.to_string())),
            number(live.map(|live| live.blamed.to_string())),
        ]
    });
    let members = table(["member", "peer", "online", "height", "nonces", "blamed"], rows.collect());
    let elsewhere = match &committee.live {
        Some(_) => String::new(),
        None => format!(
            "\nThis node does not coordinate {name}. Its keys, money and members are known to the \
             coordinators above:\nask there with `trestle committee status {name} --node DIR`.\n",
            name = committee.name
        ),
    };
    format!("{}\n{members}{elsewhere}", pairs(&head))
}
