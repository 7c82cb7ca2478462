//! Signing sessions: the ROAST machine, and what it needs of members and of the pool.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use frost_secp256k1_tr::keys::PublicKeyPackage;
use trestle_keys::{
    Committee,
    roast::{Attempt, Blame, Outcome, Roast, RoastEffect, RoastEvent, Timing, Verdict},
    signer::batch,
    taproot::{Tweak, public_keys_from_wire, tweak_public_keys},
};
use trestle_machine::{Machine, Refusal, Step};
use trestle_wire::{
    KeyRef, SessionId,
    committee::{
        Signature,
        dkg::{DkgSession, PublicKeys},
        payment::PaymentProposal,
        sign::{Purpose, RefusalCode, SignRefused, SignRequest, SignShares, Signer},
    },
};

use super::{
    CheckWork, CoordinatorActor, Job, bindings::from_wire, ingress::Reply, metrics,
    seat::LEFT_OUT_MS, view::SignedText,
};
use crate::runtime::Fault;

/// Sessions at a time. Each holds a batch's commitments and shares, 100 bytes a message and signer.
pub(super) const MOST_SESSIONS: usize = 64;

/// Pieces that the check of an attempt is cut into: enough for the cores there may be, few enough
/// for the pool's queue.
const PIECES: usize = 16;

/// One session.
pub(super) struct Session {
    pub(super) roast: Roast,
    key: KeyRef,
    committee: Arc<Committee>,
    public: Arc<PublicKeyPackage>,
    purpose: Purpose,
    sighashes: Arc<Vec<[u8; 32]>>,
    goal: Option<Goal>,
    /// What members that refused said, for people.
    details: BTreeMap<u16, String>,
    /// Members that were away when it was ended, if it was ended because of them.
    pub(super) lacked: BTreeSet<u16>,
    begun_ms: u64,
    pub(super) wake_ms: u64,
}

/// What the signatures are for.
pub(super) enum Goal {
    /// The proof of a new key.
    Proof(DkgSession),
    /// The latest version of a payment.
    Payment(trestle_wire::Hash32),
    /// A text, for whoever asked.
    Text(Reply<SignedText>, KeyRef),
}

impl Session {
    /// The payment that it is for, and what members are shown of it.
    pub(super) fn payment(&self) -> Option<(trestle_wire::Hash32, &PaymentProposal)> {
        match (&self.goal, &self.purpose) {
            (Some(Goal::Payment(payment)), Purpose::Payment(proposal)) => {
                Some((*payment, proposal))
            }
            _ => None,
        }
    }

    /// Whether it is for the proof of a new key.
    pub(super) fn is_proof(&self) -> bool {
        matches!(self.goal, Some(Goal::Proof(_)))
    }

    /// The committee that signs.
    pub(super) fn committee(&self) -> &str {
        &self.key.committee
    }

    /// What members have said that refused, while the others are asked.
    pub(super) fn refusals(&self) -> Option<String> {
        let refused = self.roast.refused();
        let said = || format!("{}; the others are asked", why_refused(&refused, &self.details));
        (!refused.is_empty()).then(said)
    }

    fn why_failed(&self, silent: &[u16], refused: &[(u16, RefusalCode)], blamed: &[u16]) -> String {
        if self.lacked.is_empty() {
            return why_failed(silent, refused, blamed, &self.details);
        }
        let refused = why_refused(refused, &self.details);
        let away: Vec<u16> = self.lacked.iter().copied().collect();
        format!("{refused}; members {away:?} are away, and too few are left")
    }
}

/// Why there are no signatures.
pub(super) struct NotSigned {
    /// For people.
    pub(super) why: String,
    /// So many members have judged the message and said no that asking again is in vain.
    pub(super) is_refused: bool,
}

impl Goal {
    fn label(&self) -> &'static str {
        match self {
            Self::Proof(_) => "proof",
            Self::Payment(_) => "payment",
            Self::Text(..) => "text",
        }
    }
}

