//! Power cuts: SIGKILL at random moments, and what is true after the restart.

use std::time::Duration;

use eyre::{Result, WrapErr as _, ensure};
use reqwest::Method;
use serde_json::json;
use tokio::time::timeout;
use trestle_devnet::{
    network::{COMMITTEE, Devnet, DevnetOptions},
    wait,
};

use crate::support::{
    COIN, DONE, Dice, Order, PATIENCE, committee, fund, make_key, online, paid_once, pay, play,
    reach, sent, settle,
};

/// Longest life of a process in these stories: some twice what a payment or a key takes.
const LIFE_MS: u64 = 150;

/// Goes on with something for so long and no longer, whatever has come of it.
async fn cut_off<T>(life: Duration, work: impl Future<Output = Result<T>>) {
    let _ = timeout(life, work).await;
}

async fn restart_coordinator(devnet: &mut Devnet) -> Result<()> {
    devnet.coordinator.kill()?;
    devnet.coordinator.restart().await?;
    online(devnet, devnet.committee.len()).await
}

/// Every key that the coordinator shows is usable at every member, and the other way round.
async fn same_keys_everywhere(devnet: &Devnet) -> Result<()> {
    let keys = committee(devnet).await?["live"]["keys"].as_array().map_or(0, Vec::len);
    ensure!(keys > 0, "no key at all");
    for member in &devnet.committee {
        let what = format!("{} to have {keys} keys", member.name());
        wait::until(&what, PATIENCE, async || {
            let has = member.metrics().await?.get("trestle_committee_keys").unwrap_or_default();
            Ok((has.to_string() == keys.to_string()).then_some(()))
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn coordinator__should_make_one_usable_key_and_pay_once_however_often_it_is_killed()
-> Result<()> {
    let mut dice = Dice::new()?;
    let seed = dice.seed;
    let devnet = Devnet::start(&DevnetOptions::default()).await?;
    let told = play(devnet, async |devnet| {
        online(devnet, 3).await?;
        for _ in 0..4 {
            let path = format!("/v1/committees/{COMMITTEE}/dkg");
            let life = dice.moment(LIFE_MS);
            cut_off(life, devnet.coordinator.admin(Method::POST, &path, &json!({}))).await;
            restart_coordinator(devnet).await?;
        }
        let address = make_key(devnet).await?;
        same_keys_everywhere(devnet).await?;

        fund(devnet, &address, 8).await?;
        let orders: Vec<_> = (1..=6).map(|number| Order::new(number, COIN / 2)).collect();
        for order in &orders {
            let life = dice.moment(LIFE_MS);
            cut_off(life, settle(devnet, order)).await;
            restart_coordinator(devnet).await?;
            // Whoever asked has heard nothing, and asks again.
            pay(devnet, order).await?;
            if dice.below(2) == 0 {
                devnet.bitcoind.mine(1).await?;
            }
        }
        all_paid_once(devnet, &orders).await
    })
    .await;
    told.wrap_err_with(|| format!("TRESTLE_SEED={seed} shows it again"))
}

#[tokio::test]
async fn members__should_pay_once_however_often_they_are_killed() -> Result<()> {
    let mut dice = Dice::new()?;
    let seed = dice.seed;
    let devnet = Devnet::start(&DevnetOptions::default()).await?;
    let told = play(devnet, async |devnet| {
        online(devnet, 3).await?;
        // A member that dies ends the attempt; the coordinator tries again by itself, or says so.
        let path = format!("/v1/committees/{COMMITTEE}/dkg");
        let life = dice.moment(LIFE_MS);
        cut_off(life, devnet.coordinator.admin(Method::POST, &path, &json!({}))).await;
        let victim = dice.below(3);
        devnet.committee[victim].kill()?;
        devnet.committee[victim].restart().await?;
        // What the cut left under way would only end by its deadline.
        restart_coordinator(devnet).await?;
        let address = make_key(devnet).await?;
        same_keys_everywhere(devnet).await?;

        fund(devnet, &address, 8).await?;
        let orders: Vec<_> = (1..=6).map(|number| Order::new(number, COIN / 2)).collect();
        for order in &orders {
            let life = dice.moment(LIFE_MS);
            cut_off(life, settle(devnet, order)).await;
            let victim = dice.below(3);
            devnet.committee[victim].kill()?;
            devnet.committee[victim].restart().await?;
            pay(devnet, order).await?;
        }
        all_paid_once(devnet, &orders).await
    })
    .await;
    told.wrap_err_with(|| format!("TRESTLE_SEED={seed} shows it again"))
}

async fn all_paid_once(devnet: &Devnet, orders: &[Order]) -> Result<()> {
    let mut payments = Vec::new();
    for order in orders {
        let payment = pay(devnet, order).await?;
        payments.push(sent(devnet, &payment).await?);
    }
    devnet.bitcoind.mine(1).await?;
    for payment in &payments {
        reach(devnet, payment, &DONE).await?;
    }
    for order in orders {
        paid_once(devnet, order).await?;
    }
    for member in &devnet.committee {
        let said = member.metrics().await?;
        let caught = said.get("trestle_committee_equivocations_total");
        ensure!(caught == Some(0.0), "{} saw nonces used twice: {caught:?}", member.name());
    }
    Ok(())
}
