//! Staking: indexing, signing unbondings and answering stakers, each beside what the same work
//! takes with nothing around it.

mod bare;
mod catch_up;
mod fill;
mod grown;
mod load;
mod mainnet;
mod pages;
mod sign;
#[path = "../../../../proto/staking/tests/staking/vectors.rs"]
mod vectors;
mod world;

use eyre::Result;

use crate::Bench;

pub(crate) use load::load;

const AREA: &str = "staking";

/// Measures the area.
pub(crate) async fn run(bench: &mut Bench) -> Result<()> {
    mainnet::run(bench)?;
    catch_up::run(bench).await?;
    sign::run(bench).await?;
    pages::run(bench).await?;
    grown::run(bench).await
}
