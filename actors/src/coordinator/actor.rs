//! The coordinator's state, and where each input goes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bitcoin::ScriptBuf;
use tokio::sync::broadcast;
use trestle_chain::wallet::Wallet;
use trestle_keys::{Committee, Params};
use trestle_store::Store;
use trestle_wire::{Ack, BootId, Hash32, KeyRef, MessageId, Peer, SessionId};

use super::{
    CoordinatorInput, DeliveryKey, Event, Job, Metrics, Settings,
    bindings::Bindings,
    ingress::{Denied, Request},
    rows::{
        ANNOUNCEMENTS, ATTEMPTS, COINS, FROZEN, KEYS, KeyRow, MemberKey, PAYMENTS, PaymentRow,
        STATUSES, TOTALS,
    },
    seat::{Following, MemberInfo, Seat, script_of},
    sessions::Session,
};
use crate::{
    follower::Cursor,
    ports::{Clock, Inbound, SendMessage},
    runtime::Fault,
};

/// What a coordinator is made of.
pub struct Setup {
    /// The shared parameters.
    pub params: Arc<Params>,
    /// This node.
    pub me: Peer,
    /// This boot.
    pub boot: BootId,
    /// Its own settings.
    pub settings: Settings,
    /// Durable state.
    pub store: Arc<dyn Store>,
    /// The way to members.
    pub network: Arc<dyn SendMessage>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Counters.
    pub metrics: Metrics,
    /// Where events for people go; nobody needs to listen.
    pub events: broadcast::Sender<Event>,
}

/// The coordinator of one or more committees.
pub struct CoordinatorActor {
    pub(super) setup: Setup,
    pub(super) parameters: Hash32,
    pub(super) seats: BTreeMap<String, Seat>,
    pub(super) sessions: BTreeMap<SessionId, Session>,
    pub(super) payments: BTreeMap<Hash32, PaymentRow>,
    pub(super) announcements: BTreeMap<DeliveryKey, Owed>,
    /// When a payment that is stuck is looked at again.
    pub(super) retries: BTreeMap<Hash32, u64>,
    /// How often such a payment was tried since it last got on.
    pub(super) stalls: BTreeMap<Hash32, u32>,
    /// Who refused a payment whose last session was ended because too few others were there.
    pub(super) refusers: BTreeMap<Hash32, BTreeSet<u16>>,
    /// What members say they have bound.
    pub(super) bindings: Bindings,
    /// When this boot's open payments were asked for.
    pub(super) accepted_ms: BTreeMap<Hash32, u64>,
    /// The height of our bitcoind's best block, once heard.
    pub(super) tip: u32,
    pub(super) next_number: u64,
    pub(super) jobs: Vec<Job>,
    /// Whether the gauges of coins and payments are out of date.
    pub(super) money_moved: bool,
}

/// An announcement that is owed.
pub(super) struct Owed {
    pub(super) to: Peer,
    pub(super) id: MessageId,
    pub(super) ready: trestle_wire::committee::key::KeyReady,
    pub(super) next_ms: u64,
    pub(super) under_way: bool,
    pub(super) tries: u32,
}

impl CoordinatorActor {
    /// A coordinator that has read nothing yet.
    pub fn new(setup: Setup) -> Self {
        Self {
            parameters: setup.params.hash(),
            seats: BTreeMap::new(),
            sessions: BTreeMap::new(),
            payments: BTreeMap::new(),
            announcements: BTreeMap::new(),
            retries: BTreeMap::new(),
            stalls: BTreeMap::new(),
            refusers: BTreeMap::new(),
            bindings: Bindings::default(),
            accepted_ms: BTreeMap::new(),
            tip: 0,
            next_number: 0,
            jobs: Vec::new(),
            money_moved: true,
            setup,
        }
    }

    /// Reads the stored state, in place of what is in memory, and gives what is still owed. Key
    /// generations and sessions under way are lost; those of payments start again.
    ///
    /// # Errors
    /// [`Fault`] if it cannot be read.
    pub async fn load(&mut self) -> Result<Vec<Job>, Fault> {
        self.sessions.clear();
        self.payments.clear();
        self.announcements.clear();
        self.retries.clear();
        self.stalls.clear();
        self.refusers.clear();
        self.bindings = Bindings::default();
        self.jobs.clear();
        let params = Arc::clone(&self.setup.params);
        for committee in &params.committees {
            if committee.coordinators.contains(&self.setup.me) {
                let seat = self.load_seat(Arc::new(committee.clone())).await?;
                self.seats.insert(committee.name.clone(), seat);
            }
        }
        self.load_bound().await?;
        self.load_payments().await?;
        self.load_announcements().await?;
        let names: Vec<String> = self.seats.keys().cloned().collect();
        for name in names {
            self.follow(&name, None);
        }
        Ok(self.take_jobs())
    }

