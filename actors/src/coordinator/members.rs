//! What members send, and what the coordinator keeps of each.

use trestle_store::Batch;
use trestle_wire::{
    Ack, KeyRef, Message, MessageId, Peer, Refusal, SessionId,
    committee::{
        key::{KeyFetch, MemberStatus},
        sign::{NonceOffer, NonceRequest},
    },
};

use super::{
    CoordinatorActor, DeliveryKey, Job,
    actor::Owed,
    metrics::Reason,
    rows::{ANNOUNCEMENTS, Announcement, MemberKey, STATUSES},
};
use crate::{ports::Delivery, runtime::Fault};

/// First wait before a delivery is tried again; it doubles up to a minute.
const RETRY_MS: u64 = 500;

impl CoordinatorActor {
    pub(super) async fn member_message(
        &mut self,
        from: Peer,
        message: Message,
    ) -> Result<Ack, Fault> {
        let Some(committee) = committee_of(&message).map(str::to_owned) else {
            return Ok(Ack::Refused(Refusal::NoSuchRole));
        };
        let Some(seat) = self.seats.get(&committee) else {
            return Ok(Ack::Refused(Refusal::NoSuchRole));
        };
        let Some(index) = seat.committee.member_of(&from).map(|member| member.index) else {
            self.reject("not_a_member");
            return Ok(Ack::Refused(Refusal::NotAllowed));
        };
        match message {
            Message::MemberStatus(status) => self.status(index, status).await?,
            Message::KeyFetch(fetch) => self.fetch(index, &fetch).await?,
            Message::KeyReady(ready) => return self.learn(index, ready).await,
            Message::NonceOffer(offer) => self.nonces_offered(index, offer).await?,
            Message::SignShares(shares) => self.shares(index, shares).await?,
            Message::SignRefused(refused) => self.refused(index, refused).await?,
            message @ (Message::DkgRound1(_)
            | Message::DkgEcho(_)
            | Message::DkgRound2(_)
            | Message::DkgCertificate(_)
            | Message::DkgAbort(_)) => self.dkg_message(index, message).await?,
            Message::Hello(_)
            | Message::Presence(_)
            | Message::DkgBegin(_)
            | Message::DkgRound1Set(_)
            | Message::DkgEchoSet(_)
            | Message::DkgRound2Set(_)
            | Message::NonceRequest(_)
            | Message::SignRequest(_)
            | Message::UnbondingAsk(_)
            | Message::UnbondingSigned(_) => {
                return Ok(Ack::Refused(Refusal::NoSuchRole));
            }
        }
        Ok(Ack::Accepted)
    }

    /// A member says who it is and what it has. What it said before goes back to it, and what it
    /// lacks is sent.
    async fn status(&mut self, index: u16, status: MemberStatus) -> Result<(), Fault> {
        let Some(seat) = self.seats.get_mut(&status.committee) else { return Ok(()) };
        let genuine = status.by.index == index
            && trestle_keys::sign::verify_member_status(&seat.committee, &status).is_ok();
        let Some(member) = seat.members.get_mut(&index).filter(|_| genuine) else {
            self.reject("bad_status");
            return Ok(());
        };
        member.online = true;
        let known = member.status.as_ref().map_or(0, |status| status.sequence);
        if let Some(known) = member.status.as_ref().filter(|_| known > status.sequence) {
            self.setup.network.offer(member.peer, known.clone().into());
            return Ok(());
        }
        let rebooted = member.status.as_ref().is_none_or(|known| known.boot != status.boot);
        if rebooted {
            member.pools.values_mut().for_each(super::seat::Pool::clear);
            member.fetching.start_over();
        }
        let have = status.keys.clone();
        let committee = status.committee.clone();
        member.status = Some(status);
        member.unsaved = true;
        self.refill(&committee, index);
        self.fetch(index, &KeyFetch { committee, have }).await
    }

