//! A committee's coins, as the blocks tell: an index over the committee's scripts.
//!
//! One row for each coin, under its outpoint, kept after the coin is spent so that a reorg of any
//! depth can be undone. Each connected or disconnected block says which rows changed; those and the
//! height are stored together, then [`Wallet::load`] gives the same index back.
//!
//! Frozen coins, reservations and promised change come from elsewhere (the operator, the payments)
//! and are told again after loading.
//!
//! Always holds: blocks are connected in order of height, one by one; disconnecting a block gives
//! back exactly the rows that there were before it.

mod row;
#[cfg(test)]
mod tests;

pub use row::{Balance, Changes, CoinRow, CoinState, Listed, Spend, SpentAt};

use std::collections::{BTreeMap, BTreeSet};

use bitcoin::{Amount, Block, OutPoint, ScriptBuf, Transaction, TxOut};
use trestle_wire::Hash32;

use crate::{confirm, plan::Coin, stored::Stored};

/// The index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wallet {
    scripts: BTreeSet<ScriptBuf>,
    /// Height of the last block connected.
    height: u32,
    rows: BTreeMap<OutPoint, CoinRow>,
    /// Rows by the heights that made or spent them.
    touched: BTreeMap<u32, BTreeSet<OutPoint>>,
    frozen: BTreeSet<OutPoint>,
    reserved: BTreeMap<OutPoint, Hash32>,
    promised: BTreeMap<Hash32, (OutPoint, TxOut)>,
}

/// A block that does not continue the ones before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the block at height {expected}, got the one at {got}: rewind the wallet first")]
pub struct OutOfOrder {
    /// The height that comes next.
    pub expected: u32,
    /// The height that came.
    pub got: u32,
}

/// A coin that another payment has reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the coin {outpoint} is reserved by payment {by}")]
pub struct Taken {
    /// The coin.
    pub outpoint: OutPoint,
    /// The payment that has it.
    pub by: Hash32,
}

impl Wallet {
    /// The index over `scripts` whose last block was the one at `height`, from its stored rows.
    pub fn load(
        scripts: BTreeSet<ScriptBuf>,
        height: u32,
        rows: impl IntoIterator<Item = (OutPoint, CoinRow)>,
    ) -> Self {
        let mut wallet = Self { scripts, height, ..Self::default() };
        for (outpoint, row) in rows {
            wallet.put(outpoint, row);
        }
        wallet
    }

    /// Height of the last block connected.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The scripts whose coins these are.
    pub fn scripts(&self) -> &BTreeSet<ScriptBuf> {
        &self.scripts
    }

    /// Where a coin was spent; `None` if it was not, or is not known.
    pub fn spent(&self, outpoint: &OutPoint) -> Option<SpentAt> {
        self.row(outpoint).and_then(|row| row.spent)
    }

    /// What is known of a coin, spent or not.
    pub fn row(&self, outpoint: &OutPoint) -> Option<&CoinRow> {
        self.rows.get(outpoint)
    }

    /// Adds a script. Its coins in blocks already connected are found by [`Self::rewind`] and
    /// connecting those blocks again.
    pub fn watch(&mut self, script: ScriptBuf) {
        self.scripts.insert(script);
    }

    /// Takes in the next block.
    ///
    /// # Errors
    /// [`OutOfOrder`]; nothing has changed then.
    pub fn connect(&mut self, height: u32, block: &Block) -> Result<Changes, OutOfOrder> {
        let expected = self.height.saturating_add(1);
        if height != expected {
            return Err(OutOfOrder { expected, got: height });
        }
        let mut changed = BTreeSet::new();
        let mut spends = Vec::new();
        for transaction in &block.txdata {
            self.spend(transaction, height, &mut changed, &mut spends);
            self.receive(transaction, height, &mut changed);
        }
        self.height = height;
        Ok(self.changes(changed, spends))
    }

