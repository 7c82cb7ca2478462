//! A chain that turns, and a bitcoind that goes and comes.

use eyre::{Result, ensure};
use trestle_devnet::network::staking::DEPTH;

use crate::support::{active, ask, play, small, stake, told};

/// What the coordinator missed is deeper than what it holds as unconfirmed: it undoes what was
/// confirmed, says so, and goes on.
#[tokio::test]
async fn index__should_undo_a_deep_reorganisation_that_it_slept_through() -> Result<()> {
    play(&small(), async |net| {
        let (_, kept) = active(net, 1).await?;
        net.mine(1).await?;
        let (_, moved) = active(net, 2).await?;
        let txid = moved.outpoint.txid;
        let before = net.delegation(txid).await?;
        for member in &net.members {
            net.followed(member).await?;
        }
        net.coordinator.kill()?;
        // Its blocks come again without it.
        net.bitcoind.reorg_empty(DEPTH + 1).await?;

        net.coordinator.start()?;
        net.coordinator.wait_ready().await?;
        net.synced().await?;
        ensure!(net.delegation(txid).await?.is_none(), "it was {before:?}");
        let stats = net.stats().await?;
        ensure!(stats["active_delegations"] == 1, "{stats}");
        net.state(kept.outpoint.txid, "active").await?;
        let metrics = net.coordinator.metrics().await?;
        ensure!(metrics.sum("si_major_reorgs_counter") >= 1.0, "not counted");
        ensure!(metrics.sum("trestle_staking_reverted_total") >= 1.0, "not counted");

        net.mine(2).await?;
        let after = net.state(txid, "active").await?;
        let height = |shown: &serde_json::Value| shown["staking_tx"]["start_height"].as_u64();
        ensure!(height(&after) > before.as_ref().and_then(height), "{before:?} {after}");
        let told = told(net, txid).await?;
        ensure!(told == [("active", false), ("active", true), ("active", false)], "{told:?}");
        for member in &net.members {
            net.followed(member).await?;
            let undone = member.metrics().await?.sum("trestle_staking_undone_blocks_total");
            ensure!(undone >= 3.0, "{} has undone {undone} blocks", member.name());
        }
        Ok(())
    })
    .await
}

/// The same blocks with the same stakes: nobody is told anything twice.
#[tokio::test]
async fn index__should_tell_nothing_new_of_a_stake_that_stays_where_it_was() -> Result<()> {
    play(&small(), async |net| {
        let (_, stake) = stake(net, 2).await?;
        net.mine(1).await?;
        net.mine(2).await?;
        net.state(stake.outpoint.txid, "active").await?;
        // The blocks after it only, which counted already.
        net.bitcoind.reorg(2).await?;
        net.synced().await?;
        net.mine(1).await?;
        net.state(stake.outpoint.txid, "active").await?;
        let told = told(net, stake.outpoint.txid).await?;
        ensure!(told == [("active", false)], "{told:?}");
        Ok(())
    })
    .await
}

/// A request whose stake moves is kept and goes through at the new place.
#[tokio::test]
async fn unbonding__should_survive_a_reorganisation_that_moves_its_stake() -> Result<()> {
    play(&small(), async |net| {
        let (staker, stake) = active(net, 2).await?;
        let txid = stake.outpoint.txid;
        for member in &mut net.members {
            member.kill()?;
        }
        let unbonding = ask(net, &staker, &stake).await?;
        net.bitcoind.reorg_empty(3).await?;
        net.synced().await?;
        ensure!(net.delegation(txid).await?.is_none(), "it has left the chain");
        net.mine(2).await?;
        net.state(txid, "unbonding_requested").await?;
        for member in &mut net.members {
            member.restart().await?;
        }
        net.seen(unbonding).await?;
        net.mine(2).await?;
        net.state(txid, "unbonding").await?;
        Ok(())
    })
    .await
}

/// Everybody waits for bitcoind, says so, and goes on by itself.
#[tokio::test]
async fn nodes__should_go_on_after_bitcoind_was_away() -> Result<()> {
    play(&small(), async |net| {
        let (staker, first) = active(net, 2).await?;
        net.bitcoind.flush().await?;
        net.bitcoind.stop().await?;
        crate::support::unready(&net.coordinator, "bitcoind").await?;
        // Indexed stakes are still shown.
        net.state(first.outpoint.txid, "active").await?;
        net.bitcoind.restart().await?;
        net.coordinator.wait_ready().await?;
        for member in &mut net.members {
            member.wait_ready().await?;
        }
        let unbonding = ask(net, &staker, &first).await?;
        net.seen(unbonding).await?;
        let (_, second) = stake(net, 1).await?;
        net.mine(2).await?;
        net.state(second.outpoint.txid, "active").await?;
        net.state(first.outpoint.txid, "unbonding").await?;
        Ok(())
    })
    .await
}
