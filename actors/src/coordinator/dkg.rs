//! Key generations: start, carry messages, prove, publish.

use trestle_chain::mock;
use trestle_keys::dkg::coordinator::{
    CoordinatorDkg, CoordinatorEffect, CoordinatorEvent, CoordinatorReject,
};
use trestle_machine::{Machine, Refusal, Step};
use trestle_store::Batch;
use trestle_wire::{
    KeyRef, Message,
    committee::{
        Signature,
        dkg::{AbortReason, DkgBegin, DkgSession},
        key::KeyReady,
        sign::Purpose,
    },
};

use super::{
    CoordinatorActor, DeliveryKey,
    ingress::{Denied, DkgReport, Reply},
    members::announcement_id,
    metrics,
    rows::{ANNOUNCEMENTS, ATTEMPTS, Announcement, KEYS, KeyRow, StoredKeyRef},
    seat::{RunningDkg, script_of},
    sessions::Goal,
    view::KeyView,
};
use crate::runtime::Fault;

/// Blocks that our view of the tip may lag behind when a key is made.
const TIP_LAG: u32 = 6;
/// A generation that a member claims is believed up to so many above the latest key known here: more
/// than any committee makes, and too few for a lying member to use the numbers up.
const REACH: u32 = 10_000;

impl CoordinatorActor {
    pub(super) async fn start_dkg(
        &mut self,
        committee: &str,
        reply: Reply<KeyView>,
    ) -> Result<(), Fault> {
        let refused = match self.seat(committee) {
            Ok(seat) if seat.dkg.is_some() => {
                Some(Denied::Busy(format!("a key generation of {committee} is under way")))
            }
            Ok(_) => None,
            Err(denied) => Some(denied),
        };
        if let Some(denied) = refused {
            let _ = reply.send(Err(denied));
            return Ok(());
        }
        let tries = self.setup.settings.dkg_attempts;
        self.begin_attempt(committee, Some(reply), tries, self.now()).await
    }

    /// Numbers of attempts are never used twice, whatever happens in between.
    async fn begin_attempt(
        &mut self,
        committee: &str,
        reply: Option<Reply<KeyView>>,
        tries_left: u32,
        begun_ms: u64,
    ) -> Result<(), Fault> {
        let (parameters, now) = (self.parameters, self.now());
        let deadline = self.setup.settings.dkg_deadline_ms;
        let Some(seat) = self.seats.get_mut(committee) else { return Ok(()) };
        let attempt = seat.last_attempt + 1;
        let mut batch = Batch::new();
        ATTEMPTS.put(&mut batch, &committee.to_owned(), &attempt);
        self.setup.store.commit(batch).await?;
        seat.last_attempt = attempt;
        let heard = seat.members.values().filter_map(|member| member.status.as_ref());
        let heard = heard.flat_map(|status| status.keys.iter().map(|key| key.generation));
        let own = seat.keys.keys().map(|key| key.generation).max().unwrap_or_default();
        let heard = heard.filter(|heard| *heard <= own.saturating_add(REACH)).max();
        let generation = own.max(heard.unwrap_or_default()).saturating_add(1);
        let key = KeyRef { committee: committee.to_owned(), generation, epoch: 0 };
        let session = DkgSession { parameters, key, attempt };
        seat.dkg = Some(RunningDkg {
            machine: CoordinatorDkg::begin(seat.committee.clone(), session.clone()),
            reply,
            begun_ms,
            deadline_ms: now + u64::from(deadline),
            tries_left: tries_left.saturating_sub(1),
        });
        self.tell(
            committee,
            "dkg_started",
            None,
            format!("key generation {generation}, attempt {attempt}"),
        );
        self.send_all(committee, &DkgBegin { session, deadline_ms: deadline }.into());
        Ok(())
    }

    fn send_all(&self, committee: &str, message: &Message) {
        let Some(seat) = self.seats.get(committee) else { return };
        for member in seat.members.values() {
            self.setup.network.offer(member.peer, message.clone());
        }
    }

