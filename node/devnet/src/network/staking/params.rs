//! The global parameters of a network on this machine: the figures of the reference demo, with the
//! covenant keys of the network's own members.

use eyre::{Context as _, Result};
use serde_json::{Value, json};
use trestle_staking::GlobalParams;

/// The first height of version 0.
pub const FIRST_ACTIVATION: u64 = 115;
/// The first height of version 1.
pub const SECOND_ACTIVATION: u64 = 130;
/// Confirmations that make a block count, its own included; the same in both versions.
pub const DEPTH: u64 = 2;
/// Blocks from an unbonding's inclusion to its withdrawal; the same in both versions.
pub const UNBONDING_TIME: u64 = 3;

const COIN: u64 = 100_000_000;

/// The text of the file, for covenant keys as 66 digits each.
pub(super) fn text(keys: &[String], quorum: u16) -> Result<String> {
    let version = |number: u64, activation: u64, cap: u64, amounts: [u64; 2], times: [u64; 2]| {
        json!({
            "version": number,
            "activation_height": activation,
            "staking_cap": cap * COIN,
            "tag": "62627434",
            "covenant_pks": keys,
            "covenant_quorum": quorum,
            "unbonding_fee": 500,
            "unbonding_time": UNBONDING_TIME,
            "min_staking_amount": amounts[0] * COIN,
            "max_staking_amount": amounts[1] * COIN,
            "min_staking_time": times[0],
            "max_staking_time": times[1],
            "confirmation_depth": DEPTH,
        })
    };
    let file: Value = json!({"versions": [
        version(0, FIRST_ACTIVATION, 10, [1, 10], [10, 1_000]),
        version(1, SECOND_ACTIVATION, 20, [2, 20], [1, 5_000]),
    ]});
    Ok(serde_json::to_string_pretty(&file)?)
}

/// What the text says.
pub(super) fn parse(text: &str) -> Result<GlobalParams> {
    GlobalParams::parse(text).wrap_err("the parameters of the harness")
}
