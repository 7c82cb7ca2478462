//! The key's address, payments with change, and what makes two requests one payment.

use std::str::FromStr as _;

use bitcoin::{Address, KnownHrp, XOnlyPublicKey, secp256k1::Secp256k1};
use eyre::{Result, ensure, eyre};
use trestle_devnet::network::{COMMITTEE, Devnet, DevnetOptions};

use crate::support::{COIN, Order, committee, funded, holds, paid_once, pay, play, settle, txid};

#[tokio::test]
async fn key__should_be_spent_from_its_taproot_address_with_change_back() -> Result<()> {
    let devnet = Devnet::start(&DevnetOptions::default()).await?;
    play(devnet, async |devnet| {
        let address = funded(devnet, 3).await?;
        let key = committee(devnet).await?["live"]["keys"][0].clone();
        let internal = XOnlyPublicKey::from_str(key["internal"].as_str().unwrap_or_default())?;
        let tweaked =
            Address::p2tr(&Secp256k1::verification_only(), internal, None, KnownHrp::Regtest);
        ensure!(address == tweaked, "{address} is not {internal} with its tweak, {tweaked}");

        // More than two coins hold: all three, and change.
        let order = Order::new(1, 2 * COIN + COIN / 2);
        let payment = settle(devnet, &order).await?;

        let transaction = devnet.bitcoind.transaction(txid(&payment)?).await?;
        ensure!(transaction.input.len() == 3, "{transaction:?}");
        ensure!(transaction.output.len() == 2, "{transaction:?}");
        ensure!(transaction.output[1].script_pubkey == address.script_pubkey());
        let fee = payment["versions"][0]["fee_sats"].as_u64();
        let fee = fee.ok_or_else(|| eyre!("no fee in {payment}"))?;
        holds(devnet, COIN / 2 - fee).await?;
        paid_once(devnet, &order).await?;
        counted(devnet, COIN / 2 - fee).await
    })
    .await
}

#[expect(clippy::cast_precision_loss, reason = "amounts of a test")]
async fn counted(devnet: &Devnet, left: u64) -> Result<()> {
    let said = devnet.coordinator.metrics().await?;
    for (sample, expected) in [
        ("trestle_coordinator_sessions_total{kind=\"payment\",outcome=\"done\"}", 1.0),
        ("trestle_coordinator_sessions_total{kind=\"dkg\",outcome=\"done\"}", 1.0),
        ("trestle_coordinator_balance_sats{state=\"spendable\"}", left as f64),
        ("trestle_coordinator_wallet_height", devnet.bitcoind.height().await? as f64),
    ] {
        ensure!(said.get(sample) == Some(expected), "{sample}: {:?}", said.get(sample));
    }
    let mut signed = 0.0;
    for member in &devnet.committee {
        let said = member.metrics().await?;
        ensure!(said.get("trestle_committee_keys") == Some(1.0), "{said:?}");
        signed += said.sum("trestle_committee_signed_messages_total");
    }
    // Two members: the proof of the key, and three inputs.
    ensure!(signed >= 8.0, "{signed} messages were signed");
    Ok(())
}

#[tokio::test]
async fn request__should_be_one_payment_however_often_it_is_sent() -> Result<()> {
    let devnet = Devnet::start(&DevnetOptions::default()).await?;
    play(devnet, async |devnet| {
        funded(devnet, 3).await?;
        let order = Order::new(1, COIN / 2);

        let first = pay(devnet, &order).await?;
        let again = pay(devnet, &order).await?;
        ensure!(first["payment"] == again["payment"], "{first} and {again}");
        let refused = pay(devnet, &Order { sats: COIN / 4, ..order.clone() }).await;
        let refused = refused.err().map(|error| error.to_string()).unwrap_or_default();
        ensure!(refused.contains("422"), "{refused}");
        ensure!(refused.contains("belongs to another payment"), "{refused}");

        let done = settle(devnet, &order).await?;
        ensure!(done["payment"] == first["payment"], "{done}");
        // Also long after, and at a coordinator that was started again in between.
        devnet.coordinator.restart().await?;
        let late = settle(devnet, &order).await?;
        ensure!(late["payment"] == first["payment"], "{late}");
        let listed = ["committee", "payments", COMMITTEE];
        let listed = devnet.coordinator.command(&listed).await?;
        ensure!(listed.as_array().map(Vec::len) == Some(1), "{listed}");
        paid_once(devnet, &order).await
    })
    .await
}
