//! Watches a delegation until it has come so far, telling each change.
//!
//! Always holds: a stake whose coins another transaction has spent in a block is not waited for.

use std::{collections::BTreeSet, time::Duration};

use bitcoin::{OutPoint, Transaction, Txid};
use clap::Args;
use tokio::time::{Instant, sleep};
use trestle_staking::{delegation::StateName, pipeline::Phase};

use super::{api::Api, chain::Chain};
use crate::{
    api::staking::{DelegationViewDto, UnbondingProgressDto, dto::DelegationDto},
    cli::{CliError, output::Output},
};

/// How often the API is asked: states change with blocks.
const LOOK: Duration = Duration::from_secs(2);

/// Blocks that are looked through again, since a reorganisation may have put others in their place.
const AGAIN: u32 = 6;

/// A transaction that was sent, and the chain it is looked for on.
pub(super) struct Sent<'a> {
    chain: &'a Chain,
    txid: Txid,
    coins: BTreeSet<OutPoint>,
    /// The last block that cannot have it, or has been looked through.
    seen: u32,
}

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
        mut sent: Option<Sent<'_>>,
        at: OutPoint,
        until: &[&str],
    ) -> Result<DelegationDto, CliError> {
        let end = Instant::now() + Duration::from_secs(self.timeout);
        let mut shown = String::new();
        loop {
            let found = api.view(&at.txid.to_string()).await?;
            let now = match (&found, &mut sent) {
                (Some(view), _) => state(view),
                (None, Some(sent)) => sent.stands(at).await?,
                (None, None) => "not confirmed yet".to_owned(),
            };
            if now != shown {
                output.note(&format!("  {now}"));
                shown = now;
            }
            if let (Some(request), None) = (request(found.as_ref()), &sent)
                && request.phase == Phase::Dropped.as_str()
            {
                return Err(dropped(request));
            }
            match found.map(|view| view.delegation) {
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

fn request(view: Option<&DelegationViewDto>) -> Option<&UnbondingProgressDto> {
    view?.unbonding_request.as_ref()
}

/// The request that is watched is over, and there will be no transaction of it.
fn dropped(request: &UnbondingProgressDto) -> CliError {
    let why = request.note.as_deref().unwrap_or("it does not fit the stake any more");
    CliError::failed(format!("unbonding {} is dropped: {why}", request.unbonding_tx_hash_hex))
        .hint("`trestle staking unbond` makes another request")
}

fn state(view: &DelegationViewDto) -> String {
    let delegation = &view.delegation;
    let waits = delegation.state == StateName::UnbondingRequested.as_str();
    match request(Some(view)).filter(|_| waits) {
        Some(request) => format!("{} ({})", delegation.state, request.phase),
        None if delegation.is_overflow => {
            format!("{} (overflow: it counts for nothing)", delegation.state)
        }
        None => delegation.state.clone(),
    }
}

impl<'a> Sent<'a> {
    /// One that was sent when the chain had this height.
    pub(super) fn new(chain: &'a Chain, transaction: &Transaction, height: u32) -> Self {
        let coins = transaction.input.iter().map(|input| input.previous_output).collect();
        Self { chain, txid: transaction.compute_txid(), coins, seen: height }
    }

    /// How far it is while the API does not know it.
    async fn stands(&mut self, at: OutPoint) -> Result<String, CliError> {
        match self.chain.unspent(at, true).await? {
            Some(coin) if coin.confirmations == 0 => return Ok("in the mempool".into()),
            Some(coin) => return Ok(format!("{} confirmation(s)", coin.confirmations)),
            None => {}
        }
        if let Some((height, spender)) = self.spender().await? {
            if spender == self.txid {
                return Ok(format!("in block {height}, and its output is being spent"));
            }
            return Err(self.replaced(height, spender));
        }
        let coins: Vec<OutPoint> = self.coins.iter().copied().collect();
        Ok(match self.chain.spenders(&coins).await?.into_iter().flatten().next() {
            Some(other) => {
                format!("{other} in the mempool spends its coins: one of them will stay")
            }
            None => "not seen by this bitcoind".into(),
        })
    }

    /// The transaction in a block that spends its coins: itself, or another.
    async fn spender(&mut self) -> Result<Option<(u32, Txid)>, CliError> {
        let tip = self.chain.height().await?;
        for height in self.seen.saturating_add(1)..=tip {
            let block = self.chain.block(height).await?;
            let spends = |tx: &&Transaction| {
                tx.input.iter().any(|input| self.coins.contains(&input.previous_output))
            };
            if let Some(spender) = block.txdata.iter().find(spends) {
                return Ok(Some((height, spender.compute_txid())));
            }
        }
        self.seen = self.seen.max(tip.saturating_sub(AGAIN));
        Ok(None)
    }

    fn replaced(&self, height: u32, spender: Txid) -> CliError {
        let what = format!(
            "{} will never be in a block: {spender}, in block {height}, has spent its coins",
            self.txid
        );
        CliError::failed(what).hint(
            "if a higher fee replaced it, that transaction is the stake now: `trestle staking \
             delegations` shows it",
        )
    }
}
