//! Texts signed by the committee (BIP-322), judged by verifiers that are not ours.

use std::{io::Write as _, path::PathBuf, process::Command};

use bip322::verify_simple_encoded;
use bitcoin::{Address, Network};
use eyre::{Context as _, Result, ensure};
use trestle_devnet::{
    network::{COMMITTEE, Devnet, DevnetOptions},
    npm,
};

use crate::support::{address, make_key, play};

const PREFIX: &str = "trestle: ";

#[tokio::test]
async fn text__should_be_signed_where_members_allow_it_and_verify_elsewhere() -> Result<()> {
    let mut options = DevnetOptions::default();
    options.member_settings.push(format!("committee.text_prefixes = [{PREFIX:?}]"));
    let devnet = Devnet::start(&options).await?;
    play(devnet, async |devnet| {
        let key = make_key(devnet).await?;
        let text = format!("{PREFIX}we hold {key}");
        let signed = ["committee", "sign", COMMITTEE, "--text", &text];
        let signed = devnet.coordinator.command(&signed).await?;
        let signature = signed["signature"].as_str().unwrap_or_default();
        ensure!(address(&signed["address"])? == key, "{signed}");

        // A signature of a text is over the script, whatever network the address is written for.
        let mainnet = Address::from_script(&key.script_pubkey(), Network::Bitcoin)?.to_string();
        let verdict = verify_simple_encoded(&mainnet, &text, signature);
        ensure!(verdict.is_ok(), "the crate bip322 says {verdict:?} of {signed}");
        let other = format!("{text}!");
        ensure!(verify_simple_encoded(&mainnet, &other, signature).is_err(), "another text");
        match javascript()? {
            Some(folder) => {
                ensure!(judge(&folder, &mainnet, &text, signature)? == "true", "{signed}");
                ensure!(judge(&folder, &mainnet, &other, signature)? != "true", "another text");
            }
            None => writeln!(std::io::stderr(), "SKIPPED the check by bip322-js: no npm")?,
        }
        let own = ["committee", "verify", "--address", &key.to_string(), "--text", &text];
        let own = [&own[..], &["--signature", signature]].concat();
        let verified = Command::new(env!("CARGO_BIN_EXE_trestle")).args(own).output()?;
        ensure!(verified.status.success(), "{verified:?}");

        let refused = ["committee", "sign", COMMITTEE, "--text", "pay everything"];
        let refused = devnet.coordinator.command(&refused).await;
        let refused = refused.err().map(|error| error.to_string()).unwrap_or_default();
        ensure!(refused.contains("text_prefixes"), "{refused}");
        ensure!(refused.contains("exit status: 3"), "{refused}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn text__should_not_be_signed_unless_members_are_told_to() -> Result<()> {
    let devnet = Devnet::start(&DevnetOptions::default()).await?;
    play(devnet, async |devnet| {
        make_key(devnet).await?;
        let refused = ["committee", "sign", COMMITTEE, "--text", "trestle: hello"];
        let refused = devnet.coordinator.command(&refused).await;
        let refused = refused.err().map(|error| error.to_string()).unwrap_or_default();
        ensure!(refused.contains("text_prefixes"), "{refused}");
        Ok(())
    })
    .await
}

/// bip322-js in the user's cache; `None` without npm.
fn javascript() -> Result<Option<PathBuf>> {
    let files = [
        ("package.json", include_str!("npm/package.json")),
        ("package-lock.json", include_str!("npm/package-lock.json")),
        ("verify.cjs", include_str!("npm/verify.cjs")),
    ];
    npm::install("bip322-js-3.0.0", &files)
}

fn judge(folder: &PathBuf, address: &str, text: &str, signature: &str) -> Result<String> {
    let mut node = Command::new("node");
    node.arg("verify.cjs").args([address, text, signature]).current_dir(folder);
    let done = node.output().wrap_err("cannot run node")?;
    Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
}