    /// Stores the statuses that are new: not while sessions wait for the disk, and many at once.
    /// One that is lost with a crash is said again when the member next connects.
    pub(super) async fn save_statuses(&mut self) -> Result<(), Fault> {
        let unsaved = self.seats.values().flat_map(|seat| seat.members.values());
        if !self.sessions.is_empty() || !unsaved.into_iter().any(|member| member.unsaved) {
            return Ok(());
        }
        let mut batch = Batch::new();
        for (committee, seat) in &mut self.seats {
            for (index, member) in &mut seat.members {
                if let Some(status) = member.status.as_ref().filter(|_| member.unsaved) {
                    let key = MemberKey { committee: committee.clone(), index: *index };
                    STATUSES.put(&mut batch, &key, status);
                    member.unsaved = false;
                }
            }
        }
        Ok(self.setup.store.commit(batch).await?)
    }

    /// Sends what a member lacks.
    async fn fetch(&mut self, index: u16, fetch: &KeyFetch) -> Result<(), Fault> {
        let Some(seat) = self.seats.get(&fetch.committee) else { return Ok(()) };
        let missing: Vec<_> = seat
            .keys
            .iter()
            .filter(|(key, _)| !fetch.have.contains(key))
            .map(|(key, row)| (DeliveryKey { key: key.clone(), index }, row.ready.clone()))
            .filter(|(key, _)| !self.announcements.contains_key(key))
            .collect();
        let mut batch = Batch::new();
        for (key, ready) in &missing {
            let id = announcement_id(key);
            ANNOUNCEMENTS.owe(&mut batch, key, &Announcement { id, ready: ready.clone() });
        }
        if !batch.is_empty() {
            self.setup.store.commit(batch).await?;
        }
        for (key, ready) in missing {
            let id = announcement_id(&key);
            self.owe_announcement(key, id, ready);
        }
        Ok(())
    }

    async fn nonces_offered(&mut self, index: u16, offer: NonceOffer) -> Result<(), Fault> {
        let Some(seat) = self.seats.get_mut(&offer.key.committee) else { return Ok(()) };
        let Some(member) = seat.members.get_mut(&index) else { return Ok(()) };
        let pool = member.pools.entry(offer.key.clone()).or_default();
        if offer.index != index || pool.asked < offer.commitments.len() {
            self.reject("nonces_unasked");
            return Ok(());
        }
        if !pool.add(offer.boot, offer.first, &offer.commitments) {
            self.reject("nonce_number");
            return Ok(());
        }
        member.online = true;
        self.feed_sessions(&offer.key, index).await
    }

    /// Asks a member for nonces, so that so many more are ready.
    pub(super) fn ask_nonces(&mut self, key: &KeyRef, index: u16, count: usize) {
        let Some(seat) = self.seats.get_mut(&key.committee) else { return };
        let Some(member) = seat.members.get_mut(&index) else { return };
        let pool = member.pools.entry(key.clone()).or_default();
        let Ok(asked) = u16::try_from(count.min(trestle_wire::committee::MAX_BATCH)) else {
            return;
        };
        pool.asked = usize::from(asked);
        let request = NonceRequest { key: key.clone(), count: asked };
        self.setup.network.offer(member.peer, request.into());
    }

    /// Keeps nonces ready for the latest key.
    pub(super) fn refill(&mut self, committee: &str, index: u16) {
        let Some(seat) = self.seats.get(committee) else { return };
        let Some((key, _)) = seat.latest() else { return };
        let Some(member) = seat.members.get(&index).filter(|member| member.online) else { return };
        let (ready, asked) = member.pools.get(key).map_or((0, 0), |pool| (pool.len(), pool.asked));
        let target = self.setup.settings.nonce_pool;
        if asked == 0 && ready * 2 <= target {
            let key = key.clone();
            self.ask_nonces(&key, index, target - ready);
        }
    }

    /// A peer came back: what is owed to it is tried at once.
    pub(super) fn peer_connected(&mut self, peer: Peer) {
        let now = self.now();
        let before = self.lacking();
        self.members_of(peer).for_each(|member| member.away = false);
        for owed in self.announcements.values_mut().filter(|owed| owed.to == peer) {
            owed.next_ms = now;
        }
        // Only what waited for this one: a peer must not decide how often members are asked.
        let after = self.lacking();
        before.difference(&after).for_each(|id| self.lacks_no_more(*id));
    }

