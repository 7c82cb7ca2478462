//! A network and its money: what every story begins with, and what it looks at.
//!
//! A story ends with an error that has the end of every node's log; whatever its end, the network
//! is stopped.

use std::{str::FromStr as _, time::Duration};

use bitcoin::{
    Address, Amount, Block, Network, ScriptBuf, Txid,
    blockdata::script::Builder,
    consensus::encode::deserialize_hex,
    opcodes::{OP_TRUE, all::OP_DROP},
};
use eyre::{Result, ensure, eyre};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use reqwest::Method;
use serde_json::{Value, json};
use trestle_devnet::{
    network::{COMMITTEE, Devnet, Node},
    wait,
};

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);
/// Each of the coins that a committee is funded with.
pub(crate) const COIN: u64 = 2_000_000;

/// Plays a story on a network, then stops it and looks whether a node ended in a way it should not.
pub(crate) async fn play(
    mut devnet: Devnet,
    story: impl AsyncFnOnce(&mut Devnet) -> Result<()>,
) -> Result<()> {
    let told = story(&mut devnet).await;
    let told = match told {
        Ok(()) => devnet.stop().await.and_then(|()| no_panics(&devnet)),
        failed => failed,
    };
    told.map_err(|error| error.wrap_err(logs(&devnet)))
}

fn no_panics(devnet: &Devnet) -> Result<()> {
    for node in devnet.nodes() {
        let log = node.logged();
        ensure!(!log.contains("panicked at"), "{} panicked", node.name());
    }
    Ok(())
}

fn logs(devnet: &Devnet) -> String {
    const LINES: usize = 40;
    let tail = |node: &Node| {
        let log = node.logged();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(LINES)..].join("\n");
        format!("--- {}\n{tail}\n", node.name())
    };
    devnet.nodes().map(tail).collect()
}

/// Waits until the coordinator has heard so many members in its present boot.
pub(crate) async fn online(devnet: &Devnet, members: usize) -> Result<()> {
    wait::until("members to be online", PATIENCE, async || {
        let committee = committee(devnet).await?;
        let all = committee["members"].as_array().cloned().unwrap_or_default();
        let online = all.iter().filter(|member| member["live"]["online"] == true).count();
        Ok((online >= members).then_some(()))
    })
    .await
}

/// Longest time until a member that died is shown to be away: its TCP connections end with it, and
/// a QUIC connection that nobody answers on ends after ten seconds.
const AWAY: Duration = Duration::from_secs(20);

/// Waits until the coordinator shows all members with these indexes to be away.
pub(crate) async fn away(devnet: &Devnet, gone: &[u64]) -> Result<()> {
    wait::until(&format!("the members {gone:?} to be away"), AWAY, async || {
        let committee = committee(devnet).await?;
        let all = committee["members"].as_array().cloned().unwrap_or_default();
        let away = all.iter().filter(|member| member["live"]["online"] == false);
        let away = away.filter(|member| gone.contains(&number(&member["index"]))).count();
        Ok((away == gone.len()).then_some(()))
    })
    .await
}

/// Makes a key and gives its address.
pub(crate) async fn make_key(devnet: &Devnet) -> Result<Address> {
    online(devnet, devnet.committee.len()).await?;
    let path = format!("/v1/committees/{COMMITTEE}/dkg");
    let key = devnet.coordinator.admin(Method::POST, &path, &json!({})).await?;
    address(&key["address"])
}

pub(crate) fn address(text: &Value) -> Result<Address> {
    let text = text.as_str().ok_or_else(|| eyre!("expected an address, got {text}"))?;
    Ok(Address::from_str(text)?.require_network(Network::Regtest)?)
}

/// Confirmed coins for the committee, which the coordinator has seen.
pub(crate) async fn fund(devnet: &Devnet, to: &Address, coins: u64) -> Result<()> {
    let wanted = spendable(devnet).await? + COIN * coins;
    for _ in 0..coins {
        devnet.bitcoind.fund(to, COIN).await?;
    }
    devnet.bitcoind.mine(1).await?;
    wait::until("the wallet to see its coins", PATIENCE, async || {
        Ok((spendable(devnet).await? >= wanted).then_some(()))
    })
    .await
}

