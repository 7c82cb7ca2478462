//! An index in memory that keeps its figures with the tally alone.

use std::collections::BTreeMap;

use bitcoin::{Txid, hashes::Hash};

use super::*;
use crate::expiry::{Output, Schedule, Timelock};

/// What a block does. A stake is known by its number.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tx {
    Stake { number: u32, value: u64, staker: u8, provider: u8, timelock: u16 },
    Unbond(u32),
    Spend(u32),
}

pub(super) struct Index {
    pub(super) first: u32,
    pub(super) depth: usize,
    pub(super) cap: fn(u32) -> Cap,
    pub(super) blocks: Vec<Vec<Tx>>,
    /// How many blocks have been deep enough once.
    pub(super) confirmed: usize,
    pub(super) totals: Totals,
    pub(super) stakers: BTreeMap<StakerKey, Counters>,
    pub(super) providers: BTreeMap<ProviderKey, Counters>,
    pub(super) rows: BTreeMap<u32, Row>,
    schedule: Schedule,
}

pub(super) struct Row {
    pub(super) share: Share,
    pub(super) at: Position,
    timelock: Timelock,
}

impl Index {
    pub(super) fn new(first: u32, depth: usize, cap: fn(u32) -> Cap) -> Self {
        Self {
            first,
            depth,
            cap,
            blocks: Vec::new(),
            confirmed: 0,
            totals: Totals::default(),
            stakers: BTreeMap::new(),
            providers: BTreeMap::new(),
            rows: BTreeMap::new(),
            schedule: Schedule::default(),
        }
    }

    /// The height of the next block.
    pub(super) fn next(&self) -> u32 {
        self.first + u32::try_from(self.blocks.len()).expect("a short chain")
    }

    pub(super) fn connect(&mut self, block: Vec<Tx>) {
        let height = self.next();
        let mut run = must(OverflowRun::from_tip(&self.totals.tip));
        for tx in &block {
            match *tx {
                Tx::Stake { number, value, staker, provider, timelock } => {
                    let overflow = must(run.staked(value, height, &(self.cap)(height)));
                    let (staker, provider) = (StakerKey([staker; 32]), ProviderKey([provider; 32]));
                    let share = Share { staker, provider, value, overflow };
                    let timelock = Timelock { height, blocks: timelock };
                    self.rows.insert(number, Row { share, at: Position::default(), timelock });
                }
                Tx::Unbond(number) => {
                    let share = self.rows[&number].share;
                    must(run.unbonded(share.value, share.overflow));
                }
                Tx::Spend(_) => {}
            }
            self.place(*tx, Depth::Window);
        }
        assert_eq!(i64::try_from(run.finish().value), Ok(self.totals.tip.chain_tvl));
        self.blocks.push(block);
        self.confirm();
        self.expire(height);
    }

    fn confirm(&mut self) {
        while self.confirmed + self.depth <= self.blocks.len() {
            for tx in self.blocks[self.confirmed].clone() {
                self.place(tx, Depth::Confirmed);
                if let Tx::Stake { number, .. } = tx {
                    let timelock = self.rows[&number].timelock;
                    self.schedule.watch(id(number), Output::Staking, timelock);
                }
            }
            self.confirmed += 1;
        }
    }

    fn expire(&mut self, tip: u32) {
        for due in self.schedule.due(tip, usize::MAX) {
            let number = number(due.staking);
            self.schedule.unwatch(due.staking, due.output, self.rows[&number].timelock);
            self.move_to(number, |at| at.expired = true);
        }
    }

    pub(super) fn disconnect(&mut self) {
        let Some(block) = self.blocks.pop() else { return };
        let height = self.next();
        let running: Vec<u32> = self
            .rows
            .iter()
            .filter(|(_, row)| row.at.expired && row.timelock.spendable_at() >= height)
            .map(|(number, _)| *number)
            .collect();
        for number in running {
            self.move_to(number, |at| at.expired = false);
            self.schedule.watch(id(number), Output::Staking, self.rows[&number].timelock);
        }
        for tx in block.into_iter().rev() {
            self.place(tx, Depth::Absent);
            if let Tx::Stake { number, .. } = tx {
                let row = self.rows.remove(&number).expect("it was staked");
                self.schedule.unwatch(id(number), Output::Staking, row.timelock);
            }
        }
        self.confirmed = self.confirmed.min(self.blocks.len());
    }

    fn place(&mut self, tx: Tx, depth: Depth) {
        match tx {
            Tx::Stake { number, .. } => self.move_to(number, |at| at.stake = depth),
            Tx::Unbond(number) => self.move_to(number, |at| at.unbonding = depth),
            Tx::Spend(number) => self.move_to(number, |at| at.gone = depth),
        }
    }

    /// Everything that one event touches: its row, its staker's, its provider's and the totals'.
    fn move_to(&mut self, number: u32, how: impl FnOnce(&mut Position)) {
        let row = self.rows.get_mut(&number).expect("it was staked");
        let from = row.at;
        how(&mut row.at);
        let change = must(Change::moved(&row.share, &from, &row.at));
        let staker = self.stakers.entry(row.share.staker).or_default();
        let provider = self.providers.entry(row.share.provider).or_default();
        (self.totals, *staker) = must(self.totals.apply(&change, staker));
        *provider = must(provider.plus(&change.counters));
    }
}

fn id(number: u32) -> Txid {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    Txid::from_byte_array(bytes)
}

fn number(id: Txid) -> u32 {
    let bytes = id.to_byte_array();
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}
