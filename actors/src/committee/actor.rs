//! The member's state, and where each input goes.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use trestle_chain::ledger::Ledger;
use trestle_keys::{Committee, Params, dkg::member::MemberDkg};
use trestle_store::{Batch, Store};
use trestle_wire::{
    Ack, BootId, Hash32, KeyRef, Message, Peer, Refusal,
    committee::{
        MemberSignature,
        dkg::DkgSession,
        key::{KeyFetch, MemberStatus},
    },
};

use super::{
    CommitteeInput, Metrics, Policy,
    budget::Budget,
    rows::{BURNS, BurnKey, KEYS, KeyRow, PAYMENTS, SEQUENCE},
};
use crate::{
    ports::{Clock, Compute, Inbound, ReadCoins, SendMessage},
    runtime::Fault,
    vault::Vault,
};

/// What a member is made of.
pub struct Setup {
    /// The shared parameters.
    pub params: Arc<Params>,
    /// This node.
    pub me: Peer,
    /// This boot.
    pub boot: BootId,
    /// The secrets.
    pub vault: Vault,
    /// This member's own rules.
    pub policy: Policy,
    /// Durable state.
    pub store: Arc<dyn Store>,
    /// The way to coordinators.
    pub network: Arc<dyn SendMessage>,
    /// This member's own bitcoind.
    pub coins: Arc<dyn ReadCoins>,
    /// Threads for heavy work.
    pub compute: Arc<dyn Compute>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Counters.
    pub metrics: Metrics,
}

/// A member of one or more committees.
pub struct CommitteeActor {
    pub(super) setup: Setup,
    pub(super) parameters: Hash32,
    /// The committees this node is in, and its index in each.
    pub(super) seats: BTreeMap<String, Seat>,
    /// Stored shares, usable or not.
    pub(super) keys: BTreeMap<DkgSession, KeyRow>,
    pub(super) ledger: Ledger,
    pub(super) sequence: u64,
    /// Set when a peer shows a later status of ours than we remember.
    pub(super) rollback: bool,
    pub(super) budgets: BTreeMap<Peer, Budget>,
    /// This boot's burn marks, oldest first.
    pub(super) burns: VecDeque<BurnKey>,
    /// The height of our bitcoind's best block, once heard.
    pub(super) tip: u32,
    /// Coordinators that are connected.
    present: BTreeSet<Peer>,
    /// When they were last told of a new tip, in milliseconds.
    told_ms: Option<u64>,
    /// When they are to be told of the present one.
    tell_ms: Option<u64>,
}

/// Least time between two statuses because of a new tip: blocks come in hundreds a second while
/// bitcoind catches up.
const TIP_PAUSE_MS: u64 = 2_000;

/// A place in a committee.
pub(super) struct Seat {
    pub(super) committee: Arc<Committee>,
    pub(super) index: u16,
    pub(super) dkg: Option<RunningDkg>,
    /// Attempts that ended in this boot, latest last; at most a few, to tell them from attempts
    /// that this boot never saw.
    pub(super) ended: Vec<DkgSession>,
}

/// An attempt under way.
pub(super) struct RunningDkg {
    pub(super) machine: MemberDkg,
    pub(super) coordinator: Peer,
    pub(super) deadline_ms: u64,
}

impl CommitteeActor {
    /// A member that has read nothing yet.
    pub fn new(setup: Setup) -> Self {
        let seats = setup.params.committees.iter().filter_map(|committee| {
            let member = committee.member_of(&setup.me)?;
            let (committee, index) = (Arc::new(committee.clone()), member.index);
            let seat = Seat { committee, index, dkg: None, ended: Vec::new() };
            Some((seat.committee.name.clone(), seat))
        });
        Self {
            parameters: setup.params.hash(),
            seats: seats.collect(),
            keys: BTreeMap::new(),
            ledger: Ledger::default(),
            sequence: 0,
            rollback: false,
            budgets: BTreeMap::new(),
            burns: VecDeque::new(),
            tip: 0,
            present: BTreeSet::new(),
            told_ms: None,
            tell_ms: None,
            setup,
        }
    }

    /// Reads the stored state, in place of what is in memory. Key generations under way are lost;
    /// nonces in the vault stay.
    ///
    /// # Errors
    /// [`Fault`] if it cannot be read, or contradicts itself.
    pub async fn load(&mut self) -> Result<(), Fault> {
        let store = Arc::clone(&self.setup.store);
        let keys = KEYS.all(&*store).await?.into_iter().map(|(key, row)| (key.0, row)).collect();
        let payments = PAYMENTS.all(&*store).await?.into_iter();
        let ledger = Ledger::load(payments.map(|(id, entry)| (Hash32(id), entry)))
            .map_err(|_| Fault::Invariant("the stored payments contradict each other"))?;
        let sequence = SEQUENCE.get(&*store, &[]).await?.unwrap_or_default();
        (self.keys, self.ledger, self.sequence) = (keys, ledger, sequence);
        for seat in self.seats.values_mut() {
            if let Some(running) = seat.dkg.take() {
                self.setup.vault.forget(&running.machine.session);
            }
        }
        self.forget_old_boots().await?;
        self.count_keys();
        Ok(())
    }

