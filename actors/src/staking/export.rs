//! The confirmed stakes of a range of blocks, as lines in the layout and the order of other indexers:
//! by transaction id in internal byte order, which is how those keep their rows.
//!
//! Always holds: memory is one transaction id for each stake of the range, and a page of rows; what
//! leaves the chain while the export is read is left out, what is confirmed meanwhile too.

use bitcoin::{Txid, hashes::Hash};
use trestle_staking::export;
use trestle_store::{Scan, Store, StoreError};

use super::{
    query::delegations_of,
    tables::{AT, AtKind},
};

/// Heights whose lists of stakes are read at once: full blocks hold some thousand stakes.
const BLOCKS: u32 = 16;
/// Rows read at once: a delegation's row is about a kilobyte.
const ROWS: usize = 500;

/// An export that is being read.
#[derive(Debug)]
pub struct Export {
    from: u32,
    end: u32,
    /// The last first: they are taken from the end.
    left: Vec<Txid>,
}

impl Export {
    /// Lists the confirmed stakes of the blocks from height `from` up to, without, `end`.
    ///
    /// # Errors
    /// As [`Store::scan`].
    pub async fn of(store: &dyn Store, from: u32, end: u32) -> Result<Self, StoreError> {
        let limit = BLOCKS.saturating_mul(u32::try_from(AtKind::ALL.len()).unwrap_or(1));
        // Above all keys of the heights before, and below those of this one.
        let mut after = from.to_be_bytes().to_vec();
        let mut left: Vec<Txid> = Vec::new();
        loop {
            let scan = Scan { after: Some(after), limit, ..Scan::default() };
            let page = AT.scan(store, scan).await?;
            let full = page.len() == limit as usize;
            let Some(last) = page.last().map(|(key, _)| *key) else { break };
            let stakes = page
                .into_iter()
                .filter(|(key, _)| key.height < end && key.kind == AtKind::Stakes)
                .flat_map(|(_, txids)| txids);
            left.extend(stakes.map(|txid| *txid));
            if !full || last.height >= end {
                break;
            }
            after = trestle_store::table::Key::to_key(&last);
        }
        left.sort_unstable_by_key(|txid| std::cmp::Reverse(txid.to_byte_array()));
        Ok(Self { from, end, left })
    }

    /// How many stakes are to come.
    pub fn stakes(&self) -> usize {
        self.left.len()
    }

    /// The next lines, without their ends; none: that was all. [`export::HEADER`] goes before the
    /// first.
    ///
    /// # Errors
    /// As [`Store::get_many`].
    pub async fn lines(&mut self, store: &dyn Store) -> Result<Vec<String>, StoreError> {
        let mut lines = Vec::new();
        // A page whose stakes have all left the chain is not the end.
        while lines.is_empty() && !self.left.is_empty() {
            let mut txids = self.left.split_off(self.left.len().saturating_sub(ROWS));
            txids.reverse();
            let found = delegations_of(store, &txids).await?;
            for (key, row) in found.into_iter().flatten() {
                let overflow = row.delegation.stake().is_some_and(|stake| stake.overflow);
                let stake = row.stake(*key.txid);
                let Some(stake) = stake.filter(|_| (self.from..self.end).contains(&key.height))
                else {
                    continue;
                };
                lines.push(export::row(&stake, key.height, overflow));
            }
        }
        Ok(lines)
    }
}