    /// Undoes the last block.
    ///
    /// # Errors
    /// [`OutOfOrder`] unless `height` is the last block's; nothing has changed then.
    pub fn disconnect(&mut self, height: u32) -> Result<Changes, OutOfOrder> {
        if height != self.height {
            return Err(OutOfOrder { expected: self.height, got: height });
        }
        Ok(self.rewind(height.saturating_sub(1)))
    }

    /// Undoes all blocks above `height`.
    pub fn rewind(&mut self, height: u32) -> Changes {
        let above = self.touched.split_off(&height.saturating_add(1));
        let changed: BTreeSet<OutPoint> = above.into_values().flatten().collect();
        for outpoint in &changed {
            let Some(mut row) = self.rows.remove(outpoint) else { continue };
            if row.height > height {
                continue;
            }
            row.spent = row.spent.filter(|spent| spent.height <= height);
            self.put(*outpoint, row);
        }
        self.height = self.height.min(height);
        self.changes(changed, Vec::new())
    }

    /// Starts over at a height from which nothing has been read: for a rescan from the key's birth.
    pub fn restart(&mut self, height: u32) -> Changes {
        let changes = self.rewind(height);
        self.height = height;
        changes
    }

    /// Sets a coin aside (`true`) or takes it back; `false` if there is no such unspent coin.
    pub fn freeze(&mut self, outpoint: OutPoint, frozen: bool) -> bool {
        if !frozen {
            return self.frozen.remove(&outpoint);
        }
        let known = self.rows.get(&outpoint).is_some_and(|row| row.spent.is_none());
        if known {
            self.frozen.insert(outpoint);
        }
        known
    }

    /// Reserves coins for a payment. Doing so twice is fine.
    ///
    /// # Errors
    /// [`Taken`] if another payment has one of them; nothing has changed then.
    pub fn reserve(
        &mut self,
        payment: Hash32,
        outpoints: impl IntoIterator<Item = OutPoint>,
    ) -> Result<(), Taken> {
        let outpoints: Vec<OutPoint> = outpoints.into_iter().collect();
        for outpoint in &outpoints {
            if let Some(by) = self.reserved.get(outpoint).filter(|by| **by != payment) {
                return Err(Taken { outpoint: *outpoint, by: *by });
            }
        }
        self.reserved.extend(outpoints.into_iter().map(|outpoint| (outpoint, payment)));
        Ok(())
    }

    /// The payment that has a coin reserved.
    pub fn reserved_by(&self, outpoint: &OutPoint) -> Option<Hash32> {
        self.reserved.get(outpoint).copied()
    }

    /// Expects the change of a payment's latest version, in place of any earlier version's: only
    /// one of them can come.
    pub fn promise(&mut self, payment: Hash32, change: Option<(OutPoint, TxOut)>) {
        match change {
            Some(change) => self.promised.insert(payment, change),
            None => self.promised.remove(&payment),
        };
    }

    /// Forgets a payment's reservation and promise.
    pub fn release(&mut self, payment: &Hash32) {
        self.reserved.retain(|_, by| by != payment);
        self.promised.remove(payment);
    }

    /// Every unspent coin, in order of outpoint, promised change last. A confirmed coin needs
    /// `min_confirmations`, a coinbase 100.
    pub fn coins(&self, min_confirmations: u32) -> Vec<Listed> {
        let confirmed = self.rows.iter().filter(|(_, row)| row.spent.is_none());
        let confirmed = confirmed.map(|(outpoint, row)| Listed {
            outpoint: *outpoint,
            output: row.output.0.clone(),
            height: Some(row.height),
            state: self.state(outpoint, Some(row), min_confirmations),
        });
        let promised =
            self.promised.values().filter(|(outpoint, _)| !self.rows.contains_key(outpoint));
        let promised = promised.map(|(outpoint, output)| Listed {
            outpoint: *outpoint,
            output: output.clone(),
            height: None,
            state: self.state(outpoint, None, min_confirmations),
        });
        confirmed.chain(promised).collect()
    }

