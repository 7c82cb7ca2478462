//! Stakers by the addresses that belong to their keys, for wallets that know nothing else.
//!
//! [`AddressBook`] follows the stored events beside the index, so that what it costs (a tweak and
//! three rows a new staker) is not on the way of blocks. What it knows lags by a moment.
//!
//! Always holds: rows are added with the place in the events, once, and never taken back; a look-up
//! answers only for a key that has a confirmed stake now, so a reorganisation needs no undoing here.

use std::{sync::Arc, time::Duration};

use bitcoin::{
    CompressedPublicKey, WitnessProgram, XOnlyPublicKey,
    key::{Parity, TapTweak as _},
    secp256k1::Secp256k1,
};
use tokio::sync::watch;
use trestle_staking::delegation::{Fact, Notice, StakerKey};
use trestle_store::{Batch, Scan, Store, StoreError, Table};

use super::{events::What, ingress::StakingStatus, query, tables::DELEGATIONS};

/// By witness version and program.
const ADDRESSES: Table<Vec<u8>, StakerKey> = Table::new("staking.address", 1);
/// The number of the last event gone through.
const SEEN: Table<[u8; 0], u64> = Table::new("staking.addressed", 1);

/// Events gone through at once: some milliseconds of one thread, if all are of new stakers.
const EVENTS: u32 = 100;
/// Between two such groups, so that blocks and readers come first.
const PAUSE: Duration = Duration::from_millis(20);
/// Wait before it goes on after the store did not answer.
const AGAIN: Duration = Duration::from_secs(5);

/// The staker behind a P2TR or P2WPKH address, if it has a confirmed stake.
///
/// # Errors
/// As [`Store::get`].
pub async fn staker_at(
    store: &dyn Store,
    program: &WitnessProgram,
) -> Result<Option<StakerKey>, StoreError> {
    let Some(staker) = ADDRESSES.get(store, &row_key(program)).await? else { return Ok(None) };
    let scan = Scan { prefix: staker.0.to_vec(), limit: 1, ..Scan::default() };
    let stakes = DELEGATIONS.scan(store, scan).await?;
    Ok((!stakes.is_empty()).then_some(staker))
}

/// See the module.
pub struct AddressBook {
    store: Arc<dyn Store>,
    status: watch::Receiver<StakingStatus>,
}

impl AddressBook {
    /// A book in the index's store; `status` tells of new events.
    pub const fn new(store: Arc<dyn Store>, status: watch::Receiver<StakingStatus>) -> Self {
        Self { store, status }
    }

    /// Follows the events until the actor is gone. It may be dropped at any time.
    pub async fn run(mut self) {
        loop {
            // Before the table is read: what is stored after that is told once more.
            self.status.mark_unchanged();
            match advance(self.store.as_ref()).await {
                Ok(true) => tokio::time::sleep(PAUSE).await,
                Ok(false) => {
                    if self.status.changed().await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "addresses of stakers are not being added");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }
}

/// Goes through the next events and stores the addresses of new stakers. `false`: there were none.
///
/// # Errors
/// As [`Store::commit`].
pub async fn advance(store: &dyn Store) -> Result<bool, StoreError> {
    let seen = SEEN.get(store, &[]).await?.unwrap_or(0);
    let events = query::events(store, seen, EVENTS).await?;
    let Some((last, _)) = events.last() else { return Ok(false) };
    let mut batch = Batch::new();
    SEEN.put(&mut batch, &[], last);
    for (_, row) in &events {
        if let What::Delegation { notice: Notice::Happened(Fact::Staked(stake)), .. } = &row.what {
            add(store, &mut batch, stake.staker).await?;
        }
    }
    store.commit(batch).await?;
    Ok(true)
}

async fn add(store: &dyn Store, batch: &mut Batch, staker: StakerKey) -> Result<(), StoreError> {
    // Stakes have keys that were checked.
    let Ok(key) = XOnlyPublicKey::from_slice(&staker.0) else { return Ok(()) };
    let even = key_hash(key, Parity::Even);
    if ADDRESSES.get(store, &row_key(&even)).await?.is_some() {
        return Ok(());
    }
    for program in [even, key_hash(key, Parity::Odd), taproot(key)] {
        ADDRESSES.put(batch, &row_key(&program), &staker);
    }
    Ok(())
}

/// P2WPKH of one of the two full keys with this x coordinate.
fn key_hash(key: XOnlyPublicKey, parity: Parity) -> WitnessProgram {
    WitnessProgram::p2wpkh(&CompressedPublicKey(key.public_key(parity)))
}

/// P2TR with this internal key and no scripts, as wallets make it (BIP 86).
fn taproot(key: XOnlyPublicKey) -> WitnessProgram {
    let (output, _) = key.tap_tweak(&Secp256k1::verification_only(), None);
    WitnessProgram::p2tr_tweaked(output)
}

fn row_key(program: &WitnessProgram) -> Vec<u8> {
    let mut key = vec![program.version().to_num()];
    key.extend_from_slice(program.program().as_bytes());
    key
}
