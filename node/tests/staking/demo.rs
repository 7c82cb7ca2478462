//! `trestle devnet demo staking`, as a person runs it.

use std::{fs, path::Path, process::Stdio, time::Duration};

use eyre::{Context as _, Result, ensure, eyre};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
    time::timeout,
};

const LIMIT: Duration = Duration::from_secs(200);

fn demo(temporary: &Path, arguments: &[&str]) -> Command {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_trestle"));
    demo.args(["devnet", "demo", "staking"]).args(arguments);
    demo.env("TMPDIR", temporary).kill_on_drop(true);
    demo.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    demo
}

/// A folder that servers under other accounts may enter.
fn temporary() -> Result<tempfile::TempDir> {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    Ok(folder)
}

fn left_behind(temporary: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(temporary)?.collect::<Result<Vec<_>, _>>()?;
    let names = entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
    Ok(names.filter(|name| name.starts_with("trestle-devnet-")).collect())
}

/// Plays it to its end. Gives the answer in the last line.
async fn played(arguments: &[&str]) -> Result<Value> {
    let temporary = temporary()?;
    let done = timeout(LIMIT, demo(temporary.path(), arguments).output()).await;
    let done = done.wrap_err("no end")??;
    let told = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "{}: {told}", done.status);
    let answer = String::from_utf8(done.stdout)?;
    let line = answer.lines().last().ok_or_else(|| eyre!("no answer"))?;
    let answer: Value = serde_json::from_str(line)?;
    ensure!(answer["ok"] == true && answer["scenarios"] == 7, "{answer}");
    for number in 1..=7 {
        ensure!(told.contains(&format!("  {number} ")), "no scenario {number} in\n{told}");
    }
    let left = left_behind(temporary.path())?;
    ensure!(left.is_empty(), "{left:?}");
    Ok(answer)
}

#[tokio::test]
async fn staking_demo__should_play_seven_scenarios_twice_and_beside_another() -> Result<()> {
    let (one, other) = tokio::try_join!(played(&[]), played(&[]))?;
    ensure!(one["stack"] == "embedded" && one["messages"].is_null(), "{one}");
    ensure!(one["events"] == other["events"], "{one} and {other}");
    let again = played(&[]).await?;
    ensure!(one["events"] == again["events"], "{one} and {again}");
    Ok(())
}

#[tokio::test]
async fn staking_demo__should_play_them_on_postgresql_and_rabbitmq() -> Result<()> {
    let answer = played(&["--stack", "full"]).await?;
    ensure!(answer["stack"] == "full", "{answer}");
    ensure!(answer["messages"].as_u64() > Some(0), "{answer}");
    Ok(())
}

#[tokio::test]
async fn staking_demo__should_leave_nothing_when_it_is_told_to_stop() -> Result<()> {
    let temporary = temporary()?;
    let mut child = demo(temporary.path(), &["--stack", "full"]).spawn()?;
    let told = child.stderr.take().ok_or_else(|| eyre!("not piped"))?;
    let mut told = BufReader::new(told).lines();
    // Everything runs by then.
    while let Some(line) = timeout(LIMIT, told.next_line()).await?? {
        if line.contains("2 cap: ") {
            break;
        }
    }
    ensure!(!left_behind(temporary.path())?.is_empty(), "nothing runs yet");

    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    let pid = pid.and_then(rustix::process::Pid::from_raw).ok_or_else(|| eyre!("it has ended"))?;
    rustix::process::kill_process(pid, rustix::process::Signal::INT)?;

    let status = timeout(LIMIT, child.wait()).await??;
    ensure!(status.code() == Some(128 + 2), "{status}");
    let left = left_behind(temporary.path())?;
    ensure!(left.is_empty(), "{left:?}");
    Ok(())
}
