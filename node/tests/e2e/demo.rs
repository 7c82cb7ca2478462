//! `trestle devnet demo`, as a person runs it.

use std::{fs, path::Path, process::Stdio, time::Duration};

use bitcoin::Txid;
use eyre::{Context as _, Result, ensure, eyre};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::Command,
    time::timeout,
};

const LIMIT: Duration = Duration::from_secs(60);

fn demo(temporary: &Path) -> Command {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_trestle"));
    demo.args(["devnet", "demo"]).env("TMPDIR", temporary).kill_on_drop(true);
    demo.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    demo
}

fn left_behind(temporary: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(temporary)?.collect::<Result<Vec<_>, _>>()?;
    let names = entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
    Ok(names.filter(|name| name.starts_with("trestle-devnet-")).collect())
}

#[tokio::test]
async fn demo__should_end_with_one_line_of_json_and_leave_nothing() -> Result<()> {
    let temporary = tempfile::tempdir()?;

    let done = timeout(LIMIT, demo(temporary.path()).output()).await.wrap_err("no end")??;

    let told = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "{}: {told}", done.status);
    let answer = String::from_utf8(done.stdout)?;
    let line = answer.lines().last().ok_or_else(|| eyre!("no answer"))?;
    let answer: Value = serde_json::from_str(line)?;
    ensure!(answer["ok"] == true, "{answer}");
    ensure!(answer["address"].as_str().is_some_and(|text| text.starts_with("bcrt1p")), "{answer}");
    ensure!(
        answer["dkg_ms"].as_u64() > Some(0) && answer["sign_ms"].as_u64().is_some(),
        "{answer}"
    );
    let txids: Vec<Txid> = serde_json::from_value(answer["txids"].clone())?;
    ensure!(txids.len() == 3, "{answer}");
    for step in ["discovery", "dkg", "fund", "pay", "kill", "return", "metrics"] {
        ensure!(told.contains(&format!("  {step}: ")), "the step {step} is not in\n{told}");
    }
    let left = left_behind(temporary.path())?;
    ensure!(left.is_empty(), "{left:?}");
    Ok(())
}

#[tokio::test]
async fn demo__should_leave_nothing_when_it_is_told_to_stop() -> Result<()> {
    let temporary = tempfile::tempdir()?;
    let mut child = demo(temporary.path()).spawn()?;
    let told = child.stderr.take().ok_or_else(|| eyre!("not piped"))?;
    let mut told = BufReader::new(told).lines();
    // Everything runs by then.
    while let Some(line) = timeout(LIMIT, told.next_line()).await?? {
        if line.contains("dkg: ") {
            break;
        }
    }
    ensure!(!left_behind(temporary.path())?.is_empty(), "nothing runs yet");

    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    let pid = pid.and_then(rustix::process::Pid::from_raw).ok_or_else(|| eyre!("it has ended"))?;
    rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;

    let status = timeout(LIMIT, child.wait()).await??;
    ensure!(status.code() == Some(128 + 15), "{status}");
    let mut answer = String::new();
    let mut stdout = child.stdout.take().ok_or_else(|| eyre!("not piped"))?;
    stdout.read_to_string(&mut answer).await?;
    let answer: Value = serde_json::from_str(answer.trim())?;
    ensure!(answer["ok"] == false && answer["step"] == "dkg", "{answer}");
    ensure!(answer["error"] == "interrupted by a signal", "{answer}");
    let left = left_behind(temporary.path())?;
    ensure!(left.is_empty(), "{left:?}");
    Ok(())
}
