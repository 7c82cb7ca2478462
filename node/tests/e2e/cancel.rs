//! Payments that are given up: by whom, when it is possible, and what is true afterwards.

use std::process::Output;

use eyre::{Context as _, Result, ensure, eyre};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;
use trestle_devnet::{
    network::{COMMITTEE, Devnet, DevnetOptions},
    wait,
};

use crate::support::{
    COIN, Order, PATIENCE, away, confirm, funded, holds, look, mempool, number, online, paid,
    paid_once, pay, play, reach, sent, settle, txid, wallet,
};

/// Exit codes of the command line.
const FAILED: i32 = 1;
const REFUSED: i32 = 3;

/// Runs a command against the coordinator as a person does, to its end.
async fn run(devnet: &Devnet, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trestle"));
    command.args(arguments).arg("-c").arg(devnet.coordinator.config()).kill_on_drop(true);
    command.output().await.wrap_err("cannot run trestle")
}

/// What a command prints that succeeds and has nothing to add.
async fn told(devnet: &Devnet, arguments: &[&str]) -> Result<String> {
    let done = run(devnet, arguments).await?;
    ensure!(done.status.success() && done.stderr.is_empty(), "{arguments:?}: {done:?}");
    Ok(String::from_utf8(done.stdout)?)
}

/// What a command says that fails with a certain exit code.
async fn denied(devnet: &Devnet, arguments: &[&str], code: i32) -> Result<String> {
    let done = run(devnet, arguments).await?;
    ensure!(done.status.code() == Some(code), "{arguments:?}, expected {code}: {done:?}");
    ensure!(done.stdout.is_empty(), "{arguments:?}: {done:?}");
    Ok(String::from_utf8(done.stderr)?)
}

const fn cancel(id: &str) -> [&str; 5] {
    ["committee", "cancel", COMMITTEE, "--id", id]
}

/// Fails unless the plain output of a command has that value under that name.
fn says(text: &str, name: &str, value: &str) -> Result<()> {
    let has = |line: &str| {
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        first == name && rest.trim() == value
    };
    ensure!(text.lines().any(has), "no {name} {value:?} in\n{text}");
    Ok(())
}

/// Cancels through the admin listener.
async fn cancel_by_http(devnet: &Devnet, id: &str) -> Result<Value> {
    let path = format!("/v1/committees/{COMMITTEE}/payments/{id}/cancel");
    devnet.coordinator.admin(Method::POST, &path, &json!({})).await
}

/// Fails unless the admin listener refuses with that status, for that reason.
async fn refused_by_http(devnet: &Devnet, id: &str, status: u16, reason: &str) -> Result<()> {
    let refused = cancel_by_http(devnet, id).await;
    let refused = refused.err().map(|error| error.to_string()).unwrap_or_default();
    let as_expected = refused.contains(&format!("answered {status}")) && refused.contains(reason);
    ensure!(as_expected, "expected {status} and {reason:?}, got {refused:?}");
    Ok(())
}

/// Fails unless a payment is cancelled, without anything signed and without a warning.
fn is_cancelled(payment: &Value) -> Result<()> {
    ensure!(payment["phase"] == "cancelled", "{payment}");
    let note = payment["note"].as_str().unwrap_or_default();
    ensure!(note.starts_with("cancelled before a version was signed"), "{payment}");
    ensure!(payment["versions"] == json!([]) && payment["txid"] == Value::Null, "{payment}");
    Ok(())
}

/// The request again, and the command to wait for it: told that it was cancelled, both.
async fn stays_cancelled(devnet: &Devnet, order: &Order, payment: &Value) -> Result<()> {
    let again = pay(devnet, order).await?;
    ensure!(again["payment"] == payment["payment"], "{again} is not {payment}");
    is_cancelled(&again)?;
    let (to, sats) = (order.to.to_string(), order.sats.to_string());
    let again = ["committee", "pay", COMMITTEE, "--to", &to, "--amount", &sats];
    let again = [&again[..], &["--id", &order.id, "--wait", "confirmed"]].concat();
    let told = denied(devnet, &again, FAILED).await?;
    ensure!(told.contains("error: the payment is over: cancelled"), "{told}");
    Ok(())
}

async fn never_paid(devnet: &Devnet, order: &Order) -> Result<()> {
    let found = paid(devnet, &order.to.script_pubkey()).await?;
    ensure!(found.is_empty(), "{} was paid {found:?}", order.id);
    Ok(())
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value[name].as_str().ok_or_else(|| eyre!("no {name} in {value}"))
}