    pub(super) async fn dkg_message(&mut self, from: u16, message: Message) -> Result<(), Fault> {
        let (session, event) = match message {
            Message::DkgRound1(m) => {
                (m.session, CoordinatorEvent::PackageReceived { from, package: m.round1 })
            }
            Message::DkgEcho(m) => {
                (m.session.clone(), CoordinatorEvent::EchoReceived { from, echo: m })
            }
            Message::DkgRound2(m) => {
                (m.session, CoordinatorEvent::SharesReceived { from, shares: m.shares })
            }
            Message::DkgCertificate(m) => {
                (m.session.clone(), CoordinatorEvent::CertificateReceived { from, certificate: m })
            }
            Message::DkgAbort(m) => {
                (m.session, CoordinatorEvent::AbortReceived { from, reason: m.reason })
            }
            Message::Hello(_)
            | Message::Presence(_)
            | Message::DkgBegin(_)
            | Message::DkgRound1Set(_)
            | Message::DkgEchoSet(_)
            | Message::DkgRound2Set(_)
            | Message::KeyReady(_)
            | Message::KeyFetch(_)
            | Message::MemberStatus(_)
            | Message::NonceRequest(_)
            | Message::NonceOffer(_)
            | Message::SignRequest(_)
            | Message::SignShares(_)
            | Message::SignRefused(_)
            | Message::UnbondingAsk(_)
            | Message::UnbondingSigned(_) => return Ok(()),
        };
        self.advance_dkg(&session, event).await
    }

    pub(super) async fn dkg_deadlines(&mut self, now: u64) -> Result<(), Fault> {
        let overdue: Vec<DkgSession> = self
            .seats
            .values()
            .filter_map(|seat| seat.dkg.as_ref())
            .filter(|running| running.deadline_ms <= now)
            .map(|running| running.machine.session.clone())
            .collect();
        for session in overdue {
            self.advance_dkg(&session, CoordinatorEvent::DeadlinePassed).await?;
        }
        Ok(())
    }

    /// Feeds the machine one event. An event of another attempt than the running one is stale.
    pub(super) async fn advance_dkg(
        &mut self,
        session: &DkgSession,
        event: CoordinatorEvent,
    ) -> Result<(), Fault> {
        let seat = self.seats.get_mut(&session.key.committee);
        let running = seat.and_then(|seat| seat.dkg.as_mut());
        let Some(running) = running.filter(|running| running.machine.session == *session) else {
            return Ok(());
        };
        match running.machine.apply(&event) {
            Ok(Step::Applied { state, effects }) => {
                running.machine = state;
                for effect in effects {
                    self.carry_out_dkg(session, effect).await?;
                }
            }
            Ok(Step::Duplicate) => {}
            Err(Refusal::Rejected(reject)) => self.reject_dkg(&reject),
            Err(Refusal::Invariant(what)) => return Err(Fault::Invariant(what)),
        }
        Ok(())
    }

    fn reject_dkg(&self, reject: &CoordinatorReject) {
        tracing::debug!(%reject, "message of a key generation refused");
        self.reject("dkg");
    }

