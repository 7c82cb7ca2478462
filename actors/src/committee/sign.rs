//! The member in a signing session: judge, take the nonces out, compute, store, answer.

use std::collections::BTreeSet;

use bitcoin::ScriptBuf;
use trestle_chain::policy::Proposal;
use trestle_keys::{hash::tagged, signer};
use trestle_store::Batch;
use trestle_wire::{
    BootId, Hash32, KeyRef, Peer, SessionId, codec,
    committee::{
        MAX_BATCH,
        sign::{
            NonceOffer, NonceRequest, Purpose, RefusalCode, SignRefused, SignRequest, SignShares,
        },
    },
};

use super::{
    CommitteeActor,
    budget::Budget,
    keys::script_of,
    metrics::Reason,
    purpose::{Judged, Refused},
    rows::{BURNS, Burn, BurnKey, PAYMENTS},
};
use crate::{ports::compute, runtime::Fault};

/// Answers that are kept to be sent again. An older one is asked for no more; its nonces are gone
/// from memory all the same.
const MOST_BURNS: usize = 4_096;

/// What came of a request.
enum Answer {
    Shares(Vec<[u8; 32]>),
    Refused(Refused),
}

impl CommitteeActor {
    pub(super) fn make_nonces(&mut self, from: Peer, request: &NonceRequest) {
        if !self.may_have_nonces(from, request) {
            return;
        }
        let Some(seat) = self.seats.get(&request.key.committee) else { return };
        let index = seat.index;
        if !self.open(&request.key) {
            self.send_status(from, &request.key.committee);
            return;
        }
        self.offer_nonces(from, index, request);
    }

    pub(super) fn may_have_nonces(&mut self, from: Peer, request: &NonceRequest) -> bool {
        let may = self.within_budget(from, how_many(request)) && !self.rollback;
        if !may {
            self.count_refusal(RefusalCode::Busy);
        }
        may
    }

    /// Offers nonces, if the share is open.
    pub(super) fn offer_nonces(&mut self, from: Peer, index: u16, request: &NonceRequest) {
        let count = how_many(request);
        let Some((first, commitments)) = self.setup.vault.make_nonces(&request.key, from, count)
        else {
            return;
        };
        let (key, boot) = (request.key.clone(), self.setup.boot);
        let offer = NonceOffer { key, index, boot, first, commitments };
        self.setup.network.offer(from, offer.into());
    }

    pub(super) async fn sign(&mut self, from: Peer, request: SignRequest) -> Result<(), Fault> {
        let Some(seat) = self.seats.get(&request.key.committee) else { return Ok(()) };
        let index = seat.index;
        let SignRequest { session, attempt, key, .. } = request.clone();
        let decided = self.sequence;
        let committee = key.committee.clone();
        let message = match self.answer(from, index, request).await? {
            Answer::Shares(shares) => SignShares { session, attempt, key, index, shares }.into(),
            Answer::Refused(refused) => self.refuse(session, attempt, key, index, refused).into(),
        };
        self.setup.network.offer(from, message);
        if self.sequence > decided {
            // After the answer, which the coordinator waits for: should this member's data ever be
            // put back to an older copy, the coordinator remembers this.
            self.send_status(from, &committee);
        }
        Ok(())
    }

    /// A refusal, told and counted.
    pub(super) fn refuse(
        &self,
        session: SessionId,
        attempt: u32,
        key: KeyRef,
        index: u16,
        refused: Refused,
    ) -> SignRefused {
        let Refused { code, detail, binding } = refused;
        tracing::info!(%key, reason = code.label(), detail, "request to sign refused");
        self.count_refusal(code);
        SignRefused { session, attempt, key, index, code, detail, binding }
    }

    async fn answer(
        &mut self,
        from: Peer,
        index: u16,
        request: SignRequest,
    ) -> Result<Answer, Fault> {
        if self.rollback {
            let detail = "this member's data is older than what it has signed";
            return Ok(Answer::Refused(Refused::new(RefusalCode::Rollback, detail)));
        }
        if let Some(answer) = self.answered_before(from, index, &request).await? {
            return Ok(answer);
        }
        match self.consider(from, index, &request).await? {
            Ok(judged) => self.make_shares(from, index, request, judged).await,
            Err(refused) => Ok(Answer::Refused(refused)),
        }
    }

