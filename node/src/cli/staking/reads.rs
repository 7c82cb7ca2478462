//! `trestle staking delegations`, `stats` and `finality-providers`: what the API says.

use bitcoin::{Amount, XOnlyPublicKey};
use clap::Args;
use serde::Serialize;
use trestle_staking::delegation::StateName;

use super::{
    amount::{both, key},
    api::ApiArgs,
};
use crate::{
    api::staking::dto::{DelegationDto, FinalityProviderDto, OverallStatsDto, StakerStatsDto},
    cli::{
        CliError,
        output::Output,
        table::{pairs, table},
    },
};

/// Whose delegations.
#[derive(Debug, Args)]
pub(in crate::cli) struct DelegationsArgs {
    /// The staker's public key.
    #[arg(long, value_name = "KEY", value_parser = key, required_unless_present = "txid")]
    staker: Option<XOnlyPublicKey>,
    /// Only the one of this staking transaction.
    #[arg(long, conflicts_with_all = ["staker", "state"])]
    txid: Option<bitcoin::Txid>,
    /// Only those in this state: active, unbonding_requested, unbonding, unbonded, withdrawn, slashed
    /// or spent_otherwise.
    #[arg(long)]
    state: Option<StateName>,
    /// At most so many.
    #[arg(long, default_value_t = 100)]
    limit: usize,
    #[command(flatten)]
    api: ApiArgs,
}

/// Whose figures.
#[derive(Debug, Args)]
pub(in crate::cli) struct StatsArgs {
    /// Those of this staker; without it all together.
    #[arg(long, value_name = "KEY", value_parser = key)]
    staker: Option<XOnlyPublicKey>,
    #[command(flatten)]
    api: ApiArgs,
}

/// Which finality providers.
#[derive(Debug, Args)]
pub(in crate::cli) struct ProvidersArgs {
    /// The one with this public key; without it all, by what is delegated to them.
    #[arg(long, value_name = "KEY", value_parser = key)]
    key: Option<XOnlyPublicKey>,
    /// At most so many.
    #[arg(long, default_value_t = 500)]
    limit: usize,
    #[command(flatten)]
    api: ApiArgs,
}

/// A list, and whether it is all.
#[derive(Serialize)]
struct List<T> {
    entries: Vec<T>,
    complete: bool,
}

pub(super) async fn delegations(output: &Output, args: DelegationsArgs) -> Result<(), CliError> {
    let api = args.api.connect()?;
    let list = match (args.txid, args.staker) {
        (Some(txid), _) => {
            let found = api.delegation(&txid.to_string()).await?;
            let entries = vec![found.ok_or_else(|| {
                CliError::failed(format!("no confirmed stake {txid} is known there"))
            })?];
            List { entries, complete: true }
        }
        (None, Some(staker)) => {
            let staker = staker.to_string();
            let mut query = vec![("staker_btc_pk", staker.as_str())];
            query.extend(args.state.as_ref().map(|state| ("state", state.as_str())));
            let pages = api.pages("/v1/staker/delegations", &query, args.limit).await?;
            List { entries: pages.0, complete: pages.1 }
        }
        (None, None) => return Err(CliError::usage("whose? Give --staker KEY or --txid TXID")),
    };
    output.result(&list, |list| {
        let row = |entry: &DelegationDto| {
            let lock = entry.unbonding_tx.as_ref().unwrap_or(&entry.staking_tx);
            let state = if entry.is_overflow { " (overflow)" } else { "" };
            [
                entry.staking_tx_hash_hex.clone(),
                format!("{}{state}", entry.state),
                entry.staking_value.to_string(),
                entry.staking_tx.start_height.to_string(),
                withdrawal(&entry.state, lock.start_height, lock.timelock),
                entry.finality_provider_pk_hex.clone(),
            ]
        };
        let heading =
            ["staking txid", "state", "sats", "height", "withdrawable from", "finality provider"];
        shown(table(heading, list.entries.iter().map(row).collect()), list)
    })
}

/// The first block that may hold the withdrawal, while there is one to come.
fn withdrawal(state: &str, height: u64, timelock: u64) -> String {
    match state {
        "withdrawn" | "slashed" | "spent_otherwise" => "-".into(),
        _ => format!("block {}", height.saturating_add(timelock)),
    }
}

