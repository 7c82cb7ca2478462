//! The seven scenarios. With a confirmation depth of 2, what a block holds counts at the next one.

use bitcoin::{Amount, Txid};
use eyre::{Result, ensure, eyre};
use trestle_devnet::{
    Bitcoind,
    network::staking::{FIRST_ACTIVATION, SECOND_ACTIVATION, Staker, UNBONDING_TIME},
    wait,
};
use trestle_staking::Stake;

use super::checks::{BTC, Stage};
use crate::cli::devnet::story::PATIENCE;

/// Of a withdrawal.
const FEE: Amount = Amount::from_sat(1_000);

/// What later scenarios need of earlier ones.
struct Stakes {
    two: Stake,
}

/// Plays them in order.
pub(super) async fn play(stage: &mut Stage<'_, '_>) -> Result<()> {
    stage.height = stage.net.bitcoind.height().await?;
    let early = too_early(stage).await?;
    let stakes = cap(stage, &early).await?;
    unbond(stage, &stakes).await?;
    withdraw(stage, &stakes).await?;
    next_version(stage).await?;
    expire(stage).await?;
    reorganise(stage).await
}

impl Stage<'_, '_> {
    fn done(&mut self, scenario: u8) {
        self.finished.push(scenario);
    }
}

async fn too_early(stage: &mut Stage<'_, '_>) -> Result<Stake> {
    stage.teller.step("1 too early", "a stake before the first activation height is disregarded");
    let first = stage.version(0)?;
    let stake = stage.stake("too early", 6.0, 1_000, &first).await?;
    stage.mine(2).await?;
    nothing(stage, &stake).await?;
    stage.tell("the stake is in a block, and nothing is known of it");
    stage.to(FIRST_ACTIVATION - 1).await?;
    stage.done(1);
    Ok(stake)
}

async fn nothing(stage: &Stage<'_, '_>, stake: &Stake) -> Result<()> {
    stage.unknown(stake.outpoint.txid).await?;
    stage.metric("si_total_staking_txs{tx_type=\"active\"}", 0).await?;
    stage.metric("si_total_staking_txs{tx_type=\"overflow\"}", 0).await?;
    stage.count(0, 0).await
}

async fn cap(stage: &mut Stage<'_, '_>, early: &Stake) -> Result<Stakes> {
    stage.teller.step("2 cap", "2 and 8 BTC fill the cap of 10 BTC, the next stake is above it");
    let params = stage.version(0)?;
    let two = stage.stake("two", 2.0, 1_000, &params).await?;
    let eight = stage.stake("eight", 8.0, 1_000, &params).await?;
    stage.mine(1).await?;
    ensure!(stage.height == FIRST_ACTIVATION, "at {}", stage.height);
    // The index has begun, and what came before never counts.
    nothing(stage, early).await?;
    stage.locked(0, 0, 10 * BTC).await?;
    stage.unknown(two.outpoint.txid).await?;
    let third = stage.stake("above the cap", 1.0, 1_000, &params).await?;
    stage.mine(1).await?;
    for stake in [&two, &eight] {
        stage.is(stake, "active", false).await?;
    }
    stage.unknown(third.outpoint.txid).await?;
    stage.mine(1).await?;
    stage.is(&third, "active", true).await?;
    stage.count(2, 2).await?;
    stage.locked(10 * BTC, 10 * BTC, 10 * BTC).await?;
    stage.metric("si_total_staking_txs{tx_type=\"active\"}", 2).await?;
    stage.metric("si_total_staking_txs{tx_type=\"overflow\"}", 1).await?;
    stage.done(2);
    Ok(Stakes { two })
}