/// A network's usual beginning: a key, and coins for it.
pub(crate) async fn funded(devnet: &Devnet, coins: u64) -> Result<Address> {
    let address = make_key(devnet).await?;
    fund(devnet, &address, coins).await?;
    Ok(address)
}

/// What the coordinator knows of the committee.
pub(crate) async fn committee(devnet: &Devnet) -> Result<Value> {
    devnet.coordinator.get(&format!("/v1/committees/{COMMITTEE}")).await
}

pub(crate) async fn wallet(devnet: &Devnet) -> Result<Value> {
    Ok(committee(devnet).await?["live"]["wallet"].clone())
}

pub(crate) async fn spendable(devnet: &Devnet) -> Result<u64> {
    Ok(number(&wallet(devnet).await?["spendable_sats"]))
}

/// Waits until the wallet has read the chain up to its tip and holds exactly so much to spend.
pub(crate) async fn holds(devnet: &Devnet, sats: u64) -> Result<()> {
    let tip = devnet.bitcoind.height().await?;
    let mut last = Value::Null;
    let held = wait::until("the wallet's balance", PATIENCE, async || {
        last = wallet(devnet).await?;
        let (height, has) = (number(&last["height"]), number(&last["spendable_sats"]));
        Ok((height == tip && has == sats).then_some(()))
    });
    let held = held.await;
    held.map_err(|error| error.wrap_err(format!("expected {sats} at height {tip}, got {last}")))
}

pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

/// A payment to be made.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) to: Address,
    pub(crate) sats: u64,
    /// In sat/vB.
    pub(crate) rate: u64,
}

impl Order {
    /// To a recipient that no other number has.
    pub(crate) fn new(recipient: u16, sats: u64) -> Self {
        let script = Builder::new().push_int(recipient.into());
        let script = script.push_opcode(OP_DROP).push_opcode(OP_TRUE).into_script();
        let to = Address::p2wsh(&script, Network::Regtest);
        Self { id: format!("order-{recipient}"), to, sats, rate: 2 }
    }
}

/// Asks for a payment; gives it as it stands at once.
pub(crate) async fn pay(devnet: &Devnet, order: &Order) -> Result<Value> {
    let path = format!("/v1/committees/{COMMITTEE}/pay");
    let body = json!({
        "idempotency_key": order.id,
        "recipients": [{ "address": order.to.to_string(), "sats": order.sats }],
        "fee_rate_sat_per_kvb": order.rate * 1_000,
    });
    devnet.coordinator.admin(Method::POST, &path, &body).await
}

/// A payment as it stands now.
pub(crate) async fn look(devnet: &Devnet, payment: &Value) -> Result<Value> {
    let id = payment["payment"].as_str().ok_or_else(|| eyre!("no payment: {payment}"))?;
    devnet.coordinator.get(&format!("/v1/payments/{id}")).await
}

/// Waits until a payment is in one of the phases.
pub(crate) async fn reach(devnet: &Devnet, payment: &Value, phases: &[&str]) -> Result<Value> {
    let mut last = Value::Null;
    let what = format!("a payment to be {phases:?}");
    let reached = wait::until(&what, PATIENCE, async || {
        last = look(devnet, payment).await?;
        let there = last["phase"].as_str().is_some_and(|phase| phases.contains(&phase));
        Ok(there.then(|| last.clone()))
    });
    let reached = reached.await;
    reached.map_err(|error| error.wrap_err(format!("the payment is {last}")))
}

const SENT: [&str; 3] = ["broadcast", "confirmed", "settled"];
pub(crate) const DONE: [&str; 2] = ["confirmed", "settled"];