impl CoordinatorActor {
    /// Starts a session over `sighashes`, one a message of the purpose.
    pub(super) async fn start_session(
        &mut self,
        key: &KeyRef,
        public: &PublicKeys,
        purpose: Purpose,
        sighashes: Vec<[u8; 32]>,
        goal: Goal,
    ) -> Result<(), Fault> {
        let now = self.now();
        let settings = &self.setup.settings;
        let timing = Timing {
            grace_ms: settings.sign_grace_ms,
            deadline_ms: now + settings.sign_deadline_ms,
        };
        let Some(seat) = self.seats.get_mut(&key.committee) else { return Ok(()) };
        let committee = Arc::clone(&seat.committee);
        let public = public_keys_from_wire(public, committee.threshold)
            .map(|public| Arc::new(tweak_public_keys(&public, Tweak::KeyPath)));
        let (Ok(public), true) = (public, self.sessions.len() < MOST_SESSIONS) else {
            let why = "too many sessions at once".to_owned();
            let failed = NotSigned { why, is_refused: false };
            return Box::pin(self.session_over(goal, Err(failed))).await;
        };
        let members = committee.members.iter().map(|member| member.index);
        let roast = Roast::new(members, committee.threshold, sighashes.len(), timing, now);
        let prepared = prepared(seat, key, sighashes.len(), now);
        let id = self.session_id();
        let sighashes = Arc::new(sighashes);
        self.sessions.insert(
            id,
            Session {
                roast,
                key: key.clone(),
                committee,
                public,
                purpose,
                sighashes,
                goal: Some(goal),
                details: BTreeMap::new(),
                lacked: BTreeSet::new(),
                begun_ms: now,
                wake_ms: timing.deadline_ms,
            },
        );
        self.advance_session(id, RoastEvent::Started(prepared)).await
    }

