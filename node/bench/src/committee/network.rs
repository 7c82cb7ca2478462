//! A network of real processes, and what the benches do with it.

use std::{collections::BTreeSet, fs, str::FromStr as _, time::Duration};

use bitcoin::{Address, Amount, Network, Transaction, consensus::encode::deserialize_hex};
use eyre::{OptionExt as _, Result, ensure, eyre};
use reqwest::Method;
use serde_json::{Value, json};
use trestle_devnet::{Bitcoind, Devnet, DevnetOptions, Node, network::COMMITTEE, wait};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(180);
/// Between two looks at what is being measured: rare enough not to disturb it.
const LOOK: Duration = Duration::from_millis(100);
/// Value of each coin that is spent.
const COIN: u64 = 100_000;
/// Satoshis for 1,000 virtual bytes.
const FEE_RATE: u64 = 2_000;
/// Left to the miners: the fee of 26 inputs, and less than a change output is worth.
const FEE: u64 = 3_500;

/// Settings of a network that is measured: those of a node in use, but for confirmations.
pub(crate) fn options(members: u16, threshold: u16, nonces: u16) -> DevnetOptions {
    // The harness itself polls more often, which costs a core when many nodes do.
    let poll = "bitcoin.poll_ms = 1000".to_owned();
    DevnetOptions {
        members,
        threshold,
        member_settings: vec!["committee.min_confirmations = 1".into(), poll.clone()],
        coordinator_settings: vec![
            "coordinator.confirmations = 1".into(),
            format!("coordinator.nonce_pool = {nonces}"),
            poll,
        ],
        ..DevnetOptions::default()
    }
}

/// Waits until every listed node sees every other one.
pub(crate) async fn meet(devnet: &Devnet) -> Result<()> {
    let listed: Vec<&Node> = devnet.committee.iter().chain([&devnet.coordinator]).collect();
    let peers: BTreeSet<&str> = listed.iter().map(|node| node.peer()).collect();
    for node in &listed {
        wait::until(&format!("{} to meet the others", node.name()), PATIENCE, async || {
            let facts = node.get("/v1/node").await?;
            let seen = facts["peers"].as_array().map(Vec::as_slice).unwrap_or_default();
            let agrees = |peer: &&Value| {
                let listed = peer["peer"].as_str().is_some_and(|peer| peers.contains(peer));
                listed && peer["agrees"] == true
            };
            Ok((seen.iter().filter(agrees).count() + 1 >= peers.len()).then_some(()))
        })
        .await?;
    }
    Ok(())
}

/// Makes a key, and gives its address and the milliseconds that the coordinator took.
pub(crate) async fn generate(devnet: &Devnet) -> Result<(Address, f64)> {
    let key = devnet.coordinator.command(&["committee", "dkg", COMMITTEE]).await?;
    let address = key["address"].as_str().ok_or_eyre("expected an address")?;
    let took = key["took_ms"].as_f64().ok_or_eyre("expected took_ms")?;
    Ok((Address::from_str(address)?.require_network(Network::Regtest)?, took))
}

/// Waits until every member has this many nonces at the coordinator.
pub(crate) async fn nonces(devnet: &Devnet, count: u64) -> Result<()> {
    wait::until("all members and their nonces", PATIENCE, async || {
        tokio::time::sleep(LOOK).await;
        let committee = committee(devnet).await?;
        let members = committee["members"].as_array().map(Vec::as_slice).unwrap_or_default();
        let ready = |member: &Value| {
            let live = &member["live"];
            live["online"] == true && live["nonces"].as_u64() >= Some(count)
        };
        Ok((!members.is_empty() && members.iter().all(ready)).then_some(()))
    })
    .await
}

async fn committee(devnet: &Devnet) -> Result<Value> {
    devnet.coordinator.get(&format!("/v1/committees/{COMMITTEE}")).await
}

/// Gives the committee exactly `coins` coins at `address`, all confirmed.
pub(crate) async fn fund(devnet: &Devnet, address: &Address, coins: usize) -> Result<()> {
    let output = (address.script_pubkey(), Amount::from_sat(COIN));
    devnet.bitcoind.fund_all(&vec![output; coins]).await?;
    devnet.bitcoind.mine(1).await?;
    let wanted = COIN * coins as u64;
    wait::until("the wallet to see its coins", PATIENCE, async || {
        tokio::time::sleep(LOOK).await;
        let found = committee(devnet).await?["live"]["wallet"]["spendable_sats"].as_u64();
        Ok((found == Some(wanted)).then_some(()))
    })
    .await
}

/// Pays everything out of `coins` inputs, and gives the milliseconds from the accepted request to
/// the signed transaction, as the coordinator says.
pub(crate) async fn pay(devnet: &Devnet, coins: usize, id: &str) -> Result<f64> {
    let sats = COIN * coins as u64 - FEE;
    let body = json!({
        "idempotency_key": id,
        "recipients": [{"address": Bitcoind::open_address().to_string(), "sats": sats}],
        "fee_rate_sat_per_kvb": FEE_RATE,
    });
    let path = format!("/v1/committees/{COMMITTEE}/pay");
    let accepted = devnet.coordinator.admin(Method::POST, &path, &body).await?;
    let id = accepted["payment"].as_str().ok_or_eyre("expected a payment's id")?;
    let path = format!("/v1/payments/{id}");
    let signed = wait::until("the payment to be signed", PATIENCE, async || {
        tokio::time::sleep(LOOK).await;
        let payment = devnet.coordinator.get(&path).await?;
        Ok((!payment["sign_ms"].is_null()).then_some(payment))
    })
    .await?;
    let version = signed["versions"].as_array().and_then(|versions| versions.last());
    let version = version.ok_or_else(|| eyre!("no signed version in {signed}"))?;
    let hex = version["transaction"].as_str().ok_or_eyre("expected a transaction")?;
    let transaction: Transaction = deserialize_hex(hex)?;
    let inputs = transaction.input.len();
    ensure!(inputs == coins, "expected {coins} inputs, got {inputs}");
    wait::until("the payment to be broadcast", PATIENCE, async || {
        let payment = devnet.coordinator.get(&path).await?;
        Ok((payment["phase"] == "broadcast").then_some(()))
    })
    .await?;
    signed["sign_ms"].as_f64().ok_or_eyre("expected sign_ms")
}

/// Changes a line `key = …` of a node's config; it counts from the next start.
pub(crate) fn set(node: &Node, key: &str, value: &str) -> Result<()> {
    let text = fs::read_to_string(node.config())?;
    let start = format!("{key} = ");
    let line = |line: &str| match line.starts_with(&start) {
        true => format!("{start}{value}\n"),
        false => format!("{line}\n"),
    };
    ensure!(text.lines().any(|line| line.starts_with(&start)), "no {key} in the config");
    Ok(fs::write(node.config(), text.lines().map(line).collect::<String>())?)
}

/// A field of `/proc/PID/status` in MB, such as `VmRSS`.
pub(crate) fn memory(node: &Node, field: &str) -> Result<f64> {
    let pid = node.pid().ok_or_eyre("the node was not started")?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.split_whitespace().next());
    let kib: f64 = kib.ok_or_else(|| eyre!("no {field} for {}", node.name()))?.parse()?;
    Ok(kib / 1_024.0)
}

/// Messages that all listed nodes have sent since their start.
pub(crate) async fn sent(devnet: &Devnet) -> Result<f64> {
    let mut sum = 0.0;
    for node in devnet.committee.iter().chain([&devnet.coordinator]) {
        sum += node.metrics().await?.sum("trestle_p2p_messages_sent_total");
    }
    Ok(sum)
}
