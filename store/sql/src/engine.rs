//! The part of a transaction that is the same on every database: which rows a group of batches
//! needs, which of the batches apply, and what they leave behind.

use std::collections::{BTreeMap, BTreeSet};

use trestle_store::{Plan, Space, StoreError, plan::At};

/// One database's way to commit. Used by the writer task alone.
pub(crate) trait Engine: Send + 'static {
    /// Carries out the plans in order in one transaction. Each that conflicts is left out and told
    /// so; an error is the outcome of all.
    fn transact(
        &mut self,
        plans: &[Plan],
    ) -> impl Future<Output = Result<Vec<Result<(), StoreError>>, StoreError>> + Send;

    /// Makes sure that a commit of unknown outcome has either happened or never will, so that
    /// reads show which.
    fn settle(&mut self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Lets go of the database.
    fn close(&mut self) -> impl Future<Output = ()> + Send;
}

/// Borrowed [`At`].
pub(crate) type AtRef<'a> = (Space, &'a [u8]);

/// Every row whose stored value decides something, once each, in order.
pub(crate) fn required(plans: &[Plan]) -> Vec<AtRef<'_>> {
    let rows: BTreeSet<AtRef<'_>> = plans.iter().flat_map(Plan::required).map(borrow).collect();
    rows.into_iter().collect()
}

/// What a group of batches comes to.
pub(crate) struct Merged<'a> {
    /// For each batch whether it applies.
    pub(crate) outcomes: Vec<Result<(), StoreError>>,
    /// Rows to write, in order.
    pub(crate) puts: Vec<(AtRef<'a>, &'a [u8])>,
    /// Rows to remove, in order.
    pub(crate) deletes: Vec<AtRef<'a>>,
}

/// Applies plans one after the other to the stored values of [`required`].
pub(crate) fn merge<'a>(
    plans: &'a [Plan],
    required: &[AtRef<'a>],
    stored: &'a [Option<Vec<u8>>],
) -> Merged<'a> {
    let stored = stored.iter().map(Option::as_deref);
    let stored: BTreeMap<AtRef<'a>, Option<&[u8]>> = required.iter().copied().zip(stored).collect();
    if let [plan] = plans {
        return alone(plan, &stored);
    }
    let mut writes: BTreeMap<AtRef<'a>, Option<&'a [u8]>> = BTreeMap::new();
    let mut outcomes = Vec::with_capacity(plans.len());
    for plan in plans {
        let outcome = plan.check(|at| {
            let at = borrow(at);
            writes.get(&at).or_else(|| stored.get(&at)).copied().flatten()
        });
        if outcome.is_ok() {
            writes.extend(plan.writes().iter().map(|(at, to)| (borrow(at), to.as_deref())));
        }
        outcomes.push(outcome);
    }
    let puts = writes.iter().filter_map(|(at, to)| to.map(|to| (*at, to))).collect();
    let deletes = writes.iter().filter(|(_, to)| to.is_none()).map(|(at, _)| *at).collect();
    Merged { outcomes, puts, deletes }
}

/// A plan's writes are in order already: nothing has to be sorted again.
fn alone<'a>(plan: &'a Plan, stored: &BTreeMap<AtRef<'a>, Option<&[u8]>>) -> Merged<'a> {
    let outcome = plan.check(|at| stored.get(&borrow(at)).copied().flatten());
    let (mut puts, mut deletes) = (Vec::new(), Vec::new());
    if outcome.is_ok() {
        for (at, to) in plan.writes() {
            match to {
                Some(to) => puts.push((borrow(at), to.as_slice())),
                None => deletes.push(borrow(at)),
            }
        }
    }
    Merged { outcomes: vec![outcome], puts, deletes }
}

fn borrow((space, key): &At) -> AtRef<'_> {
    (space, key)
}