    fn session_id(&mut self) -> SessionId {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.setup.boot.0);
        id[8..].copy_from_slice(&self.next_number.to_be_bytes());
        self.next_number += 1;
        SessionId(id)
    }

    pub(super) async fn shares(&mut self, from: u16, shares: SignShares) -> Result<(), Fault> {
        let id = shares.session;
        if !self.concerns(id, from, shares.index, &shares.key) {
            return Ok(());
        }
        if let Some((payment, proposal)) = self.sessions.get(&id).and_then(Session::payment) {
            // An honest member binds the payment before its shares leave.
            self.bindings.agreed(payment, from, from_wire(&proposal.anchor));
        }
        self.advance_session(id, RoastEvent::SharesReceived(shares)).await
    }

    /// Ends what is under way for a payment, for good: shares that come late find no session.
    pub(super) fn end_sessions(&mut self, payment: trestle_wire::Hash32) {
        let is_its = |session: &Session| session.payment().is_some_and(|(one, _)| one == payment);
        let ended: Vec<SessionId> = self
            .sessions
            .iter()
            .filter(|(_, session)| is_its(session))
            .map(|(id, _)| *id)
            .collect();
        for id in ended {
            self.sessions.remove(&id);
            self.count_session("payment", "failed");
        }
    }

    pub(super) async fn refused(&mut self, from: u16, refused: SignRefused) -> Result<(), Fault> {
        let SignRefused { session, attempt, key, index, code, detail, binding } = refused;
        if !self.concerns(session, from, index, &key) {
            return Ok(());
        }
        tracing::info!(member = index, reason = code.label(), detail, "a member refused to sign");
        if let Some(running) = self.sessions.get_mut(&session) {
            // It ends up on terminals, so no escape sequences.
            let plain = detail.chars().filter(|c| !c.is_control()).collect();
            running.details.insert(index, plain);
        }
        if matches!(code, RefusalCode::Nonces | RefusalCode::Stale) {
            let seat = self.seats.get_mut(&key.committee);
            let member = seat.and_then(|seat| seat.members.get_mut(&index));
            if let Some(pool) = member.and_then(|member| member.pools.get_mut(&key)) {
                pool.clear();
            }
        }
        // Any other reason says nothing about what it agreed to when it was asked before.
        let is_judged = matches!(code, RefusalCode::Policy | RefusalCode::Malformed);
        let judged = self.sessions.get(&session).filter(|_| is_judged);
        if let Some((payment, proposal)) = judged.and_then(Session::payment) {
            self.bindings.declined(&payment, index, from_wire(&proposal.anchor));
        }
        let stop = binding.is_some_and(|binding| self.hear_binding(session, index, binding));
        self.advance_session(session, RoastEvent::Refused { index, attempt, code }).await?;
        if stop {
            return self.advance_session(session, RoastEvent::Cancelled).await;
        }
        self.end_if_in_vain(session).await
    }

    fn concerns(&self, id: SessionId, from: u16, index: u16, key: &KeyRef) -> bool {
        let concerns =
            from == index && self.sessions.get(&id).is_some_and(|session| session.key == *key);
        if !concerns {
            self.reject("session");
        }
        concerns
    }

    pub(super) async fn checked(
        &mut self,
        id: SessionId,
        attempt: u32,
        verdicts: Vec<Verdict>,
    ) -> Result<(), Fault> {
        self.advance_session(id, RoastEvent::Checked { attempt, verdicts }).await
    }

    /// Gives waiting sessions the nonces that have come.
    pub(super) async fn feed_sessions(&mut self, key: &KeyRef, index: u16) -> Result<(), Fault> {
        let waiting = |session: &Session| {
            session.key == *key
                && session.roast.members.get(&index)
                    == Some(&trestle_keys::roast::MemberState::Asked)
        };
        let ids: Vec<SessionId> =
            self.sessions.iter().filter(|(_, s)| waiting(s)).map(|(id, _)| *id).collect();
        for id in ids {
            self.offer_from_pool(id, index).await?;
        }
        Ok(())
    }

    /// Offers a session the nonces it asked of a member, if they are there.
    async fn offer_from_pool(&mut self, id: SessionId, index: u16) -> Result<bool, Fault> {
        let now = self.now();
        let Some(session) = self.sessions.get(&id) else { return Ok(false) };
        let needed = session.roast.unsigned().len();
        let seat = self.seats.get_mut(&session.key.committee);
        let Some(member) = seat.and_then(|seat| seat.members.get_mut(&index)) else {
            return Ok(false);
        };
        let rank = member.rank(now);
        let pool = member.pools.get_mut(&session.key);
        let Some(nonces) = pool.and_then(|pool| pool.take(needed, rank)) else {
            return Ok(false);
        };
        let event = RoastEvent::NoncesOffered(index, nonces);
        Box::pin(self.advance_session(id, event)).await?;
        Ok(true)
    }

    pub(super) async fn session_ticks(&mut self, now: u64) -> Result<(), Fault> {
        let due: Vec<SessionId> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.wake_ms <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            if let Some(session) = self.sessions.get_mut(&id) {
                session.wake_ms = session.roast.timing.deadline_ms.max(now + 1);
            }
            self.advance_session(id, RoastEvent::Tick(now)).await?;
        }
        Ok(())
    }

    /// Ends the session for the proof of a key whose generation is over: its signature would be for
    /// nothing, and it keeps members' nonces and a place among the sessions.
    pub(super) async fn cancel_proof(&mut self, attempt: &DkgSession) -> Result<(), Fault> {
        let is_its = |session: &Session| matches!(&session.goal, Some(Goal::Proof(proven)) if proven == attempt);
        let id = self.sessions.iter().find(|(_, session)| is_its(session)).map(|(id, _)| *id);
        match id {
            Some(id) => Box::pin(self.advance_session(id, RoastEvent::Cancelled)).await,
            None => Ok(()),
        }
    }

    pub(super) async fn advance_session(
        &mut self,
        id: SessionId,
        event: RoastEvent,
    ) -> Result<(), Fault> {
        let now = self.now();
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        session.roast.now_ms = session.roast.now_ms.max(now);
        match session.roast.apply(&event) {
            Ok(Step::Applied { state, effects }) => {
                session.roast = state;
                for effect in effects {
                    self.carry_out_session(id, effect).await?;
                }
            }
            Ok(Step::Duplicate) => {}
            Err(Refusal::Rejected(reject)) => {
                tracing::debug!(%reject, "message of a signing session refused");
                self.reject("session");
            }
            Err(Refusal::Invariant(what)) => return Err(Fault::Invariant(what)),
        }
        Ok(())
    }

    async fn carry_out_session(&mut self, id: SessionId, effect: RoastEffect) -> Result<(), Fault> {
        match effect {
            RoastEffect::AskNonces(index, count) => {
                if !self.offer_from_pool(id, index).await?
                    && let Some(key) = self.sessions.get(&id).map(|session| session.key.clone())
                {
                    self.ask_nonces(&key, index, count);
                }
            }
            RoastEffect::Request { attempt, messages, signers } => {
                self.request_shares(id, attempt, &messages, &signers);
            }
            RoastEffect::Check(attempt) => self.check(id, attempt),
            RoastEffect::Blame(index, why) => self.blame(id, index, why),
            RoastEffect::WakeAt(at) => {
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.wake_ms = session.wake_ms.min(at);
                }
            }
            RoastEffect::Finish(outcome) => Box::pin(self.finish_session(id, outcome)).await?,
        }
        Ok(())
    }

    fn request_shares(
        &mut self,
        id: SessionId,
        attempt: u32,
        messages: &[u16],
        signers: &[Signer],
    ) {
        let Some(session) = self.sessions.get(&id) else { return };
        let Some(seat) = self.seats.get(&session.key.committee) else { return };
        self.setup.metrics.attempts.inc();
        let request = SignRequest {
            session: id,
            attempt,
            key: session.key.clone(),
            purpose: session.purpose.clone(),
            messages: messages.to_vec(),
            signers: signers.to_vec(),
        };
        let payment = session.payment();
        let shown = payment.map(|(payment, proposal)| (payment, from_wire(&proposal.anchor)));
        for signer in signers {
            if let Some((payment, anchor)) = shown {
                self.bindings.shown(payment, signer.index, anchor);
            }
            if let Some(member) = seat.members.get(&signer.index) {
                self.setup.network.offer(member.peer, request.clone().into());
            }
        }
    }

    fn check(&mut self, id: SessionId, attempt: u32) {
        let Some(session) = self.sessions.get(&id) else { return };
        let Some(running) = session.roast.attempts.get(&attempt).cloned() else { return };
        let check = Arc::new(Check {
            committee: Arc::clone(&session.committee),
            public: Arc::clone(&session.public),
            sighashes: Arc::clone(&session.sighashes),
            running,
        });
        let count = check.running.messages.len();
        let size = count.div_ceil(PIECES).max(1);
        let pieces = (0..count).step_by(size).map(|from| -> CheckWork {
            let (check, positions) = (Arc::clone(&check), from..count.min(from + size));
            Box::new(move || positions.map(|position| check.verdict(position)).collect())
        });
        let work = pieces.collect();
        self.jobs.push(Job::Check { session: id, attempt, work });
    }

    fn blame(&mut self, id: SessionId, index: u16, why: Blame) {
        let until = self.now() + LEFT_OUT_MS;
        let Some(session) = self.sessions.get(&id) else { return };
        let committee = session.key.committee.clone();
        let Some(seat) = self.seats.get_mut(&committee) else { return };
        let Some(member) = seat.members.get_mut(&index) else { return };
        member.left_out_until_ms = until;
        let reason = match why {
            Blame::WrongShare => {
                member.blamed += 1;
                "wrong_share"
            }
            Blame::Silent => {
                member.online = false;
                "silent"
            }
        };
        self.setup.metrics.blame.get_or_create(&metrics::Reason { reason }).inc();
        self.tell(&committee, "blame", None, format!("member {index}: {reason}"));
    }

    async fn finish_session(&mut self, id: SessionId, outcome: Outcome) -> Result<(), Fault> {
        let Some(mut session) = self.sessions.remove(&id) else { return Ok(()) };
        let took = self.now().saturating_sub(session.begun_ms);
        let Some(goal) = session.goal.take() else { return Ok(()) };
        let result = match outcome {
            Outcome::Signed(signatures) => {
                self.count_session(goal.label(), "done");
                #[expect(clippy::cast_precision_loss, reason = "a duration for a histogram")]
                self.setup.metrics.signing_seconds.observe(took as f64 / 1_000.0);
                Ok(signatures)
            }
            Outcome::Failed { silent, refused, blamed } => {
                self.count_session(goal.label(), "failed");
                let why = session.why_failed(&silent, &refused, &blamed);
                let is_no = |code: &RefusalCode| matches!(code, RefusalCode::Policy);
                let no = refused.iter().filter(|(_, code)| is_no(code)).count();
                let Committee { members, threshold, .. } = &*session.committee;
                let is_refused = members.len() < no + usize::from(*threshold);
                Err(NotSigned { why, is_refused })
            }
        };
        let members: Vec<u16> =
            session.committee.members.iter().map(|member| member.index).collect();
        let committee = session.committee.name.clone();
        self.session_over(goal, result).await?;
        for index in members {
            self.refill(&committee, index);
        }
        Ok(())
    }

    async fn session_over(
        &mut self,
        goal: Goal,
        result: Result<Vec<Signature>, NotSigned>,
    ) -> Result<(), Fault> {
        match (goal, result) {
            (Goal::Proof(session), Ok(signatures)) => match signatures.first() {
                Some(proof) => self.proof_signed(&session, *proof).await,
                None => Err(Fault::Invariant("a key proof has one signature")),
            },
            (Goal::Proof(session), Err(NotSigned { why, .. })) => {
                tracing::warn!(%session.key, why, "the proof of a new key was not signed");
                self.proof_failed(&session).await
            }
            (Goal::Payment(payment), result) => {
                self.payment_signed(payment, result.map_err(|failed| failed.why)).await
            }
            (Goal::Text(reply, key), result) => {
                self.text_signed(reply, &key, result);
                Ok(())
            }
        }
    }

    pub(super) fn count_session(&self, kind: &'static str, outcome: &'static str) {
        self.setup.metrics.sessions.get_or_create(&metrics::Session { kind, outcome }).inc();
    }
}

