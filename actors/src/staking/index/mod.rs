//! The index of delegations: takes blocks as they come and go, and keeps what they say.
//!
//! A block's work has two parts. [`Prepared`] needs no state and can be made on any thread ahead of
//! time. The ordered part goes through the prepared blocks one after another:
//!
//! - stakes and spends are taken in the order of the chain, overflow decided on the way, and kept as
//!   a block of the *window*, the blocks that are not deep enough;
//! - a block that has become deep enough leaves the window, and its entries become facts of
//!   delegations, with their counters, timelocks and events;
//! - timelocks that end at the tip become facts too;
//! - a block that leaves the chain is taken back: out of the window, or, at any depth, by the list
//!   of delegations that it changed. What outsiders were told of those stays as it is until the new
//!   branch is as long as the old one was; what is then back with the same content was never gone
//!   for them.
//!
//! Always holds: all of this is one batch, with the cursor of the block feed; memory changes after
//! the batch is committed, and is read back from the store when that failed; the rows read and
//! written depend on what the blocks touch, not on how much is stored. Catching up, the next blocks
//! are looked at while a batch is being committed ([`Index::hand_over`]).

mod behind;
mod block;
mod confirm;
mod draft;
mod ends;
mod figures;
mod load;
mod prepare;
mod request;
mod state;
mod tell;
mod undo;
mod work;

use std::{collections::BTreeMap, sync::Arc};

use bitcoin::Txid;
use trestle_staking::{
    GlobalParams,
    delegation::{Delegation, Effect, Reject},
};
use trestle_store::{Batch, Store, StoreError};

pub use load::LoadError;
pub use prepare::{Prepared, prepare};
pub use request::RequestFact;

use self::{
    behind::Behind,
    state::{Prints, State},
    work::Work,
};
use super::{
    query,
    rows::{DelegationKey, DelegationRow, Head, Invalid},
};
use crate::{
    follower::{Cursor, Step},
    ports::chain::Tip,
    runtime::Fault,
};

/// How an index works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The first height to look at; `None`: the first activation height. For blocks out of a file
    /// that begin later.
    pub start: Option<u32>,
    /// How many confirmations make a block count; `None`: those of the first version of the
    /// parameters. For blocks out of a file, on top of which nothing comes.
    pub depth: Option<u32>,
    /// Which events are stored.
    pub events: Events,
}

/// Which events are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Events {
    /// None: for a member, which only looks delegations up.
    #[default]
    Off,
    /// All of them.
    On {
        /// The locked value at each newly confirmed block too, which few want.
        confirmed_info: bool,
    },
}

/// The index. See the module.
pub struct Index {
    store: Arc<dyn Store>,
    params: Arc<GlobalParams>,
    settings: Settings,
    cursor: Cursor,
    state: State,
    /// Of every output that a spend would matter of, and of every staker. Grows with the delegations
    /// there ever were, by some 30 bytes each.
    prints: Prints,
    /// Counts the commits, so that a plan made before one is not committed after it.
    revision: u64,
    /// A commit failed: memory has to be read back first.
    stale: bool,
    /// A commit under way; plans are made on it.
    behind: Option<Behind>,
}

/// What some steps come to: a batch to be committed by [`Index::commit`], to which others may add
/// what has to be stored together with it.
#[derive(Debug)]
pub struct Planned {
    /// Rows of this index; more may be added.
    pub batch: Batch,
    /// What changes.
    pub taken: Taken,
    state: State,
    revision: u64,
}

impl Planned {
    /// Whether it means nothing to requests to unbond, so that nothing has to be done about it.
    pub fn is_quiet(&self) -> bool {
        let Taken { effects, changed, .. } = &self.taken;
        effects.is_empty() && changed.values().all(|delegation| delegation.request().is_none())
    }
}

/// What changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The tip.
    pub tip: Option<Tip>,
    /// The height of the last block that counts.
    pub confirmed: Option<u32>,
    /// Every delegation whose facts changed, as it is now.
    pub changed: BTreeMap<Txid, Delegation>,
    /// What is to be done about requests to unbond, in order: only [`Effect::Unbond`],
    /// [`Effect::RecheckRequest`] and [`Effect::StopUnbonding`]; timelocks are watched here.
    pub effects: Vec<(Txid, Effect)>,
    /// The number of the last event.
    pub last_event: u64,
    /// For metrics.
    pub counts: Counts,
    /// For metrics: where something was found last, if these steps found it.
    pub found: Found,
}

/// Heights of the last blocks with something in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// A stake.
    pub staking: Option<u32>,
    /// An unbonding.
    pub unbonding: Option<u32>,
    /// A withdrawal of a stake.
    pub withdraw_staking: Option<u32>,
    /// A withdrawal of an unbonding output.
    pub withdraw_unbonding: Option<u32>,
}

