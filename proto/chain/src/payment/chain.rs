//! What the chain does to a payment.

use bitcoin::{BlockHash, OutPoint, Txid};
use trestle_machine::Step;

use super::{
    Bound, Effect, Ending, Event, Notice, Payment, Reject, Spender, State, Work,
    machine::{Outcome, applied},
};
use crate::{confirm::is_deep, stored::Stored};

impl Payment {
    /// What it means for this payment that a block at `height` spends `outpoint` in `txid`; `None`
    /// if it means nothing, or is told by the anchor's spend.
    pub fn spent(
        &self,
        outpoint: OutPoint,
        txid: Txid,
        height: u32,
        block: BlockHash,
    ) -> Option<Event> {
        let bound = self.bound()?;
        let is_anchor = outpoint == *bound.anchor;
        if bound.version(&txid).is_some() {
            return is_anchor.then_some(Event::VersionConfirmed { txid, height, block });
        }
        if is_anchor {
            return Some(Event::AnchorSpentByOther { txid, height, pays: false, elsewhere: None });
        }
        bound.inputs().contains(&outpoint).then_some(Event::InputSpentByOther { outpoint, height })
    }

    pub(super) fn tip_advanced(&self, height: u32) -> Outcome {
        if height <= self.tip {
            return Ok(Step::Duplicate);
        }
        let payment = Self { tip: height, ..self.clone() };
        let quote = match &payment.state {
            State::Broadcast { bound, work, since } => {
                bound.usurper.is_none()
                    && !matches!(work, Some(Work::Planning { .. }))
                    && height.saturating_sub(*since) >= payment.terms.bump_after
                    && payment.may_bump(bound)
            }
            State::Waiting
            | State::Signing { .. }
            | State::Confirmed { .. }
            | State::Settled { .. }
            | State::Failed { .. }
            | State::Ended { .. } => false,
        };
        let effects = if quote { vec![Effect::QuoteRate] } else { Vec::new() };
        payment.close(effects)
    }

    pub(super) fn version_confirmed(&self, txid: Txid, height: u32, block: BlockHash) -> Outcome {
        let bound = match &self.state {
            State::Waiting => return Err(Reject::NotBound.into()),
            State::Settled { .. } | State::Failed { .. } | State::Ended { .. } => {
                return Err(Reject::Final.into());
            }
            State::Confirmed { txid: was, height: at, block: b, .. } => {
                if (**was, *at, **b) == (txid, height, block) {
                    return Ok(Step::Duplicate);
                }
                return Err(Reject::AlreadyConfirmed(**was).into());
            }
            State::Signing { bound, .. } | State::Broadcast { bound, .. } => bound,
        };
        // Any version may confirm, also one whose signatures never came back here.
        if bound.version(&txid).is_none() {
            return Err(Reject::UnknownVersion(txid).into());
        }
        if let Some(by) = bound.usurper {
            return Err(Reject::AnchorSpent(*by.txid).into());
        }
        let bound = Bound { seen: true, ..bound.clone() };
        let (txid, block) = (Stored(txid), Stored(block));
        let mut payment = self.with(State::Confirmed { bound, txid, height, block }).without_note();
        payment.tip = payment.tip.max(height);
        payment.close(vec![Notice::Confirmed(txid, height).effect()])
    }

    pub(super) fn block_disconnected(&self, height: u32) -> Outcome {
        if height > self.tip {
            return Ok(Step::Duplicate);
        }
        let mut payment = Self { tip: height.saturating_sub(1), ..self.clone() };
        let lost_confirmation = match &self.state {
            State::Confirmed { height: at, .. } => *at >= height,
            State::Waiting
            | State::Signing { .. }
            | State::Broadcast { .. }
            | State::Settled { .. }
            | State::Failed { .. }
            | State::Ended { .. } => false,
        };
        let Some(bound) = payment.bound_mut() else { return applied(payment, Vec::new()) };
        bound.gone.retain(|_, at| *at < height);
        let lost_usurper = bound.usurper.is_some_and(|by| by.height >= height);
        if lost_usurper {
            bound.usurper = None;
        }
        if !lost_confirmation && !lost_usurper {
            return applied(payment, Vec::new());
        }
        let bound = bound.clone();
        payment.state = payment.unconfirmed(bound);
        let mut effects = payment.owed();
        effects.push(Notice::Reorganised.effect());
        applied(payment.without_note(), effects)
    }

