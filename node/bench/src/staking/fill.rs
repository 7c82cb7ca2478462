//! A store with many delegations, written row by row as the index would have stored them.

use std::{path::Path, time::Instant};

use bitcoin::{
    BlockHash, Txid,
    hashes::{Hash as _, sha256},
};
use eyre::{Result, bail};
use rusqlite::Connection;
use trestle_actors::staking::{
    events::{EVENTS_A_ROW, EventRow, What},
    rows::{DelegationKey, DelegationRow, Head, HeadTip, TxidRow},
};
use trestle_machine::{Machine as _, Step};
use trestle_staking::{
    delegation::{ConfirmedStake, Delegation, Event, Fact, Notice, StakerKey},
    tally::Counters,
};
use trestle_store::{Batch, Op, Table, table::Key as _};
use trestle_store_sql::{Config, SqlStore};

use super::world::{PROVIDERS, STAKES, TIME, VALUE, World};
use crate::{cores::spread, say};

/// The height of the first stored stakes.
const FIRST: u32 = 1_000;
/// Stakes of each staker.
pub(super) const EACH: u32 = 10;
/// Bytes of a staking transaction: one input that a key spends, and change.
const TX_BYTES: usize = 300;

const AT: Table<Vec<u8>, Vec<trestle_chain::Stored<Txid>>> = Table::new("staking.at", 1);
const DELEGATIONS: Table<DelegationKey, DelegationRow> = Table::new("staking.delegation", 1);
const EVENTS: Table<u64, Vec<EventRow>> = Table::new("staking.event", 2);
const EXPIRY: Table<Vec<u8>, DelegationKey> = Table::new("staking.expiry", 1);
const HEAD: Table<[u8; 0], Head> = Table::new("staking.head", 1);
const PROVIDER: Table<[u8; 32], Counters> = Table::new("staking.provider", 1);
const PROVIDER_RANK: Table<Vec<u8>, Counters> = Table::new("staking.provider_rank", 1);
const STAKER: Table<[u8; 32], Counters> = Table::new("staking.staker", 1);
const STAKER_RANK: Table<Vec<u8>, Counters> = Table::new("staking.staker_rank", 1);
const TXIDS: Table<Vec<u8>, TxidRow> = Table::new("staking.txid", 1);

/// What is stored.
#[derive(Clone, Debug)]
pub(super) struct Filled {
    count: u32,
    /// Each has [`EACH`] delegations.
    pub(super) stakers: Vec<StakerKey>,
    providers: Vec<[u8; 32]>,
    /// The last block gone through.
    pub(super) tip: HeadTip,
}

impl Filled {
    /// Makes the database in `file` with `count` delegations, a multiple of 1,000.
    ///
    /// # Errors
    /// SQLite's.
    pub(super) async fn make(file: &Path, world: &World, count: u32) -> Result<Self> {
        let begun = Instant::now();
        let config = Config::new(&format!("sqlite:{}", file.display()))?;
        SqlStore::open(config).await?.close().await;
        let numbers: Vec<u32> = (0..count / EACH).collect();
        let key = |n| (n, StakerKey::from(world.staker(n).x_only_public_key().0));
        let mut stakers = spread(numbers, key);
        stakers.sort_by_key(|(number, _)| *number);
        let stakers = stakers.into_iter().map(|(_, key)| key).collect();
        let providers = (0..PROVIDERS).map(|n| world.provider(n).serialize()).collect();
        let height = FIRST + count / STAKES as u32;
        let hash = BlockHash::all_zeros().to_byte_array();
        let tip = HeadTip { height, hash, time: 1_700_000_000 };
        let filled = Self { count, stakers, providers, tip };
        let mut rows = Rows { connection: Connection::open(file)? };
        rows.connection.pragma_update(None, "journal_mode", "OFF")?;
        rows.connection.pragma_update(None, "synchronous", "OFF")?;
        filled.write(&mut rows)?;
        let took = begun.elapsed().as_secs_f64();
        say(&format!("staking: {count} delegations stored in {took:.1} s"));
        Ok(filled)
    }

    /// Where a delegation is.
    pub(super) fn key(&self, number: u32) -> DelegationKey {
        let stake = self.stake(number);
        let txid = Txid::from_byte_array(*hash("stake", number).as_byte_array());
        DelegationKey { staker: stake.staker, height: stake.height, txid: txid.into() }
    }

    /// What a delegation is of.
    pub(super) fn stake(&self, number: u32) -> ConfirmedStake {
        ConfirmedStake {
            height: FIRST + number / STAKES as u32,
            output_index: 0,
            value: VALUE,
            timelock: TIME,
            staker: self.stakers[number as usize % self.stakers.len()],
            provider: StakerKeyOf(self.providers[(number % PROVIDERS) as usize]).into(),
            overflow: false,
        }
    }