/// How much of what, for metrics. A fact that a reorganisation takes back and gives again is
/// counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Blocks gone through.
    pub connected: u32,
    /// Blocks undone.
    pub disconnected: u32,
    /// Blocks undone that counted already.
    pub deep: u32,
    /// Reorganisations that came to such a block. One lasts until the chain is as long as it was.
    pub major: u32,
    /// Stakes under the cap.
    pub active: u32,
    /// Stakes above the cap.
    pub overflow: u32,
    /// Unbondings.
    pub unbonding: u32,
    /// Withdrawals of stakes.
    pub withdrawn_staking: u32,
    /// Withdrawals of unbonding outputs.
    pub withdrawn_unbonding: u32,
    /// Timelocks that ended.
    pub expired: u32,
    /// Outputs slashed.
    pub slashed: u32,
    /// Outputs spent in ways that fit no path.
    pub otherwise: u32,
    /// Facts told before that are not true any more.
    pub reverted: u32,
    /// Facts that contradict what is held: the chain breaks its own rules.
    pub rejected: u32,
    /// What the parameters do not allow, as it came into the chain.
    pub invalid_seen: Invalid,
    /// The same, as it was confirmed.
    pub invalid_confirmed: Invalid,
}

impl Index {
    /// The place in the chain, in the feed of this index.
    pub const fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// How far it is.
    pub const fn head(&self) -> &Head {
        &self.state.head
    }

    /// The last block gone through.
    pub fn tip(&self) -> Option<Tip> {
        self.state.head.tip()
    }

    /// The parameters.
    pub const fn params(&self) -> &Arc<GlobalParams> {
        &self.params
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The figures.
    pub const fn totals(&self) -> &trestle_staking::tally::Totals {
        &self.state.totals
    }

    /// The delegation of a staking transaction, if its stake is confirmed.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn delegation(
        &self,
        txid: Txid,
    ) -> Result<Option<(DelegationKey, DelegationRow)>, StoreError> {
        query::delegation(self.store.as_ref(), txid).await
    }

    /// Takes steps of the chain and commits what they do, with the place in the chain. A block that
    /// has been gone through is passed over.
    ///
    /// # Errors
    /// [`Fault`]: nothing changed in memory; if the commit's outcome is not known, the next call
    /// reads the state back first.
    pub async fn take(&mut self, steps: &[Step]) -> Result<Taken, Fault> {
        let prepared = Prepared::all(steps, &self.params);
        let planned = self.plan(prepared).await?;
        self.commit(planned).await
    }

    /// Works out what steps do, without changing anything.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn plan(&mut self, steps: Vec<Prepared>) -> Result<Planned, Fault> {
        self.freshen().await?;
        let mut work = Work::new(self);
        work.look_ahead(&steps).await?;
        for step in steps {
            work.step(step).await?;
        }
        let (batch, taken, state) = work.finish().await?;
        Ok(Planned { batch, taken, state, revision: self.revision })
    }

    /// Works out what a staker's request, or its end, does, without changing anything.
    ///
    /// # Errors
    /// [`Fault`]; inside, [`Reject`] if it does not apply to the delegation.
    pub async fn plan_request(
        &mut self,
        txid: Txid,
        fact: RequestFact,
    ) -> Result<Result<Planned, Reject>, Fault> {
        self.freshen().await?;
        let mut work = Work::new(self);
        if let Err(reject) = work.request(txid, fact).await? {
            return Ok(Err(reject));
        }
        let (batch, taken, state) = work.finish().await?;
        Ok(Ok(Planned { batch, taken, state, revision: self.revision }))
    }

    /// Commits a plan, and what others added to its batch; then it is true in memory too. Nothing
    /// else may be under way: [`Index::settle`].
    ///
    /// # Errors
    /// [`Fault`]: nothing changed in memory.
    pub async fn commit(&mut self, planned: Planned) -> Result<Taken, Fault> {
        self.is_next(&planned)?;
        if self.is_behind() {
            return Err(Fault::Invariant("two commits of the staking index at once"));
        }
        if !planned.batch.is_empty() {
            if let Err(error) = self.store.commit(planned.batch).await {
                self.stale = true;
                return Err(error.into());
            }
            self.revision = self.revision.wrapping_add(1);
        }
        self.state = planned.state;
        Ok(planned.taken)
    }

    fn is_next(&self, planned: &Planned) -> Result<(), Fault> {
        if planned.revision == self.revision && !self.stale {
            return Ok(());
        }
        Err(Fault::Invariant("a plan of the staking index was overtaken by another"))
    }

    async fn freshen(&mut self) -> Result<(), Fault> {
        if self.stale { self.reload().await } else { Ok(()) }
    }
}
