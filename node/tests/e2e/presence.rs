//! Which members the coordinator shows to be there.

use eyre::{Result, ensure};
use serde_json::Value;
use tokio::process::Command;
use trestle_devnet::network::{COMMITTEE, Devnet, DevnetOptions};

use crate::support::{away, committee, online, play};

/// Index and presence of each member, as the command prints them for people.
async fn printed(devnet: &Devnet) -> Result<Vec<(String, String)>> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trestle"));
    command.args(["committee", "status", COMMITTEE, "-c"]).arg(devnet.coordinator.config());
    let done = command.kill_on_drop(true).output().await?;
    ensure!(done.status.success(), "{done:?}");
    let text = String::from_utf8(done.stdout)?;
    let lines = text.lines().skip_while(|line| !line.starts_with("MEMBER"));
    let row = |line: &str| {
        let mut cells = line.split_whitespace();
        Some((cells.next()?.to_owned(), cells.nth(1)?.to_owned()))
    };
    Ok(lines.filter_map(row).collect())
}

/// Fails unless the members with these indexes, and no others, are shown to be away in every form.
async fn shows_away(devnet: &Devnet, gone: &[u64]) -> Result<()> {
    let word = |index: u64| if gone.contains(&index) { "no" } else { "yes" };
    let mut expected = vec![("MEMBER".to_owned(), "ONLINE".to_owned())];
    expected.extend((1..=3).map(|index| (index.to_string(), word(index).to_owned())));
    let table = printed(devnet).await?;
    ensure!(table == expected, "{table:?}, expected {expected:?}");

    let status = devnet.coordinator.command(&["committee", "status", COMMITTEE]).await?;
    for shown in [&status[0], &committee(devnet).await?] {
        let members = shown["members"].as_array().cloned().unwrap_or_default();
        let online = members.iter().map(|member| {
            let index = member["index"].as_u64().unwrap_or_default();
            member["live"]["online"] == Value::Bool(!gone.contains(&index))
        });
        let right = members.len() == 3 && online.into_iter().all(|right| right);
        ensure!(right, "expected {gone:?} to be away: {shown}");
    }
    Ok(())
}

#[tokio::test]
async fn member__should_be_shown_as_away_once_it_is_killed_and_as_there_when_it_is_back()
-> Result<()> {
    let devnet = Devnet::start(&DevnetOptions::default()).await?;
    play(devnet, async |devnet| {
        online(devnet, 3).await?;
        shows_away(devnet, &[]).await?;

        // Nobody asks it for anything: the lost connection alone tells.
        devnet.committee[1].kill()?;
        away(devnet, &[2]).await?;
        shows_away(devnet, &[2]).await?;
        // A coordinator that knows of it from its store alone has not heard it either.
        devnet.coordinator.restart().await?;
        online(devnet, 2).await?;
        shows_away(devnet, &[2]).await?;

        devnet.committee[1].restart().await?;
        online(devnet, 3).await?;
        shows_away(devnet, &[]).await
    })
    .await
}
