//! A session's transitions.

use trestle_machine::{Machine, Refusal, Step};
use trestle_wire::committee::sign::{RefusalCode, SignShares, Signer};

use super::{
    Attempt, Blame, MemberState, Nonces, Outcome, Roast, RoastEffect, RoastEvent, RoastReject,
    Verdict,
};

type Applied = Result<Step<Roast, RoastEffect>, Refusal<RoastReject>>;

impl Machine for Roast {
    type Event = RoastEvent;
    type Effect = RoastEffect;
    type Reject = RoastReject;

    fn apply(&self, event: &RoastEvent) -> Applied {
        if self.outcome.is_some() {
            return Ok(Step::Duplicate);
        }
        let mut next = Draft { state: self.clone(), effects: Vec::new() };
        match event {
            RoastEvent::Started(prepared) => next.started(prepared),
            RoastEvent::NoncesOffered(index, nonces) => next.nonces_offered(*index, nonces)?,
            RoastEvent::SharesReceived(shares) => next.shares_received(shares)?,
            RoastEvent::Refused { index, attempt, code } => {
                next.refused(*index, *attempt, *code)?;
            }
            RoastEvent::Checked { attempt, verdicts } => next.checked(*attempt, verdicts)?,
            RoastEvent::Tick(now_ms) => next.tick(*now_ms),
            RoastEvent::Cancelled => next.fail(),
        }
        next.go_on();
        Ok(Step::Applied { state: next.state, effects: next.effects })
    }
}

/// The state to come, and what it asks for.
struct Draft {
    state: Roast,
    effects: Vec<RoastEffect>,
}

impl Draft {
    fn started(&mut self, prepared: &[(u16, Nonces)]) {
        let needed = self.state.unsigned().len();
        for (index, nonces) in prepared {
            if nonces.commitments.len() >= needed
                && let Some(member) = self.state.members.get_mut(index)
            {
                *member = MemberState::Ready(nonces.clone());
            }
        }
        let ready = self.state.indexes(|member| matches!(member, MemberState::Ready(_))).len();
        for index in self.state.indexes(|member| *member == MemberState::Asked) {
            if ready >= self.state.threshold {
                // Enough for an attempt: the others are asked only if another one is due.
                self.state.members.insert(index, MemberState::Free);
            } else {
                self.effects.push(RoastEffect::AskNonces(index, needed));
            }
        }
        self.effects.push(RoastEffect::WakeAt(self.state.timing.deadline_ms));
        self.effects.push(RoastEffect::WakeAt(self.state.ask_again_ms));
    }

    /// Messages of a session may be lost, for example with a connection. Asking again is harmless:
    /// a member answers the same request with the same bytes.
    fn tick(&mut self, now_ms: u64) {
        self.state.now_ms = self.state.now_ms.max(now_ms);
        if self.state.now_ms < self.state.ask_again_ms {
            return;
        }
        let needed = self.state.unsigned().len();
        for index in self.state.indexes(|member| *member == MemberState::Asked) {
            self.effects.push(RoastEffect::AskNonces(index, needed));
        }
        for (attempt, running) in &self.state.attempts {
            if !running.checking {
                let (messages, signers) = (running.messages.clone(), running.signers.clone());
                self.effects.push(RoastEffect::Request { attempt: *attempt, messages, signers });
            }
        }
        self.state.ask_again_ms = self.state.now_ms + self.state.timing.grace_ms;
        self.effects.push(RoastEffect::WakeAt(self.state.ask_again_ms));
    }

    fn nonces_offered(&mut self, index: u16, nonces: &Nonces) -> Result<(), RoastReject> {
        let needed = self.state.unsigned().len();
        let member = self.member(index)?;
        if *member != MemberState::Asked {
            return Err(RoastReject::NotAsked(index));
        }
        let got = nonces.commitments.len();
        if got < needed {
            return Err(RoastReject::TooFewNonces { index, got, needed });
        }
        *member = MemberState::Ready(nonces.clone());
        Ok(())
    }