/// Waits until a payment is signed and bitcoind has its latest version: it is stored before it is
/// sent.
pub(crate) async fn sent(devnet: &Devnet, payment: &Value) -> Result<Value> {
    let payment = reach(devnet, payment, &SENT).await?;
    let txid = txid(&payment)?;
    wait::until("bitcoind to have the transaction", PATIENCE, async || {
        Ok(devnet.bitcoind.transaction(txid).await.is_ok().then_some(()))
    })
    .await?;
    Ok(payment)
}

/// Sees a payment into a block.
pub(crate) async fn confirm(devnet: &Devnet, payment: &Value) -> Result<Value> {
    sent(devnet, payment).await?;
    devnet.bitcoind.mine(1).await?;
    reach(devnet, payment, &DONE).await
}

/// Makes a payment and sees it into a block.
pub(crate) async fn settle(devnet: &Devnet, order: &Order) -> Result<Value> {
    let payment = pay(devnet, order).await?;
    confirm(devnet, &payment).await
}

/// The latest version's id.
pub(crate) fn txid(payment: &Value) -> Result<Txid> {
    let version = payment["versions"].as_array().and_then(|versions| versions.last());
    let text = version.and_then(|version| version["txid"].as_str());
    let text = text.ok_or_else(|| eyre!("no signed version in {payment}"))?;
    Ok(Txid::from_str(text)?)
}

/// What the best chain pays to a script, output by output.
pub(crate) async fn paid(devnet: &Devnet, script: &ScriptBuf) -> Result<Vec<Amount>> {
    let mut found = Vec::new();
    for height in 0..=devnet.bitcoind.height().await? {
        let hash = devnet.bitcoind.rpc("getblockhash", json!([height])).await?;
        let block = devnet.bitcoind.rpc("getblock", json!([hash, 0])).await?;
        let block: Block = deserialize_hex(block.as_str().unwrap_or_default())?;
        let outputs = block.txdata.iter().flat_map(|transaction| &transaction.output);
        found.extend(outputs.filter(|o| o.script_pubkey == *script).map(|output| output.value));
    }
    Ok(found)
}

/// Fails unless the best chain pays an order exactly once.
pub(crate) async fn paid_once(devnet: &Devnet, order: &Order) -> Result<()> {
    let found = paid(devnet, &order.to.script_pubkey()).await?;
    ensure!(found == [Amount::from_sat(order.sats)], "{} was paid {found:?}", order.id);
    Ok(())
}

/// Ids of the transactions that wait in bitcoind's mempool.
pub(crate) async fn mempool(devnet: &Devnet) -> Result<Vec<Txid>> {
    Ok(serde_json::from_value(devnet.bitcoind.rpc("getrawmempool", json!([])).await?)?)
}

/// Waits until a component of a node is not ready for a reason with this in it.
pub(crate) async fn unready(node: &Node, component: &str, reason: &str) -> Result<()> {
    let mut said = Value::Null;
    let what = format!("{component} of {} to say {reason:?}", node.name());
    let unready = wait::until(&what, PATIENCE, async || {
        // A node that starts does not answer yet.
        let Ok(readiness) = node.readiness().await else { return Ok(None) };
        said = readiness["components"][component].clone();
        let there = said.as_str().is_some_and(|text| text != "ready" && text.contains(reason));
        Ok((there && readiness["ready"] == false).then_some(()))
    });
    let unready = unready.await;
    unready.map_err(|error| error.wrap_err(format!("it says {said}")))
}

/// Chance that can be had again: the seed is from `TRESTLE_SEED`, and in every error.
pub(crate) struct Dice {
    pub(crate) seed: u64,
    random: StdRng,
}

impl Dice {
    pub(crate) fn new() -> Result<Self> {
        let seed = match std::env::var("TRESTLE_SEED") {
            Ok(text) => text.parse()?,
            Err(_) => rand::random(),
        };
        Ok(Self { seed, random: StdRng::seed_from_u64(seed) })
    }

    /// A moment within so many milliseconds.
    pub(crate) fn moment(&mut self, most_ms: u64) -> Duration {
        Duration::from_millis(self.random.gen_range(0..=most_ms))
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.random.gen_range(0..end)
    }
}