async fn unbond(stage: &mut Stage<'_, '_>, stakes: &Stakes) -> Result<()> {
    stage.teller.step("3 unbonding", "on-demand unbonding opens the cap for a new stake");
    let params = stage.version(0)?;
    let two = &stakes.two;
    ask(stage, two).await?;
    let unbonding = Staker::unbonding(two, &params)?.compute_txid();
    stage.net.seen(unbonding).await?;
    quorum(stage, unbonding).await?;
    stage.mine(1).await?;
    let included = stage.height;
    // In a block, but not confirmed.
    stage.is(two, "unbonding_requested", false).await?;
    stage.mine(1).await?;
    let shown = stage.is(two, "unbonding", false).await?;
    ensure!(shown["unbonding_tx"]["start_height"] == included, "{shown}");
    ensure!(shown["unbonding_tx"]["timelock"] == UNBONDING_TIME, "{shown}");
    stage.count(1, 2).await?;
    stage.metric("si_total_unbonding_txs", 1).await?;

    let second = stage.stake("after the unbonding", 1.0, 1_000, &params).await?;
    // Its timelock is relative to its block: with the next block the output is spendable in the one
    // after.
    let withdrawal = stage.staker.withdraw_unbonded(two, &params, FEE)?;
    let early = stage.net.refusal(&withdrawal).await?;
    ensure!(early.as_deref() == Some("non-BIP68-final"), "withdrawn too early: {early:?}");
    stage.mine(1).await?;
    ensure!(stage.height == included + UNBONDING_TIME - 1, "at {}", stage.height);
    let open = stage.net.refusal(&withdrawal).await?;
    ensure!(open.is_none(), "expected the timelock to have ended: {open:?}");
    stage.is(two, "unbonded", false).await?;
    stage.mine(1).await?;
    stage.is(&second, "active", false).await?;
    stage.count(2, 3).await?;
    stage.locked(9 * BTC, 11 * BTC, 9 * BTC).await?;
    stage.done(3);
    Ok(())
}

/// The staker's request, accepted once.
async fn ask(stage: &mut Stage<'_, '_>, stake: &Stake) -> Result<()> {
    let request = stage.staker.unbonding_request(stake, &stage.version(0)?)?;
    let (status, body) = stage.net.ask_unbonding(&request).await?;
    ensure!(status == 202 && body.is_null(), "expected 202 and null, got {status}: {body}");
    stage.is(stake, "unbonding_requested", false).await?;
    let (status, body) = stage.net.ask_unbonding(&request).await?;
    ensure!(status == 403 && body["errorCode"] == "FORBIDDEN", "asked twice: {status} {body}");
    Ok(())
}

/// Exactly the quorum signed the unbonding that bitcoind has: covenant signatures come first on the
/// stack, then the staker's, the script and the control block.
async fn quorum(stage: &Stage<'_, '_>, unbonding: Txid) -> Result<()> {
    let transaction = stage.net.bitcoind.transaction(unbonding).await?;
    let witness = transaction.input[0].witness.to_vec();
    let [covenant @ .., _, _, _] = witness.as_slice() else {
        return Err(eyre!("the witness of {unbonding} is too short"));
    };
    let signed = covenant.iter().filter(|signature| signature.len() == 64).count();
    let params = stage.version(0)?;
    ensure!(covenant.len() == params.covenant_pks.len(), "{} slots", covenant.len());
    ensure!(u32::try_from(signed)? == params.covenant.quorum(), "{signed} signatures");
    stage.tell(&format!("{signed} of {} members' signatures are in {unbonding}", covenant.len()));
    // All are asked, and the quorum does not wait for the slowest.
    for member in &stage.net.members {
        let what = format!("{} to have signed", member.name());
        wait::until(&what, PATIENCE, async || {
            let signed = member.metrics().await?.get("signer_succeeded_signing_requests");
            Ok((signed >= Some(1.0)).then_some(()))
        })
        .await?;
    }
    if stage.net.wallet.is_some() {
        stage.tell("every member signed, the one with the offline wallet as well");
    }
    Ok(())
}

async fn withdraw(stage: &mut Stage<'_, '_>, stakes: &Stakes) -> Result<()> {
    stage.teller.step("4 withdrawal", "the unbonded stake is withdrawn");
    let withdrawal = stage.staker.withdraw_unbonded(&stakes.two, &stage.version(0)?, FEE)?;
    stage.net.bitcoind.broadcast(&withdrawal).await?;
    stage.mine(2).await?;
    stage.is(&stakes.two, "withdrawn", false).await?;
    stage.count(2, 3).await?;
    stage.metric("si_total_withdraw_txs_from_unbonding", 1).await?;
    stage.done(4);
    Ok(())
}

