//! Making versions: plans, signatures, broadcasts, bumps.

use bitcoin::{FeeRate, Transaction, Txid};
use trestle_machine::{Refusal, Step};

use super::{
    Bound, Effect, Notice, Payment, Reject, State, Version, Work,
    machine::{Outcome, applied},
};
use crate::{plan::Plan, stored::Stored};

impl Payment {
    pub(super) fn planned(&self, plan: &Plan) -> Outcome {
        if self.bound().is_some_and(|bound| bound.version(&plan.txid()).is_some()) {
            return Ok(Step::Duplicate);
        }
        // A plan comes from this node's own planner: one that breaks the binding is a fault here,
        // and stopping is better than showing it to members.
        if !self.is_paid_by(plan) {
            return Err(Refusal::Invariant("a plan does not pay the payment's recipients"));
        }
        match &self.state {
            State::Waiting => {
                self.sign(Bound::new(plan.clone()), |bound, work| State::Signing { bound, work })
            }
            State::Signing { bound, work: Work::Planning { .. } } => {
                self.next_version(bound, plan, |bound, work| State::Signing { bound, work })
            }
            State::Broadcast { bound, work: Some(Work::Planning { .. }), since } => self
                .next_version(bound, plan, |bound, work| State::Broadcast {
                    bound,
                    work: Some(work),
                    since: *since,
                }),
            State::Signing { .. }
            | State::Broadcast { .. }
            | State::Confirmed { .. }
            | State::Settled { .. }
            | State::Failed { .. }
            | State::Ended { .. } => Err(Reject::NotAsked.into()),
        }
    }

    fn next_version(
        &self,
        bound: &Bound,
        plan: &Plan,
        state: impl FnOnce(Bound, Work) -> State,
    ) -> Outcome {
        if plan.anchor() != *bound.anchor {
            return Err(Refusal::Invariant("a plan does not spend the payment's anchor"));
        }
        if let Some(by) = bound.usurper {
            return Err(Reject::AnchorSpent(*by.txid).into());
        }
        if bound.gone.keys().any(|outpoint| plan.spends(outpoint)) {
            // The coin was lost while the plan was made: make another.
            let work = bound.rebuild();
            let effects = vec![self.work_effect(bound, work)];
            return applied(self.with(state(bound.clone(), work)), effects);
        }
        let mut bound = bound.clone();
        bound.versions.push(Version { plan: plan.clone(), signed: None });
        self.sign(bound, state)
    }

    fn sign(&self, bound: Bound, state: impl FnOnce(Bound, Work) -> State) -> Outcome {
        let txid = Stored(bound.latest().plan.txid());
        let effects = vec![self.work_effect(&bound, Work::Signing), Notice::Planned(txid).effect()];
        applied(self.with(state(bound, Work::Signing)).without_note(), effects)
    }

    pub(super) fn plan_failed(&self, reason: &str) -> Outcome {
        match &self.state {
            State::Waiting | State::Signing { work: Work::Planning { .. }, .. } => {
                self.stalled(reason)
            }
            State::Broadcast { bound, work: Some(Work::Planning { .. }), .. } => {
                if bound.must_rebuild() {
                    return self.stalled(reason);
                }
                // Only the bump failed: what was broadcast stands.
                let (bound, since) = (bound.clone(), self.tip);
                let state = State::Broadcast { bound, work: None, since };
                let notice = Notice::Stalled(reason.to_owned()).effect();
                applied(self.with(state).noting(reason), vec![notice])
            }
            State::Signing { work: Work::Signing, .. }
            | State::Broadcast { .. }
            | State::Confirmed { .. }
            | State::Settled { .. }
            | State::Failed { .. }
            | State::Ended { .. } => Err(Reject::NotAsked.into()),
        }
    }