/// The nonces that are ready for a session: of as many members as an attempt takes, the best first.
fn prepared(
    seat: &mut super::seat::Seat,
    key: &KeyRef,
    count: usize,
    now: u64,
) -> Vec<(u16, trestle_keys::roast::Nonces)> {
    let threshold = usize::from(seat.committee.threshold);
    let mut order: Vec<(u32, u16)> =
        seat.members.iter().map(|(index, member)| (member.rank(now), *index)).collect();
    order.sort_unstable();
    let mut taken = Vec::new();
    for (rank, index) in order {
        if taken.len() == threshold {
            break;
        }
        let member = seat.members.get_mut(&index);
        let pool = member.and_then(|member| member.pools.get_mut(key));
        if let Some(nonces) = pool.and_then(|pool| pool.take(count, rank)) {
            taken.push((index, nonces));
        }
    }
    taken
}

fn to_blame(error: &batch::BatchError, signers: &[Signer]) -> Vec<u16> {
    match error {
        batch::BatchError::Commitment(index) => vec![*index],
        batch::BatchError::Malformed(_) | batch::BatchError::Frost(_) => {
            signers.iter().map(|signer| signer.index).collect()
        }
    }
}

/// An attempt whose shares are all there.
struct Check {
    committee: Arc<Committee>,
    public: Arc<PublicKeyPackage>,
    sighashes: Arc<Vec<[u8; 32]>>,
    running: Attempt,
}

