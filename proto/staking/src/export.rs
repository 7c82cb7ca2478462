//! The rows of the export of stakes, in the layout that other indexers write.

use crate::Stake;

/// The first line.
pub const HEADER: &str = "Transaction Hash,Staking Output Index,Inclusion Height,\
Staker Public Key,Staking Time,Finality Provider Public Key,Is Overflow,Staking Value";

/// The line of a stake, without its end.
pub fn row(stake: &Stake, inclusion_height: u32, overflow: bool) -> String {
    let Stake { outpoint, staker, finality_provider, value, time, params_version: _ } = stake;
    format!(
        "{},{},{inclusion_height},{staker},{time},{finality_provider},{overflow},{}",
        outpoint.txid,
        outpoint.vout,
        value.to_sat()
    )
}
