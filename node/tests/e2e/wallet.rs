//! The operator's hand on the committee's coins.

use eyre::{Result, ensure, eyre};
use trestle_devnet::{
    network::{COMMITTEE, Devnet, DevnetOptions},
    wait,
};

use crate::support::{
    COIN, DONE, Order, PATIENCE, committee, confirm, funded, holds, look, number, paid_once, pay,
    play, reach, sent, wallet,
};

#[tokio::test]
async fn coin__should_not_be_spent_while_it_is_frozen() -> Result<()> {
    let devnet = Devnet::start(&DevnetOptions::default()).await?;
    play(devnet, async |devnet| {
        funded(devnet, 2).await?;
        let coins = devnet.coordinator.command(&["committee", "coins", COMMITTEE]).await?;
        let frozen = coins[0]["outpoint"].as_str().ok_or_else(|| eyre!("no coin: {coins}"))?;
        devnet.coordinator.command(&["committee", "freeze", COMMITTEE, frozen]).await?;
        // Also in the mind of a coordinator that was started again.
        devnet.coordinator.restart().await?;
        holds(devnet, COIN).await?;
        ensure!(number(&wallet(devnet).await?["frozen_sats"]) == COIN, "it is not frozen");

        let order = Order::new(1, COIN + COIN / 2);
        let payment = pay(devnet, &order).await?;
        let stuck = wait::until("a note", PATIENCE, async || {
            let now = look(devnet, &payment).await?;
            Ok(now["note"].is_string().then_some(now))
        })
        .await?;
        ensure!(stuck["phase"] == "waiting", "{stuck}");

        devnet.coordinator.command(&["committee", "unfreeze", COMMITTEE, frozen]).await?;
        confirm(devnet, &payment).await?;
        paid_once(devnet, &order).await
    })
    .await
}

#[tokio::test]
async fn rescan__should_find_the_same_coins_again() -> Result<()> {
    let devnet = Devnet::start(&DevnetOptions::default()).await?;
    play(devnet, async |devnet| {
        funded(devnet, 3).await?;
        let before = devnet.coordinator.command(&["committee", "coins", COMMITTEE]).await?;
        let birth = number(&committee(devnet).await?["live"]["keys"][0]["birth"]).to_string();
        let rescan = ["committee", "rescan", COMMITTEE, "--from", &birth];

        devnet.coordinator.command(&rescan).await?;

        holds(devnet, 3 * COIN).await?;
        let after = devnet.coordinator.command(&["committee", "coins", COMMITTEE]).await?;
        ensure!(before == after, "{before}, then {after}");
        let order = Order::new(1, COIN + COIN / 2);
        let payment = pay(devnet, &order).await?;
        sent(devnet, &payment).await?;
        // In the middle of a payment its change and its coins must be found as what they are.
        devnet.coordinator.command(&rescan).await?;
        devnet.bitcoind.mine(1).await?;
        let done = reach(devnet, &payment, &DONE).await?;
        let fee = number(&done["versions"][0]["fee_sats"]);
        holds(devnet, 3 * COIN - order.sats - fee).await?;
        paid_once(devnet, &order).await
    })
    .await
}
