//! Finds the stake behind a transaction id, by the chain and, where bitcoind has no index, with what
//! an API says about it.
//!
//! Always holds: what is returned was identified here, under the parameters of its height, in a
//! transaction of the asked id.

use bitcoin::{Amount, OutPoint, Transaction, Txid, consensus::encode::deserialize_hex};
use trestle_staking::{
    GlobalParams, Stake, VersionParams,
    expiry::Timelock,
    identify::{Identified, StakeSpend, identify, spend_of_stake},
    tx::Withdrawable,
};

use super::{
    api::Api,
    chain::{Chain, Unspent},
};
use crate::{
    api::staking::dto::DelegationDto,
    cli::{CliError, Exit},
};

/// Outputs that are looked at to find the block of a transaction without an index: stakes have
/// theirs among the first.
const OUTPUTS: u32 = 8;

/// A stake in the chain.
pub(super) struct Found<'p> {
    pub(super) stake: Stake,
    pub(super) params: &'p VersionParams,
    pub(super) height: u32,
}

impl Found<'_> {
    /// That it is unspent, and in the block at its height.
    pub(super) async fn must_stand(&self, chain: &Chain) -> Result<(), CliError> {
        let at = self.stake.outpoint;
        let coin = chain.unspent(at, false).await?.ok_or_else(|| {
            CliError::failed(format!("this bitcoind has no unspent output {at}"))
                .hint("it may be behind, or a block has spent the stake")
        })?;
        let height = chain.height_of(coin.confirmations).await?;
        if height == self.height {
            return Ok(());
        }
        let what = format!(
            "the API says that {} is in block {}, bitcoind says {height}",
            at.txid, self.height
        );
        Err(CliError::failed(what)
            .hint("wait until both are at the same block, or ask another API"))
    }
}

/// Where to look.
pub(super) struct Finder<'p> {
    pub(super) chain: &'p Chain,
    pub(super) api: Option<&'p Api>,
    pub(super) params: &'p GlobalParams,
    /// An output counts as unspent while only the mempool spends it.
    pub(super) replaces: bool,
}

/// A transaction and the height of its block.
struct Placed {
    transaction: Transaction,
    height: u32,
}

impl<'p> Finder<'p> {
    /// What can be withdrawn of this transaction, a stake or an unbonding.
    pub(super) async fn withdrawable(
        &self,
        txid: Txid,
    ) -> Result<(Withdrawable, Timelock), CliError> {
        let placed = self.placed(txid).await?;
        if let Some(found) = self.as_stake(&placed) {
            return self.of_stake(found).await;
        }
        self.of_unbonding(&placed).await
    }

    /// The stake, or the output of its unbonding if that has spent it.
    async fn of_stake(&self, found: Found<'p>) -> Result<(Withdrawable, Timelock), CliError> {
        let Found { stake, params, height } = found;
        let at = stake.outpoint;
        if self.unspent(at).await?.is_some() {
            let lock = Timelock { height, blocks: stake.time };
            return Ok((Withdrawable::stake(&stake, params).map_err(scripts)?, lock));
        }
        let told = match self.api {
            Some(api) => api.delegation(&at.txid.to_string()).await?,
            None => None,
        };
        let unbonding = told.and_then(|told| told.unbonding_tx);
        let Some(unbonding) = unbonding.and_then(|unbonding| parse(&unbonding.tx_hex)) else {
            return Err(self.spent(at).await);
        };
        self.output_of(&stake, params, &unbonding).await
    }

    /// The output of an unbonding transaction.
    async fn of_unbonding(&self, placed: &Placed) -> Result<(Withdrawable, Timelock), CliError> {
        let txid = placed.transaction.compute_txid();
        let neither = || {
            CliError::usage(format!("{txid} is neither a stake nor the unbonding of one"))
                .hint("check the id, and that --params are those of the network")
        };
        let [input] = placed.transaction.input.as_slice() else { return Err(neither()) };
        if input.previous_output.is_null() {
            return Err(neither());
        }
        let parent = self.placed(input.previous_output.txid).await.map_err(|error| {
            if error.exit != Exit::Failed {
                return error;
            }
            let parent = input.previous_output.txid;
            CliError::failed(format!(
                "{txid} is no stake, and whether it is the unbonding of one is not known: \
                 transaction {parent}, which it spends, was not found"
            ))
            .hint("check the id; for an unbonding give --api URL, or a bitcoind with txindex=1")
        })?;
        let found = self.as_stake(&parent).ok_or_else(neither)?;
        self.output_of(&found.stake, found.params, &placed.transaction).await
    }