    /// Handles one input. The answer is for the sender of a durable message.
    ///
    /// # Errors
    /// [`Fault`]: nothing was done since the last commit, and the actor must be loaded again.
    pub async fn handle(&mut self, input: CommitteeInput) -> Result<Ack, Fault> {
        match input {
            CommitteeInput::Received(inbound) => self.receive(inbound).await,
            CommitteeInput::Connected(peer) => {
                self.greet(peer);
                Ok(Ack::Accepted)
            }
            CommitteeInput::Lost(peer) => {
                self.present.remove(&peer);
                Ok(Ack::Accepted)
            }
            CommitteeInput::Tip(height) => {
                self.new_tip(height);
                Ok(Ack::Accepted)
            }
            CommitteeInput::Tick => {
                self.tell_tip();
                self.tick().await?;
                Ok(Ack::Accepted)
            }
        }
    }

    async fn receive(&mut self, inbound: Inbound) -> Result<Ack, Fault> {
        let from = inbound.from;
        let Some(committee) = committee_of(&inbound.message) else {
            return Ok(Ack::Refused(Refusal::NoSuchRole));
        };
        let Some(seat) = self.seats.get(committee) else {
            return Ok(Ack::Refused(Refusal::NoSuchRole));
        };
        if !seat.committee.coordinators.contains(&from) {
            self.setup.metrics.not_allowed.inc();
            return Ok(Ack::Refused(Refusal::NotAllowed));
        }
        match inbound.message {
            Message::DkgBegin(begin) => self.dkg_begin(from, begin).await?,
            Message::DkgRound1Set(set) => self.dkg_packages(from, set).await?,
            Message::DkgEchoSet(set) => self.dkg_echoes(from, set).await?,
            Message::DkgRound2Set(set) => self.dkg_shares(from, set).await?,
            Message::DkgAbort(abort) => self.dkg_abort(from, abort).await?,
            Message::KeyReady(ready) => return self.key_ready(from, ready).await,
            Message::KeyFetch(fetch) => self.send_keys(from, &fetch),
            Message::NonceRequest(request) => self.make_nonces(from, &request),
            Message::SignRequest(request) => self.sign(from, request).await?,
            Message::MemberStatus(status) => self.hear_own_status(&status),
            Message::Hello(_)
            | Message::Presence(_)
            | Message::DkgRound1(_)
            | Message::DkgEcho(_)
            | Message::DkgRound2(_)
            | Message::DkgCertificate(_)
            | Message::NonceOffer(_)
            | Message::SignShares(_)
            | Message::SignRefused(_)
            | Message::UnbondingAsk(_)
            | Message::UnbondingSigned(_) => {
                return Ok(Ack::Refused(Refusal::NoSuchRole));
            }
        }
        Ok(Ack::Accepted)
    }

    /// Tells a coordinator who we are and what we have.
    fn greet(&mut self, peer: Peer) {
        let names: Vec<String> = self.seats.keys().cloned().collect();
        for name in names {
            if self.seats[&name].committee.coordinators.contains(&peer) {
                self.present.insert(peer);
                self.send_status(peer, &name);
                self.fetch_keys(peer, &name);
            }
        }
    }

    /// Coordinators show people how far each member's bitcoind is.
    fn new_tip(&mut self, height: u32) {
        if height == self.tip {
            return;
        }
        self.tip = height;
        let now = self.setup.clock.now_ms();
        let at = self.told_ms.map_or(now, |told| now.max(told + TIP_PAUSE_MS));
        self.tell_ms = Some(at);
        self.tell_tip();
    }

    fn tell_tip(&mut self) {
        let now = self.setup.clock.now_ms();
        if self.tell_ms.is_none_or(|at| at > now) {
            return;
        }
        (self.told_ms, self.tell_ms) = (Some(now), None);
        for (name, seat) in &self.seats {
            for peer in seat.committee.coordinators.iter().filter(|p| self.present.contains(p)) {
                self.send_status(*peer, name);
            }
        }
    }

    /// Asks for the certificates of keys that this member has stored and cannot use yet.
    fn fetch_keys(&self, from: Peer, committee: &str) {
        let waiting = self
            .keys
            .iter()
            .any(|(session, row)| session.key.committee == committee && row.ready.is_none());
        if waiting {
            let have = self.usable_keys(committee);
            self.setup
                .network
                .offer(from, KeyFetch { committee: committee.to_owned(), have }.into());
        }
    }

