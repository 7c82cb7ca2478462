//! The member in a key generation: runs the machine, and the vault for it.

use std::collections::VecDeque;

use trestle_keys::dkg::member::{MemberDkg, MemberEffect, MemberEvent, Phase};
use trestle_machine::{Machine, Refusal, Step};
use trestle_store::Batch;
use trestle_wire::{
    Peer,
    committee::dkg::{
        AbortReason, DkgAbort, DkgBegin, DkgEchoSet, DkgRound1Set, DkgRound2Set, DkgSession,
        SealedShare,
    },
};

use super::{
    CommitteeActor,
    actor::RunningDkg,
    metrics::Outcome,
    rows::{AttemptKey, KEYS, KeyRow},
};
use crate::{runtime::Fault, vault::Trouble};

/// The longest an attempt may take, whatever a coordinator says.
const LONGEST_MS: u32 = 120_000;
/// Ended attempts that are remembered for each committee.
const REMEMBERED: usize = 16;

impl CommitteeActor {
    pub(super) async fn dkg_begin(&mut self, from: Peer, begin: DkgBegin) -> Result<(), Fault> {
        let session = begin.session;
        if let Some(reason) = self.may_not_begin(&session) {
            tracing::warn!(%session.key, attempt = session.attempt, reason, "key generation refused");
            return Ok(());
        }
        let now = self.setup.clock.now_ms();
        let boxed = self.seats.get_mut(&session.key.committee);
        let Some(seat) = boxed else { return Ok(()) };
        if let Some(running) = &seat.dkg {
            if running.machine.session == session {
                return Ok(());
            }
            // The coordinator moved on; so do we.
            self.setup.vault.forget(&running.machine.session);
            seat.ended.push(running.machine.session.clone());
        }
        seat.ended.drain(..seat.ended.len().saturating_sub(REMEMBERED));
        let machine = MemberDkg::begin(seat.committee.clone(), seat.index, session.clone());
        let deadline_ms = now + u64::from(begin.deadline_ms.min(LONGEST_MS));
        seat.dkg = Some(RunningDkg { machine, coordinator: from, deadline_ms });
        let package = self.setup.vault.make_package(&seat.committee, seat.index, &session);
        self.advance(&session, MemberEvent::PackageMade(package)).await
    }

