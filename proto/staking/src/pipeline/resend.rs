//! When a transaction is sent again.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use bitcoin::Txid;

use super::Outlook;

/// After a failure to reach bitcoind, doubling: it is usually back within seconds.
const FIRST_RETRY_MS: u64 = 1_000;
/// Of what the mempool does not take: its minimum falls, and conflicts go, by the block.
const REFUSED_MS: u64 = 60_000;
/// Of what is in the mempool: it may be dropped there at any time, and our peers may not have it.
const MEMPOOL_MS: u64 = 600_000;

/// The broadcasts to come, and those under way. Not stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resend {
    due: BTreeSet<(u64, Txid)>,
    requests: BTreeMap<Txid, Turn>,
    under_way: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Turn {
    /// `None` while under way.
    next_ms: Option<u64>,
    failures: u32,
}

impl Resend {
    /// Broadcasts at the same time: bitcoind works through them one after another.
    pub const MOST: usize = 16;

    /// Sends this transaction now, and again until [`Resend::end`].
    pub fn begin(&mut self, request: Txid, now_ms: u64) {
        if let Entry::Vacant(turn) = self.requests.entry(request) {
            turn.insert(Turn { next_ms: Some(now_ms), failures: 0 });
            self.due.insert((now_ms, request));
        }
    }

    /// Sends it no more.
    pub fn end(&mut self, request: Txid) {
        if let Some(turn) = self.requests.remove(&request) {
            match turn.next_ms {
                Some(at) => {
                    self.due.remove(&(at, request));
                }
                None => self.under_way -= 1,
            }
        }
    }

    /// What is to be sent now, as many as may be under way.
    pub fn take_due(&mut self, now_ms: u64) -> Vec<Txid> {
        let mut taken = Vec::new();
        while self.under_way < Self::MOST {
            let Some((at, request)) = self.due.first().copied() else { break };
            if at > now_ms {
                break;
            }
            self.due.remove(&(at, request));
            if let Some(turn) = self.requests.get_mut(&request) {
                turn.next_ms = None;
                self.under_way += 1;
                taken.push(request);
            }
        }
        taken
    }

    /// bitcoind answered.
    pub fn answered(&mut self, request: Txid, outlook: &Outlook, now_ms: u64) {
        let wait = match outlook {
            Outlook::Mempool | Outlook::Mined => MEMPOOL_MS,
            Outlook::Unsent
            | Outlook::Stuck(_)
            | Outlook::InputMissing
            | Outlook::Conflict
            | Outlook::Rejected(_) => REFUSED_MS,
        };
        self.again(request, now_ms, |turn| {
            turn.failures = 0;
            wait
        });
    }

    /// bitcoind did not answer.
    pub fn failed(&mut self, request: Txid, now_ms: u64) {
        self.again(request, now_ms, |turn| {
            let wait = FIRST_RETRY_MS << turn.failures.min(6);
            turn.failures = turn.failures.saturating_add(1);
            wait
        });
    }

    /// When [`Resend::take_due`] has something again; `None` while nothing waits or may start.
    pub fn next_wake(&self) -> Option<u64> {
        let first = self.due.first().map(|(at, _)| *at);
        first.filter(|_| self.under_way < Self::MOST)
    }

    fn again(&mut self, request: Txid, now_ms: u64, wait: impl FnOnce(&mut Turn) -> u64) {
        let Some(turn) = self.requests.get_mut(&request) else { return };
        if turn.next_ms.is_none() {
            self.under_way -= 1;
            let at = now_ms.saturating_add(wait(turn));
            turn.next_ms = Some(at);
            self.due.insert((at, request));
        }
    }
}
