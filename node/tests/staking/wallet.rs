//! A member that signs with an offline wallet.

use eyre::{OptionExt as _, Result, ensure};
use trestle_devnet::network::staking::StakingOptions;

use crate::support::{active, ask, phase, play, signatures, unready};

/// Both members are needed, and one's wallet is locked: the request waits for its operator.
#[tokio::test]
async fn unbonding__should_wait_for_a_wallet_that_is_locked() -> Result<()> {
    let options = StakingOptions { members: 2, quorum: 2, ..StakingOptions::default() };
    play(&options, async |net| {
        let (staker, stake) = active(net, 2).await?;
        let wallet = net.wallet.as_ref().ok_or_eyre("a wallet")?;
        wallet.lock().await?;
        let unbonding = ask(net, &staker, &stake).await?;
        signatures(net, &stake, 1).await?;
        unready(&net.members[1], "covenant_wallet").await?;
        let refused = net.members[1].metrics().await?.sum("signer_failed_signing_requests");
        ensure!(refused >= 1.0, "{refused} refusals");
        phase(net, &stake, "collecting").await?;

        wallet.unlock().await?;

        net.seen(unbonding).await?;
        net.mine(2).await?;
        net.state(stake.outpoint.txid, "unbonding").await?;
        net.members[1].wait_ready().await?;
        Ok(())
    })
    .await
}
