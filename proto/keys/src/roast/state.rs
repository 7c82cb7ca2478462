//! What a session knows.

use std::collections::{BTreeMap, BTreeSet};

use trestle_wire::{
    BootId,
    committee::{
        Signature,
        sign::{Commitment, RefusalCode, Signer},
    },
};

/// One session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roast {
    /// Signers an attempt takes.
    pub threshold: usize,
    /// What is signed so far, one entry a message.
    pub signatures: Vec<Option<Signature>>,
    /// Every member of the committee.
    pub members: BTreeMap<u16, MemberState>,
    /// Attempts that may still succeed.
    pub attempts: BTreeMap<u32, Attempt>,
    /// How often each member's nonces turned out to be gone.
    pub lost_nonces: BTreeMap<u16, u8>,
    /// Number of the next attempt.
    pub next_attempt: u32,
    /// Deadlines.
    pub timing: Timing,
    /// When unanswered questions are asked again, in milliseconds.
    pub ask_again_ms: u64,
    /// The latest time the session has heard of, in milliseconds.
    pub now_ms: u64,
    /// How it ended.
    pub outcome: Option<Outcome>,
}

/// A session's deadlines, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long an attempt runs before another may start beside it.
    pub grace_ms: u64,
    /// When the session gives up.
    pub deadline_ms: u64,
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every message is signed.
    Signed(Vec<Signature>),
    /// Too few members could or would, by the deadline or for good.
    Failed {
        /// Members that never answered.
        silent: Vec<u16>,
        /// Members that refused, and why.
        refused: Vec<(u16, RefusalCode)>,
        /// Members caught.
        blamed: Vec<u16>,
    },
}

/// One member in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberState {
    /// Nonces have been asked for.
    Asked,
    /// Can be in an attempt.
    Ready(Nonces),
    /// In an attempt, its shares are awaited.
    Signing(u32),
    /// Has answered; new nonces are asked for only once another attempt is due.
    Free,
    /// Its policy says no; it will not change its mind in this session.
    Refused(RefusalCode),
    /// Caught giving a wrong share or breaking the protocol.
    Blamed,
}

/// A member's nonces for all messages still unsigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonces {
    /// The boot that offered them.
    pub boot: BootId,
    /// Number of the first.
    pub first: u64,
    /// Their commitments, in order.
    pub commitments: Vec<Commitment>,
    /// Smaller is tried earlier: recent failures, then slowness.
    pub rank: u32,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The messages it signs.
    pub messages: Vec<u16>,
    /// Its signers and their nonces, in order.
    pub signers: Vec<Signer>,
    /// Shares so far: one scalar a message.
    pub shares: BTreeMap<u16, Vec<[u8; 32]>>,
    /// When it started, in milliseconds.
    pub started_ms: u64,
    /// Whether its shares are being checked.
    pub checking: bool,
}

impl Roast {
    /// A session for `messages` messages. Its first effects come with the first event; the caller
    /// offers prepared nonces, or [`super::RoastEvent::Started`] asks for them.
    pub fn new(
        members: impl Iterator<Item = u16>,
        threshold: u16,
        messages: usize,
        timing: Timing,
        now_ms: u64,
    ) -> Self {
        Self {
            threshold: usize::from(threshold),
            signatures: vec![None; messages],
            members: members.map(|index| (index, MemberState::Asked)).collect(),
            attempts: BTreeMap::new(),
            lost_nonces: BTreeMap::new(),
            next_attempt: 1,
            timing,
            ask_again_ms: now_ms + timing.grace_ms,
            now_ms,
            outcome: None,
        }
    }

    /// Messages without a signature.
    pub fn unsigned(&self) -> Vec<u16> {
        let unsigned = self.signatures.iter().enumerate().filter(|(_, s)| s.is_none());
        unsigned.filter_map(|(i, _)| u16::try_from(i).ok()).collect()
    }

    /// Whether the session can end well if nothing more comes from these members: enough others are
    /// left, or an attempt lacks no share of theirs.
    pub fn can_do_without(&self, away: &BTreeSet<u16>) -> bool {
        let left =
            self.indexes(|member| !matches!(member, MemberState::Refused(_) | MemberState::Blamed));
        let is_possible = |attempt: &Attempt| {
            let mut owing = attempt.signers.iter().map(|signer| signer.index);
            owing.all(|index| attempt.shares.contains_key(&index) || !away.contains(&index))
        };
        left.difference(away).count() >= self.threshold || self.attempts.values().any(is_possible)
    }

    /// Members that refused, and why.
    pub fn refused(&self) -> Vec<(u16, RefusalCode)> {
        let refused = self.members.iter().filter_map(|(index, member)| match member {
            MemberState::Refused(code) => Some((*index, *code)),
            MemberState::Asked
            | MemberState::Ready(_)
            | MemberState::Signing(_)
            | MemberState::Free
            | MemberState::Blamed => None,
        });
        refused.collect()
    }

    /// Members in some state, in order.
    pub(super) fn indexes(&self, pick: impl Fn(&MemberState) -> bool) -> BTreeSet<u16> {
        self.members.iter().filter(|(_, state)| pick(state)).map(|(index, _)| *index).collect()
    }
}
