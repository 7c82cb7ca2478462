//! What the scenarios stand on, and how they look at it: each claim in the API, the database and
//! the metrics.

use std::collections::BTreeMap;

use bitcoin::{Amount, Txid};
use eyre::{OptionExt as _, Result, ensure, eyre};
use serde_json::Value;
use trestle_actors::staking::query;
use trestle_devnet::network::staking::{Staker, StakingNet};
use trestle_staking::{Stake, VersionParams};
use trestle_store_sql::SqlStore;

use crate::cli::devnet::demo::Teller;

/// One bitcoin.
pub(super) const BTC: u64 = 100_000_000;

/// The network, who stakes on it, and what has been seen.
pub(super) struct Stage<'a, 'b> {
    pub(super) teller: &'a mut Teller<'b>,
    pub(super) net: &'a mut StakingNet,
    /// The coordinator's database, read beside it.
    pub(super) store: SqlStore,
    pub(super) staker: Staker,
    /// The height of the tip that the index has gone through.
    pub(super) height: u64,
    /// Scenarios that held.
    pub(super) finished: Vec<u8>,
    /// Every stake by what it is in the story.
    pub(super) stakes: BTreeMap<&'static str, String>,
    /// Messages that came out of the broker.
    pub(super) messages: Option<usize>,
}

impl<'a, 'b> Stage<'a, 'b> {
    pub(super) fn new(
        teller: &'a mut Teller<'b>,
        net: &'a mut StakingNet,
        store: SqlStore,
    ) -> Self {
        let staker = net.staker();
        Self {
            teller,
            net,
            store,
            staker,
            height: 0,
            finished: Vec::new(),
            stakes: BTreeMap::new(),
            messages: None,
        }
    }

    pub(super) fn version(&self, version: u64) -> Result<VersionParams> {
        self.net.version(version).cloned()
    }

    /// Tells what is true at the height of the tip.
    pub(super) fn tell(&self, text: &str) {
        self.teller.tell(&format!("height {}: {text}", self.height));
    }

    /// Mines up to a height, which the index then has gone through.
    pub(super) async fn to(&mut self, height: u64) -> Result<()> {
        self.height = self.net.mine_to(height).await?;
        Ok(())
    }

    /// The same for so many blocks.
    pub(super) async fn mine(&mut self, blocks: u64) -> Result<()> {
        self.height = self.net.mine(blocks).await?;
        Ok(())
    }

    /// Puts a stake of so many BTC into the mempool.
    pub(super) async fn stake(
        &mut self,
        name: &'static str,
        btc: f64,
        time: u16,
        params: &VersionParams,
    ) -> Result<Stake> {
        let value = Amount::from_btc(btc)?;
        let stake = self.staker.stake(&self.net.bitcoind, params, value, time).await?;
        self.stakes.insert(name, stake.outpoint.txid.to_string());
        self.tell(&format!(
            "{btc} BTC for {time} blocks go into the mempool: {}",
            stake.outpoint.txid
        ));
        Ok(stake)
    }

    /// A stake is in a state, and above the cap or not: in the API and in the database. Gives what
    /// the API says.
    pub(super) async fn is(&self, stake: &Stake, state: &str, overflow: bool) -> Result<Value> {
        let txid = stake.outpoint.txid;
        let shown = self.net.state(txid, state).await?;
        ensure!(shown["is_overflow"] == overflow, "expected is_overflow {overflow}: {shown}");
        ensure!(shown["staking_value"] == stake.value.to_sat(), "{shown}");
        ensure!(shown["staking_tx"]["timelock"] == u64::from(stake.time), "{shown}");
        ensure!(shown["staker_pk_hex"] == stake.staker.to_string(), "{shown}");
        let (_, row) = query::delegation(&self.store, txid)
            .await?
            .ok_or_else(|| eyre!("the database has no delegation {txid}"))?;
        let name = row.delegation.name();
        ensure!(name.as_str() == state, "expected {state}, the database says {name}");
        let confirmed = row.delegation.stake().ok_or_eyre("the database has no stake")?;
        ensure!(
            confirmed.overflow == overflow,
            "the database says overflow {}",
            confirmed.overflow
        );
        let height = shown["staking_tx"]["start_height"].as_u64();
        ensure!(height == Some(confirmed.height.into()), "{height:?} is not {}", confirmed.height);
        let above = if overflow { ", above the cap" } else { "" };
        self.tell(&format!("the stake of {} BTC is {state}{above}", stake.value.to_btc()));
        Ok(shown)
    }

    /// Nothing is known of a transaction: in the API and in the database.
    pub(super) async fn unknown(&self, txid: Txid) -> Result<()> {
        let shown = self.net.delegation(txid).await?;
        ensure!(shown.is_none(), "expected no delegation, got {shown:?}");
        let stored = query::delegation(&self.store, txid).await?;
        ensure!(stored.is_none(), "expected no delegation in the database, got {stored:?}");
        Ok(())
    }

    /// So many delegations count now, and so many ever did: in the API and in the database.
    pub(super) async fn count(&self, active: u64, total: u64) -> Result<()> {
        let shown = self.net.stats().await?;
        let said = [&shown["active_delegations"], &shown["total_delegations"]];
        let wanted = [active, total].map(serde_json::Value::from);
        ensure!(said == wanted.each_ref(), "expected {active} of {total}: {shown}");
        let stored = query::stats(&self.store).await?.totals.compat();
        let stored = [stored.active_delegations, stored.total_delegations];
        ensure!(stored == [active, total], "expected {active} of {total}, stored: {stored:?}");
        self.tell(&format!("{active} active delegations of {total}"));
        Ok(())
    }

    /// So much is locked, was ever locked, and is with unconfirmed blocks: in the API, the database
    /// and the metrics. The figures are the compatible ones, which do not fall at expiry.
    pub(super) async fn locked(&self, active: u64, total: u64, unconfirmed: u64) -> Result<()> {
        let expected = [active, total, unconfirmed];
        let shown = self.net.stats().await?;
        let said = ["active_tvl", "total_tvl", "unconfirmed_tvl"].map(|name| &shown[name]);
        ensure!(said == expected.map(Value::from).each_ref(), "expected {expected:?}: {shown}");
        let stored = query::stats(&self.store).await?.totals.compat();
        let stored = [stored.active_tvl, stored.total_tvl, stored.unconfirmed_tvl];
        ensure!(stored == expected, "expected {expected:?}, stored: {stored:?}");
        self.metric("si_last_calculated_active_tvl", unconfirmed).await?;
        self.tell(&format!("active {active} sat, total {total}, unconfirmed {unconfirmed}"));
        Ok(())
    }

    /// A sample of the coordinator's metrics is this; 0 may also be no sample.
    pub(super) async fn metric(&self, sample: &str, value: u64) -> Result<()> {
        let shown = self.net.coordinator.metrics().await?.get(sample).unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let expected = value as f64;
        ensure!(shown.total_cmp(&expected).is_eq(), "expected {sample} {value}, got {shown}");
        Ok(())
    }
}