    pub(super) fn send_status(&self, to: Peer, committee: &str) {
        let Some(seat) = self.seats.get(committee) else { return };
        let mut status = MemberStatus {
            committee: committee.to_owned(),
            boot: self.setup.boot,
            sequence: self.sequence,
            height: self.tip,
            keys: self.usable_keys(committee),
            by: MemberSignature { index: seat.index, signature: [0; 64] },
        };
        self.setup.vault.sign_status(&mut status);
        self.setup.network.offer(to, status.into());
    }

    /// A status that we signed and do not remember: this store is older than that.
    fn hear_own_status(&mut self, status: &MemberStatus) {
        let Some(seat) = self.seats.get(&status.committee) else { return };
        let ours = status.by.index == seat.index
            && trestle_keys::sign::verify_member_status(&seat.committee, status).is_ok();
        if ours && status.sequence > self.sequence && !self.rollback {
            self.rollback = true;
            self.setup.metrics.rollback.set(1);
            tracing::error!(
                remembered = self.sequence,
                signed = status.sequence,
                "this node's data is older than what it has signed: it was restored from a copy \
                 and refuses to sign; give it back its latest data, or a new identity"
            );
            self.end_all();
        }
    }

    /// Whether this member refuses to sign because its data is older than what it has signed.
    pub fn is_rolled_back(&self) -> bool {
        self.rollback
    }

    /// Usable keys of a committee, in order.
    pub fn usable_keys(&self, committee: &str) -> Vec<KeyRef> {
        let usable = self
            .keys
            .iter()
            .filter(|(session, row)| row.ready.is_some() && session.key.committee == committee);
        let keys: BTreeSet<KeyRef> = usable.map(|(session, _)| session.key.clone()).collect();
        keys.into_iter().collect()
    }

    /// Where its state is.
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.setup.store
    }

    /// Counts how often it was started again from the store.
    pub(crate) fn restarts(&self) -> &prometheus_client::metrics::counter::Counter {
        &self.setup.metrics.restarts
    }

    /// When the next [`CommitteeInput::Tick`] is due, in milliseconds.
    pub fn next_wake(&self) -> Option<u64> {
        let dkg = self.seats.values().filter_map(|seat| Some(seat.dkg.as_ref()?.deadline_ms));
        dkg.chain(self.tell_ms).min()
    }

    pub(super) fn count_keys(&self) {
        let usable = self.keys.values().filter(|row| row.ready.is_some()).count();
        self.setup.metrics.keys.set(i64::try_from(usable).unwrap_or(i64::MAX));
    }

    /// Commits a decision: every one makes the sequence rise.
    pub(super) async fn commit(&mut self, mut batch: Batch) -> Result<(), Fault> {
        let next = self.sequence + 1;
        SEQUENCE.put(&mut batch, &[], &next);
        self.setup.store.commit(batch).await?;
        self.sequence = next;
        Ok(())
    }

    /// The nonces of earlier boots are gone, and an answer that nobody asked for again in all the
    /// time since is not needed any more.
    async fn forget_old_boots(&mut self) -> Result<(), Fault> {
        let mut batch = Batch::new();
        self.burns.clear();
        for (key, _) in BURNS.all(&*self.setup.store).await? {
            if key.boot == self.setup.boot {
                self.burns.push_back(key);
            } else {
                BURNS.delete(&mut batch, &key);
            }
        }
        if !batch.is_empty() {
            self.setup.store.commit(batch).await?;
        }
        Ok(())
    }
}

/// The committee that a message is about.
fn committee_of(message: &Message) -> Option<&str> {
    let key = match message {
        Message::DkgBegin(m) => &m.session.key,
        Message::DkgRound1Set(m) => &m.session.key,
        Message::DkgEchoSet(m) => &m.session.key,
        Message::DkgRound2Set(m) => &m.session.key,
        Message::DkgAbort(m) => &m.session.key,
        Message::KeyReady(m) => &m.session.key,
        Message::NonceRequest(m) => &m.key,
        Message::SignRequest(m) => &m.key,
        Message::MemberStatus(m) => return Some(&m.committee),
        Message::KeyFetch(m) => return Some(&m.committee),
        Message::Hello(_)
        | Message::Presence(_)
        | Message::DkgRound1(_)
        | Message::DkgEcho(_)
        | Message::DkgRound2(_)
        | Message::DkgCertificate(_)
        | Message::NonceOffer(_)
        | Message::SignShares(_)
        | Message::SignRefused(_)
        | Message::UnbondingAsk(_)
        | Message::UnbondingSigned(_) => return None,
    };
    Some(&key.committee)
}