    /// What a plan may spend: spendable coins, and promised change as unconfirmed.
    pub fn for_plan(&self, min_confirmations: u32) -> Vec<Coin> {
        let usable = |listed: &Listed| match listed.state {
            CoinState::Spendable => true,
            CoinState::Pending => listed.height.is_none(),
            CoinState::Reserved | CoinState::Frozen => false,
        };
        let coins = self.coins(min_confirmations).into_iter().filter(usable);
        coins
            .map(|listed| Coin {
                outpoint: listed.outpoint,
                output: listed.output,
                confirmed: listed.height.is_some(),
            })
            .collect()
    }

    /// What all of it adds up to.
    pub fn balance(&self, min_confirmations: u32) -> Balance {
        let mut balance = Balance::default();
        for listed in self.coins(min_confirmations) {
            let sum = match listed.state {
                CoinState::Spendable => &mut balance.spendable,
                CoinState::Pending => &mut balance.pending,
                CoinState::Reserved => &mut balance.reserved,
                CoinState::Frozen => &mut balance.frozen,
            };
            *sum = sum.checked_add(listed.output.value).unwrap_or(Amount::MAX);
        }
        balance
    }

    fn state(&self, outpoint: &OutPoint, row: Option<&CoinRow>, least: u32) -> CoinState {
        if self.frozen.contains(outpoint) {
            return CoinState::Frozen;
        }
        if self.reserved.contains_key(outpoint) {
            return CoinState::Reserved;
        }
        let deep = row.is_some_and(|row| {
            let needed = if row.coinbase { least.max(confirm::COINBASE) } else { least.max(1) };
            confirm::is_deep(self.height, row.height, needed)
        });
        if deep { CoinState::Spendable } else { CoinState::Pending }
    }

    fn spend(
        &mut self,
        transaction: &Transaction,
        height: u32,
        changed: &mut BTreeSet<OutPoint>,
        spends: &mut Vec<Spend>,
    ) {
        let mut txid = None;
        for input in &transaction.input {
            let outpoint = input.previous_output;
            let Some(mut row) = self.rows.get(&outpoint).cloned() else { continue };
            let txid = *txid.get_or_insert_with(|| transaction.compute_txid());
            row.spent = Some(SpentAt { height, txid: Stored(txid) });
            self.put(outpoint, row);
            changed.insert(outpoint);
            let by = self.reserved.get(&outpoint).copied();
            spends.push(Spend { outpoint, txid, height, reserved_by: by });
        }
    }

    fn receive(
        &mut self,
        transaction: &Transaction,
        height: u32,
        changed: &mut BTreeSet<OutPoint>,
    ) {
        let coinbase = transaction.is_coinbase();
        let mut txid = None;
        for (vout, output) in (0_u32..).zip(&transaction.output) {
            if !self.scripts.contains(&output.script_pubkey) {
                continue;
            }
            let txid = *txid.get_or_insert_with(|| transaction.compute_txid());
            let outpoint = OutPoint { txid, vout };
            let output = Stored(output.clone());
            self.put(outpoint, CoinRow { output, height, coinbase, spent: None });
            changed.insert(outpoint);
        }
    }

    fn put(&mut self, outpoint: OutPoint, row: CoinRow) {
        self.touched.entry(row.height).or_default().insert(outpoint);
        if let Some(spent) = &row.spent {
            self.touched.entry(spent.height).or_default().insert(outpoint);
        }
        self.rows.insert(outpoint, row);
    }

    fn changes(&self, changed: BTreeSet<OutPoint>, spends: Vec<Spend>) -> Changes {
        let row = |outpoint: OutPoint| (outpoint, self.rows.get(&outpoint).cloned());
        Changes { height: self.height, rows: changed.into_iter().map(row).collect(), spends }
    }
}
