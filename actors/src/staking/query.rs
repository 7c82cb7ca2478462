//! Reading what the index stored: for the API, the command line and the signer. Nothing here
//! writes, so it can run beside the index and on a copy of the store.
//!
//! Always holds: a call reads a bounded number of rows, whatever is asked and however much is
//! stored; where that ends a page early, the page says where to go on.

use bitcoin::Txid;
use trestle_chain::Stored;
use trestle_staking::{
    delegation::{ProviderKey, StakerKey, StateName},
    tally::{Counters, Totals},
};
use trestle_store::{Scan, Store, StoreError, Table, table::Key};

use super::{
    events::{EVENTS_A_ROW, EventRow},
    rows::{DelegationKey, DelegationRow, Head, TxidRow},
    tables::{
        DELEGATIONS, EVENTS, HEAD, PROVIDER_RANKS, PROVIDERS, RankKey, STAKER_RANKS, STAKERS,
        TOTALS, TXIDS, TxKey,
    },
};

/// Most rows of a page: a delegation's row is about a kilobyte.
pub const MOST_ROWS: u32 = 1_000;
/// Rows of events read at once: one holds some tens of kilobytes.
const MOST_EVENT_ROWS: u32 = 64;
/// Rows looked at for one page where most do not pass the filter.
const MOST_LOOKED_AT: u32 = 1_000;

/// A delegation and where it is.
pub type Delegated = (DelegationKey, DelegationRow);

/// The delegation of a staking transaction, if its stake is confirmed.
///
/// # Errors
/// As [`Store::get`].
pub async fn delegation(store: &dyn Store, txid: Txid) -> Result<Option<Delegated>, StoreError> {
    let Some(place) = TXIDS.get(store, &TxKey(txid)).await? else { return Ok(None) };
    let (staker, height) = (place.staker, place.height);
    let key = DelegationKey { staker, height, txid: Stored(txid) };
    let row = DELEGATIONS.get(store, &key).await?;
    Ok(row.map(|row| (key, row)))
}

/// As [`delegation`], for many at once, in their order.
///
/// # Errors
/// As [`Store::get_many`].
pub async fn delegations_of(
    store: &dyn Store,
    txids: &[Txid],
) -> Result<Vec<Option<Delegated>>, StoreError> {
    let keys: Vec<TxKey> = txids.iter().copied().map(TxKey).collect();
    let places = TXIDS.get_many(store, &keys).await?;
    let place = |(txid, place): (&Txid, &Option<TxidRow>)| {
        let TxidRow { staker, height, .. } = (*place)?;
        Some(DelegationKey { staker, height, txid: Stored(*txid) })
    };
    let keys: Vec<Option<DelegationKey>> = txids.iter().zip(&places).map(place).collect();
    let stored: Vec<DelegationKey> = keys.iter().copied().flatten().collect();
    let mut rows = DELEGATIONS.get_many(store, &stored).await?.into_iter();
    let found = keys.into_iter().map(|key| {
        let key = key?;
        rows.next().flatten().map(|row| (key, row))
    });
    Ok(found.collect())
}

/// A place among a staker's delegations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The height of the stake's block.
    pub height: u32,
    /// The staking transaction.
    pub txid: Txid,
}

/// Some of a staker's delegations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelegationPage {
    /// The highest block first, then by transaction id.
    pub rows: Vec<Delegated>,
    /// Where to go on; `None`: that was all. With a filter there may be a place to go on although
    /// the page is not full, and nothing behind it.
    pub next: Option<Place>,
}

/// A page of a staker's delegations, `limit` at most, after a place.
///
/// # Errors
/// As [`Store::scan`].
pub async fn delegations(
    store: &dyn Store,
    staker: StakerKey,
    state: Option<StateName>,
    after: Option<Place>,
    limit: u32,
) -> Result<DelegationPage, StoreError> {
    let limit = limit.clamp(1, MOST_ROWS);
    let mut after =
        after.map(|Place { height, txid }| DelegationKey { staker, height, txid: Stored(txid) });
    let mut rows: Vec<Delegated> = Vec::new();
    let mut looked_at = 0;
    loop {
        // One more than is wanted says whether there is more.
        let asked = limit.saturating_add(1);
        let scan = Scan {
            prefix: staker.0.to_vec(),
            after: after.as_ref().map(Key::to_key),
            limit: asked,
            ..Scan::default()
        };
        let page = DELEGATIONS.scan(store, scan).await?;
        let ended = page.len() < asked as usize;
        for (key, row) in page {
            if rows.len() == limit as usize {
                return Ok(DelegationPage { next: after.map(place), rows });
            }
            after = Some(key);
            looked_at += 1;
            if state.is_none_or(|state| row.delegation.name() == state) {
                rows.push((key, row));
            }
        }
        if ended {
            return Ok(DelegationPage { rows, next: None });
        }
        if looked_at >= MOST_LOOKED_AT {
            return Ok(DelegationPage { rows, next: after.map(place) });
        }
    }
}