#[tokio::test]
async fn payment_that_members_refuse__should_be_given_up_and_its_coin_spent_otherwise() -> Result<()>
{
    let mut options = DevnetOptions::default();
    options.member_settings.push(format!("committee.max_payment_sats = {}", COIN / 2));
    let devnet = Devnet::start(&options).await?;
    play(devnet, async |devnet| {
        funded(devnet, 1).await?;
        // Its name has to be written otherwise in a path.
        let order = Order { id: "a/b?c%2F".to_owned(), ..Order::new(1, COIN - COIN / 4) };
        let payment = pay(devnet, &order).await?;
        let stuck = wait::until("the members to refuse", PATIENCE, async || {
            let now = look(devnet, &payment).await?;
            Ok(now["note"].is_string().then_some(now))
        })
        .await?;
        ensure!(stuck["phase"] == "signing", "{stuck}");
        ensure!(number(&wallet(devnet).await?["reserved_sats"]) == COIN, "nothing is reserved");

        let told = told(devnet, &cancel(&order.id)).await?;
        says(&told, "payment", text(&payment, "payment")?)?;
        says(&told, "request", &order.id)?;
        says(&told, "phase", "cancelled")?;
        says(&told, "note", "cancelled before a version was signed")?;
        ensure!(!told.lines().any(|line| line.starts_with("version")), "{told}");
        holds(devnet, COIN).await?;
        ensure!(number(&wallet(devnet).await?["reserved_sats"]) == 0, "its coin is not free");
        let counted = devnet.coordinator.metrics().await?;
        let counted = counted.get("trestle_coordinator_payments{phase=\"cancelled\"}");
        ensure!(counted == Some(1.0), "{counted:?}");

        // Another one spends the same coin, also at a coordinator that was started again.
        devnet.coordinator.kill()?;
        devnet.coordinator.restart().await?;
        online(devnet, devnet.committee.len()).await?;
        is_cancelled(&look(devnet, &payment).await?)?;
        let other = Order::new(2, COIN / 4);
        let made = settle(devnet, &other).await?;
        ensure!(made["anchor"] == stuck["anchor"] && made["anchor"].is_string(), "{made}");
        stays_cancelled(devnet, &order, &payment).await?;
        // Once more is no error, by its own id as well.
        is_cancelled(&devnet.coordinator.command(&cancel(text(&payment, "payment")?)).await?)?;
        paid_once(devnet, &other).await?;
        never_paid(devnet, &order).await
    })
    .await
}

#[tokio::test]
async fn payment_with_too_few_members__should_be_given_up_and_the_others_spend_its_coin()
-> Result<()> {
    let devnet = Devnet::start(&DevnetOptions::default()).await?;
    play(devnet, async |devnet| {
        funded(devnet, 1).await?;
        devnet.committee[1].kill()?;
        devnet.committee[2].kill()?;
        away(devnet, &[2, 3]).await?;
        let order = Order::new(1, COIN / 2);
        let payment = pay(devnet, &order).await?;
        wait::until("the members to be asked", PATIENCE, async || {
            Ok((pay(devnet, &order).await?["phase"] == "signing").then_some(()))
        })
        .await?;

        let cancelled = cancel_by_http(devnet, text(&payment, "payment")?).await?;
        is_cancelled(&cancelled)?;
        ensure!(cancelled["payment"] == payment["payment"], "{cancelled}");
        holds(devnet, COIN).await?;

        devnet.committee[1].restart().await?;
        devnet.committee[2].restart().await?;
        online(devnet, devnet.committee.len()).await?;
        let other = Order::new(2, COIN / 2);
        let made = settle(devnet, &other).await?;
        ensure!(made["anchor"] == cancelled["anchor"] && made["anchor"].is_string(), "{made}");
        stays_cancelled(devnet, &order, &payment).await?;
        paid_once(devnet, &other).await?;
        never_paid(devnet, &order).await
    })
    .await
}

