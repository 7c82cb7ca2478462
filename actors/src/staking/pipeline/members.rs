//! Asking members, and what they answer.

use bitcoin::{Txid, consensus::serialize, hashes::Hash};
use trestle_staking::pipeline::{Answered, Batch as Asked, Event, MemberKey, Outlook, Sending};
use trestle_store::Batch;
use trestle_wire::{
    Peer, SessionId,
    staking::{AskedUnbonding, UnbondingAsk, UnbondingSigned},
};

use super::{
    Job, Pipeline, PipelineInput,
    jobs::{Question, Verdict},
    metrics::Member,
};
use crate::{
    ports::{ChainError, chain::Accepted},
    runtime::Fault,
    staking::Index,
};

impl Pipeline {
    /// Handles one input; then [`Pipeline::take_jobs`] has what follows.
    ///
    /// # Errors
    /// [`Fault`]: nothing was done since the last commit, and everything must be loaded again.
    pub async fn handle(&mut self, index: &mut Index, input: PipelineInput) -> Result<(), Fault> {
        match input {
            PipelineInput::Accept(order, reply) => {
                let answer = self.accept(index, *order).await?;
                // Whoever asked may have given up waiting.
                let _ = reply.send(answer);
            }
            PipelineInput::Signed(from, signed) => self.answered(from, signed),
            PipelineInput::Connected(peer) => self.connected(peer),
            PipelineInput::Verified { key, verdicts } => self.verified(key, verdicts).await?,
            PipelineInput::Assembled { request, result } => {
                self.assembled(request, result).await?;
            }
            PipelineInput::BroadcastDone { request, result } => {
                self.broadcast_done(request, result).await?;
            }
            PipelineInput::Tick => self.tick(),
        }
        Ok(())
    }

    fn tick(&mut self) {
        for member in self.asking.expire(self.now()) {
            self.count_failure(&member);
            tracing::debug!(member = hex::encode(member), "a covenant member did not answer");
        }
        self.run_queues();
    }

    /// Sends what is due to members and to the mempool.
    pub(super) fn run_queues(&mut self) {
        let now = self.now();
        for batch in self.asking.take_due(now) {
            self.ask(&batch);
        }
        for request in self.resend.take_due(now) {
            match self.open.get(&request).and_then(|open| open.signed()) {
                Some(transaction) => {
                    let transaction = transaction.clone();
                    self.jobs.push(Job::Broadcast { request, transaction });
                }
                None => self.resend.end(request),
            }
        }
    }

    fn ask(&self, batch: &Asked) {
        let Some((key, peer)) = self.members.get(&batch.to) else { return };
        let requests = batch.requests.iter().filter_map(|txid| self.open.get(txid));
        let unbondings = requests.map(|request| {
            let order = request.order();
            AskedUnbonding {
                staking: order.outpoint().txid.to_byte_array(),
                transaction: serialize(order.transaction()),
                staker: order.signature().map(|s| s.serialize()).unwrap_or([0; 64]),
                key: *key,
            }
        });
        let ask = UnbondingAsk { id: self.id(batch.number), unbondings: unbondings.collect() };
        self.setup.network.offer(*peer, ask.into());
    }