    pub(super) fn version_signed(&self, transaction: &Transaction) -> Outcome {
        let txid = transaction.compute_txid();
        let bound = self.bound().ok_or(Reject::NotBound)?;
        let version = bound.version(&txid).ok_or(Reject::UnknownVersion(txid))?;
        if version.signed.is_some() {
            return Ok(Step::Duplicate);
        }
        if !transaction.input.iter().all(|i| i.witness.len() == 1 && i.witness[0].len() == 64) {
            return Err(Reject::NotSigned(txid).into());
        }
        let was_latest = bound.latest().plan.txid() == txid;
        let next = bound.signed(&txid, transaction);
        let broadcast = Effect::Broadcast(Stored(transaction.clone()));
        let mut effects = vec![Notice::Signed(Stored(txid)).effect()];
        if next.usurper.is_none() {
            effects.insert(0, broadcast);
        }
        let left = |work: Option<Work>| work.filter(|w| !(was_latest && *w == Work::Signing));
        let state = match self.state.clone() {
            State::Signing { work, .. } => {
                State::Broadcast { bound: next, work: left(Some(work)), since: self.tip }
            }
            State::Broadcast { work, .. } => {
                State::Broadcast { bound: next, work: left(work), since: self.tip }
            }
            State::Confirmed { txid, height, block, .. } => {
                // Kept in case the block with the other version is lost.
                effects.retain(|effect| !matches!(effect, Effect::Broadcast(_)));
                State::Confirmed { bound: next, txid, height, block }
            }
            State::Waiting | State::Settled { .. } | State::Failed { .. } | State::Ended { .. } => {
                return Err(Reject::NotAsked.into());
            }
        };
        applied(self.with(state).without_note(), effects)
    }

    pub(super) fn signing_failed(&self, reason: &str) -> Outcome {
        match &self.state {
            State::Signing { work: Work::Signing, .. }
            | State::Broadcast { work: Some(Work::Signing), .. } => self.stalled(reason),
            State::Waiting
            | State::Signing { .. }
            | State::Broadcast { .. }
            | State::Confirmed { .. }
            | State::Settled { .. }
            | State::Failed { .. }
            | State::Ended { .. } => Err(Reject::NotAsked.into()),
        }
    }

    pub(super) fn broadcast_rejected(&self, txid: &Txid, reason: &str) -> Outcome {
        match &self.state {
            State::Broadcast { bound, .. } if bound.version(txid).is_none() => {
                Err(Reject::UnknownVersion(*txid).into())
            }
            // An older version is refused because a later one replaces it.
            State::Broadcast { bound, .. } if bound.latest().plan.txid() != *txid => {
                Ok(Step::Duplicate)
            }
            State::Broadcast { .. } => self.stalled(&format!(
                "bitcoind does not take version {txid}: {reason}; it is handed over again"
            )),
            State::Waiting
            | State::Signing { .. }
            | State::Confirmed { .. }
            | State::Settled { .. }
            | State::Failed { .. }
            | State::Ended { .. } => Err(Reject::NotAsked.into()),
        }
    }

    pub(super) fn retry_due(&self) -> Outcome {
        let effects = self.owed();
        if effects.is_empty() {
            return Ok(Step::Duplicate);
        }
        applied(self.clone(), effects)
    }

    pub(super) fn bump_requested(&self, rate: FeeRate) -> Outcome {
        let (bound, work) = match &self.state {
            State::Waiting => return Err(Reject::NotBound.into()),
            State::Confirmed { txid, .. } => return Err(Reject::AlreadyConfirmed(**txid).into()),
            State::Settled { .. } | State::Failed { .. } | State::Ended { .. } => {
                return Err(Reject::Final.into());
            }
            State::Signing { bound, work } => (bound, Some(*work)),
            State::Broadcast { bound, work, .. } => (bound, *work),
        };
        if let Some(by) = bound.usurper {
            return Err(Reject::AnchorSpent(*by.txid).into());
        }
        if let Some(Work::Planning { .. }) = work {
            return Err(Reject::Busy.into());
        }
        if !self.may_bump(bound) {
            return Err(Reject::NoMoreVersions(bound.versions.len()).into());
        }
        let (asked, highest) = (rate.to_sat_per_kwu(), bound.highest_rate());
        if asked <= highest {
            return Err(Reject::NotHigher { asked, highest }.into());
        }
        let (bound, work) = (bound.clone(), Work::Planning { rate: asked });
        let effects = vec![Effect::Bump { rate: asked }];
        let state = match &self.state {
            State::Broadcast { since, .. } => {
                State::Broadcast { bound, work: Some(work), since: *since }
            }
            State::Waiting
            | State::Signing { .. }
            | State::Confirmed { .. }
            | State::Settled { .. }
            | State::Failed { .. }
            | State::Ended { .. } => State::Signing { bound, work },
        };
        applied(self.with(state), effects)
    }

    pub(super) fn may_bump(&self, bound: &Bound) -> bool {
        u32::try_from(bound.versions.len()).is_ok_and(|made| made < self.terms.max_versions)
    }

    fn stalled(&self, reason: &str) -> Outcome {
        let notice = Notice::Stalled(reason.to_owned()).effect();
        applied(self.clone().noting(reason), vec![Effect::RetryLater, notice])
    }
}