    fn may_not_begin(&self, session: &DkgSession) -> Option<&'static str> {
        // It may have taken part in that very attempt before; and every decision stored now would
        // hide a little more of what it has forgotten.
        if self.rollback {
            return Some("this member's data is older than what it has signed");
        }
        if session.parameters != self.parameters {
            return Some("it is for other shared parameters");
        }
        if session.key.epoch != 0 || session.key.generation == 0 {
            return Some("a new key has epoch 0 and a generation from 1");
        }
        if self.usable_keys(&session.key.committee).contains(&session.key) {
            return Some("that key exists");
        }
        if self.keys.contains_key(session) {
            return Some("that attempt is over");
        }
        None
    }

    pub(super) async fn dkg_packages(
        &mut self,
        from: Peer,
        set: DkgRound1Set,
    ) -> Result<(), Fault> {
        let session = set.session.clone();
        self.hear(from, &session, MemberEvent::PackagesReceived(set)).await
    }

    pub(super) async fn dkg_echoes(&mut self, from: Peer, set: DkgEchoSet) -> Result<(), Fault> {
        let session = set.session.clone();
        self.hear(from, &session, MemberEvent::EchoesReceived(set)).await
    }

    pub(super) async fn dkg_shares(&mut self, from: Peer, set: DkgRound2Set) -> Result<(), Fault> {
        let session = set.session.clone();
        self.hear(from, &session, MemberEvent::SharesReceived(set)).await
    }

    pub(super) async fn dkg_abort(&mut self, from: Peer, abort: DkgAbort) -> Result<(), Fault> {
        let session = abort.session.clone();
        if self.runs(&session, from) {
            self.advance(&session, MemberEvent::Aborted(abort.reason)).await?;
        }
        Ok(())
    }

    fn runs(&self, session: &DkgSession, from: Peer) -> bool {
        let seat = self.seats.get(&session.key.committee);
        seat.and_then(|seat| seat.dkg.as_ref()).is_some_and(|running| {
            running.machine.session == *session && running.coordinator == from
        })
    }

    /// A step of an attempt. One that this boot never saw was lost with the boot before: say so,
    /// so that the coordinator need not wait for its deadline.
    async fn hear(
        &mut self,
        from: Peer,
        session: &DkgSession,
        event: MemberEvent,
    ) -> Result<(), Fault> {
        if self.runs(session, from) {
            return self.advance(session, event).await;
        }
        let Some(seat) = self.seats.get(&session.key.committee) else { return Ok(()) };
        if session.parameters == self.parameters
            && !seat.ended.contains(session)
            && !self.keys.contains_key(session)
        {
            let reason = AbortReason::Restarted(seat.index);
            let abort = DkgAbort { session: session.clone(), reason };
            self.setup.network.offer(from, abort.into());
        }
        Ok(())
    }

    pub(super) async fn tick(&mut self) -> Result<(), Fault> {
        let now = self.setup.clock.now_ms();
        let overdue: Vec<DkgSession> = self
            .seats
            .values()
            .filter_map(|seat| seat.dkg.as_ref())
            .filter(|running| running.deadline_ms <= now)
            .map(|running| running.machine.session.clone())
            .collect();
        for session in overdue {
            self.advance(&session, MemberEvent::DeadlinePassed).await?;
            self.end(&session);
        }
        Ok(())
    }

    /// Feeds the machine, and the events that its effects give rise to, until it rests.
    async fn advance(&mut self, session: &DkgSession, first: MemberEvent) -> Result<(), Fault> {
        let mut events = VecDeque::from([first]);
        while let Some(event) = events.pop_front() {
            let Some(running) = self.running(session) else { return Ok(()) };
            match running.machine.apply(&event) {
                Ok(Step::Applied { state, effects }) => {
                    running.machine = state;
                    for effect in effects {
                        events.extend(self.carry_out(session, effect).await?);
                    }
                }
                Ok(Step::Duplicate) => {}
                Err(Refusal::Rejected(reject)) => {
                    tracing::debug!(%session.key, %reject, "message of a key generation refused");
                }
                Err(Refusal::Invariant(what)) => return Err(Fault::Invariant(what)),
            }
        }
        let over = self.running(session).is_some_and(|running| {
            matches!(running.machine.phase, Phase::Ended(_) | Phase::Certified { .. })
        });
        if over {
            self.end(session);
        }
        Ok(())
    }

    fn running(&mut self, session: &DkgSession) -> Option<&mut RunningDkg> {
        let seat = self.seats.get_mut(&session.key.committee)?;
        seat.dkg.as_mut().filter(|running| running.machine.session == *session)
    }

    async fn carry_out(
        &mut self,
        session: &DkgSession,
        effect: MemberEffect,
    ) -> Result<Option<MemberEvent>, Fault> {
        let Some(seat) = self.seats.get(&session.key.committee) else { return Ok(None) };
        let Some(coordinator) = seat.dkg.as_ref().map(|running| running.coordinator) else {
            return Ok(None);
        };
        let (committee, index) = (seat.committee.clone(), seat.index);
        let vault = &mut self.setup.vault;
        let event = match effect {
            MemberEffect::MakePackage => {
                Some(MemberEvent::PackageMade(vault.make_package(&committee, index, session)))
            }
            MemberEffect::SendEcho(transcript) => {
                let echo = vault.echo(session, index, transcript);
                self.setup.network.offer(coordinator, echo.into());
                None
            }
            MemberEffect::MakeShares(packages) => {
                match vault.make_shares(&committee, index, session, &packages) {
                    Ok(shares) => Some(MemberEvent::SharesMade(shares)),
                    Err(Trouble::Package(culprit)) => {
                        let package = packages.into_iter().find(|p| p.index == culprit);
                        package
                            .map(|package| MemberEvent::PackageUnusable { index: culprit, package })
                    }
                    Err(Trouble::Share(_) | Trouble::Forgotten) => {
                        Some(MemberEvent::Aborted(AbortReason::Restarted(index)))
                    }
                }
            }
            MemberEffect::Finish(shares, transcript) => {
                Some(self.finish(session, &shares, transcript).await?)
            }
            MemberEffect::SendCertificate => {
                self.send_certificate(session, coordinator);
                None
            }
            MemberEffect::Send(message) => {
                self.setup.network.offer(coordinator, message);
                None
            }
            MemberEffect::Forget => {
                vault.forget(session);
                None
            }
        };
        Ok(event)
    }

    /// Computes the share and stores it, before anyone hears that it exists.
    async fn finish(
        &mut self,
        session: &DkgSession,
        shares: &[SealedShare],
        transcript: trestle_wire::Hash32,
    ) -> Result<MemberEvent, Fault> {
        let Some(seat) = self.seats.get(&session.key.committee) else {
            return Err(Fault::Invariant("an attempt of a committee that this node is not in"));
        };
        let (committee, index) = (seat.committee.clone(), seat.index);
        match self.setup.vault.finish(&committee, index, session, shares) {
            Ok((public, sealed)) => {
                let (sequence, birth) = (self.sequence + 1, self.tip);
                let public_part = public.clone();
                let row = KeyRow {
                    public: public_part,
                    transcript,
                    sealed,
                    sequence,
                    birth,
                    ready: None,
                };
                let mut batch = Batch::new();
                KEYS.insert(&mut batch, &AttemptKey(session.clone()), &row);
                self.commit(batch).await?;
                self.keys.insert(session.clone(), row);
                self.count_dkg("certified");
                Ok(MemberEvent::KeyStored(public))
            }
            Err(Trouble::Share(share)) => Ok(MemberEvent::ShareUnusable(*share)),
            Err(Trouble::Package(_) | Trouble::Forgotten) => {
                Ok(MemberEvent::Aborted(AbortReason::Restarted(index)))
            }
        }
    }

    fn send_certificate(&self, session: &DkgSession, coordinator: Peer) {
        let (Some(row), Some(seat)) =
            (self.keys.get(session), self.seats.get(&session.key.committee))
        else {
            return;
        };
        let certificate =
            self.setup.vault.certify(session, seat.index, &row.public, row.transcript);
        self.setup.network.offer(coordinator, certificate.into());
    }

    fn end(&mut self, session: &DkgSession) {
        let Some(seat) = self.seats.get_mut(&session.key.committee) else { return };
        if seat.dkg.as_ref().is_some_and(|running| running.machine.session == *session) {
            seat.dkg = None;
            seat.ended.push(session.clone());
            self.setup.vault.forget(session);
            self.count_dkg("ended");
        }
    }

    /// Drops whatever is under way, as a member does that must decide nothing more.
    pub(super) fn end_all(&mut self) {
        let running = self.seats.values().filter_map(|seat| seat.dkg.as_ref());
        let running: Vec<DkgSession> =
            running.map(|running| running.machine.session.clone()).collect();
        for session in running {
            self.end(&session);
        }
    }

    pub(super) fn count_dkg(&self, outcome: &'static str) {
        self.setup.metrics.dkg.get_or_create(&Outcome { outcome }).inc();
    }
}