    /// The stored answer, if these very nonces were used before.
    async fn answered_before(
        &mut self,
        from: Peer,
        index: u16,
        request: &SignRequest,
    ) -> Result<Option<Answer>, Fault> {
        let Some(own) = request.signers.iter().find(|signer| signer.index == index) else {
            return Ok(None);
        };
        let key = burn_key(&request.key, own.boot, from, own.first);
        let Some(burn) = BURNS.get(&*self.setup.store, &key).await? else { return Ok(None) };
        if burn.package == package_hash(request) {
            self.setup.metrics.resent.inc();
            return Ok(Some(Answer::Shares(burn.shares)));
        }
        self.setup.metrics.equivocations.inc();
        tracing::warn!(%request.key, coordinator = %from, "a second request for used nonces");
        let detail = "these nonces were used for another request";
        Ok(Some(Answer::Refused(Refused::new(RefusalCode::Nonces, detail))))
    }

    /// Every check that needs no nonce to be used. A refusal changes nothing.
    async fn consider(
        &mut self,
        from: Peer,
        index: u16,
        request: &SignRequest,
    ) -> Result<Result<Judged, Refused>, Fault> {
        if !self.within_budget(from, request.messages.len()) {
            let detail = "this coordinator asks too much at once";
            return Ok(Err(Refused::new(RefusalCode::Busy, detail)));
        }
        let Some(script) = self.signing_script(request) else {
            let detail = "this member has no usable share of that key";
            return Ok(Err(Refused::new(RefusalCode::Stale, detail)));
        };
        let policy = &self.setup.policy;
        let judged = match &request.purpose {
            Purpose::Payment(proposal) => {
                let proposal = match Proposal::parse(proposal) {
                    Ok(proposal) => proposal,
                    Err(e) => return Ok(Err(Refused::new(RefusalCode::Malformed, e))),
                };
                self.judge_payment(&request.key, &script, &proposal).await
            }
            purpose @ (Purpose::KeyProof | Purpose::Text(_)) => policy
                .judge_plain(&request.key, &script, purpose)
                .ok_or(Fault::Invariant("a payment was judged as something else"))?,
        };
        let judged = match judged {
            Ok(judged) => judged,
            Err(refused) => return Ok(Err(refused)),
        };
        Ok(self.check_nonces(from, index, request, judged.sighashes().len()).map(|()| judged))
    }

    fn check_nonces(
        &mut self,
        from: Peer,
        index: u16,
        request: &SignRequest,
        messages: usize,
    ) -> Result<(), Refused> {
        let Some(seat) = self.seats.get(&request.key.committee) else {
            return Err(Refused::new(RefusalCode::Stale, "not in that committee"));
        };
        let own = signer::check_batch(&seat.committee, index, request, messages)
            .map_err(|e| Refused::new(RefusalCode::Malformed, e))?;
        if own.boot != self.setup.boot {
            let detail = "these nonces were lost when this member was started again";
            return Err(Refused::new(RefusalCode::Nonces, detail));
        }
        self.setup
            .vault
            .check_nonces(&request.key, from, own.first, &own.commitments)
            .map_err(|e| Refused::new(RefusalCode::Nonces, e))
    }

    async fn judge_payment(
        &self,
        key: &KeyRef,
        script: &ScriptBuf,
        proposal: &Proposal,
    ) -> Result<Judged, Refused> {
        let seen = self.setup.coins.coins(proposal.outpoints()).await;
        let seen = seen.map_err(|e| Refused::chain(&e))?;
        let scripts = self.scripts(&key.committee);
        self.setup.policy.judge_payment(scripts, script, proposal, &seen, &self.ledger)
    }

    /// The committee's own scripts under all its usable keys.
    fn scripts(&self, committee: &str) -> BTreeSet<ScriptBuf> {
        let usable = self
            .keys
            .iter()
            .filter(|(session, row)| row.ready.is_some() && session.key.committee == committee);
        usable.filter_map(|(_, row)| script_of(row)).collect()
    }