async fn next_version(stage: &mut Stage<'_, '_>) -> Result<()> {
    stage.teller.step("5 next version", "with version 1 of the parameters 1.5 BTC are too little");
    stage.to(SECOND_ACTIVATION - 1).await?;
    let first = stage.version(0)?;
    let low = stage.stake("below the minimum", 1.5, 1_000, &first).await?;
    stage.metric("si_invalid_txs_counter{tx_type=\"unconfirmed_staking_transaction\"}", 0).await?;
    stage.mine(1).await?;
    stage.metric("si_invalid_txs_counter{tx_type=\"unconfirmed_staking_transaction\"}", 1).await?;
    stage.mine(1).await?;
    stage.metric("si_invalid_txs_counter{tx_type=\"unconfirmed_staking_transaction\"}", 1).await?;
    stage.metric("si_invalid_txs_counter{tx_type=\"confirmed_staking_transaction\"}", 1).await?;
    stage.unknown(low.outpoint.txid).await?;
    stage.count(2, 3).await?;
    stage.tell("it is counted as invalid and known as nothing else");
    stage.done(5);
    Ok(())
}

async fn expire(stage: &mut Stage<'_, '_>) -> Result<()> {
    stage.teller.step("6 expiry", "a stake of two blocks expires and is withdrawn");
    let params = stage.version(1)?;
    stage.to(SECOND_ACTIVATION + 2).await?;
    let five = stage.stake("short", 5.0, 2, &params).await?;
    stage.mine(1).await?;
    stage.locked(9 * BTC, 11 * BTC, 14 * BTC).await?;
    let withdrawal = stage.staker.withdraw(&five, &params, FEE)?;
    let early = stage.net.refusal(&withdrawal).await?;
    ensure!(early.as_deref() == Some("non-BIP68-final"), "withdrawn too early: {early:?}");
    stage.mine(1).await?;
    // Confirmed and expired with the same block; the compatible figures keep it.
    stage.is(&five, "unbonded", false).await?;
    stage.locked(14 * BTC, 16 * BTC, 14 * BTC).await?;
    stage.net.bitcoind.broadcast(&withdrawal).await?;
    stage.mine(2).await?;
    stage.is(&five, "withdrawn", false).await?;
    stage.count(3, 4).await?;
    stage.metric("si_total_withdraw_txs_from_staking", 1).await?;
    stage.done(6);
    Ok(())
}

async fn reorganise(stage: &mut Stage<'_, '_>) -> Result<()> {
    stage.teller.step("7 reorganisation", "a stake in a block that is lost counts in the next one");
    let params = stage.version(1)?;
    stage.to(SECOND_ACTIVATION + 10).await?;
    let seven = stage.stake("in a lost block", 7.0, 1_000, &params).await?;
    stage.mine(1).await?;
    stage.locked(14 * BTC, 16 * BTC, 21 * BTC).await?;
    let lost = stage.net.bitcoind.tip().await?;
    stage.net.bitcoind.invalidate(lost).await?;
    // To another address: in the same second it would be the lost block again.
    stage.net.bitcoind.mine_to(&Bitcoind::salted_address(), 1).await?;
    let tip = stage.net.bitcoind.tip().await?;
    ensure!(tip != lost, "the lost block came back");
    stage.tell(&format!("{lost} is replaced by {tip}"));
    stage.mine(1).await?;
    let shown = stage.is(&seven, "active", false).await?;
    ensure!(shown["staking_tx"]["start_height"] == SECOND_ACTIVATION + 11, "{shown}");
    stage.count(4, 5).await?;
    stage.locked(21 * BTC, 23 * BTC, 21 * BTC).await?;
    stage.metric("si_total_staking_txs{tx_type=\"active\"}", 5).await?;
    stage.metric("si_major_reorgs_counter", 0).await?;
    stage.done(7);
    Ok(())
}
