//! What a node says that cannot do the staking it is set up for.

use std::fs;

use eyre::{Result, ensure};
use trestle_devnet::network::staking::StakingNet;

use crate::support::{active, play, small};

/// Starts the coordinator, which must say that its config or its parameters cannot be used. Gives
/// what it logged.
async fn refused(net: &mut StakingNet) -> Result<String> {
    const CONFIG: Option<i32> = Some(5);
    let before = net.coordinator.logged().len();
    net.coordinator.start()?;
    let status = net.coordinator.wait_end().await?;
    ensure!(status.code() == CONFIG, "it ended with {status}");
    Ok(net.coordinator.logged().split_off(before))
}

#[tokio::test]
async fn coordinator__should_refuse_parameters_that_change_the_past() -> Result<()> {
    play(&small(), async |net| {
        let (_, stake) = active(net, 2).await?;
        net.coordinator.stop().await?;
        let file = net.folder().join("conf/global-params.json");
        let text = fs::read_to_string(&file)?;

        fs::write(&file, text.replace("\"unbonding_fee\": 500", "\"unbonding_fee\": 600"))?;
        let said = refused(net).await?;
        ensure!(said.contains("never changed") && said.contains("global-params.json"), "{said}");

        fs::write(&file, &text)?;
        net.coordinator.start()?;
        net.coordinator.wait_ready().await?;
        net.state(stake.outpoint.txid, "active").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn coordinator__should_say_what_its_staking_section_lacks() -> Result<()> {
    play(&small(), async |net| {
        net.coordinator.stop().await?;
        let params = net.folder().join("conf/params.toml");
        let (file, config) =
            (fs::read_to_string(&params)?, fs::read_to_string(net.coordinator.config())?);

        // Listed nowhere.
        fs::write(&params, file.replace(net.coordinator.peer(), net.bootnode.peer()))?;
        let said = refused(net).await?;
        ensure!(said.contains("[staking]") && said.contains("not listed"), "{said}");

        // A broker without anything to tell it.
        fs::write(&params, &file)?;
        let settings = ["staking.enable = false", "events.amqp = \"amqp://me@127.0.0.1:1/%2f\""];
        net.coordinator.configure(&settings.map(str::to_owned))?;
        let said = refused(net).await?;
        ensure!(said.contains("events: ") && said.contains("[staking] section"), "{said}");

        fs::write(net.coordinator.config(), config)?;
        net.coordinator.start()?;
        net.coordinator.wait_ready().await
    })
    .await
}
