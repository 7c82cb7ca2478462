//! An unbonding whose fixed fee is too low for the mempool.

use std::time::Duration;

use eyre::{Result, ensure};
use trestle_devnet::wait;

use crate::support::{active, ask, phase, play, small};

/// Twice the time after which a refused unbonding is sent again, and some.
const AGAIN: Duration = Duration::from_secs(150);

/// Nobody can raise its fee: it is shown with what it pays and what is asked, is sent again, and
/// goes through when the mempool takes it.
#[tokio::test]
async fn unbonding__should_be_shown_stuck_while_fees_are_high_and_go_through_after() -> Result<()> {
    play(&small(), async |net| {
        let (staker, stake) = active(net, 2).await?;
        net.bitcoind.flush().await?;
        // 20 sat/vB, where the unbonding pays about three.
        net.bitcoind.restart_with(&["-minrelaytxfee=0.0002"]).await?;
        net.coordinator.wait_ready().await?;
        let unbonding = ask(net, &staker, &stake).await?;

        let shown = phase(net, &stake, "stuck").await?;

        let rate = |name: &str| shown[name].as_u64().unwrap_or_default();
        let (pays, asked) = (rate("fee_rate_sat_per_kvb"), rate("minimum_fee_rate_sat_per_kvb"));
        ensure!((1_000..10_000).contains(&pays), "it pays {pays}: {shown}");
        ensure!(asked > pays, "{asked} is asked: {shown}");
        net.state(stake.outpoint.txid, "unbonding_requested").await?;
        net.bitcoind.restart_with(&[]).await?;
        // It is sent again once a minute.
        wait::until("the unbonding to be sent again", AGAIN, async || {
            Ok(net.bitcoind.transaction(unbonding).await.is_ok().then_some(()))
        })
        .await?;
        net.mine(2).await?;
        net.state(stake.outpoint.txid, "unbonding").await?;
        Ok(())
    })
    .await
}
