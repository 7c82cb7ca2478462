//! Keys that this coordinator did not make, or has forgotten: members that have them teach it.
//!
//! Always holds: a key is taken up only with the certificates of all members and a proof that
//! verify, so that nobody can make one up; only what was asked for is looked at, and a member is
//! asked at bounded intervals.
//!
//! Where to look for a key's coins is a hint that nobody signs. The lowest that any member gives
//! counts: one honest member is enough for every coin to be found, and a lying one can make this
//! coordinator read blocks for longer. If all that teach a key lie, coins below the hint stay
//! unseen until the operator has the blocks read again (`rescan`); nothing is lost by it.

use std::collections::BTreeSet;

use trestle_chain::mock;
use trestle_keys::ready::check_ready;
use trestle_store::Batch;
use trestle_wire::{
    Ack, KeyRef, Refusal,
    committee::key::{FETCHED_KEYS, KeyFetch, KeyReady},
};

use super::{
    CoordinatorActor, DeliveryKey,
    members::announcement_id,
    rows::{ANNOUNCEMENTS, Announcement, KEYS, KeyRow, StoredKeyRef},
    seat::{MemberInfo, Seat, script_of},
};
use crate::runtime::Fault;

/// First wait before a member is asked again; it doubles while nothing comes of it.
const AGAIN_MS: u64 = 2_000;
/// The longest wait. A member may list a key that it never gives: asking costs a message each.
const LONGEST_MS: u64 = 300_000;
/// Blocks before a hint in which coins are looked for: a day. Members' tips differ by a few blocks,
/// and nobody pays a key before it is ready.
const MARGIN: u32 = 144;
/// Keys that one message may list.
const MOST_LISTED: usize = 64;

/// What is under way with one member.
#[derive(Default)]
pub(super) struct Fetching {
    /// Not to be asked before.
    next_ms: u64,
    /// Times it was asked and nothing came of it.
    tries: u32,
    /// Answers that are still looked at.
    room: usize,
    /// Keys that it has taught in this boot: at most those that are known.
    taught: BTreeSet<KeyRef>,
}

impl Fetching {
    /// The member is another process now, and may answer what the one before did not.
    pub(super) fn start_over(&mut self) {
        (self.next_ms, self.tries) = (0, 0);
    }
}

impl Seat {
    /// Whether a key is to be heard of from this member: it is unknown, or its hint may be lower
    /// than those of others.
    fn is_open(&self, member: &MemberInfo, key: &KeyRef) -> bool {
        self.keys.get(key).is_none_or(|row| row.learned && !member.fetching.taught.contains(key))
    }

    fn can_teach(&self, member: &MemberInfo) -> bool {
        let listed = member.status.iter().flat_map(|status| &status.keys);
        member.online && !member.away && listed.into_iter().any(|key| self.is_open(member, key))
    }
}

impl CoordinatorActor {
    /// When the next member is to be asked, in milliseconds.
    pub(super) fn next_fetch(&self) -> Option<u64> {
        let seats = self.seats.values();
        let due = seats.flat_map(|seat| {
            let members = seat.members.values().filter(|member| seat.can_teach(member));
            members.map(|member| member.fetching.next_ms)
        });
        due.min()
    }

    /// Asks each member for the keys that only it knows.
    pub(super) fn fetch_keys(&mut self, now: u64) {
        for (name, seat) in &mut self.seats {
            let due = |member: &MemberInfo| member.fetching.next_ms <= now;
            let due = seat.members.iter().filter(|(_, one)| due(one) && seat.can_teach(one));
            let due: Vec<u16> = due.map(|(index, _)| *index).collect();
            for index in due {
                let Some(member) = seat.members.get(&index) else { continue };
                let have = seat.keys.keys().rev().filter(|key| !seat.is_open(member, key));
                let have = have.take(MOST_LISTED).cloned().collect();
                let fetch = KeyFetch { committee: name.clone(), have };
                self.setup.network.offer(member.peer, fetch.into());
                let Some(member) = seat.members.get_mut(&index) else { continue };
                let fetching = &mut member.fetching;
                fetching.room = FETCHED_KEYS;
                fetching.next_ms = now + (AGAIN_MS << fetching.tries.min(10)).min(LONGEST_MS);
                fetching.tries = fetching.tries.saturating_add(1);
            }
        }
    }