    /// Its last connection has gone.
    pub(super) async fn peer_lost(&mut self, peer: Peer) -> Result<(), Fault> {
        self.members_of(peer).for_each(|member| member.away = true);
        let sessions: Vec<SessionId> = self.sessions.keys().copied().collect();
        for id in sessions {
            self.end_if_in_vain(id).await?;
        }
        Ok(())
    }

    /// The places that a peer has in committees.
    fn members_of(&mut self, peer: Peer) -> impl Iterator<Item = &mut super::seat::MemberInfo> {
        let members = self.seats.values_mut().flat_map(|seat| seat.members.values_mut());
        members.filter(move |member| member.peer == peer)
    }

    pub(super) fn owe_announcement(
        &mut self,
        key: DeliveryKey,
        id: MessageId,
        ready: trestle_wire::committee::key::KeyReady,
    ) {
        let seat = self.seats.get(&key.key.committee);
        let Some(member) = seat.and_then(|seat| seat.members.get(&key.index)) else { return };
        let (to, next_ms) = (member.peer, self.now());
        let owed = Owed { to, id, ready, next_ms, under_way: false, tries: 0 };
        self.announcements.insert(key, owed);
    }

    pub(super) fn send_announcements(&mut self, now: u64) {
        for (key, owed) in &mut self.announcements {
            if !owed.under_way && owed.next_ms <= now {
                owed.under_way = true;
                self.jobs.push(Job::Deliver {
                    key: key.clone(),
                    to: owed.to,
                    id: owed.id,
                    message: owed.ready.clone().into(),
                });
            }
        }
    }

    pub(super) async fn delivered(
        &mut self,
        key: &DeliveryKey,
        result: Result<Ack, Delivery>,
    ) -> Result<(), Fault> {
        let now = self.now();
        let Some(owed) = self.announcements.get_mut(key) else { return Ok(()) };
        owed.under_way = false;
        match result {
            Ok(Ack::Accepted | Ack::Duplicate) => {}
            Ok(Ack::Refused(refusal)) => {
                tracing::warn!(%key.key, member = key.index, ?refusal, "a member refuses a key");
            }
            Ok(Ack::Busy) | Err(_) => {
                owed.tries = owed.tries.saturating_add(1);
                owed.next_ms = now + (RETRY_MS << owed.tries.min(7));
                return Ok(());
            }
        }
        let mut batch = Batch::new();
        ANNOUNCEMENTS.settle(&mut batch, key);
        self.setup.store.commit(batch).await?;
        self.announcements.remove(key);
        self.refill(&key.key.committee, key.index);
        Ok(())
    }

    pub(super) fn reject(&self, reason: &'static str) {
        self.setup.metrics.rejected.get_or_create(&Reason { reason }).inc();
    }
}

/// The same for every resend of the same announcement.
pub(super) fn announcement_id(key: &DeliveryKey) -> MessageId {
    let bytes = trestle_wire::codec::encode(&(&key.key, key.index));
    let hash = trestle_keys::hash::tagged("trestle/announcement", &[&bytes]);
    let mut id = [0; 16];
    id.copy_from_slice(&hash.0[..16]);
    MessageId(id)
}

/// The committee that a member's message is about.
fn committee_of(message: &Message) -> Option<&str> {
    let key = match message {
        Message::DkgRound1(m) => &m.session.key,
        Message::DkgEcho(m) => &m.session.key,
        Message::DkgRound2(m) => &m.session.key,
        Message::DkgCertificate(m) => &m.session.key,
        Message::DkgAbort(m) => &m.session.key,
        Message::KeyReady(m) => &m.session.key,
        Message::NonceOffer(m) => &m.key,
        Message::SignShares(m) => &m.key,
        Message::SignRefused(m) => &m.key,
        Message::KeyFetch(m) => return Some(&m.committee),
        Message::MemberStatus(m) => return Some(&m.committee),
        Message::Hello(_)
        | Message::Presence(_)
        | Message::DkgBegin(_)
        | Message::DkgRound1Set(_)
        | Message::DkgEchoSet(_)
        | Message::DkgRound2Set(_)
        | Message::NonceRequest(_)
        | Message::SignRequest(_)
        | Message::UnbondingAsk(_)
        | Message::UnbondingSigned(_) => return None,
    };
    Some(&key.committee)
}
