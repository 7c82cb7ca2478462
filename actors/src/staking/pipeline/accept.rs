//! Checking and accepting a request.

use std::sync::Arc;

use bitcoin::Txid;
use trestle_staking::{
    GlobalParams,
    pipeline::{Effect, Order, Request},
    tx::check_request,
};
use trestle_store::Store;

use super::{MAX_OPEN, Pipeline, RequestError, UnbondingForm, engine::Changes};
use crate::{
    ports::{Compute, compute},
    runtime::Fault,
    staking::{Index, RequestFact, query, rows::DelegationRow},
};

/// Checks a request in the order that clients know: the delegation exists, it is active, then the
/// transaction and the signature under the parameters of the stake's height. Reads the store and
/// uses the pool; the actor is not needed until the request is accepted.
///
/// # Errors
/// [`RequestError`], the first that applies.
pub async fn check(
    store: &dyn Store,
    pool: &dyn Compute,
    global: &Arc<GlobalParams>,
    form: UnbondingForm,
) -> Result<Order, RequestError> {
    let row = query::delegation(store, form.staking).await;
    let row = row.map_err(|error| RequestError::Unavailable(error.to_string()))?;
    let (_, row) = row.ok_or(RequestError::NotFound)?;
    row.delegation.eligible()?;
    let global = Arc::clone(global);
    let checked = compute(pool, move || order(&global, &row, &form)).await;
    checked.unwrap_or_else(|| Err(RequestError::Unavailable("the node is stopping".into())))
}

fn order(
    global: &GlobalParams,
    row: &DelegationRow,
    form: &UnbondingForm,
) -> Result<Order, RequestError> {
    let damaged = || RequestError::Unavailable("the delegation's row is damaged".into());
    let stake = row.stake(form.staking).ok_or_else(damaged)?;
    let height = row.delegation.stake().ok_or(RequestError::NotFound)?.height;
    let params = global.version(row.version).ok_or_else(damaged)?;
    let (transaction, said) = (&form.transaction, Some(form.unbonding));
    let unbonding = check_request(transaction, said, &stake, params, &form.signature)?;
    Ok(Order::new(&stake, height, params, &unbonding, &form.signature))
}

impl Pipeline {
    /// Accepts a checked request: its row and the delegation's new fact are one batch.
    ///
    /// # Errors
    /// [`Fault`]; inside, [`RequestError`] for the one who asked.
    pub async fn accept(
        &mut self,
        index: &mut Index,
        order: Order,
    ) -> Result<Result<(), RequestError>, Fault> {
        let (staking, unbonding): (Txid, Txid) = (order.outpoint().txid, order.txid());
        if self.open.len() >= MAX_OPEN {
            return Ok(Err(RequestError::Busy));
        }
        let fact = RequestFact::Made { unbonding };
        let mut planned = match index.plan_request(staking, fact).await? {
            Ok(planned) => planned,
            Err(reject) => return Ok(Err(reject.into())),
        };
        let Some(delegation) = planned.taken.changed.get(&staking) else {
            // Asked for with this transaction before: nothing changes.
            let state = trestle_staking::delegation::StateName::UnbondingRequested;
            return Ok(Err(RequestError::NotActive(state)));
        };
        if delegation.stake().is_none_or(|stake| stake.height != order.height()) {
            return Ok(Err(RequestError::Moved));
        }
        let mut changes = Changes::default();
        changes.now.insert(unbonding, Request::accept(order));
        changes.effects.push((unbonding, Effect::Collect));
        changes.write(&mut planned.batch);
        index.commit(planned).await?;
        tracing::info!(%staking, %unbonding, "a request to unbond was accepted");
        self.settle(changes);
        Ok(Ok(()))
    }
}