    /// A member answers.
    pub(super) async fn learn(&mut self, index: u16, ready: KeyReady) -> Result<Ack, Fault> {
        let key = ready.session.key.clone();
        let refused = |refusal| Ok(Ack::Refused(refusal));
        let Some(seat) = self.seats.get_mut(&key.committee) else {
            return refused(Refusal::NoSuchRole);
        };
        let asked = seat.members.get(&index).is_some_and(|member| member.fetching.room > 0);
        let Some(member) = seat.members.get_mut(&index).filter(|_| asked) else {
            self.reject("key_unasked");
            return refused(Refusal::NotAllowed);
        };
        member.fetching.room -= 1;
        let birth = ready.birth.saturating_sub(MARGIN).max(1);
        let known = seat.keys.get(&key).cloned();
        match &known {
            Some(row) if !row.is(&ready) => {
                tracing::warn!(%key, member = index, "a member has another key of that name");
                self.reject("key_differs");
                return refused(Refusal::NotAllowed);
            }
            Some(_) => {}
            None => {
                let Some(script) = script_of(&ready.public) else {
                    return refused(Refusal::Malformed);
                };
                let sighash = mock::sighash(&key, &script);
                if let Err(reason) = check_ready(&seat.committee, &ready, &sighash) {
                    tracing::warn!(%key, member = index, %reason, "a member teaches no usable key");
                    self.reject("key_not_ready");
                    return refused(Refusal::Malformed);
                }
            }
        }
        member.fetching.taught.insert(key);
        member.fetching.tries = 0;
        match known {
            Some(row) if !row.learned || row.birth <= birth => Ok(Ack::Duplicate),
            Some(row) => self.take_up(KeyRow { birth, ..row }).await,
            None => self.take_up(KeyRow { ready, birth, learned: true }).await,
        }
    }

    /// Stores a key that was taught, with what is owed to members that lack it, or a lower height to
    /// look for its coins from, and reads the blocks that this takes.
    async fn take_up(&mut self, row: KeyRow) -> Result<Ack, Fault> {
        let key = row.ready.session.key.clone();
        let Some(seat) = self.seats.get_mut(&key.committee) else { return Ok(Ack::Duplicate) };
        if let Some(script) = script_of(&row.ready.public) {
            seat.wallet.watch(script);
        }
        let birth = row.birth;
        let mut batch = Batch::new();
        KEYS.put(&mut batch, &StoredKeyRef(key.clone()), &row);
        let ready = row.ready.clone();
        let is_new = seat.keys.insert(key.clone(), row).is_none();
        let members: Vec<u16> = seat.members.keys().copied().collect();
        let lacks = |member: &MemberInfo| {
            member.status.as_ref().is_none_or(|status| !status.keys.contains(&key))
        };
        let lacking = seat.members.iter().filter(|(_, member)| is_new && lacks(member));
        let lacking: Vec<DeliveryKey> =
            lacking.map(|(index, _)| DeliveryKey { key: key.clone(), index: *index }).collect();
        for to in &lacking {
            let id = announcement_id(to);
            ANNOUNCEMENTS.owe(&mut batch, to, &Announcement { id, ready: ready.clone() });
        }
        let back = self.go_back(&key.committee, birth, &mut batch);
        self.setup.store.commit(batch).await?;
        for to in lacking {
            let id = announcement_id(&to);
            self.owe_announcement(to, id, ready.clone());
        }
        if back {
            self.money_moved = true;
            self.follow(&key.committee, None);
        }
        let text = if is_new {
            format!(
                "key {} was learned from a member; its coins from block {birth}",
                key.generation
            )
        } else {
            format!("coins of key {} are looked for from block {birth}", key.generation)
        };
        self.tell(&key.committee, "key_learned", None, text);
        for index in members {
            self.refill(&key.committee, index);
        }
        Ok(Ack::Accepted)
    }
}