impl Check {
    /// On the shares of the attempt's message at `position`.
    fn verdict(&self, position: usize) -> Verdict {
        let Attempt { messages, signers, shares, .. } = &self.running;
        let shares: BTreeMap<u16, [u8; 32]> =
            shares.iter().map(|(index, shares)| (*index, shares[position])).collect();
        let message = &self.sighashes[usize::from(messages[position])];
        let made =
            batch::aggregate(&self.committee, &self.public, signers, position, message, &shares);
        made.unwrap_or_else(|error| Verdict::Wrong(to_blame(&error, signers)))
    }
}

fn why_failed(
    silent: &[u16],
    refused: &[(u16, RefusalCode)],
    blamed: &[u16],
    details: &BTreeMap<u16, String>,
) -> String {
    let mut parts = Vec::new();
    if !silent.is_empty() {
        // Where others have refused, it may have been over before these could answer.
        let how = if refused.is_empty() { "no answer" } else { "no answer yet" };
        parts.push(format!("{how} from members {silent:?}"));
    }
    if !refused.is_empty() {
        parts.push(why_refused(refused, details));
    }
    if !blamed.is_empty() {
        parts.push(format!("wrong shares from members {blamed:?}"));
    }
    if parts.is_empty() { "too few members".into() } else { parts.join(", ") }
}

fn why_refused(refused: &[(u16, RefusalCode)], details: &BTreeMap<u16, String>) -> String {
    let one = |(index, code): &(u16, RefusalCode)| {
        let detail = details.get(index).map_or("", String::as_str);
        format!("member {index} refused ({}): {detail}", code.label())
    };
    refused.iter().map(one).collect::<Vec<_>>().join(", ")
}
