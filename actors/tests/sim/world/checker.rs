//! The properties that hold in every run, whatever the seed does.
//!
//! What members agreed to is taken from what their actors gave out and stored, before any liar's
//! change to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use bitcoin::{Script, Transaction, Txid, consensus::deserialize};
use futures::executor::block_on;
use trestle_actors::committee::{Burn, KeyRow};
use trestle_chain::ledger::Entry;
use trestle_keys::hash::tagged;
use trestle_store::{Table, memory::MemoryStore};
use trestle_wire::{
    Hash32, KeyRef, Peer, codec,
    committee::{
        dkg::{DkgSession, PublicKeys},
        sign::{Commitment, Purpose, SignRequest, SignShares},
    },
};

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// An input of a transaction.
    Spend(Txid, u16),
    /// The proof of a key.
    Proof(KeyRef),
    /// A text.
    Text(Vec<u8>),
}

/// A property that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    /// A member made two different shares with one nonce: its key share can be computed from them.
    NonceReused { member: usize },
    /// A share left before its burn mark, or before what it agrees to, was stored.
    Unmarked { member: usize },
    /// A signature that too few honest members agreed to.
    Unapproved { what: What, honest: usize, needed: usize },
    /// Two transactions in the chain pay one payment.
    PaidTwice { payment: String },
    /// An honest coordinator had versions of one payment signed that spend different anchors.
    TwoAnchors { payment: Hash32 },
    /// Honest members stored shares of different keys in one attempt.
    SplitKey { session: DkgSession },
    /// A node stopped by itself.
    Stopped { node: usize, why: String },
    /// Something that had to happen did not.
    Stuck(String),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Watches a run.
#[derive(Default)]
pub(crate) struct Checker {
    pub(crate) violations: Vec<Violation>,
    /// Members that lie.
    pub(crate) liars: BTreeSet<usize>,
    /// A test plays the coordinator, which may then lie.
    pub(crate) played: bool,
    pub(crate) threshold: usize,
    /// By member and the nonce's public half: what it was used for, and the share.
    used: BTreeMap<(usize, Vec<u8>), (Hash32, [u8; 32])>,
    approvals: BTreeMap<What, BTreeSet<usize>>,
    keys: BTreeMap<DkgSession, (PublicKeys, Hash32)>,
    anchors: BTreeMap<Hash32, Vec<u8>>,
}

impl Checker {
    pub(crate) fn new(threshold: usize) -> Self {
        Self { threshold, ..Self::default() }
    }

    pub(crate) fn found(&mut self, violation: Violation) {
        if !self.violations.contains(&violation) {
            self.violations.push(violation);
        }
    }

    /// A member's actor answers a request with shares.
    pub(crate) fn shares(
        &mut self,
        member: usize,
        from: Peer,
        request: &SignRequest,
        answer: &SignShares,
        rows: &MemoryStore,
    ) {
        let own = request.signers.iter().find(|signer| usize::from(signer.index) == member);
        let Some(own) = own else { return };
        for (position, (number, share)) in request.messages.iter().zip(&answer.shares).enumerate() {
            let Some(what) = what(request, *number) else { continue };
            let nonce = codec::encode(&own.commitments[position]);
            let use_ = (package(request, position, &what), *share);
            let first = *self.used.entry((member, nonce)).or_insert(use_);
            if first != use_ && !self.liars.contains(&member) {
                self.found(Violation::NonceReused { member });
            }
            self.approvals.entry(what).or_default().insert(member);
        }
        if !self.liars.contains(&member) && !is_marked(rows, from, request, own.boot, own.first) {
            self.found(Violation::Unmarked { member });
        }
    }

    /// A signature is out.
    pub(crate) fn signed(&mut self, what: What) {
        let agreed = self.approvals.get(&what).cloned().unwrap_or_default();
        let honest = agreed.difference(&self.liars).count();
        let needed = self.threshold.saturating_sub(self.liars.len());
        if honest < needed {
            self.found(Violation::Unapproved { what, honest, needed });
        }
    }

    /// The committee's signatures on a transaction are out.
    pub(crate) fn spent(&mut self, transaction: &Transaction) {
        let txid = transaction.compute_txid();
        for (input, _) in (0..).zip(&transaction.input) {
            self.signed(What::Spend(txid, input));
        }
    }

    /// Honest members that agreed to this.
    pub(crate) fn agreed(&self, what: &What) -> BTreeSet<usize> {
        self.approvals.get(what).cloned().unwrap_or_default()
    }