    /// The script that the request's key signs for, with the share opened. Before a key is usable
    /// it signs only its own proof.
    fn signing_script(&mut self, request: &SignRequest) -> Option<ScriptBuf> {
        let row = match request.purpose {
            Purpose::KeyProof => self.pending(&request.key).or_else(|| self.usable(&request.key)),
            Purpose::Payment(_) | Purpose::Text(_) => self.usable(&request.key),
        };
        let script = script_of(row?.1)?;
        self.open(&request.key).then_some(script)
    }

    /// Opens the share that signs for a key.
    fn open(&mut self, key: &KeyRef) -> bool {
        let Some((session, row)) = self.usable(key).or_else(|| self.pending(key)) else {
            return false;
        };
        let (session, sealed) = (session.clone(), row.sealed.clone());
        let opened = self.setup.vault.open_share(key, &session, &sealed);
        if !opened {
            tracing::error!(%key, "the stored key share cannot be opened with this node's keys");
        }
        opened
    }

    async fn make_shares(
        &mut self,
        from: Peer,
        index: u16,
        request: SignRequest,
        judged: Judged,
    ) -> Result<Answer, Fault> {
        let Some(own) = request.signers.iter().find(|signer| signer.index == index) else {
            return Err(Fault::Invariant("a checked request has no place for this member"));
        };
        let count = request.messages.len();
        let prepared = match self.setup.vault.prepare(&request.key, from, own.first, count) {
            Ok(prepared) => prepared,
            Err(e) => return Ok(Answer::Refused(Refused::new(RefusalCode::Nonces, e))),
        };
        let burn_key = burn_key(&request.key, own.boot, from, own.first);
        let package = package_hash(&request);
        let sighashes = judged.sighashes();
        let messages: Vec<[u8; 32]> =
            request.messages.iter().map(|number| sighashes[usize::from(*number)]).collect();
        let (session, attempt) = (request.session, request.attempt);
        let signers = request.signers;
        let made = compute(&*self.setup.compute, move || {
            signer::sign_batch(&prepared.share, &signers, &messages, prepared.nonces)
        });
        let shares = match made.await.ok_or(Fault::Stopping)? {
            Ok(shares) => shares,
            Err(e) => return Ok(Answer::Refused(Refused::new(RefusalCode::Malformed, e))),
        };
        let burn = Burn { count: count as u64, package, session, attempt, shares: shares.clone() };
        self.remember(&burn_key, &burn, judged).await?;
        self.setup.metrics.signed.inc_by(count as u64);
        Ok(Answer::Shares(shares))
    }

    /// One commit: the burn mark with the answer, and what was agreed to. Only then may the answer
    /// leave.
    async fn remember(&mut self, key: &BurnKey, burn: &Burn, judged: Judged) -> Result<(), Fault> {
        let mut batch = Batch::new();
        BURNS.insert(&mut batch, key, burn);
        let oldest = (self.burns.len() >= MOST_BURNS).then(|| self.burns.pop_front()).flatten();
        if let Some(oldest) = oldest {
            BURNS.delete(&mut batch, &oldest);
        }
        let mut agreed = None;
        if let Judged::Payment(approval) = judged
            && approval.changed
        {
            PAYMENTS.put(&mut batch, &approval.payment.0, &approval.entry);
            agreed = Some((approval.payment, approval.entry));
        }
        self.commit(batch).await?;
        self.burns.push_back(key.clone());
        if let Some((payment, entry)) = agreed {
            self.ledger
                .record(payment, entry)
                .map_err(|_| Fault::Invariant("an approved payment contradicts the ledger"))?;
        }
        Ok(())
    }

    pub(super) fn within_budget(&mut self, from: Peer, count: usize) -> bool {
        let now = self.setup.clock.now_ms();
        self.budgets.entry(from).or_insert_with(|| Budget::new(now)).take(count, now)
    }

    fn count_refusal(&self, code: RefusalCode) {
        self.setup.metrics.refused.get_or_create(&Reason { reason: code.label() }).inc();
    }
}

fn how_many(request: &NonceRequest) -> usize {
    usize::from(request.count).min(MAX_BATCH)
}

fn burn_key(key: &KeyRef, boot: BootId, coordinator: Peer, first: u64) -> BurnKey {
    BurnKey { key: key.clone(), boot, coordinator, first }
}

fn package_hash(request: &SignRequest) -> Hash32 {
    tagged("trestle/sign/request", &[&codec::encode(request)])
}
