//! What btc-staking-ts builds: one process of Node.js for all cases.

use std::{
    fs::File,
    io::Write as _,
    process::{Command, Stdio},
};

use serde::Deserialize;
use trestle_devnet::npm;

use crate::case::Case;

const FILES: [(&str, &str); 3] = [
    ("package.json", include_str!("npm/package.json")),
    ("package-lock.json", include_str!("npm/package-lock.json")),
    ("build.mjs", include_str!("npm/build.mjs")),
];

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Scripts {
    pub(crate) timelock: String,
    pub(crate) unbonding: String,
    pub(crate) slashing: String,
    pub(crate) unbonding_timelock: String,
    pub(crate) data: String,
}

/// Transactions as hex. Fees are what the other library chose; we have no estimate of our own for
/// stakes, and are told.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Built {
    pub(crate) scripts: Scripts,
    pub(crate) staking: String,
    pub(crate) staking_fee: u64,
    pub(crate) unbonding: String,
    pub(crate) unbonding_signed: String,
    pub(crate) withdrawal: String,
    pub(crate) withdrawal_fee: u64,
    pub(crate) withdrawal_signed: String,
    pub(crate) early: String,
    pub(crate) early_fee: u64,
    pub(crate) early_signed: String,
    pub(crate) slashing: String,
    pub(crate) slashing_of_unbonding: String,
}

/// `None` without npm.
pub(crate) fn build(cases: &[Case]) -> Option<Vec<Built>> {
    let folder =
        npm::install("btc-staking-ts-0.3.0", &FILES).expect("npm installs the packages")?;
    let lines = tempfile::tempdir().expect("there is a folder for temporary files");
    let path = lines.path().join("cases");
    let mut file = File::create(&path).expect("the folder is ours");
    for case in cases {
        let line = serde_json::to_string(case).expect("a case is JSON");
        writeln!(file, "{line}").expect("there is room");
    }
    let input = File::open(&path).expect("it was just written");
    let mut node = Command::new("node");
    node.arg("build.mjs").current_dir(folder).stdin(input).stderr(Stdio::inherit());
    let done = node.output().expect("node is where npm is");
    assert!(done.status.success(), "node: {}", done.status);
    let text = String::from_utf8(done.stdout).expect("JSON is UTF-8");
    let read = |(number, line): (usize, &str)| {
        serde_json::from_str(line).unwrap_or_else(|_| panic!("case {number}: {line}"))
    };
    Some(text.lines().enumerate().map(read).collect())
}