    /// What the best chain pays to the recipients of payments, each of which has a script of its
    /// own.
    pub(crate) fn chain<'a>(
        &mut self,
        transactions: impl Iterator<Item = &'a Transaction>,
        payments: &[(String, &Script)],
    ) {
        let mut paid: BTreeMap<&str, u32> = BTreeMap::new();
        for transaction in transactions {
            for (name, script) in payments {
                if transaction.output.iter().any(|output| output.script_pubkey == **script) {
                    *paid.entry(name).or_default() += 1;
                }
            }
        }
        for (payment, times) in paid {
            if times > 1 {
                self.found(Violation::PaidTwice { payment: payment.to_owned() });
            }
        }
    }

    /// A member's stored shares and payments.
    pub(crate) fn rows(&mut self, member: usize, rows: &MemoryStore) {
        if self.liars.contains(&member) {
            return;
        }
        for (session, row) in keys(rows) {
            let key = (row.public, row.transcript);
            let first = self.keys.entry(session.clone()).or_insert_with(|| key.clone());
            if *first != key {
                self.found(Violation::SplitKey { session });
            }
        }
        for (payment, entry) in payments(rows) {
            let anchor = codec::encode(&entry.anchor);
            let first = self.anchors.entry(payment).or_insert_with(|| anchor.clone());
            if *first != anchor && !self.played {
                self.found(Violation::TwoAnchors { payment });
            }
        }
    }
}

/// A member's stored key shares.
pub(crate) fn keys(rows: &MemoryStore) -> Vec<(DkgSession, KeyRow)> {
    const KEYS: Table<Vec<u8>, KeyRow> = Table::new("committee.keys", 1);
    let rows = block_on(KEYS.all(rows)).expect("memory can be read");
    let session = |key: &[u8]| codec::decode(key).expect("a key is an attempt");
    rows.into_iter().map(|(key, row)| (session(&key), row)).collect()
}

/// A member's ledger.
pub(crate) fn payments(rows: &MemoryStore) -> Vec<(Hash32, Entry)> {
    const PAYMENTS: Table<[u8; 32], Entry> = Table::new("committee.payments", 2);
    let rows = block_on(PAYMENTS.all(rows)).expect("memory can be read");
    rows.into_iter().map(|(id, entry)| (Hash32(id), entry)).collect()
}

/// A member's burn marks.
pub(crate) fn burns(rows: &MemoryStore) -> Vec<(Vec<u8>, Burn)> {
    const BURNS: Table<Vec<u8>, Burn> = Table::new("committee.burns", 1);
    block_on(BURNS.all(rows)).expect("memory can be read")
}

fn is_marked(
    rows: &MemoryStore,
    from: Peer,
    request: &SignRequest,
    boot: trestle_wire::BootId,
    first: u64,
) -> bool {
    let key = codec::encode(&(&request.key, boot, from, first.to_be_bytes()));
    let package = tagged("trestle/sign/request", &[&codec::encode(request)]);
    let marked = burns(rows).iter().any(|(at, burn)| *at == key && burn.package == package);
    let agreed = match &request.purpose {
        Purpose::KeyProof | Purpose::Text(_) => true,
        Purpose::Payment(proposal) => {
            let transaction: Result<Transaction, _> = deserialize(&proposal.transaction);
            transaction.is_ok_and(|transaction| {
                let txid = transaction.compute_txid();
                payments(rows).iter().any(|(id, row)| *id == proposal.payment && row.has(&txid))
            })
        }
    };
    marked && agreed
}

fn what(request: &SignRequest, message: u16) -> Option<What> {
    match &request.purpose {
        Purpose::KeyProof => Some(What::Proof(request.key.clone())),
        Purpose::Text(text) => Some(What::Text(text.clone())),
        Purpose::Payment(proposal) => {
            let transaction: Transaction = deserialize(&proposal.transaction).ok()?;
            Some(What::Spend(transaction.compute_txid(), message))
        }
    }
}

/// Everything that the challenge of one message depends on.
fn package(request: &SignRequest, position: usize, what: &What) -> Hash32 {
    let signers: Vec<(u16, Commitment)> =
        request.signers.iter().map(|one| (one.index, one.commitments[position])).collect();
    let what = format!("{what:?}");
    tagged("simulation/package", &[&codec::encode(&signers), what.as_bytes()])
}
