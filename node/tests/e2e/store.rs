//! Where state is kept: PostgreSQL, a full disk, an old copy.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use eyre::{Result, ensure};
use serde_json::Value;
use trestle_devnet::{
    Postgres,
    network::{Devnet, DevnetOptions},
    wait,
};

use crate::support::{
    COIN, Order, confirm, fund, funded, look, online, paid_once, pay, play, reach, settle, unready,
};

#[tokio::test]
async fn coordinator__should_keep_its_state_in_postgresql() -> Result<()> {
    let postgres = Postgres::start().await?;
    let mut options = DevnetOptions::default();
    let url = postgres.create_database("coordinator")?;
    options.coordinator_settings.push(format!("store.url = {url:?}"));
    let devnet = Devnet::start(&options).await?;
    play(devnet, async |devnet| {
        let address = funded(devnet, 1).await?;
        let first = Order::new(1, COIN / 2);
        let payment = pay(devnet, &first).await?;
        devnet.coordinator.kill()?;
        devnet.coordinator.restart().await?;
        confirm(devnet, &payment).await?;
        fund(devnet, &address, 1).await?;
        let second = Order::new(2, COIN / 2);
        settle(devnet, &second).await?;
        ensure!(!devnet.coordinator.data().join("trestle.sqlite").exists(), "there is a file too");
        paid_once(devnet, &first).await?;
        paid_once(devnet, &second).await
    })
    .await
}

/// A disk of a few megabytes, or none where mounting one is not permitted.
struct SmallDisk {
    dir: tempfile::TempDir,
}

impl SmallDisk {
    fn mount() -> Result<Option<Self>> {
        let dir = tempfile::tempdir()?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=16m", "trestle-test"]).arg(dir.path());
        let status = mount.stderr(Stdio::null()).status();
        Ok(status.is_ok_and(|status| status.success()).then_some(Self { dir }))
    }

    fn ballast(&self) -> std::path::PathBuf {
        self.dir.path().join("ballast")
    }

    /// Leaves not one free page.
    fn fill(&self) -> Result<()> {
        let mut ballast = fs::File::create(self.ballast())?;
        while ballast.write_all(&[0; 4096]).is_ok() {}
        Ok(())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the node that uses it may outlive this by a moment.
        let _ = Command::new("umount").arg("--lazy").arg(self.dir.path()).status();
    }
}

/// A network whose first member has its store on a small disk.
async fn on_a_small_disk() -> Result<Option<(Devnet, SmallDisk)>> {
    let Some(disk) = SmallDisk::mount()? else {
        writeln!(std::io::stderr(), "SKIPPED: mounting a small disk is not permitted")?;
        return Ok(None);
    };
    let devnet = Devnet::prepare(&DevnetOptions::default()).await?;
    let url = format!("sqlite:{}", disk.dir.path().join("trestle.sqlite").display());
    devnet.committee[0].configure(&[format!("store.url = {url:?}")])?;
    Ok(Some((devnet, disk)))
}

/// Longest time until people see why a payment waits: not the time that a session has.
const TOLD: Duration = Duration::from_secs(20);

/// Waits until a payment's note has this in it.
async fn noted(devnet: &Devnet, payment: &Value, why: &str) -> Result<()> {
    let mut last = Value::Null;
    let what = format!("the payment's note to say {why:?}");
    let noted = wait::until(&what, TOLD, async || {
        last = look(devnet, payment).await?;
        Ok(last["note"].as_str().is_some_and(|note| note.contains(why)).then_some(()))
    });
    let noted = noted.await;
    noted.map_err(|error| error.wrap_err(format!("the payment is {last}")))
}

#[tokio::test]
async fn member__should_stop_signing_while_its_disk_is_full() -> Result<()> {
    let Some((mut devnet, disk)) = on_a_small_disk().await? else { return Ok(()) };
    devnet.start_nodes().await?;
    play(devnet, async |devnet| {
        funded(devnet, 4).await?;
        // From here on the first member is needed.
        devnet.committee[2].kill()?;
        settle(devnet, &Order::new(1, COIN / 2)).await?;

        disk.fill()?;
        let order = Order::new(2, COIN / 2);
        let payment = pay(devnet, &order).await?;
        noted(devnet, &payment, "disk is full").await?;
        unready(&devnet.committee[0], "committee", "disk is full").await?;
        let now = reach(devnet, &payment, &["signing"]).await?;
        ensure!(now["versions"].as_array().is_some_and(Vec::is_empty), "{now}");

        fs::remove_file(disk.ballast())?;
        devnet.committee[0].wait_ready().await?;
        confirm(devnet, &payment).await?;
        paid_once(devnet, &order).await
    })
    .await
}

#[tokio::test]
async fn node_that_is_started_on_a_full_disk__should_end_and_say_so() -> Result<()> {
    let Some((mut devnet, disk)) = on_a_small_disk().await? else { return Ok(()) };
    devnet.start_nodes().await?;
    play(devnet, async |devnet| {
        let member = &mut devnet.committee[0];
        member.stop().await?;
        disk.fill()?;
        member.start()?;
        let ended = member.wait_end().await?;
        let log = member.logged();
        let said = log.lines().last().unwrap_or_default();
        ensure!(
            !ended.success() && said.contains("is the disk full?"),
            "{ended}, and it says {said}"
        );

        fs::remove_file(disk.ballast())?;
        member.restart().await
    })
    .await
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status()?;
    ensure!(done.success(), "cp: {done}");
    Ok(())
}

#[tokio::test]
async fn member__should_refuse_to_sign_with_an_old_copy_of_its_data() -> Result<()> {
    let devnet = Devnet::start(&DevnetOptions::default()).await?;
    play(devnet, async |devnet| {
        funded(devnet, 4).await?;
        let (data, old) = (devnet.committee[0].data(), devnet.folder().join("old"));
        devnet.committee[0].stop().await?;
        copy(&data, &old)?;
        devnet.committee[0].restart().await?;
        online(devnet, 3).await?;
        // Without the third member, the first one signs.
        devnet.committee[2].kill()?;
        settle(devnet, &Order::new(1, COIN / 2)).await?;

        devnet.committee[0].stop().await?;
        fs::remove_dir_all(&data)?;
        copy(&old, &data)?;
        devnet.committee[0].start()?;

        unready(&devnet.committee[0], "committee", "older than what it has signed").await?;
        let order = Order::new(2, COIN / 2);
        let payment = pay(devnet, &order).await?;
        let stuck = reach(devnet, &payment, &["signing"]).await?;
        ensure!(stuck["versions"].as_array().is_some_and(Vec::is_empty), "{stuck}");
        // With the third member back there are two that sign.
        devnet.committee[2].restart().await?;
        confirm(devnet, &payment).await?;
        let signed = devnet.committee[0].metrics().await?;
        let signed = signed.sum("trestle_committee_signed_messages_total");
        ensure!(signed.to_string() == "0", "it signed {signed} messages");
        paid_once(devnet, &order).await
    })
    .await
}
