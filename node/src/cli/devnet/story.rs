//! What the demo plays, and what must be true at each step.

use std::{collections::BTreeSet, str::FromStr, time::Duration};

use bitcoin::{Address, Network, Txid};
use eyre::{Result, ensure, eyre};
use serde_json::{Value, json};
use trestle_devnet::{
    network::{COMMITTEE, Devnet, Node},
    wait,
};

use super::demo::Teller;

/// Longest wait for anything.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// Each of the coins that the committee is funded with.
const COIN: u64 = 2_000_000;

pub(super) async fn play(
    teller: &mut Teller<'_>,
    devnet: &mut Devnet,
    members: u16,
    threshold: u16,
) -> Result<Value> {
    teller.step("discovery", "every node knows one address: the bootnode's");
    meet(devnet).await?;
    teller.tell("all nodes found each other through Kademlia and agree on the parameters");

    teller.step("dkg", &format!("a key is made by {members} members, {threshold} of whom sign"));
    let key = devnet.coordinator.command(&["committee", "dkg", COMMITTEE]).await?;
    let dkg_ms = number(&key, "took_ms")?;
    let address = text(&key, "address")?;
    teller.tell(&format!("usable after {dkg_ms} ms; address {address}"));

    teller.step("fund", "three coins for the committee");
    fund(devnet, &address, 3).await?;
    teller.tell(&format!("{} sat in 3 confirmed coins", 3 * COIN));

    teller.step("pay", "a payment of several inputs, signed by a quorum");
    let first = pay(devnet, 2 * COIN + COIN / 2, "first").await?;
    let sign_ms = number(&first.payment, "sign_ms")?;
    teller.tell(&format!("{} spends {} coins; signed in {sign_ms} ms", first.txid, first.inputs));
    ensure!(first.inputs > 1, "expected several inputs, got {}", first.inputs);
    devnet.bitcoind.mine(1).await?;
    confirmed(&devnet.coordinator, &first.payment).await?;
    teller.tell("confirmed");

    let mut txids = vec![first.txid];
    if members > threshold {
        teller.step("kill", "one committee node is killed");
        let last = usize::from(members) - 1;
        devnet.committee[last].kill()?;
        fund(devnet, &address, 1).await?;
        let second = pay(devnet, COIN / 2, "second").await?;
        devnet.bitcoind.mine(1).await?;
        confirmed(&devnet.coordinator, &second.payment).await?;
        teller.tell(&format!("{} was signed without it and is confirmed", second.txid));
        txids.push(second.txid);

        teller.step("return", "the killed node comes back");
        devnet.committee[last].restart().await?;
        back(devnet, last).await?;
        teller.tell("it is connected, has its key and has offered new nonces");
        // With one of the others away, a quorum needs the one that came back.
        devnet.committee[0].kill()?;
        fund(devnet, &address, 1).await?;
        let third = pay(devnet, COIN / 2, "third").await?;
        devnet.bitcoind.mine(1).await?;
        confirmed(&devnet.coordinator, &third.payment).await?;
        teller.tell(&format!("it signs again: {} is confirmed", third.txid));
        txids.push(third.txid);
        devnet.committee[0].restart().await?;
    }

    teller.step("metrics", "what /metrics says");
    metrics(teller, devnet, txids.len()).await?;
    Ok(json!({
        "ok": true, "address": address, "txids": txids, "dkg_ms": dkg_ms, "sign_ms": sign_ms,
    }))
}

/// Waits until every node that is listed sees every other one.
async fn meet(devnet: &Devnet) -> Result<()> {
    let listed: Vec<&Node> = devnet.committee.iter().chain([&devnet.coordinator]).collect();
    let peers: BTreeSet<&str> = listed.iter().map(|node| node.peer()).collect();
    for node in &listed {
        let others = peers.iter().filter(|peer| **peer != node.peer()).count();
        wait::until(&format!("{} to meet the others", node.name()), PATIENCE, async || {
            let facts = node.get("/v1/node").await?;
            let seen = facts["peers"].as_array().cloned().unwrap_or_default();
            let agreeing = seen.iter().filter(|peer| {
                peer["agrees"] == true
                    && peer["peer"].as_str().is_some_and(|peer| peers.contains(peer))
            });
            Ok((agreeing.count() >= others).then_some(()))
        })
        .await?;
    }
    Ok(())
}