pub(super) async fn stats(output: &Output, args: StatsArgs) -> Result<(), CliError> {
    let api = args.api.connect()?;
    let Some(staker) = args.staker else {
        return output.result(&api.stats().await?.known, overall);
    };
    let staker = staker.to_string();
    let found: Option<StakerStatsDto> =
        api.get("/v1/stats/staker", &[("staker_btc_pk", &staker)]).await?.data;
    output.result(&found, |found| match found {
        None => format!("{staker} never had a confirmed stake within the cap"),
        Some(stats) => pairs(&[
            ("staker", stats.staker_pk_hex.clone()),
            ("active", both(Amount::from_sat(stats.active_tvl))),
            ("active stakes", stats.active_delegations.to_string()),
            ("ever", both(Amount::from_sat(stats.total_tvl))),
            ("stakes ever", stats.total_delegations.to_string()),
        ]),
    })
}

fn overall(stats: &OverallStatsDto) -> String {
    let sign = if stats.pending_tvl < 0 { "-" } else { "+" };
    let pending = both(Amount::from_sat(stats.pending_tvl.unsigned_abs()));
    pairs(&[
        ("active", both(Amount::from_sat(stats.active_tvl))),
        ("with new blocks", both(Amount::from_sat(stats.unconfirmed_tvl))),
        ("pending", format!("{sign}{pending}")),
        ("active stakes", stats.active_delegations.to_string()),
        ("ever", both(Amount::from_sat(stats.total_tvl))),
        ("stakes ever", stats.total_delegations.to_string()),
        ("stakers", stats.total_stakers.to_string()),
    ])
}

pub(super) async fn providers(output: &Output, args: ProvidersArgs) -> Result<(), CliError> {
    const PATH: &str = "/v1/finality-providers";
    let api = args.api.connect()?;
    let list: List<FinalityProviderDto> = match args.key {
        Some(key) => {
            let key = key.to_string();
            let found: Option<Vec<FinalityProviderDto>> =
                api.get(PATH, &[("fp_btc_pk", &key)]).await?.data;
            let entries = found.filter(|found| !found.is_empty()).ok_or_else(|| {
                CliError::failed(format!("{key} is not registered, and nothing is delegated to it"))
            })?;
            List { entries, complete: true }
        }
        None => {
            let (entries, complete) = api.pages(PATH, &[], args.limit).await?;
            List { entries, complete }
        }
    };
    output.result(&list, |list| {
        let row = |entry: &FinalityProviderDto| {
            // Anybody's text: nothing of it may steer a terminal, nor turn a line around.
            let is_plain = |letter: &char| {
                !letter.is_control() && !matches!(letter, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            };
            let plain = |text: &str| text.chars().filter(is_plain).take(40).collect::<String>();
            let name = match entry.description.moniker.as_str() {
                "" => "(not registered)".to_owned(),
                name => plain(name),
            };
            [
                name,
                entry.btc_pk.clone(),
                plain(&entry.commission),
                entry.active_delegations.to_string(),
                entry.active_tvl.to_string(),
                entry.total_tvl.to_string(),
            ]
        };
        let heading =
            ["finality provider", "key", "commission", "active", "active sats", "sats ever"];
        shown(table(heading, list.entries.iter().map(row).collect()), list)
    })
}

fn shown<T>(table: String, list: &List<T>) -> String {
    match (list.entries.len(), list.complete) {
        (0, _) => "none".into(),
        (_, true) => table,
        (count, false) => format!("{table}\nonly the first {count}; --limit N shows more"),
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    #[test]
    fn withdrawal__should_be_told_until_it_is_done() {
        assert_eq!(withdrawal("active", 100, 50), "block 150");
        assert_eq!(withdrawal("unbonded", 100, 5), "block 105");
        assert_eq!(withdrawal("withdrawn", 100, 5), "-");
    }

    #[test]
    fn overall__should_show_a_falling_figure_as_one() {
        let stats = OverallStatsDto {
            active_tvl: 300_000_000,
            total_tvl: 400_000_000,
            active_delegations: 3,
            total_delegations: 4,
            total_stakers: 2,
            unconfirmed_tvl: 200_000_000,
            pending_tvl: -100_000_000,
        };
        let text = overall(&stats);
        assert!(text.contains("pending          -1 BTC (100000000 sats)"), "{text}");
    }
}
