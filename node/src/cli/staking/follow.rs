//! Watches a delegation until it has come so far, telling each change.

use std::time::Duration;

use bitcoin::{OutPoint, Txid};
use clap::Args;
use tokio::time::{Instant, sleep};

use super::{api::Api, chain::Chain};
use crate::{
    api::staking::dto::DelegationDto,
    cli::{CliError, output::Output},
};

/// How often the API is asked: states change with blocks.
const LOOK: Duration = Duration::from_secs(2);

/// Whether to watch.
#[derive(Debug, Args)]
pub(super) struct FollowArgs {
    /// Watches it on the chain and at the API until it has come to its end.
    #[arg(long)]
    follow: bool,
    /// Longest watch in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 14_400)]
    timeout: u64,
}

impl FollowArgs {
    pub(super) const fn wanted(&self) -> bool {
        self.follow
    }

    /// Watches until the delegation has one of these states; gives its last.
    pub(super) async fn delegation(
        &self,
        output: &Output,
        api: &Api,
        chain: Option<&Chain>,
        at: OutPoint,
        until: &[&str],
    ) -> Result<DelegationDto, CliError> {
        let end = Instant::now() + Duration::from_secs(self.timeout);
        let mut shown = String::new();
        loop {
            let found = api.delegation(&at.txid.to_string()).await?;
            let now = match (&found, chain) {
                (Some(delegation), _) => state(delegation),
                (None, Some(chain)) => before(chain, at).await?,
                (None, None) => "not confirmed yet".to_owned(),
            };
            if now != shown {
                output.note(&format!("  {now}"));
                shown = now;
            }
            match found {
                Some(found) if until.contains(&found.state.as_str()) => return Ok(found),
                Some(_) | None if Instant::now() >= end => {
                    return Err(self.too_long(&shown, at.txid));
                }
                Some(_) | None => sleep(LOOK).await,
            }
        }
    }

    fn too_long(&self, shown: &str, txid: Txid) -> CliError {
        let what = format!("after {} s {txid} is {shown}; it goes on by itself", self.timeout);
        CliError::failed(what).hint("`trestle staking delegations` shows how far it is")
    }
}

fn state(delegation: &DelegationDto) -> String {
    match delegation.is_overflow {
        true => format!("{} (overflow: it counts for nothing)", delegation.state),
        false => delegation.state.clone(),
    }
}

/// How far a stake is that the API does not know yet.
async fn before(chain: &Chain, at: OutPoint) -> Result<String, CliError> {
    Ok(match chain.unspent(at, true).await? {
        None => "not seen by this bitcoind".into(),
        Some(coin) if coin.confirmations == 0 => "in the mempool".into(),
        Some(coin) => format!("{} confirmation(s)", coin.confirmations),
    })
}
