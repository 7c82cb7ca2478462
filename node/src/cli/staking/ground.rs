//! What a stake is built on: the rules of the next block, and what a coordinator and the mempool say.
//!
//! Always holds: what its owner was shown is looked at again right before the stake is sent. A stake
//! under rules that have ended, or over a cap that has filled meanwhile, would be locked for nothing.

use bitcoin::{Amount, Transaction, XOnlyPublicKey};
use trestle_staking::{GlobalParams, VersionParams, tx::StakePlan};

use super::{
    amount::Rate,
    api::Api,
    chain::Chain,
    rules,
    warnings::{Kind, Situation, Warning, warnings},
};
use crate::{api::staking::dto::FinalityProviderDto, cli::CliError};

/// What the stake is built from.
#[derive(Clone)]
pub(super) struct Ground<'a> {
    pub(super) chain: &'a Chain,
    pub(super) api: Option<&'a Api>,
    pub(super) all: &'a GlobalParams,
    /// The height of the next block.
    pub(super) next: u32,
    /// Those of the next block.
    pub(super) params: &'a VersionParams,
    pub(super) plan: StakePlan,
    pub(super) rate: Rate,
}

impl Ground<'_> {
    /// What the coordinator's rules say of ours; an error where they differ for the next block.
    pub(super) async fn compared(&self) -> Result<Option<Warning>, CliError> {
        let Some(api) = self.api else { return Ok(None) };
        let differs = rules::compare(api, self.all, self.next).await?;
        Ok(differs.map(|text| Warning::new(Kind::Parameters, text)))
    }

    /// What its owner should know of a stake that pays this fee.
    pub(super) async fn warnings(&self, fee: Amount) -> Result<Vec<Warning>, CliError> {
        let known = Known::ask(self.api, &self.plan.finality_provider).await?;
        self.is_caught_up(known.tip)?;
        Ok(warnings(&Situation {
            all: self.all,
            params: self.params,
            next: self.next,
            tvl: known.tvl,
            tip: known.tip,
            value: self.plan.value,
            fee,
            rate: self.rate,
            least: self.chain.least_rate().await?,
            registered: known.registered,
        }))
    }

    /// Refuses where the coordinator knows blocks that bitcoind does not, and their rules are others.
    fn is_caught_up(&self, tip: Option<u32>) -> Result<(), CliError> {
        let Some(tip) = tip.filter(|tip| *tip >= self.next) else { return Ok(()) };
        let theirs = self.all.params_at(tip.saturating_add(1));
        match theirs.filter(|theirs| theirs.version != self.params.version) {
            Some(theirs) => {
                let what = format!(
                    "bitcoind says that the next block is {}, of version {} of the parameters; the \
                     coordinator is at block {tip}, and version {} is in force",
                    self.next, self.params.version, theirs.version
                );
                Err(CliError::failed(what).hint("wait until bitcoind has caught up"))
            }
            None => Ok(()),
        }
    }

    /// Refuses to send a stake where things are no longer as they were shown.
    pub(super) async fn is_still_so(
        &self,
        signed: &Transaction,
        fee: Amount,
        shown: &[Warning],
    ) -> Result<(), CliError> {
        let now = self.now().await.map_err(not_sent)?;
        let differs = now.compared().await.map_err(not_sent)?;
        let found = now.warnings(fee).await.map_err(not_sent)?;
        let mut found = found.iter().chain(&differs);
        if let Some(more) = found.find(|found| !shown.iter().any(|shown| shown.covers(found))) {
            let what =
                format!("the stake was not sent, there is more to know by now: {}", more.text);
            return Err(CliError::failed(what).hint("run it again to see all there is to know"));
        }
        self.are_free(signed).await
    }

    /// The same plan for the next block as of now, which must have the same rules.
    async fn now(&self) -> Result<Self, CliError> {
        let next = self.chain.height().await?.saturating_add(1);
        let params = rules::at(self.all, next)?;
        if params.version != self.params.version {
            let what = format!(
                "it is one under version {} of the parameters, and block {next}, which is the next \
                 by now, has version {}",
                self.params.version, params.version
            );
            return Err(CliError::failed(what).hint("run it again for a stake under the new rules"));
        }
        Ok(Self { next, ..self.clone() })
    }

    /// That nothing in the mempool spends its coins: this would take its place, or be refused.
    async fn are_free(&self, signed: &Transaction) -> Result<(), CliError> {
        match self.chain.conflicts(signed).await.map_err(not_sent)?.first() {
            Some(other) => {
                let what =
                    format!("{other}, which is in the mempool by now, spends the same coins");
                Err(not_sent(CliError::failed(what).hint("run it again to pay with other coins")))
            }
            None => Ok(()),
        }
    }
}

fn not_sent(mut error: CliError) -> CliError {
    error.body.message = format!("the stake was not sent: {}", error.body.message);
    error
}

/// What a coordinator says before a stake.
#[derive(Default)]
struct Known {
    tvl: Option<(u64, u64)>,
    tip: Option<u32>,
    registered: Option<bool>,
}

impl Known {
    async fn ask(api: Option<&Api>, provider: &XOnlyPublicKey) -> Result<Self, CliError> {
        let Some(api) = api else { return Ok(Self::default()) };
        let stats = api.stats().await?;
        let key = provider.to_string();
        let found: Option<Vec<FinalityProviderDto>> =
            api.get("/v1/finality-providers", &[("fp_btc_pk", &key)]).await?.data;
        let known = |entry: &FinalityProviderDto| {
            entry.btc_pk == key && !entry.description.moniker.is_empty()
        };
        Ok(Self {
            tvl: Some((stats.known.active_tvl, stats.known.unconfirmed_tvl)),
            tip: stats.btc_height,
            registered: Some(found.is_some_and(|found| found.iter().any(known))),
        })
    }
}
