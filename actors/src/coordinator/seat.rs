//! One committee, as its coordinator holds it in memory.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use bitcoin::{ScriptBuf, XOnlyPublicKey};
use trestle_chain::wallet::Wallet;
use trestle_keys::{
    Committee,
    dkg::coordinator::CoordinatorDkg,
    roast::Nonces,
    taproot::{Tweak, internal_key, script_pubkey},
};
use trestle_wire::{
    BootId, KeyRef, Peer,
    committee::{dkg::PublicKeys, key::MemberStatus, sign::Commitment},
};

use super::{
    ingress::Reply,
    learn::Fetching,
    rows::{KeyRow, Totals},
    view::KeyView,
};
use crate::follower::Cursor;

/// A rank that comes after every member in good standing.
const LEFT_OUT: u32 = 1_000;
/// A rank for a member that has not been heard of.
const UNHEARD: u32 = 500;
/// How long a member that was caught is asked last.
pub(super) const LEFT_OUT_MS: u64 = 60_000;
/// Most commitments kept for a member: what it keeps itself, 66 bytes each.
const POOL: usize = 2_000;
/// No member makes so many nonces in one boot: a billion a second for 30 years.
const MOST_NONCES: u64 = 1 << 60;

/// One committee.
pub(super) struct Seat {
    pub(super) committee: Arc<Committee>,
    pub(super) members: BTreeMap<u16, MemberInfo>,
    pub(super) keys: BTreeMap<KeyRef, KeyRow>,
    pub(super) wallet: Wallet,
    pub(super) feed: Option<Following>,
    pub(super) dkg: Option<RunningDkg>,
    pub(super) last_attempt: u32,
    /// Payments that are over.
    pub(super) totals: Totals,
    /// How long this boot's key generations took.
    pub(super) took_ms: BTreeMap<KeyRef, u64>,
}

/// The feed of a committee's wallet.
pub(super) struct Following {
    pub(super) number: u64,
    pub(super) cursor: Cursor,
}

/// A key generation under way.
pub(super) struct RunningDkg {
    pub(super) machine: CoordinatorDkg,
    pub(super) reply: Option<Reply<KeyView>>,
    pub(super) begun_ms: u64,
    pub(super) deadline_ms: u64,
    pub(super) tries_left: u32,
}

/// One member.
pub(super) struct MemberInfo {
    pub(super) peer: Peer,
    pub(super) status: Option<MemberStatus>,
    /// That status is not stored yet.
    pub(super) unsaved: bool,
    /// Heard of in this boot, and not silent since when it was asked.
    pub(super) online: bool,
    /// Its connection is lost.
    pub(super) away: bool,
    pub(super) blamed: u64,
    pub(super) left_out_until_ms: u64,
    pub(super) pools: BTreeMap<KeyRef, Pool>,
    pub(super) fetching: Fetching,
}

/// A member's nonces that are ready.
#[derive(Default)]
pub(super) struct Pool {
    boot: Option<BootId>,
    first: u64,
    ready: VecDeque<Commitment>,
    /// Asked for and not come.
    pub(super) asked: usize,
}

impl Pool {
    /// Takes in an offer that was asked for; nonces of another boot replace all before. `false`: no
    /// member gets to such a number.
    pub(super) fn add(&mut self, boot: BootId, first: u64, commitments: &[Commitment]) -> bool {
        // So that no sum below can overflow, whatever a member makes up.
        if first > MOST_NONCES {
            return false;
        }
        let continues = self.boot == Some(boot) && first == self.first + self.ready.len() as u64;
        if !continues {
            self.ready.clear();
            self.boot = Some(boot);
            self.first = first;
        }
        self.ready.extend(commitments);
        while self.ready.len() > POOL {
            self.ready.pop_front();
            self.first += 1;
        }
        self.asked = self.asked.saturating_sub(commitments.len());
        true
    }

    /// Takes nonces out for one attempt of one session.
    pub(super) fn take(&mut self, count: usize, rank: u32) -> Option<Nonces> {
        let boot = self.boot.filter(|_| self.ready.len() >= count)?;
        let first = self.first;
        self.first += count as u64;
        let commitments = self.ready.drain(..count).collect();
        Some(Nonces { boot, first, commitments, rank })
    }

    pub(super) fn len(&self) -> usize {
        self.ready.len()
    }

    pub(super) fn clear(&mut self) {
        self.ready.clear();
        self.boot = None;
        self.asked = 0;
    }
}

impl MemberInfo {
    pub(super) fn new(peer: Peer, status: Option<MemberStatus>) -> Self {
        Self {
            peer,
            status,
            unsaved: false,
            online: false,
            away: false,
            blamed: 0,
            left_out_until_ms: 0,
            pools: BTreeMap::new(),
            fetching: Fetching::default(),
        }
    }

    /// Forgets the nonces of a key: its shares are other ones now.
    pub(super) fn forget_nonces(&mut self, key: &KeyRef) {
        self.pools.remove(key);
    }

    /// Smaller is asked earlier.
    pub(super) fn rank(&self, now_ms: u64) -> u32 {
        if now_ms < self.left_out_until_ms {
            LEFT_OUT
        } else if self.online && !self.away {
            0
        } else {
            UNHEARD
        }
    }
}

impl Seat {
    pub(super) fn latest(&self) -> Option<(&KeyRef, &KeyRow)> {
        self.keys.last_key_value()
    }

    /// The committee's script under a key.
    pub(super) fn script(&self, key: &KeyRef) -> Option<ScriptBuf> {
        script_of(&self.keys.get(key)?.ready.public)
    }

    /// The key that a script belongs to.
    pub(super) fn key_of(&self, script: &ScriptBuf) -> Option<&KeyRef> {
        self.keys.keys().find(|key| self.script(key).as_ref() == Some(script))
    }
}

/// The internal key of a committee key.
pub(super) fn internal_of(public: &PublicKeys) -> Option<XOnlyPublicKey> {
    internal_key(&public.group).ok()
}

/// The committee's own script: key path, no script tree.
pub(super) fn script_of(public: &PublicKeys) -> Option<ScriptBuf> {
    Some(script_pubkey(internal_of(public)?, Tweak::KeyPath))
}