    async fn carry_out_dkg(
        &mut self,
        session: &DkgSession,
        effect: CoordinatorEffect,
    ) -> Result<(), Fault> {
        let committee = &session.key.committee;
        match effect {
            CoordinatorEffect::SendAll(message) => self.send_all(committee, &message),
            CoordinatorEffect::Send(index, message) => {
                let seat = self.seats.get(committee);
                if let Some(member) = seat.and_then(|seat| seat.members.get(&index)) {
                    self.setup.network.offer(member.peer, message);
                }
            }
            CoordinatorEffect::Prove(agreed) => {
                let Some(script) = script_of(&agreed.public) else {
                    return Box::pin(self.proof_failed(session)).await;
                };
                // Nonces made for an earlier attempt at this key are gone at the members.
                if let Some(seat) = self.seats.get_mut(committee) {
                    seat.members.values_mut().for_each(|member| member.forget_nonces(&session.key));
                }
                let sighash = mock::sighash(&session.key, &script);
                let goal = Goal::Proof(session.clone());
                let started = self.start_session(
                    &session.key,
                    &agreed.public,
                    Purpose::KeyProof,
                    vec![sighash],
                    goal,
                );
                Box::pin(started).await?;
            }
            CoordinatorEffect::Publish(ready) => self.publish(*ready).await?,
            CoordinatorEffect::Report(reason) => {
                Box::pin(self.dkg_failed(session, reason)).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn proof_signed(
        &mut self,
        session: &DkgSession,
        proof: Signature,
    ) -> Result<(), Fault> {
        self.advance_dkg(session, CoordinatorEvent::ProofSigned(proof)).await
    }

    pub(super) async fn proof_failed(&mut self, session: &DkgSession) -> Result<(), Fault> {
        self.advance_dkg(session, CoordinatorEvent::ProofFailed).await
    }

    /// One commit: the key, and what is owed to every member. Then everyone may hear of it.
    async fn publish(&mut self, ready: KeyReady) -> Result<(), Fault> {
        let ready = KeyReady { birth: self.tip, ..ready };
        let key = ready.session.key.clone();
        let birth = self.tip.saturating_sub(TIP_LAG).max(1);
        let row = KeyRow { ready: ready.clone(), birth, learned: false };
        let Some(seat) = self.seats.get(&key.committee) else { return Ok(()) };
        let members: Vec<u16> = seat.members.keys().copied().collect();
        let mut batch = Batch::new();
        KEYS.insert(&mut batch, &StoredKeyRef(key.clone()), &row);
        for index in &members {
            let to = DeliveryKey { key: key.clone(), index: *index };
            let id = announcement_id(&to);
            ANNOUNCEMENTS.owe(&mut batch, &to, &Announcement { id, ready: ready.clone() });
        }
        self.setup.store.commit(batch).await?;
        for index in members {
            let to = DeliveryKey { key: key.clone(), index };
            self.owe_announcement(to.clone(), announcement_id(&to), ready.clone());
        }
        self.key_usable(&key, row);
        Ok(())
    }

    fn key_usable(&mut self, key: &KeyRef, row: KeyRow) {
        let now = self.now();
        let Some(seat) = self.seats.get_mut(&key.committee) else { return };
        if let Some(script) = script_of(&row.ready.public) {
            seat.wallet.watch(script);
        }
        let running = seat.dkg.take();
        let first = seat.keys.is_empty();
        if first {
            seat.wallet.restart(row.birth.saturating_sub(1));
        }
        seat.keys.insert(key.clone(), row);
        let took = running.as_ref().map(|running| now.saturating_sub(running.begun_ms));
        if let Some(took) = took {
            seat.took_ms.insert(key.clone(), took);
            self.count_session("dkg", "done");
            #[expect(clippy::cast_precision_loss, reason = "a duration for a histogram")]
            self.setup.metrics.dkg_seconds.observe(took as f64 / 1_000.0);
        }
        if first {
            self.follow(&key.committee.clone(), None);
        }
        let Some(view) = self.key_view(key) else { return };
        let text = format!("key {} is usable: {}", key.generation, view.address);
        self.tell(&key.committee, "key_ready", None, text);
        if let Some(reply) = running.and_then(|running| running.reply) {
            let _ = reply.send(Ok(view));
        }
    }

    /// Tries again by itself, unless a member is proven to have lied or the tries are spent.
    async fn dkg_failed(&mut self, session: &DkgSession, reason: AbortReason) -> Result<(), Fault> {
        let name = session.key.committee.clone();
        let Some(seat) = self.seats.get_mut(&name) else { return Ok(()) };
        let guilty = trestle_keys::dkg::report::proven_guilty(&seat.committee, session, &reason);
        let Some(running) = seat.dkg.take() else { return Ok(()) };
        for index in &guilty {
            if let Some(member) = seat.members.get_mut(index) {
                member.blamed += 1;
            }
            let reason = "dkg";
            self.setup.metrics.blame.get_or_create(&metrics::Reason { reason }).inc();
        }
        let report = DkgReport { reason: Box::new(reason) };
        self.tell(&name, "dkg_failed", None, format!("attempt {}: {report}", session.attempt));
        self.count_session("dkg", "failed");
        self.cancel_proof(session).await?;
        if guilty.is_empty() && running.tries_left > 0 {
            let RunningDkg { reply, tries_left, begun_ms, .. } = running;
            return self.begin_attempt(&name, reply, tries_left, begun_ms).await;
        }
        if let Some(reply) = running.reply {
            let _ = reply.send(Err(Denied::DkgFailed(report)));
        }
        Ok(())
    }
}
