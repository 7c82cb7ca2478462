//! What the pipeline stores.

use bitcoin::Txid;
use trestle_chain::Stored;
use trestle_staking::pipeline::Request;
use trestle_store::{Batch, Scan, Store, StoreError, Table, table::Key};

use crate::staking::tables::TxKey;

/// All requests there ever were, by unbonding transaction: the chain can take back what closed one.
const REQUESTS: Table<TxKey, Request> = Table::new("staking.request", 1);
/// Those that are open: what a start reads.
const OPEN: Table<TxKey, ()> = Table::new("staking.request_open", 1);

/// The last request for a stake that was dropped: the delegation does not know of it any more.
const DROPPED: Table<TxKey, Stored<Txid>> = Table::new("staking.request_dropped", 1);

/// The request for an unbonding transaction.
///
/// # Errors
/// As [`Store::get`].
pub async fn request(store: &dyn Store, unbonding: Txid) -> Result<Option<Request>, StoreError> {
    REQUESTS.get(store, &TxKey(unbonding)).await
}

/// The last request for a stake that was dropped, by its staking transaction.
///
/// # Errors
/// As [`Store::get`].
pub async fn dropped(store: &dyn Store, staking: Txid) -> Result<Option<Request>, StoreError> {
    match DROPPED.get(store, &TxKey(staking)).await? {
        Some(unbonding) => request(store, *unbonding).await,
        None => Ok(None),
    }
}

/// Some of the open requests, in the order of their ids as people write them, after one of them.
///
/// # Errors
/// As [`Store::scan`].
pub async fn open_requests(
    store: &dyn Store,
    after: Option<Txid>,
    limit: u32,
) -> Result<Vec<Request>, StoreError> {
    /// As much as an answer may hold.
    const MOST: u32 = 1_000;
    let after = after.map(|txid| TxKey(txid).to_key());
    let scan = Scan { after, limit: limit.min(MOST), ..Scan::default() };
    let mut requests = Vec::new();
    for (key, ()) in OPEN.scan(store, scan).await? {
        requests.extend(request(store, key.0).await?);
    }
    Ok(requests)
}

/// Adds a request as it is now to a batch.
pub(super) fn put(batch: &mut Batch, unbonding: Txid, request: &Request) {
    let key = TxKey(unbonding);
    REQUESTS.put(batch, &key, request);
    if request.is_open() {
        OPEN.put(batch, &key, &());
    } else {
        OPEN.delete(batch, &key);
    }
}

/// Adds to a batch that the request for a stake is dropped.
pub(super) fn put_dropped(batch: &mut Batch, staking: Txid, unbonding: Txid) {
    DROPPED.put(batch, &TxKey(staking), &Stored(unbonding));
}

/// The ids of all open requests.
pub(super) async fn open(store: &dyn Store) -> Result<Vec<Txid>, StoreError> {
    Ok(OPEN.all(store).await?.into_iter().map(|(key, ())| key.0).collect())
}
