//! What the chain does to requests, and the start from the store.

use std::{collections::BTreeMap, sync::Arc};

use bitcoin::Txid;
use trestle_staking::{
    delegation::Delegation,
    pipeline::{Asking, Event, Request, Resend, Standing, Work},
    tx::check_request,
};
use trestle_store::{Batch, StoreError};

use super::{Pipeline, engine::Changes, rows};
use crate::{
    runtime::Fault,
    staking::{Index, Planned, RequestFact, rows::stake_of},
};

/// Changes of requests that are in a plan of the index.
#[derive(Debug)]
pub struct Joined(Changes);

impl Pipeline {
    /// Reads the open requests in place of what is in memory, and begins with what each of them
    /// waits for. How their stakes stand was stored together with the index.
    ///
    /// # Errors
    /// [`Fault`] if something cannot be read.
    pub async fn load(&mut self, index: &mut Index) -> Result<(), Fault> {
        self.open.clear();
        self.asking = Asking::default();
        self.resend = Resend::default();
        self.assembling.clear();
        self.recheck.clear();
        self.jobs.clear();
        let store = Arc::clone(&self.setup.store);
        for txid in rows::open(store.as_ref()).await? {
            if let Some(request) = rows::request(store.as_ref(), txid).await? {
                self.open.insert(txid, request);
            }
        }
        let all: Vec<(Txid, Option<Work>)> =
            self.open.iter().map(|(txid, request)| (*txid, request.work())).collect();
        for (txid, work) in all {
            if let Some(work) = work {
                self.carry(txid, work.into());
            }
        }
        self.run_queues();
        self.show();
        self.recheck(index).await
    }

    /// Adds to a plan of the index what it means for requests: one batch for both.
    ///
    /// # Errors
    /// [`Fault`]: nothing changed.
    pub async fn join(&self, planned: &mut Planned) -> Result<Joined, Fault> {
        self.moves(&mut planned.batch, &planned.taken.changed).await.map(Joined)
    }

    /// The plan was committed: its effects on requests are carried out.
    ///
    /// # Errors
    /// [`Fault`]: everything must be loaded again.
    pub async fn joined(&mut self, index: &mut Index, joined: Joined) -> Result<(), Fault> {
        self.settle(joined.0);
        self.recheck(index).await
    }

    /// What changed delegations mean for their requests, open or closed.
    async fn moves(
        &self,
        batch: &mut Batch,
        changed: &BTreeMap<Txid, Delegation>,
    ) -> Result<Changes, Fault> {
        let mut changes = Changes::default();
        for delegation in changed.values() {
            let Some(unbonding) = delegation.request() else { continue };
            if let Some(request) = self.find(unbonding).await? {
                let event = Event::Moved(Standing::of(delegation, unbonding));
                changes.step(unbonding, request, &event)?;
            }
        }
        changes.write(batch);
        Ok(changes)
    }

    async fn find(&self, unbonding: Txid) -> Result<Option<Request>, StoreError> {
        match self.open.get(&unbonding) {
            Some(request) => Ok(Some(request.clone())),
            None => rows::request(self.setup.store.as_ref(), unbonding).await,
        }
    }

    /// Checks requests again whose stakes moved. One that does not fit any more is dropped, and its
    /// delegation is active again, in one batch.
    async fn recheck(&mut self, index: &mut Index) -> Result<(), Fault> {
        while let Some(txid) = self.recheck.pop_first() {
            let Some(request) = self.open.get(&txid) else { continue };
            let Standing::Open { height } = request.standing() else { continue };
            let staking = request.order().outpoint().txid;
            let fits = self.fits(index, request, height).await?;
            let event = Event::Rechecked { height, fits };
            let mut batch = Batch::new();
            let changes = self.apply(&mut batch, [(txid, event)])?;
            if fits {
                self.commit(batch, changes).await?;
                continue;
            }
            tracing::warn!(
                %staking, unbonding = %txid, height,
                "a stake moved under other parameters: its unbonding has to be requested anew"
            );
            rows::put_dropped(&mut batch, staking, txid);
            let fact = RequestFact::Dropped { unbonding: txid };
            match index.plan_request(staking, fact).await? {
                Ok(mut planned) => {
                    planned.batch.append(batch);
                    index.commit(planned).await?;
                    self.settle(changes);
                }
                Err(_) => self.commit(batch, changes).await?,
            }
        }
        Ok(())
    }

    /// Whether the parameters of the stake's height give the transaction that was signed.
    async fn fits(&self, index: &Index, request: &Request, height: u32) -> Result<bool, Fault> {
        let order = request.order();
        let staking = order.outpoint().txid;
        let Some((_, row)) = index.delegation(staking).await? else { return Ok(false) };
        let held = row.delegation.stake().filter(|stake| stake.height == height);
        let stake = held.and_then(|stake| stake_of(staking, stake, row.version));
        let params = self.setup.global.version(row.version);
        Ok(match (stake, params, order.signature()) {
            (Some(stake), Some(params), Ok(signature)) => {
                check_request(order.transaction(), None, &stake, params, &signature).is_ok()
            }
            _ => false,
        })
    }
}