async fn fund(devnet: &Devnet, address: &str, coins: usize) -> Result<()> {
    let to = Address::from_str(address)?.require_network(Network::Regtest)?;
    let before = spendable(&devnet.coordinator).await?;
    for _ in 0..coins {
        devnet.bitcoind.fund(&to, COIN).await?;
    }
    devnet.bitcoind.mine(1).await?;
    let wanted = before + COIN * coins as u64;
    wait::until("the wallet to see its coins", PATIENCE, async || {
        Ok((spendable(&devnet.coordinator).await? >= wanted).then_some(()))
    })
    .await
}

async fn spendable(coordinator: &Node) -> Result<u64> {
    let path = format!("/v1/committees/{COMMITTEE}");
    number(&coordinator.get(&path).await?["live"]["wallet"], "spendable_sats")
}

/// A payment that is signed and sent.
struct Paid {
    payment: Value,
    txid: String,
    inputs: usize,
}

async fn pay(devnet: &Devnet, sats: u64, id: &str) -> Result<Paid> {
    let to = trestle_devnet::Bitcoind::open_address().to_string();
    let amount = format!("{sats}sat");
    let arguments = [
        "committee",
        "pay",
        COMMITTEE,
        "--to",
        &to,
        "--amount",
        &amount,
        "--fee-rate",
        "2",
        "--id",
        id,
        "--wait",
        "broadcast",
        "--timeout",
        "60",
    ];
    let payment = devnet.coordinator.command(&arguments).await?;
    let version = payment["versions"].as_array().and_then(|versions| versions.last());
    let txid = text(version.ok_or_else(|| eyre!("no signed version in {payment}"))?, "txid")?;
    let transaction = devnet.bitcoind.transaction(Txid::from_str(&txid)?).await?;
    Ok(Paid { payment, txid, inputs: transaction.input.len() })
}

async fn confirmed(coordinator: &Node, payment: &Value) -> Result<()> {
    let path = format!("/v1/payments/{}", text(payment, "payment")?);
    wait::until("the payment to be confirmed", PATIENCE, async || {
        let phase = text(&coordinator.get(&path).await?, "phase")?;
        Ok(matches!(phase.as_str(), "confirmed" | "settled").then_some(()))
    })
    .await
}

/// Waits until a member that was away can sign again.
async fn back(devnet: &Devnet, member: usize) -> Result<()> {
    let path = format!("/v1/committees/{COMMITTEE}");
    let peer = devnet.committee[member].peer();
    wait::until("the member to be back", PATIENCE, async || {
        let committee = devnet.coordinator.get(&path).await?;
        let members = committee["members"].as_array().cloned().unwrap_or_default();
        let back = members.iter().any(|member| {
            let live = &member["live"];
            member["peer"] == peer && live["online"] == true && live["nonces"].as_u64() > Some(0)
        });
        Ok(back.then_some(()))
    })
    .await
}

async fn metrics(teller: &Teller<'_>, devnet: &Devnet, payments: usize) -> Result<()> {
    let seen = devnet.coordinator.metrics().await?;
    let sessions = seen.sum("trestle_coordinator_sessions_total");
    let signed = seen
        .get("trestle_coordinator_sessions_total{kind=\"payment\",outcome=\"done\"}")
        .unwrap_or_default();
    teller.tell(&format!("coordinator: {sessions} sessions, {signed} payments signed"));
    #[expect(clippy::cast_precision_loss, reason = "a handful of payments")]
    let expected = payments as f64;
    ensure!(signed >= expected, "expected {expected} signed payments, /metrics says {signed}");
    for node in &devnet.committee {
        let signed = node.metrics().await?.sum("trestle_committee_signed_messages_total");
        teller.tell(&format!("{}: {signed} messages signed since it last started", node.name()));
    }
    Ok(())
}

fn text(value: &Value, key: &str) -> Result<String> {
    let found = value[key].as_str();
    found.map(str::to_owned).ok_or_else(|| eyre!("expected the text {key:?} in {value}"))
}

fn number(value: &Value, key: &str) -> Result<u64> {
    value[key].as_u64().ok_or_else(|| eyre!("expected the number {key:?} in {value}"))
}