#[tokio::test]
async fn payment_that_is_signed_or_not_known__should_not_be_given_up() -> Result<()> {
    let devnet = Devnet::start(&DevnetOptions::default()).await?;
    play(devnet, async |devnet| {
        funded(devnet, 1).await?;
        // What can never be funded.
        let dear = Order::new(1, 5 * COIN);
        let waiting = pay(devnet, &dear).await?;
        reach(devnet, &waiting, &["waiting"]).await?;
        is_cancelled(&cancel_by_http(devnet, &dear.id).await?)?;
        stays_cancelled(devnet, &dear, &waiting).await?;

        let order = Order::new(2, COIN / 2);
        let payment = pay(devnet, &order).await?;
        let signed = sent(devnet, &payment).await?;
        let id = text(&payment, "payment")?;
        let reason = format!(
            "payment {id} cannot be cancelled: {} is signed, and a signed version can confirm for \
             ever",
            txid(&signed)?
        );
        let told = denied(devnet, &cancel(&order.id), REFUSED).await?;
        ensure!(told == format!("error: {reason}\n"), "{told}");
        let told = denied(devnet, &[&cancel(id)[..], &["--json"]].concat(), REFUSED).await?;
        let told: Value = serde_json::from_str(&told)?;
        ensure!(told == json!({"error": {"code": "invalid", "message": reason}}), "{told}");
        refused_by_http(devnet, &order.id, 422, &reason).await?;
        // It is as it was.
        reach(devnet, &payment, &["broadcast"]).await?;
        ensure!(mempool(devnet).await? == [txid(&signed)?], "it is not in the mempool alone");
        let done = confirm(devnet, &payment).await?;
        let reason = format!("{} is confirmed already", txid(&done)?);
        let told = denied(devnet, &cancel(&order.id), REFUSED).await?;
        ensure!(told.contains(&reason), "{told}");
        refused_by_http(devnet, id, 422, &reason).await?;
        paid_once(devnet, &order).await?;

        let unknown = "00".repeat(32);
        for id in ["nobody-asked", &unknown] {
            let reason = format!("a payment {id} of {COMMITTEE} is not known here");
            let told = denied(devnet, &cancel(id), REFUSED).await?;
            ensure!(told.starts_with(&format!("error: {reason}\n")), "{told}");
            refused_by_http(devnet, id, 404, &reason).await?;
        }
        let elsewhere = ["committee", "cancel", "nobody", "--id", &order.id, "--json"];
        let told: Value = serde_json::from_str(&denied(devnet, &elsewhere, REFUSED).await?)?;
        ensure!(told["error"]["code"] == "not_found", "{told}");
        never_paid(devnet, &dear).await
    })
    .await
}

/// Three of four sign. Two have agreed to a payment that the others refuse, so only two are left for
/// another one from the same coin.
#[tokio::test]
async fn coin_of_a_payment_that_some_agreed_to__should_be_had_back_and_paid_from() -> Result<()> {
    let options = DevnetOptions { members: 4, threshold: 3, ..DevnetOptions::default() };
    let mut devnet = Devnet::prepare(&options).await?;
    for member in &devnet.committee[2..] {
        member.configure(&[format!("committee.max_payment_sats = {}", COIN / 2)])?;
    }
    devnet.start_nodes().await?;
    play(devnet, async |devnet| {
        funded(devnet, 1).await?;
        let order = Order::new(1, COIN - COIN / 4);
        let payment = pay(devnet, &order).await?;
        let stuck = wait::until("two members to refuse", PATIENCE, async || {
            let now = look(devnet, &payment).await?;
            Ok(now["note"].is_string().then_some(now))
        })
        .await?;
        let coin = text(&stuck, "anchor")?;
        let release = ["committee", "release", COMMITTEE, coin];
        let busy = denied(devnet, &release, REFUSED).await?;
        ensure!(busy.contains("spends") && busy.contains("cancel that one first"), "{busy}");

        let cancelled = cancel_by_http(devnet, &order.id).await?;
        let note = text(&cancelled, "note")?;
        ensure!(note.contains("too few are left") && note.contains(coin), "{cancelled}");
        devnet.coordinator.kill()?;
        devnet.coordinator.restart().await?;
        online(devnet, devnet.committee.len()).await?;
        let money = wallet(devnet).await?;
        ensure!(number(&money["bound_sats"]) == COIN, "{money}");
        ensure!(number(&money["spendable_sats"]) == 0, "{money}");
        let coins = told(devnet, &["committee", "coins", COMMITTEE]).await?;
        ensure!(coins.contains("bound") && coins.contains(coin), "{coins}");
        let other = Order::new(2, COIN / 3);
        let waiting = pay(devnet, &other).await?;
        reach(devnet, &waiting, &["waiting"]).await?;

        let released = devnet.coordinator.command(&release).await?;
        let again = devnet.coordinator.command(&release).await?;
        ensure!(again["payment"] == released["payment"], "{again} is not {released}");
        let released = confirm(devnet, &released).await?;
        ensure!(released["anchor"] == coin, "{released}");
        let made = confirm(devnet, &waiting).await?;
        ensure!(made["anchor"] != coin && made["anchor"].is_string(), "{made}");
        ensure!(number(&wallet(devnet).await?["bound_sats"]) == 0, "it is still bound");
        paid_once(devnet, &other).await?;
        never_paid(devnet, &order).await?;
        let cancelled = look(devnet, &payment).await?;
        let spent = format!("{} at height", txid(&released)?);
        ensure!(text(&cancelled, "note")?.contains(&spent), "{cancelled}");

        let nowhere = text(&made, "anchor")?.replace(':', ":9");
        let gone = ["committee", "release", COMMITTEE, &nowhere];
        let gone = denied(devnet, &gone, REFUSED).await?;
        ensure!(gone.contains("is not known here"), "{gone}");
        Ok(())
    })
    .await
}
