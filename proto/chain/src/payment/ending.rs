//! What is possible only as long as no version is signed: another anchor, and giving up.

use std::collections::BTreeSet;

use bitcoin::{OutPoint, ScriptBuf, Transaction};
use trestle_machine::Refusal;

use super::{
    Bound, Effect, Ending, Notice, Payment, Reject, Spender, State, Work,
    machine::{Outcome, applied},
};
use crate::{plan::Plan, stored::Stored};

/// The state with that work, from the height given on.
type Next = fn(Bound, Work, u32) -> State;

impl Payment {
    /// Whether a transaction is a version of this payment by its outputs: exactly the recipients, in
    /// order, and at most one output more, to one of the committee's `own` scripts.
    pub fn is_made_by(&self, transaction: &Transaction, own: &BTreeSet<ScriptBuf>) -> bool {
        let count = self.recipients.len();
        let (Some(paid), Some(rest)) =
            (transaction.output.get(..count), transaction.output.get(count..))
        else {
            return false;
        };
        self.recipients.iter().map(|output| &output.0).eq(paid)
            && rest.len() <= 1
            && rest.iter().all(|output| own.contains(&output.script_pubkey))
    }

    /// The versions so far, none of which is signed; `None` while nothing is planned.
    fn unsigned(&self) -> Result<Option<&Bound>, Reject> {
        match &self.state {
            State::Waiting => Ok(None),
            State::Signing { bound, .. } if !bound.may_confirm() => Ok(Some(bound)),
            State::Signing { bound, .. } | State::Broadcast { bound, .. } => {
                let signed = bound.versions.iter().find(|version| version.signed.is_some());
                Err(Reject::Signed(signed.unwrap_or(bound.latest()).plan.txid()))
            }
            State::Confirmed { txid, .. } => Err(Reject::AlreadyConfirmed(**txid)),
            State::Settled { .. } | State::Failed { .. } | State::Ended { .. } => {
                Err(Reject::Final)
            }
        }
    }

    pub(super) fn rebound(&self, plan: &Plan, adopted: bool) -> Outcome {
        if !self.is_paid_by(plan) {
            return Err(Refusal::Invariant("a plan does not pay the payment's recipients"));
        }
        let before = self.unsigned()?.ok_or(Reject::NotBound)?;
        if let Some(by) = before.usurper {
            return Err(Reject::AnchorSpent(*by.txid).into());
        }
        if plan.anchor() == *before.anchor {
            return Err(Reject::NotAsked.into());
        }
        let bound = Bound { adopted, ..Bound::new(plan.clone()) };
        let effects =
            vec![self.work_effect(&bound, Work::Signing), Notice::Rebound(bound.anchor).effect()];
        let state = State::Signing { bound, work: Work::Signing };
        applied(self.with(state).without_note(), effects)
    }

    pub(super) fn input_refused(&self) -> Outcome {
        let (bound, state): (&Bound, Next) = match &self.state {
            State::Signing { bound, work: Work::Signing } => {
                (bound, |bound, work, _| State::Signing { bound, work })
            }
            State::Broadcast { bound, work: Some(Work::Signing), .. } => {
                (bound, |bound, work, since| State::Broadcast { bound, work: Some(work), since })
            }
            State::Waiting
            | State::Signing { .. }
            | State::Broadcast { .. }
            | State::Confirmed { .. }
            | State::Settled { .. }
            | State::Failed { .. }
            | State::Ended { .. } => return Err(Reject::NotAsked.into()),
        };
        if let Some(by) = bound.usurper {
            return Err(Reject::AnchorSpent(*by.txid).into());
        }
        let work = bound.rebuild();
        let effects = vec![self.work_effect(bound, work)];
        applied(self.with(state(bound.clone(), work, self.tip)), effects)
    }

    pub(super) fn found_used(&self, anchor: OutPoint, by: Spender) -> Outcome {
        let bound = self.unsigned()?.cloned();
        let (txid, height) = (*by.txid, by.height);
        let note = if by.pays {
            format!(
                "this id was used before, with the anchor {anchor}; {txid} at height {height} spent \
                 it and pays exactly these recipients: do not pay them again for this"
            )
        } else {
            format!(
                "this id was used before, with the anchor {anchor}; {txid} at height {height} spent \
                 it and does not pay these recipients: under this id they are never paid"
            )
        };
        let effects = vec![Effect::Release, Notice::UsedBefore(by.txid).effect()];
        let why = Ending::UsedBefore { anchor: Stored(anchor), by };
        applied(self.with(State::Ended { bound, why }).noting(note), effects)
    }

    pub(super) fn cancelled(&self, elsewhere: Option<OutPoint>, stranded: bool) -> Outcome {
        let bound = self.unsigned()?.cloned();
        let adopted = bound.as_ref().filter(|bound| bound.adopted).map(|bound| *bound.anchor);
        let anchor = bound.as_ref().filter(|_| stranded).map(|bound| bound.anchor);
        let mut note = match elsewhere.or(adopted) {
            Some(anchor) => format!(
                "cancelled; members say they bound this id to {anchor}, so a version that this \
                 coordinator does not have may still confirm: look at what spends that coin before \
                 you pay under another id"
            ),
            None => "cancelled before a version was signed".to_owned(),
        };
        if let Some(Stored(anchor)) = anchor {
            note.push_str(&format!(
                "; so many members have bound {anchor} to it, or may have, that too few are left to spend \
                 that coin, except for `trestle committee release`"
            ));
        }
        let effects = vec![Effect::Release, Notice::Cancelled.effect()];
        let state = State::Ended { bound, why: Ending::Cancelled };
        applied(self.with(state).noting(note), effects)
    }
}