fn place(key: DelegationKey) -> Place {
    Place { height: key.height, txid: *key.txid }
}

/// All figures, and how far the index is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// The figures: compatible ([`Totals::compat`]) and honest ones.
    pub totals: Totals,
    /// Where the index is; `None` before the first block.
    pub head: Option<Head>,
}

/// All figures.
///
/// # Errors
/// As [`Store::get`].
pub async fn stats(store: &dyn Store) -> Result<Stats, StoreError> {
    let totals = TOTALS.get(store, &[]).await?.unwrap_or_default();
    Ok(Stats { totals, head: head(store).await? })
}

/// How far the index is; `None` before the first block.
///
/// # Errors
/// As [`Store::get`].
pub async fn head(store: &dyn Store) -> Result<Option<Head>, StoreError> {
    HEAD.get(store, &[]).await
}

/// A place in a ranking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rank {
    /// Active satoshis.
    pub active_tvl: u64,
    /// The x-only key.
    pub key: [u8; 32],
}

/// Some of a ranking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RankPage {
    /// The highest active TVL first, then by key.
    pub rows: Vec<([u8; 32], Counters)>,
    /// Where to go on; `None`: that was all.
    pub next: Option<Rank>,
}

/// A page of the finality providers that ever had a stake under the cap, after a place.
///
/// # Errors
/// As [`Store::scan`].
pub async fn providers(
    store: &dyn Store,
    after: Option<Rank>,
    limit: u32,
) -> Result<RankPage, StoreError> {
    ranked(store, &PROVIDER_RANKS, after, limit).await
}

/// A finality provider's figures; `None` if nothing was ever staked with it.
///
/// # Errors
/// As [`Store::get`].
pub async fn provider(store: &dyn Store, key: ProviderKey) -> Result<Option<Counters>, StoreError> {
    PROVIDERS.get(store, &key.0).await
}

/// A page of the stakers that ever had a stake under the cap, after a place.
///
/// # Errors
/// As [`Store::scan`].
pub async fn stakers(
    store: &dyn Store,
    after: Option<Rank>,
    limit: u32,
) -> Result<RankPage, StoreError> {
    ranked(store, &STAKER_RANKS, after, limit).await
}

/// A staker's figures; `None` if it never staked.
///
/// # Errors
/// As [`Store::get`].
pub async fn staker(store: &dyn Store, key: StakerKey) -> Result<Option<Counters>, StoreError> {
    STAKERS.get(store, &key.0).await
}

async fn ranked(
    store: &dyn Store,
    table: &Table<RankKey, Counters>,
    after: Option<Rank>,
    limit: u32,
) -> Result<RankPage, StoreError> {
    let limit = limit.clamp(1, MOST_ROWS);
    let after = after.map(|Rank { active_tvl, key }| RankKey { active_tvl, key }.to_key());
    let scan = Scan { after, limit: limit.saturating_add(1), ..Scan::default() };
    let mut page = table.scan(store, scan).await?;
    let more = page.len() > limit as usize;
    page.truncate(limit as usize);
    let last = page.last().map(|(RankKey { active_tvl, key }, _)| (*active_tvl, *key));
    let next = last.filter(|_| more).map(|(active_tvl, key)| Rank { active_tvl, key });
    let rows = page.into_iter().map(|(rank, counters)| (rank.key, counters)).collect();
    Ok(RankPage { rows, next })
}

/// Events with numbers above `after`, the lowest first.
///
/// # Errors
/// As [`Store::scan`].
pub async fn events(
    store: &dyn Store,
    after: u64,
    limit: u32,
) -> Result<Vec<(u64, EventRow)>, StoreError> {
    let limit = limit.clamp(1, MOST_ROWS);
    let limit = limit as usize;
    let (mut events, mut from) = (Vec::new(), after);
    // As many rows as are enough if all are full, and more if they are not.
    let mut rows = u32::try_from(limit / EVENTS_A_ROW).unwrap_or(MOST_EVENT_ROWS).saturating_add(2);
    loop {
        rows = rows.min(MOST_EVENT_ROWS);
        let scan = Scan { after: Some(from.to_key()), limit: rows, ..Scan::default() };
        let page = EVENTS.scan(store, scan).await?;
        let ended = page.len() < rows as usize;
        for (last, row) in page {
            from = last;
            let before = last.saturating_sub(row.len() as u64);
            let numbered = (before.saturating_add(1)..).zip(row);
            events.extend(numbered.filter(|(number, _)| *number > after));
        }
        if ended || events.len() >= limit {
            events.truncate(limit);
            return Ok(events);
        }
        rows = rows.saturating_mul(2);
    }
}