    async fn load_seat(&self, committee: Arc<Committee>) -> Result<Seat, Fault> {
        let store = &*self.setup.store;
        let name = committee.name.clone();
        let keys = KEYS.all(store).await?.into_iter().map(|(key, row)| (key.0, row));
        let keys: BTreeMap<KeyRef, KeyRow> =
            keys.filter(|(key, _)| key.committee == name).collect();
        let mut members = BTreeMap::new();
        for member in &committee.members {
            let key = MemberKey { committee: name.clone(), index: member.index };
            let status = STATUSES.get(store, &key).await?;
            members.insert(member.index, MemberInfo::new(member.peer, status));
        }
        let last_attempt = ATTEMPTS.get(store, &name).await?.unwrap_or_default();
        let scripts: BTreeSet<ScriptBuf> =
            keys.values().filter_map(|row| script_of(&row.ready.public)).collect();
        let (feed, height) = match start_of(&keys) {
            Some(start) => {
                let cursor = Cursor::new(format!("wallet.{name}"), start);
                let height = cursor.tip(store).await?.map_or(start.saturating_sub(1), |t| t.height);
                // Numbers go on after a reload: steps of the feed before may still be on their way.
                let before = self.seats.get(&name).and_then(|seat| seat.feed.as_ref());
                let number = before.map_or(0, |feed| feed.number);
                (Some(Following { number, cursor }), height)
            }
            None => (None, 0),
        };
        let coins = COINS.all(store).await?.into_iter();
        let coins = coins.filter(|(key, _)| key.committee == name);
        let coins = coins.map(|(key, row)| (key.outpoint, row));
        let mut wallet = Wallet::load(scripts, height, coins);
        for (key, ()) in FROZEN.all(store).await? {
            if key.committee == name {
                wallet.freeze(key.outpoint, true);
            }
        }
        let took_ms = BTreeMap::new();
        let totals = TOTALS.get(store, &name).await?.unwrap_or_default();
        Ok(Seat {
            committee,
            members,
            keys,
            wallet,
            feed,
            dkg: None,
            last_attempt,
            totals,
            took_ms,
        })
    }

    async fn load_payments(&mut self) -> Result<(), Fault> {
        self.next_number = self.next_number.max(self.after_finals().await?);
        for (id, row) in PAYMENTS.all(&*self.setup.store).await? {
            let id = Hash32(id);
            self.next_number = self.next_number.max(row.number + 1);
            self.payments.insert(id, row);
            self.reserve(id)?;
            self.owe(id);
            self.recall(id);
        }
        Ok(())
    }

    async fn load_announcements(&mut self) -> Result<(), Fault> {
        for (key, row) in ANNOUNCEMENTS.owed(&*self.setup.store).await? {
            self.owe_announcement(key, row.id, row.ready);
        }
        Ok(())
    }

    /// Handles one input, and gives what is to be done because of it.
    ///
    /// # Errors
    /// [`Fault`]: nothing was done since the last commit, and the actor must be loaded again.
    pub async fn handle(&mut self, input: CoordinatorInput) -> Result<(Ack, Vec<Job>), Fault> {
        let mut ack = Ack::Accepted;
        match input {
            CoordinatorInput::Received(inbound) => ack = self.receive(inbound).await?,
            CoordinatorInput::Connected(peer) => self.peer_connected(peer),
            CoordinatorInput::Lost(peer) => self.peer_lost(peer).await?,
            CoordinatorInput::Request(request) => self.request(request).await?,
            CoordinatorInput::Tip(height) => self.tip = height,
            CoordinatorInput::Steps { committee, feed, steps } => {
                self.steps(&committee, feed, steps).await?;
            }
            CoordinatorInput::Checked { session, attempt, verdicts } => {
                self.checked(session, attempt, verdicts).await?;
            }
            CoordinatorInput::Delivered { key, result } => self.delivered(&key, result).await?,
            CoordinatorInput::BroadcastDone { payment, txid, result } => {
                self.broadcast_done(payment, txid, result).await?;
            }
            CoordinatorInput::Inspected { payment, anchor, height, result } => {
                self.inspected(payment, anchor, height, result).await?;
            }
            CoordinatorInput::Quoted { payment, result } => self.quoted(payment, result).await?,
            CoordinatorInput::Tick => {}
        }
        self.tick().await?;
        if std::mem::take(&mut self.money_moved) {
            self.gauge();
        }
        self.setup.metrics.owed.set(i64::try_from(self.announcements.len()).unwrap_or(i64::MAX));
        Ok((ack, self.take_jobs()))
    }