    fn shares_received(&mut self, answer: &SignShares) -> Result<(), RoastReject> {
        let SignShares { index, attempt, shares, .. } = answer;
        let (index, attempt) = (*index, *attempt);
        self.must_sign(index, attempt)?;
        let running = self.state.attempts.get_mut(&attempt);
        let running = running.ok_or(RoastReject::NotSigning { index, attempt })?;
        if shares.len() != running.messages.len() {
            self.blame(index, Blame::WrongShare);
            self.state.attempts.remove(&attempt);
            self.release(attempt);
            return Ok(());
        }
        running.shares.insert(index, shares.clone());
        if running.shares.len() == running.signers.len() {
            running.checking = true;
            self.effects.push(RoastEffect::Check(attempt));
        }
        self.state.members.insert(index, MemberState::Free);
        Ok(())
    }

    fn refused(&mut self, index: u16, attempt: u32, code: RefusalCode) -> Result<(), RoastReject> {
        self.must_sign(index, attempt)?;
        self.state.attempts.remove(&attempt);
        match code {
            // Its nonces are gone, for example because it was started again: it may have new ones.
            RefusalCode::Nonces if self.may_lose_nonces(index) => self.ask(index),
            RefusalCode::Nonces
            | RefusalCode::Stale
            | RefusalCode::Policy
            | RefusalCode::Chain
            | RefusalCode::Malformed
            | RefusalCode::Rollback
            | RefusalCode::Busy
            | RefusalCode::Store => {
                self.state.members.insert(index, MemberState::Refused(code));
            }
        }
        self.release(attempt);
        Ok(())
    }

    fn checked(&mut self, attempt: u32, verdicts: &[Verdict]) -> Result<(), Refusal<RoastReject>> {
        let Some(done) = self.state.attempts.remove(&attempt) else {
            return Ok(());
        };
        if verdicts.len() != done.messages.len() {
            return Err(Refusal::Invariant("an attempt needs one verdict a message"));
        }
        for (message, verdict) in done.messages.iter().zip(verdicts) {
            match verdict {
                Verdict::Signed(signature) => {
                    self.state.signatures[usize::from(*message)] = Some(*signature);
                }
                Verdict::Wrong(culprits) => {
                    for culprit in culprits {
                        self.blame(*culprit, Blame::WrongShare);
                    }
                }
            }
        }
        self.release(attempt);
        Ok(())
    }

    /// Members that wait in an attempt that is gone become free again.
    fn release(&mut self, attempt: u32) {
        for index in self.state.indexes(|member| *member == MemberState::Signing(attempt)) {
            self.ask(index);
        }
    }

    /// Losing nonces costs everyone an attempt, so a member may do it only twice.
    fn may_lose_nonces(&mut self, index: u16) -> bool {
        let times = self.state.lost_nonces.entry(index).or_default();
        *times = times.saturating_add(1);
        *times <= 2
    }

    /// Asks for new nonces, unless there is nothing left to sign.
    fn ask(&mut self, index: u16) {
        let needed = self.state.unsigned().len();
        self.state.members.insert(index, MemberState::Asked);
        if needed > 0 {
            self.effects.push(RoastEffect::AskNonces(index, needed));
        }
    }

    /// After every event: end the session, or start an attempt where one is due.
    fn go_on(&mut self) {
        if self.state.outcome.is_some() {
            return;
        }
        if self.state.unsigned().is_empty() {
            self.finish();
        } else if self.state.now_ms >= self.state.timing.deadline_ms || !self.can_still_sign() {
            self.fail();
        } else if !self.must_wait() {
            for index in self.state.indexes(|member| *member == MemberState::Free) {
                self.ask(index);
            }
            self.start_attempt();
        }
    }

    fn can_still_sign(&self) -> bool {
        let usable = self
            .state
            .indexes(|member| !matches!(member, MemberState::Refused(_) | MemberState::Blamed));
        usable.len() >= self.state.threshold
    }

