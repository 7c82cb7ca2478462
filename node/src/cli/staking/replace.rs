//! What a transaction takes the place of in the mempool.
//!
//! Always holds: what its owner was shown is looked at again right before the sending, so that two
//! withdrawals begun at once do not push each other out unseen. In the moment between the two the
//! mempool can still change: the same command twice in the same instant is settled by it.

use std::collections::BTreeSet;

use bitcoin::{OutPoint, Transaction, Txid};

use super::chain::Chain;
use crate::cli::CliError;

/// The transactions of the mempool that spend what another one is to spend.
pub(super) struct Replaced {
    pub(super) txids: BTreeSet<Txid>,
    /// What its owner should know before.
    pub(super) warnings: Vec<String>,
}

impl Replaced {
    pub(super) async fn by(chain: &Chain, transaction: &Transaction) -> Result<Self, CliError> {
        let coins = coins(transaction);
        let txids = chain.conflicts(transaction).await?;
        let mut warnings = Vec::new();
        for txid in &txids {
            let before = chain.transaction(*txid, None).await?.map(|(before, _)| before);
            let left = before.iter().flat_map(|before| &before.input);
            let left: BTreeSet<OutPoint> =
                left.map(|input| input.previous_output).filter(|at| !coins.contains(at)).collect();
            warnings.extend((!left.is_empty()).then(|| stays(txid, &left)));
            let count = chain.descendants(*txid).await?;
            warnings.extend((count > 0).then(|| {
                format!(
                    "{count} transaction(s) in the mempool spend what {txid} pays, and go with it"
                )
            }));
        }
        Ok(Self { txids, warnings })
    }

    /// Refuses to send a transaction that would replace more than was shown.
    pub(super) async fn is_still_so(
        &self,
        chain: &Chain,
        signed: &Transaction,
    ) -> Result<(), CliError> {
        let now = Self::by(chain, signed).await?;
        if let Some(other) = now.txids.difference(&self.txids).next() {
            let what = format!(
                "nothing was sent: {other}, which is in the mempool by now, withdraws the same"
            );
            return Err(CliError::failed(what)
                .hint("wait for it; or replace it with --replace and a higher --fee-rate"));
        }
        if let Some(more) = now.warnings.iter().find(|more| !self.warnings.contains(more)) {
            let what = format!("nothing was sent, there is more to know by now: {more}");
            return Err(CliError::failed(what).hint("run it again to see all there is to know"));
        }
        for at in coins(signed) {
            if chain.unspent(at, false).await?.is_none() {
                let what =
                    format!("nothing was sent: {at} is no unspent output of a block any more");
                return Err(CliError::failed(what).hint(
                    "a block has spent it by now, or a reorganisation has taken it out of its block",
                ));
            }
        }
        Ok(())
    }
}

fn coins(transaction: &Transaction) -> BTreeSet<OutPoint> {
    transaction.input.iter().map(|input| input.previous_output).collect()
}

fn stays(txid: &Txid, left: &BTreeSet<OutPoint>) -> String {
    let left: Vec<String> = left.iter().map(OutPoint::to_string).collect();
    format!(
        "{txid} also spends {}, which this does not: that stays where it is until it is withdrawn \
         again",
        left.join(", ")
    )
}