    async fn request(&mut self, request: Request) -> Result<(), Fault> {
        match request {
            Request::Committees(name, reply) => {
                let _ = reply.send(self.committee_views(name.as_deref()));
            }
            Request::Dkg(committee, reply) => self.start_dkg(&committee, reply).await?,
            Request::SignText(committee, text, reply) => {
                self.sign_text(&committee, text, reply).await?;
            }
            Request::Pay(request, reply) => self.pay(request, reply).await?,
            Request::Payment(id, reply) => {
                let view = self.find_payment(&id).await?.map(|row| self.payment_view(&id, &row));
                let unknown = || Denied::NotFound(format!("payment {id}"));
                let _ = reply.send(view.ok_or_else(unknown));
            }
            Request::Payments(committee, limit, reply) => {
                let _ = reply.send(self.payment_views(&committee, limit).await?);
            }
            Request::Cancel(committee, payment, reply) => {
                let answer = self.cancel(&committee, &payment).await?;
                let _ = reply.send(answer);
            }
            Request::Release(committee, coin, rate, reply) => {
                let answer = self.release(&committee, coin, rate).await?;
                let _ = reply.send(answer);
            }
            Request::Freeze(committee, coin, frozen, reply) => {
                let answer = self.freeze(&committee, coin, frozen).await?;
                let _ = reply.send(answer);
            }
            Request::Rescan(committee, height, reply) => {
                let answer = self.rescan(&committee, height).await?;
                let _ = reply.send(answer);
            }
        }
        Ok(())
    }

    async fn receive(&mut self, inbound: Inbound) -> Result<Ack, Fault> {
        self.member_message(inbound.from, inbound.message).await
    }

    async fn tick(&mut self) -> Result<(), Fault> {
        let now = self.now();
        self.dkg_deadlines(now).await?;
        self.session_ticks(now).await?;
        self.retry_payments(now).await?;
        self.send_announcements(now);
        self.fetch_keys(now);
        self.save_bound().await?;
        self.save_statuses().await
    }

    /// Where its state is.
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.setup.store
    }

    /// Counts how often it was started again from the store.
    pub(crate) fn restarts(&self) -> &prometheus_client::metrics::counter::Counter {
        &self.setup.metrics.restarts
    }

    /// When the next [`CoordinatorInput::Tick`] is due, in milliseconds.
    pub fn next_wake(&self) -> Option<u64> {
        let dkg = self.seats.values().filter_map(|seat| Some(seat.dkg.as_ref()?.deadline_ms));
        let sessions = self.sessions.values().map(|session| session.wake_ms);
        let owed = self.announcements.values().filter(|o| !o.under_way).map(|o| o.next_ms);
        let retries = self.retries.values().copied();
        dkg.chain(sessions).chain(retries).chain(owed).chain(self.next_fetch()).min()
    }

    pub(super) fn now(&self) -> u64 {
        self.setup.clock.now_ms()
    }

    pub(super) fn take_jobs(&mut self) -> Vec<Job> {
        std::mem::take(&mut self.jobs)
    }

    pub(super) fn tell(
        &self,
        committee: &str,
        kind: &'static str,
        payment: Option<Hash32>,
        text: String,
    ) {
        tracing::info!(committee, kind, payment = payment.map(tracing::field::display), "{text}");
        // No listener is fine.
        let _ =
            self.setup.events.send(Event { committee: committee.to_owned(), kind, payment, text });
    }

    pub(super) fn seat(&self, name: &str) -> Result<&Seat, Denied> {
        self.seats.get(name).ok_or_else(|| {
            if self.setup.params.committee(name).is_some() {
                Denied::NotCoordinator(name.to_owned())
            } else {
                Denied::NotFound(format!("committee {name}"))
            }
        })
    }
}

/// Height of the first block that can have paid one of these keys.
pub(super) fn start_of(keys: &BTreeMap<KeyRef, KeyRow>) -> Option<u32> {
    keys.values().map(|row| row.birth).min()
}