    fn start_attempt(&mut self) {
        let mut ready: Vec<(u32, u16)> = self
            .state
            .members
            .iter()
            .filter_map(|(index, member)| match member {
                MemberState::Ready(nonces) => Some((nonces.rank, *index)),
                MemberState::Asked
                | MemberState::Signing(_)
                | MemberState::Free
                | MemberState::Refused(_)
                | MemberState::Blamed => None,
            })
            .collect();
        if ready.len() < self.state.threshold {
            return;
        }
        ready.sort_unstable();
        ready.truncate(self.state.threshold);
        let messages = self.state.unsigned();
        let number = self.state.next_attempt;
        let mut signers: Vec<Signer> = ready
            .into_iter()
            .filter_map(|(_, index)| self.take_nonces(index, number, messages.len()))
            .collect();
        signers.sort_unstable_by_key(|signer| signer.index);
        self.state.next_attempt += 1;
        self.state.attempts.insert(
            number,
            Attempt {
                messages: messages.clone(),
                signers: signers.clone(),
                shares: std::collections::BTreeMap::new(),
                started_ms: self.state.now_ms,
                checking: false,
            },
        );
        self.effects.push(RoastEffect::Request { attempt: number, messages, signers });
        self.effects.push(RoastEffect::WakeAt(self.state.now_ms + self.state.timing.grace_ms));
    }

    /// Whether the latest attempt may still succeed by itself, so that another would be waste.
    fn must_wait(&self) -> bool {
        self.state.attempts.values().any(|attempt| {
            attempt.checking || self.state.now_ms < attempt.started_ms + self.state.timing.grace_ms
        })
    }

    fn take_nonces(&mut self, index: u16, attempt: u32, count: usize) -> Option<Signer> {
        let member = self.state.members.get_mut(&index)?;
        let MemberState::Ready(nonces) = std::mem::replace(member, MemberState::Signing(attempt))
        else {
            return None;
        };
        let Nonces { boot, first, mut commitments, .. } = nonces;
        commitments.truncate(count);
        Some(Signer { index, boot, first, commitments })
    }

    fn finish(&mut self) {
        let signatures: Vec<_> = self.state.signatures.iter().flatten().copied().collect();
        self.end(Outcome::Signed(signatures));
    }

    fn fail(&mut self) {
        let silent: Vec<u16> = self
            .state
            .indexes(|m| matches!(m, MemberState::Asked | MemberState::Signing(_)))
            .into_iter()
            .collect();
        let refused = self.state.refused();
        let blamed =
            self.state.indexes(|member| *member == MemberState::Blamed).into_iter().collect();
        self.end(Outcome::Failed { silent, refused, blamed });
    }

    fn end(&mut self, outcome: Outcome) {
        for index in self.overdue() {
            self.effects.push(RoastEffect::Blame(index, Blame::Silent));
        }
        self.state.outcome = Some(outcome.clone());
        self.state.attempts.clear();
        self.effects.push(RoastEffect::Finish(outcome));
    }

    /// Members that an attempt has waited for longer than its grace period.
    fn overdue(&self) -> std::collections::BTreeSet<u16> {
        let (attempts, timing, now) = (&self.state.attempts, self.state.timing, self.state.now_ms);
        self.state.indexes(|member| match member {
            MemberState::Signing(attempt) => attempts
                .get(attempt)
                .is_some_and(|attempt| now >= attempt.started_ms + timing.grace_ms),
            MemberState::Asked
            | MemberState::Ready(_)
            | MemberState::Free
            | MemberState::Refused(_)
            | MemberState::Blamed => false,
        })
    }

    fn blame(&mut self, index: u16, why: Blame) {
        if self.state.members.insert(index, MemberState::Blamed) != Some(MemberState::Blamed) {
            self.effects.push(RoastEffect::Blame(index, why));
        }
    }

    fn member(&mut self, index: u16) -> Result<&mut MemberState, RoastReject> {
        self.state.members.get_mut(&index).ok_or(RoastReject::NoSuchMember(index))
    }

    fn must_sign(&mut self, index: u16, attempt: u32) -> Result<(), RoastReject> {
        if *self.member(index)? == MemberState::Signing(attempt) {
            Ok(())
        } else {
            Err(RoastReject::NotSigning { index, attempt })
        }
    }
}
