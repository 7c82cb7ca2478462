//! What members refuse to sign, whatever the coordinator asks for.

use bitcoin::Address;
use eyre::{Result, ensure};
use serde_json::Value;
use trestle_devnet::{
    network::{Devnet, DevnetOptions},
    wait,
};

use crate::support::{
    COIN, Order, PATIENCE, funded, look, mempool, paid, pay, play, reach, settle,
};

fn limits(recipients: &[&Address]) -> DevnetOptions {
    let recipients: Vec<String> = recipients.iter().map(ToString::to_string).collect();
    let mut options = DevnetOptions::default();
    options.member_settings.extend([
        "committee.max_fee_sats = 2000".to_owned(),
        "committee.max_payment_sats = 1500000".to_owned(),
        "committee.window_sats = 1500000".to_owned(),
        format!("committee.recipients = {recipients:?}"),
    ]);
    options
}

/// Waits until a payment's note has this, and gives the payment.
async fn noted(devnet: &Devnet, payment: &Value, part: &str) -> Result<Value> {
    wait::until(&format!("a note about {part:?}"), PATIENCE, async || {
        let now = look(devnet, payment).await?;
        let note = now["note"].as_str().unwrap_or_default();
        Ok(note.contains(part).then(|| now.clone()))
    })
    .await
}

#[tokio::test]
async fn members__should_refuse_what_their_own_policy_does_not_allow() -> Result<()> {
    let (stranger, dear) =
        (Order::new(1, COIN / 2), Order { rate: 100, ..Order::new(2, COIN / 4) });
    let (first, second) = (Order::new(3, COIN / 2), Order::new(4, COIN / 2));
    let options = limits(&[&dear.to, &first.to, &second.to]);
    let devnet = Devnet::start(&options).await?;
    play(devnet, async |devnet| {
        funded(devnet, 4).await?;
        settle(devnet, &first).await?;

        let mut refused = Vec::new();
        for (order, reason) in [
            (&stranger, "is not on this member's list"),
            (&dear, "at most 0.00002000 BTC is allowed"),
            (&second, "are reserved in the last 144 blocks"),
        ] {
            let payment = pay(devnet, order).await?;
            let noted = noted(devnet, &payment, reason).await?;
            ensure!(noted["phase"] == "signing", "{noted}");
            refused.push((order, payment));
        }

        // They are asked again and again and stay by it.
        let failed = "trestle_coordinator_sessions_total{kind=\"payment\",outcome=\"failed\"}";
        wait::until("second tries", PATIENCE, async || {
            let tries = devnet.coordinator.metrics().await?.get(failed);
            Ok(tries.is_some_and(|tries| tries >= 6.0).then_some(()))
        })
        .await?;
        devnet.bitcoind.mine(2).await?;
        ensure!(mempool(devnet).await?.is_empty(), "something was sent");
        for (order, payment) in refused {
            let now = reach(devnet, &payment, &["signing"]).await?;
            ensure!(now["versions"] == Value::Array(Vec::new()), "{now}");
            ensure!(paid(devnet, &order.to.script_pubkey()).await?.is_empty(), "{order:?}");
        }
        let counted = devnet.committee[0].metrics().await?;
        let sample = "trestle_committee_refusals_total{reason=\"policy\"}";
        ensure!(counted.get(sample) > Some(0.0), "{counted:?}");
        Ok(())
    })
    .await
}