    async fn output_of(
        &self,
        stake: &Stake,
        params: &VersionParams,
        unbonding: &Transaction,
    ) -> Result<(Withdrawable, Timelock), CliError> {
        let at = OutPoint::new(unbonding.compute_txid(), 0);
        let spends = unbonding.input[0].previous_output == stake.outpoint;
        // It was signed under the version of then; a reorganisation may have moved the stake into
        // another one since.
        let mut versions = std::iter::once(params).chain(self.params.versions());
        let fits = versions.find(|params| {
            let is = spend_of_stake(stake, params, unbonding, 0);
            spends && matches!(is, Ok(StakeSpend::Unbonding { .. }))
        });
        let params = fits.ok_or_else(|| {
            let what = format!("{} is not the unbonding of {}", at.txid, stake.outpoint.txid);
            CliError::failed(what)
        })?;
        let Some(coin) = self.unspent(at).await? else { return Err(self.spent(at).await) };
        let value: Amount = unbonding.output[0].value;
        let height = self.chain.height_of(coin.confirmations).await?;
        let lock = Timelock { height, blocks: params.unbonding_time };
        let withdrawable = Withdrawable::unbonding(stake, at, value, params).map_err(scripts)?;
        Ok((withdrawable, lock))
    }

    /// A transaction with its height, from bitcoind's index, from its UTXO set, or from the API.
    async fn placed(&self, txid: Txid) -> Result<Placed, CliError> {
        let unconfirmed = || {
            CliError::failed(format!("{txid} is in no block yet")).hint("wait for its confirmation")
        };
        if let Some((transaction, height)) = self.chain.transaction(txid, None).await? {
            return Ok(Placed { transaction, height: height.ok_or_else(unconfirmed)? });
        }
        for vout in 0..OUTPUTS {
            let Some(coin) = self.chain.unspent(OutPoint::new(txid, vout), false).await? else {
                continue;
            };
            let block =
                self.chain.block_at(self.chain.height_of(coin.confirmations).await?).await?;
            let found = self.chain.transaction(txid, Some(block)).await?;
            if let Some((transaction, Some(height))) = found {
                return Ok(Placed { transaction, height });
            }
        }
        if let Some(api) = self.api
            && let Some(told) = api.delegation(&txid.to_string()).await?
            && let Some(placed) = placed_by(&told, txid)
        {
            return Ok(placed);
        }
        let what = format!("no transaction {txid} was found in the chain");
        Err(CliError::failed(what).hint(
            "check the id; give --api URL, or a bitcoind with txindex=1, for one that is spent",
        ))
    }

    async fn unspent(&self, at: OutPoint) -> Result<Option<Unspent>, CliError> {
        self.chain.unspent(at, !self.replaces).await
    }

    /// Why an output cannot be had, as far as bitcoind knows.
    async fn spent(&self, at: OutPoint) -> CliError {
        let spenders = self.chain.spenders(&[at]).await.unwrap_or_default();
        if let Some(by) = spenders.into_iter().flatten().next() {
            let what = format!("{by}, which is in no block yet, spends output {at}");
            return CliError::failed(what).hint(
                "wait for it; or, if it is a withdrawal that pays too little to get into a block, \
                 repeat it with --replace and a higher --fee-rate",
            );
        }
        let hint = match self.api {
            Some(_) => "if it was unbonded, give the unbonding's id; the API does not know it yet",
            None => {
                "if it was unbonded, give the unbonding's id, or --api URL to have it looked up"
            }
        };
        CliError::failed(format!("output {at} is spent already")).hint(hint)
    }

    /// A stake under the rules of its block, or else under those of any other version: one that came
    /// into a block too early or too late counts for nothing, and is its staker's all the same.
    fn as_stake(&self, placed: &Placed) -> Option<Found<'p>> {
        let Placed { transaction, height } = placed;
        found(self.params, transaction, *height).or_else(|| {
            let under = |params| found_under(params, transaction, *height);
            self.params.versions().iter().rev().find_map(under)
        })
    }
}

/// The stake that a delegation of an API is about. The height that an API claims only chooses the
/// parameters: with wrong ones the transaction is no stake.
pub(super) fn of_delegation<'p>(
    params: &'p GlobalParams,
    told: &DelegationDto,
    txid: Txid,
) -> Result<Found<'p>, CliError> {
    let placed = placed_by(told, txid);
    placed.and_then(|placed| found(params, &placed.transaction, placed.height)).ok_or_else(|| {
        let what = format!("what the API says of {txid} is no stake under these parameters");
        CliError::new(Exit::Failed, what).hint("check that --params are those of the network")
    })
}

fn found<'p>(
    params: &'p GlobalParams,
    transaction: &Transaction,
    height: u32,
) -> Option<Found<'p>> {
    found_under(params.params_at(height)?, transaction, height)
}

fn found_under<'p>(
    params: &'p VersionParams,
    transaction: &Transaction,
    height: u32,
) -> Option<Found<'p>> {
    match identify(transaction, params) {
        // One that the rules do not allow is its staker's all the same.
        Identified::Stake(stake) | Identified::Invalid { stake, .. } => {
            Some(Found { stake, params, height })
        }
        Identified::NotStaking(_) => None,
    }
}

fn placed_by(told: &DelegationDto, txid: Txid) -> Option<Placed> {
    let transaction = parse(&told.staking_tx.tx_hex)?;
    let height = u32::try_from(told.staking_tx.start_height).ok()?;
    (transaction.compute_txid() == txid).then_some(Placed { transaction, height })
}

fn parse(hex: &str) -> Option<Transaction> {
    deserialize_hex(hex).ok()
}

fn scripts(error: trestle_staking::script::ScriptError) -> CliError {
    CliError::failed(format!("the stake's scripts: {error}"))
}