    /// The id of a batch: this boot and its number.
    fn id(&self, number: u64) -> SessionId {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.setup.boot.0);
        id[8..].copy_from_slice(&number.to_be_bytes());
        SessionId(id)
    }

    fn number(&self, id: SessionId) -> Option<u64> {
        let (boot, number) = id.0.split_first_chunk::<8>()?;
        let number = u64::from_be_bytes(number.try_into().ok()?);
        (*boot == self.setup.boot.0).then_some(number)
    }

    fn connected(&mut self, peer: Peer) {
        let now = self.now();
        let keys: Vec<MemberKey> = self.keys_of(peer);
        for key in keys {
            self.asking.wake(&key, now);
        }
        self.run_queues();
    }

    fn keys_of(&self, peer: Peer) -> Vec<MemberKey> {
        let held = self.members.iter().filter(|(_, (_, holder))| *holder == peer);
        held.map(|(key, _)| *key).collect()
    }

    /// An answer counts for the key that was asked of this very peer, and once.
    fn answered(&mut self, from: Peer, signed: UnbondingSigned) {
        let asked = self.number(signed.id).and_then(|number| {
            let keys = self.keys_of(from);
            keys.into_iter().find_map(|key| Some((key, self.asking.answer(&key, number)?)))
        });
        let Some((key, requests)) = asked else {
            self.setup.metrics.unsolicited.inc();
            return;
        };
        if signed.answers.len() != requests.len() {
            self.setup.metrics.misbehaved.inc();
            let (got, asked) = (signed.answers.len(), requests.len());
            tracing::warn!(peer = %from, got, asked, "a covenant member's answer does not fit");
            let now = self.now();
            for request in requests {
                self.count_failure(&key);
                self.asking.settle(&key, request, Answered::Misbehaved, now);
            }
            return;
        }
        let questions = requests.into_iter().zip(signed.answers).filter_map(|(txid, answer)| {
            let sighash = self.open.get(&txid)?.order().sighash();
            Some(Question { request: txid, sighash, answer })
        });
        let questions = questions.collect();
        self.jobs.push(Job::Verify { key, questions });
    }

    async fn verified(
        &mut self,
        key: MemberKey,
        verdicts: Vec<(Txid, Verdict)>,
    ) -> Result<(), Fault> {
        let events = verdicts.iter().map(|(txid, verdict)| {
            let event = match verdict {
                Verdict::Good(signature) => Event::Signed { key, signature: *signature },
                Verdict::Bad => Event::Misbehaved { key },
                Verdict::Refused(why) => Event::Refused { key, why: *why },
            };
            (*txid, event)
        });
        let mut batch = Batch::new();
        let changes = self.apply(&mut batch, events)?;
        let now = self.now();
        self.commit(batch, changes).await?;
        for (txid, verdict) in verdicts {
            let answered = match verdict {
                Verdict::Good(_) => {
                    self.setup.metrics.signed.get_or_create(&self.label(&key)).inc_by(1);
                    Answered::Signed
                }
                Verdict::Bad => {
                    self.setup.metrics.misbehaved.inc();
                    tracing::warn!(
                        member = hex::encode(key), unbonding = %txid,
                        "a covenant member's signature does not verify"
                    );
                    self.count_failure(&key);
                    Answered::Misbehaved
                }
                Verdict::Refused(why) => {
                    self.count_failure(&key);
                    Answered::Refused(why)
                }
            };
            self.asking.settle(&key, txid, answered, now);
        }
        self.run_queues();
        Ok(())
    }

    async fn assembled(
        &mut self,
        txid: Txid,
        result: Result<bitcoin::Transaction, trestle_staking::tx::WitnessError>,
    ) -> Result<(), Fault> {
        self.assembling.remove(&txid);
        match result {
            Ok(transaction) => {
                let mut batch = Batch::new();
                let changes = self.apply(&mut batch, [(txid, Event::Assembled(transaction))])?;
                self.commit(batch, changes).await
            }
            Err(error) => {
                // Every signature was verified before it was stored, so this row is damaged. Others
                // go on.
                tracing::error!(unbonding = %txid, %error, "signatures do not make a witness");
                self.setup.metrics.refused.inc_by(1);
                Ok(())
            }
        }
    }

    async fn broadcast_done(
        &mut self,
        txid: Txid,
        result: Result<Accepted, ChainError>,
    ) -> Result<(), Fault> {
        let now = self.now();
        let sending = match result {
            Ok(Accepted::Mempool) => Sending::Mempool,
            Ok(Accepted::Confirmed) => Sending::Mined,
            Ok(Accepted::Rejected(reason)) => Sending::rejected(&reason),
            Err(error) => {
                tracing::debug!(unbonding = %txid, %error, "a broadcast got no answer");
                self.resend.failed(txid, now);
                self.run_queues();
                return Ok(());
            }
        };
        let mut batch = Batch::new();
        let changes = self.apply(&mut batch, [(txid, Event::Sent(sending))])?;
        if let Some(request) = changes.now.get(&txid) {
            self.count_broadcast(txid, request.outlook());
        }
        self.commit(batch, changes).await?;
        if let Some(request) = self.open.get(&txid) {
            self.resend.answered(txid, request.outlook(), now);
        }
        self.run_queues();
        Ok(())
    }

    /// Counts how a transaction stands with the network, when that changes.
    fn count_broadcast(&self, txid: Txid, outlook: &Outlook) {
        match outlook {
            Outlook::Mempool | Outlook::Mined => {
                tracing::info!(unbonding = %txid, "an unbonding is in the mempool or a block");
                self.setup.metrics.sent.inc_by(1);
            }
            Outlook::Stuck(rates) => {
                tracing::warn!(
                    unbonding = %txid, ours = rates.ours, minimum = rates.minimum,
                    "an unbonding's fixed fee is below the mempool's minimum: sent again until it \
                     goes through"
                );
                self.setup.metrics.refused.inc_by(1);
            }
            Outlook::InputMissing | Outlook::Conflict | Outlook::Rejected(_) => {
                tracing::warn!(unbonding = %txid, ?outlook, "an unbonding is not taken");
                self.setup.metrics.refused.inc_by(1);
            }
            Outlook::Unsent => {}
        }
    }

    fn count_failure(&self, key: &MemberKey) {
        self.setup.metrics.failed.get_or_create(&self.label(key)).inc_by(1);
    }

    fn label(&self, key: &MemberKey) -> Member {
        let full = self.members.get(key).map(|(full, _)| Member::new(full));
        full.unwrap_or_else(|| Member::x_only(key))
    }
}