    pub(super) fn anchor_spent(&self, by: Spender, elsewhere: Option<OutPoint>) -> Outcome {
        let Spender { txid: Stored(txid), height, pays } = by;
        let mut payment = self.clone();
        if let State::Confirmed { txid, .. } = &self.state {
            return Err(Reject::AlreadyConfirmed(**txid).into());
        }
        let Some(bound) = payment.bound_mut() else { return Err(Reject::NotBound.into()) };
        if bound.version(&txid).is_some() {
            return Err(Reject::OwnVersion(txid).into());
        }
        match bound.usurper {
            Some(was) if was == by => return Ok(Step::Duplicate),
            Some(was) => return Err(Reject::AnchorSpent(*was.txid).into()),
            None => bound.usurper = Some(by),
        }
        payment.tip = payment.tip.max(height);
        let note = match elsewhere {
            _ if pays => format!(
                "{txid} at height {height} spent its anchor and pays exactly these recipients: a \
                 version of it that this coordinator does not have"
            ),
            Some(other) => format!(
                "its anchor was spent by {txid} at height {height}; but members say they bound this \
                 id to {other}: it is paid if what spends that coin pays the recipients, so look \
                 before you pay under another id"
            ),
            None => format!("its anchor was spent by {txid} at height {height}"),
        };
        payment.noting(note).close(vec![Notice::AnchorSpent(Stored(txid)).effect()])
    }

    pub(super) fn input_spent(&self, outpoint: OutPoint, height: u32) -> Outcome {
        let mut payment = self.clone();
        let Some(bound) = payment.bound_mut() else { return Err(Reject::NotBound.into()) };
        if outpoint == *bound.anchor || !bound.inputs().contains(&outpoint) {
            return Err(Reject::NotAnInput(outpoint).into());
        }
        if bound.gone.insert(Stored(outpoint), height).is_some() {
            return Ok(Step::Duplicate);
        }
        let rebuild = bound.must_rebuild() && bound.usurper.is_none();
        let next = bound.rebuild();
        // A plan under way is checked against the lost coins when it comes.
        let started = match &mut payment.state {
            State::Signing { work, .. } if rebuild && *work == Work::Signing => {
                *work = next;
                true
            }
            State::Broadcast { work, .. }
                if rebuild && !matches!(work, Some(Work::Planning { .. })) =>
            {
                *work = Some(next);
                true
            }
            State::Waiting
            | State::Signing { .. }
            | State::Broadcast { .. }
            | State::Confirmed { .. }
            | State::Settled { .. }
            | State::Failed { .. }
            | State::Ended { .. } => false,
        };
        let effects = match next {
            Work::Planning { rate } if started => vec![Effect::Bump { rate }],
            Work::Planning { .. } | Work::Signing => Vec::new(),
        };
        applied(payment, effects)
    }

    /// Makes the payment final if what is in the chain is deep enough.
    fn close(self, mut effects: Vec<Effect>) -> Outcome {
        let depth = self.terms.settle_depth.max(1);
        let state = match &self.state {
            State::Confirmed { bound, txid, height, .. } if is_deep(self.tip, *height, depth) => {
                effects.extend([Effect::Release, Notice::Settled(*txid).effect()]);
                State::Settled { bound: bound.clone(), txid: *txid, height: *height }
            }
            State::Signing { bound, .. } | State::Broadcast { bound, .. } => match bound.usurper {
                Some(by) if is_deep(self.tip, by.height, depth) && by.pays => {
                    effects.extend([Effect::Release, Notice::UsedBefore(by.txid).effect()]);
                    let why = Ending::UsedBefore { anchor: bound.anchor, by };
                    State::Ended { bound: Some(bound.clone()), why }
                }
                Some(by) if is_deep(self.tip, by.height, depth) => {
                    effects.extend([Effect::Release, Notice::Failed(by.txid).effect()]);
                    State::Failed { bound: bound.clone(), by }
                }
                Some(_) | None => return applied(self, effects),
            },
            State::Waiting
            | State::Confirmed { .. }
            | State::Settled { .. }
            | State::Failed { .. }
            | State::Ended { .. } => return applied(self, effects),
        };
        let payment = self.with(state);
        applied(payment, effects)
    }

    fn bound_mut(&mut self) -> Option<&mut super::Bound> {
        match &mut self.state {
            State::Waiting => None,
            State::Signing { bound, .. }
            | State::Broadcast { bound, .. }
            | State::Confirmed { bound, .. }
            | State::Settled { bound, .. }
            | State::Failed { bound, .. } => Some(bound),
            State::Ended { bound, .. } => bound.as_mut(),
        }
    }
}
