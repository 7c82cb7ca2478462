//! Whom to ask for which signatures, and when.
//!
//! Each member has a queue of its own: one that is silent, slow or lying costs the others nothing.
//! A request goes to all members at once, and whoever answers first makes the quorum.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use bitcoin::Txid;
use trestle_wire::staking::{MAX_UNBONDINGS, UnbondingRefusal};

use super::MemberKey;

/// Messages to one member without an answer: enough that it is never idle, few enough that one
/// which is away is not sent everything there is.
const MOST_UNANSWERED: usize = 4;
/// Time for an answer: a hundred signatures of an offline wallet take seconds.
const DEADLINE_MS: u64 = 30_000;
/// First wait after a reason that passes by itself, and the longest.
const TRANSIENT_MS: (u64, u64) = (1_000, 60_000);
/// The same after silence.
const SILENCE_MS: (u64, u64) = (2_000, 300_000);
/// The same after a refusal that needs a person, or a bad signature.
const LASTING_MS: (u64, u64) = (60_000, 3_600_000);

/// What came of asking a member for one signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// It signed.
    Signed,
    /// It will not sign.
    Refused(UnbondingRefusal),
    /// Its signature does not verify, or its answer has not one entry for each request.
    Misbehaved,
}

/// One message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// To whom.
    pub to: MemberKey,
    /// Its number, never used again in this boot.
    pub number: u64,
    /// What for, at most [`MAX_UNBONDINGS`].
    pub requests: Vec<Txid>,
}

/// All asking that is under way or to come. Not stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asking {
    queues: BTreeMap<MemberKey, Queue>,
    next_number: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Queue {
    waiting: BTreeSet<(u64, Txid)>,
    turns: BTreeMap<Txid, Turn>,
    /// By number: when it was sent, and what for.
    unanswered: BTreeMap<u64, (u64, Vec<Txid>)>,
}

/// How asking one member for one request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Turn {
    /// `None` while there is no answer.
    next_ms: Option<u64>,
    tries: u32,
}

impl Asking {
    /// Asks these members for a request now, and again until they sign or it ends.
    pub fn begin<'a>(
        &mut self,
        request: Txid,
        members: impl IntoIterator<Item = &'a MemberKey>,
        now_ms: u64,
    ) {
        for member in members {
            let queue = self.queues.entry(*member).or_default();
            if let Entry::Vacant(turn) = queue.turns.entry(request) {
                turn.insert(Turn { next_ms: Some(now_ms), tries: 0 });
                queue.waiting.insert((now_ms, request));
            }
        }
    }

    /// Asks nobody any more for this request.
    pub fn end(&mut self, request: Txid) {
        for queue in self.queues.values_mut() {
            queue.forget(request);
        }
    }

    /// The messages to send now.
    pub fn take_due(&mut self, now_ms: u64) -> Vec<Batch> {
        let mut batches = Vec::new();
        for (to, queue) in &mut self.queues {
            while queue.unanswered.len() < MOST_UNANSWERED {
                let requests = queue.take(now_ms);
                if requests.is_empty() {
                    break;
                }
                let number = self.next_number;
                self.next_number += 1;
                queue.unanswered.insert(number, (now_ms, requests.clone()));
                batches.push(Batch { to: *to, number, requests });
            }
        }
        batches
    }

    /// The requests that a member's answer is about; `None` if nothing with that number was asked
    /// of it, or it came too late, or it has answered before.
    pub fn answer(&mut self, from: &MemberKey, number: u64) -> Option<Vec<Txid>> {
        let queue = self.queues.get_mut(from)?;
        queue.unanswered.remove(&number).map(|(_, requests)| requests)
    }

    /// What an answer said to one of them.
    pub fn settle(&mut self, from: &MemberKey, request: Txid, what: Answered, now_ms: u64) {
        let Some(queue) = self.queues.get_mut(from) else { return };
        match what {
            Answered::Signed => queue.forget(request),
            Answered::Refused(why) if why.is_transient() => {
                queue.again(request, TRANSIENT_MS, now_ms);
            }
            Answered::Refused(_) | Answered::Misbehaved => {
                queue.again(request, LASTING_MS, now_ms);
            }
        }
    }

    /// Gives up waiting for what is overdue, and says who was silent, once for each message.
    pub fn expire(&mut self, now_ms: u64) -> Vec<MemberKey> {
        let mut silent = Vec::new();
        for (member, queue) in &mut self.queues {
            let overdue = |(sent, _): &(u64, Vec<Txid>)| sent.saturating_add(DEADLINE_MS) <= now_ms;
            let numbers: Vec<u64> = queue
                .unanswered
                .iter()
                .filter(|(_, batch)| overdue(batch))
                .map(|(number, _)| *number)
                .collect();
            for number in numbers {
                let (_, requests) = queue.unanswered.remove(&number).unwrap_or_default();
                for request in requests {
                    queue.again(request, SILENCE_MS, now_ms);
                }
                silent.push(*member);
            }
        }
        silent
    }

    /// A member is (back) there: everything that waits for it is due now, and what it was asked
    /// before it was gone is asked again.
    pub fn wake(&mut self, member: &MemberKey, now_ms: u64) {
        let Some(queue) = self.queues.get_mut(member) else { return };
        queue.unanswered.clear();
        queue.waiting.clear();
        for (request, turn) in &mut queue.turns {
            *turn = Turn { next_ms: Some(now_ms), tries: 0 };
            queue.waiting.insert((now_ms, *request));
        }
    }

    /// When something is due next.
    pub fn next_wake(&self) -> Option<u64> {
        self.queues.values().filter_map(Queue::next_wake).min()
    }

    /// Requests that wait for a member, asked or not.
    pub fn waiting_for(&self, member: &MemberKey) -> usize {
        self.queues.get(member).map_or(0, |queue| queue.turns.len())
    }
}

impl Queue {
    fn forget(&mut self, request: Txid) {
        if let Some(Turn { next_ms: Some(at), .. }) = self.turns.remove(&request) {
            self.waiting.remove(&(at, request));
        }
    }

    fn take(&mut self, now_ms: u64) -> Vec<Txid> {
        let mut taken = Vec::new();
        while taken.len() < MAX_UNBONDINGS {
            let Some((at, request)) = self.waiting.first().copied() else { break };
            if at > now_ms {
                break;
            }
            self.waiting.remove(&(at, request));
            if let Some(turn) = self.turns.get_mut(&request) {
                turn.next_ms = None;
                taken.push(request);
            }
        }
        taken
    }

    fn again(&mut self, request: Txid, (first, longest): (u64, u64), now_ms: u64) {
        let Some(turn) = self.turns.get_mut(&request) else { return };
        if turn.next_ms.is_some() {
            return;
        }
        let wait = first.saturating_mul(1 << turn.tries.min(20)).min(longest);
        let at = now_ms.saturating_add(wait);
        *turn = Turn { next_ms: Some(at), tries: turn.tries.saturating_add(1) };
        self.waiting.insert((at, request));
    }

    fn next_wake(&self) -> Option<u64> {
        let room = self.unanswered.len() < MOST_UNANSWERED;
        let waiting = self.waiting.first().map(|(at, _)| *at).filter(|_| room);
        let sent = self.unanswered.values().map(|(sent, _)| sent.saturating_add(DEADLINE_MS));
        waiting.into_iter().chain(sent).min()
    }
}
