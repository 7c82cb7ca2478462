//! Processes that are killed while a stake is unbonded.

use eyre::{Result, ensure};

use crate::support::{active, ask, play, small, told};

/// Nobody is left to sign when the request is accepted; then the coordinator goes as well, again
/// and again. The unbonding is told once all the same.
#[tokio::test]
async fn unbonding__should_go_through_although_everybody_is_killed_on_the_way() -> Result<()> {
    play(&small(), async |net| {
        let (staker, stake) = active(net, 2).await?;
        let txid = stake.outpoint.txid;
        for member in &mut net.members {
            member.kill()?;
        }
        let unbonding = ask(net, &staker, &stake).await?;
        net.coordinator.kill()?;
        net.coordinator.start()?;
        net.state(txid, "unbonding_requested").await?;

        for member in &mut net.members[..2] {
            member.restart().await?;
        }
        net.seen(unbonding).await?;
        net.coordinator.kill()?;
        net.bitcoind.mine(1).await?;
        net.coordinator.start()?;
        net.state(txid, "unbonding_requested").await?;
        net.synced().await?;
        net.coordinator.kill()?;
        net.bitcoind.mine(1).await?;
        net.coordinator.start()?;
        let shown = net.state(txid, "unbonding").await?;
        ensure!(shown["unbonding_tx"]["start_height"].as_u64().is_some(), "{shown}");
        net.mine(1).await?;
        net.state(txid, "unbonded").await?;

        let told = told(net, txid).await?;
        let expected = [("active", false), ("unbonding", false), ("expired", false)];
        ensure!(told == expected, "{told:?}");
        // Whoever was away the whole time comes back to nothing that is owed.
        net.members[2].restart().await?;
        Ok(())
    })
    .await
}

/// A signature that a member gave once is given again after it was killed, byte for byte: the
/// quorum comes together from before and after.
#[tokio::test]
async fn members__should_sign_after_they_were_killed_one_after_another() -> Result<()> {
    play(&small(), async |net| {
        let (staker, stake) = active(net, 2).await?;
        net.members[1].kill()?;
        net.members[2].kill()?;
        let unbonding = ask(net, &staker, &stake).await?;
        let request = crate::support::phase(net, &stake, "collecting").await?;
        ensure!(request["quorum"] == 2, "{request}");
        crate::support::signatures(net, &stake, 1).await?;
        net.members[0].kill()?;
        net.coordinator.kill()?;
        net.coordinator.start()?;
        crate::support::signatures(net, &stake, 1).await?;
        net.members[1].restart().await?;
        net.seen(unbonding).await?;
        net.mine(2).await?;
        net.state(stake.outpoint.txid, "unbonding").await?;
        Ok(())
    })
    .await
}