    /// Space after space and key after key, so that the table only grows at its end.
    fn write(&self, rows: &mut Rows) -> Result<()> {
        let all = 0..self.count;
        let blocks: Vec<u32> = (0..self.count / STAKES as u32).collect();
        rows.put(&blocks, |batch, block| {
            let mut key = (FIRST + block).to_be_bytes().to_vec();
            key.push(0);
            let of = block * STAKES as u32..(block + 1) * STAKES as u32;
            AT.put(batch, &key, &of.map(|number| self.key(number).txid).collect());
        })?;
        let mut order: Vec<(Vec<u8>, u32)> =
            all.clone().map(|number| (self.key(number).to_key(), number)).collect();
        order.sort();
        let sorted: Vec<u32> = order.into_iter().map(|(_, number)| number).collect();
        rows.put(&sorted, |batch, number| self.put_delegation(batch, number))?;
        let numbers: Vec<u32> = all.clone().collect();
        let groups: Vec<&[u32]> = numbers.chunks(EVENTS_A_ROW).collect();
        rows.put(&groups, |batch, group| {
            let events = group.iter().map(|number| self.event(*number)).collect();
            let last = group.last().map_or(0, |number| u64::from(number + 1));
            EVENTS.put(batch, &last, &events);
        })?;
        let mut order: Vec<(Vec<u8>, u32)> = all.clone().map(|n| (self.due(n), n)).collect();
        order.sort();
        rows.put(&order, |batch, (due, number)| EXPIRY.put(batch, &due, &self.key(number)))?;
        rows.put(&[()], |batch, ()| HEAD.put(batch, &[], &self.head()))?;
        let providers = self.providers.iter().map(|key| (*key, self.count / PROVIDERS));
        rows.figures(&PROVIDER, &PROVIDER_RANK, providers.collect())?;
        let stakers = self.stakers.iter().map(|key| (key.0, EACH));
        rows.figures(&STAKER, &STAKER_RANK, stakers.collect())?;
        let mut order: Vec<(Vec<u8>, u32)> =
            all.map(|number| (shown(*self.key(number).txid), number)).collect();
        order.sort();
        rows.put(&order, |batch, (txid, number)| {
            let DelegationKey { staker, height, .. } = self.key(number);
            TXIDS.put(batch, &txid, &TxidRow { staker, height, output_index: 0 });
        })
    }

    fn put_delegation(&self, batch: &mut Batch, number: u32) {
        let stake = self.stake(number);
        let delegation = match Delegation::default().apply(&Event::StakeConfirmed(stake)) {
            Ok(Step::Applied { state, .. }) => state,
            Ok(Step::Duplicate) | Err(_) => Delegation::default(),
        };
        let row = DelegationRow {
            delegation,
            version: 0,
            start_timestamp: self.tip.time,
            staking_tx: transaction(number),
            unbonding_tx: None,
        };
        DELEGATIONS.put(batch, &self.key(number), &row);
    }

    fn event(&self, number: u32) -> EventRow {
        let stake = self.stake(number);
        let notice = Notice::Happened(Fact::Staked(stake));
        let (txid, tx, timestamp) = (self.key(number).txid, transaction(number), self.tip.time);
        EventRow {
            tip: stake.height,
            what: What::Delegation { txid, notice, stake, tx, timestamp },
        }
    }

    fn due(&self, number: u32) -> Vec<u8> {
        let mut key = self.stake(number).timelock().spendable_at().to_be_bytes().to_vec();
        key.push(0);
        key.extend(shown(*self.key(number).txid));
        key
    }

    fn head(&self) -> Head {
        let next = self.tip.height + 1;
        Head {
            tip: Some(self.tip),
            unconfirmed_from: next,
            last_event: self.count.into(),
            ..Head::new(FIRST, 1)
        }
    }
}

/// A provider's key is made as a staker's is.
struct StakerKeyOf([u8; 32]);

impl From<StakerKeyOf> for trestle_staking::delegation::ProviderKey {
    fn from(key: StakerKeyOf) -> Self {
        Self(key.0)
    }
}

fn hash(kind: &str, number: u32) -> sha256::Hash {
    sha256::Hash::hash(format!("{kind} {number}").as_bytes())
}

/// In the order in which people write it.
fn shown(txid: Txid) -> Vec<u8> {
    let mut bytes = txid.to_byte_array();
    bytes.reverse();
    bytes.to_vec()
}

/// Bytes of the size of a staking transaction. Nobody reads them.
fn transaction(number: u32) -> Vec<u8> {
    let seed = hash("transaction", number).to_byte_array();
    seed.into_iter().cycle().take(TX_BYTES).collect()
}

struct Rows {
    connection: Connection,
}

impl Rows {
    /// One row for each item.
    fn put<T: Clone>(&mut self, items: &[T], mut row: impl FnMut(&mut Batch, T)) -> Result<()> {
        const INSERT: &str = "INSERT INTO trestle_kv (space, key, value) VALUES (?1, ?2, ?3)";
        let transaction = self.connection.transaction()?;
        {
            let mut insert = transaction.prepare_cached(INSERT)?;
            let mut batch = Batch::new();
            for item in items {
                row(&mut batch, item.clone());
                let Some(Op::Put(space, key, value)) = batch.ops.pop() else {
                    bail!("expected a row to be put");
                };
                insert.execute((space, key, value))?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// Counters, and the ranks after them.
    fn figures(
        &mut self,
        table: &Table<[u8; 32], Counters>,
        ranks: &Table<Vec<u8>, Counters>,
        mut keys: Vec<([u8; 32], u32)>,
    ) -> Result<()> {
        keys.sort();
        self.put(&keys, |batch, (key, count)| table.put(batch, &key, &counters(count)))?;
        self.put(&keys, |batch, (key, count)| {
            let counters = counters(count);
            let mut rank = (!counters.active_tvl.unsigned_abs()).to_be_bytes().to_vec();
            rank.extend(key);
            ranks.put(batch, &rank, &counters);
        })
    }
}

fn counters(count: u32) -> Counters {
    let (count, tvl) = (i64::from(count), i64::from(count) * VALUE as i64);
    Counters {
        active_tvl: tvl,
        total_tvl: tvl,
        active_delegations: count,
        total_delegations: count,
        locked_tvl: tvl,
        locked_delegations: count,
        ..Counters::default()
    }
}
