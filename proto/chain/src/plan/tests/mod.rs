#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

mod bump;
mod first;

use bitcoin::{FeeRate, TxOut};

use super::{Coin, Limits, Plan, PlanError, plan};
use crate::testing::{committee, limits};

const HEIGHT: u32 = 840_000;

fn planned(coins: &[Coin], recipients: &[TxOut], rate: FeeRate) -> Result<Plan, PlanError> {
    within(coins, recipients, rate, &limits())
}

fn within(
    coins: &[Coin],
    recipients: &[TxOut],
    rate: FeeRate,
    limits: &Limits,
) -> Result<Plan, PlanError> {
    plan(coins, recipients, &committee().script(), rate, HEIGHT, limits)
}
