//! What is true of a payment.

use std::collections::{BTreeMap, BTreeSet};

use bincode::{Decode, Encode};
use bitcoin::{BlockHash, FeeRate, OutPoint, Transaction, TxOut, Txid};
use trestle_wire::Hash32;

use super::{Effect, Notice};
use crate::{plan::Plan, stored::Stored};

/// One payment.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Payment {
    pub(super) id: Hash32,
    pub(super) recipients: Vec<Stored<TxOut>>,
    pub(super) terms: Terms,
    pub(super) tip: u32,
    pub(super) note: Option<String>,
    pub(super) state: State,
}

/// When a payment is pushed on, and when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Terms {
    /// Blocks without a confirmation after which a higher fee rate is looked for.
    pub bump_after: u32,
    /// Versions up to which fees are raised. A version that has to do without a spent coin is made
    /// in any case: there is at most one for each coin lost to the chain.
    pub max_versions: u32,
    /// Confirmations that count as final.
    pub settle_depth: u32,
}

/// Where a payment is on its way.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum State {
    /// Accepted. No coin is bound; a plan is being made, or awaited.
    Waiting,
    /// Bound. No version is signed as far as is known here.
    Signing {
        /// Anchor and versions.
        bound: Bound,
        /// What is under way.
        work: Work,
    },
    /// At least one version is signed, and none is in a block.
    Broadcast {
        /// Anchor and versions.
        bound: Bound,
        /// What is under way besides.
        work: Option<Work>,
        /// The height from which a lack of confirmation is counted.
        since: u32,
    },
    /// A version is in a block.
    Confirmed {
        /// Anchor and versions.
        bound: Bound,
        /// Which version.
        txid: Stored<Txid>,
        /// The block's height.
        height: u32,
        /// The block.
        block: Stored<BlockHash>,
    },
    /// A version is in a block so deep that it counts as final.
    Settled {
        /// Anchor and versions.
        bound: Bound,
        /// Which version.
        txid: Stored<Txid>,
        /// The block's height.
        height: u32,
    },
    /// No version can ever confirm.
    Failed {
        /// Anchor and versions.
        bound: Bound,
        /// What spent the anchor.
        by: Spender,
    },
    /// Over before a version was signed here.
    Ended {
        /// Anchor and versions, if any were planned.
        bound: Option<Bound>,
        /// Why.
        why: Ending,
    },
}

/// Why a payment is over of which no version was signed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Ending {
    /// The operator gave it up.
    Cancelled,
    /// Members agreed to it under this id before this coordinator knew of it, and the coin that they
    /// bound to it is spent, deep in the chain.
    UsedBefore {
        /// That coin.
        anchor: Stored<OutPoint>,
        /// What spent it.
        by: Spender,
    },
}

/// What cannot change any more once members have been asked to sign, and what grows from it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Bound {
    /// The outpoint that every version spends.
    pub anchor: Stored<OutPoint>,
    /// Every version that members have been asked to sign, oldest first; never empty.
    pub versions: Vec<Version>,
    /// What else has spent the anchor, as long as that is in the chain.
    pub usurper: Option<Spender>,
    /// Inputs of versions that something else has spent, with the height of that block.
    pub gone: BTreeMap<Stored<OutPoint>, u32>,
    /// Members had bound the payment to this anchor before it was planned here: a version that is
    /// not known here may be signed.
    pub adopted: bool,
    /// A version has been in a block: it is signed, whoever combined the shares.
    pub seen: bool,
}

/// One version.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Version {
    /// The unsigned transaction and what it spends.
    pub plan: Plan,
    /// The signed transaction, once it is known here.
    pub signed: Option<Stored<Transaction>>,
}

/// A transaction in a block that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Spender {
    /// Its id.
    pub txid: Stored<Txid>,
    /// Its block's height.
    pub height: u32,
    /// Whether it pays exactly the payment's recipients: a version that is not known here.
    pub pays: bool,
}

/// What is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Work {
    /// A new version is being planned, at this rate in sat for 1,000 weight units.
    Planning {
        /// The rate.
        rate: u64,
    },
    /// The latest version is with the members.
    Signing,
}

impl Payment {
    /// A payment that has just been accepted at height `tip`, and what is to be done first.
    pub fn accept(
        id: Hash32,
        recipients: Vec<TxOut>,
        terms: Terms,
        tip: u32,
    ) -> (Self, Vec<Effect>) {
        let recipients = recipients.into_iter().map(Stored).collect();
        let payment = Self { id, recipients, terms, tip, note: None, state: State::Waiting };
        let effects = payment.owed();
        (payment, effects)
    }

    /// Its id.
    pub fn id(&self) -> Hash32 {
        self.id
    }

    /// Who gets how much, in order.
    pub fn recipients(&self) -> Vec<TxOut> {
        self.recipients.iter().map(|output| output.0.clone()).collect()
    }

    /// When it is pushed on, and when it is over.
    pub fn terms(&self) -> Terms {
        self.terms
    }

    /// Where it is on its way.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What it waits for, for people.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Whether nothing can happen any more.
    pub fn is_final(&self) -> bool {
        match &self.state {
            State::Settled { .. } | State::Failed { .. } | State::Ended { .. } => true,
            State::Waiting
            | State::Signing { .. }
            | State::Broadcast { .. }
            | State::Confirmed { .. } => false,
        }
    }

    /// Anchor and versions; `None` while nothing is planned.
    pub fn bound(&self) -> Option<&Bound> {
        match &self.state {
            State::Waiting => None,
            State::Signing { bound, .. }
            | State::Broadcast { bound, .. }
            | State::Confirmed { bound, .. }
            | State::Settled { bound, .. }
            | State::Failed { bound, .. } => Some(bound),
            State::Ended { bound, .. } => bound.as_ref(),
        }
    }

    /// What this payment waits for now: to be carried out after a restart or when a retry is due.
    pub fn owed(&self) -> Vec<Effect> {
        match &self.state {
            State::Waiting => vec![Effect::Plan],
            State::Signing { bound, .. } | State::Broadcast { bound, .. }
                if bound.usurper.is_some() =>
            {
                Vec::new()
            }
            State::Signing { bound, work } => vec![self.work_effect(bound, *work)],
            State::Broadcast { bound, work, .. } => {
                let work = work.map(|work| self.work_effect(bound, work));
                bound.broadcasts().chain(work).collect()
            }
            State::Confirmed { .. }
            | State::Settled { .. }
            | State::Failed { .. }
            | State::Ended { .. } => Vec::new(),
        }
    }

    pub(super) fn work_effect(&self, bound: &Bound, work: Work) -> Effect {
        match work {
            Work::Planning { rate } => Effect::Bump { rate },
            Work::Signing => {
                let version = bound.versions.len().saturating_sub(1);
                let proposal = bound.latest().plan.proposal(self.id);
                Effect::Sign { version: u32::try_from(version).unwrap_or(u32::MAX), proposal }
            }
        }
    }

    /// The state of a bound payment none of whose versions is in a block (any more).
    pub(super) fn unconfirmed(&self, bound: Bound) -> State {
        let rebuild = bound.must_rebuild().then(|| bound.rebuild());
        if bound.is_signed() {
            State::Broadcast { bound, work: rebuild, since: self.tip }
        } else {
            State::Signing { bound, work: rebuild.unwrap_or(Work::Signing) }
        }
    }

    /// Whether a plan pays exactly this payment's recipients.
    pub(super) fn is_paid_by(&self, plan: &Plan) -> bool {
        self.recipients.iter().map(|output| &output.0).eq(plan.recipients())
    }

    pub(super) fn with(&self, state: State) -> Self {
        Self { state, ..self.clone() }
    }

    pub(super) fn noting(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    pub(super) fn without_note(mut self) -> Self {
        self.note = None;
        self
    }
}

impl Bound {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            anchor: Stored(plan.anchor()),
            versions: vec![Version { plan, signed: None }],
            usurper: None,
            gone: BTreeMap::new(),
            adopted: false,
            seen: false,
        }
    }

    /// The latest version.
    pub fn latest(&self) -> &Version {
        self.versions.last().expect("a bound payment has a version from the start")
    }

    /// The version with that id.
    pub fn version(&self, txid: &Txid) -> Option<&Version> {
        self.versions.iter().find(|version| version.plan.txid() == *txid)
    }

    /// All plans, oldest first, as [`crate::plan::bump()`] wants them.
    pub fn plans(&self) -> Vec<Plan> {
        self.versions.iter().map(|version| version.plan.clone()).collect()
    }

    /// Every coin that a version spends: reserved as long as the payment is not over.
    pub fn inputs(&self) -> BTreeSet<OutPoint> {
        let inputs = self.versions.iter().flat_map(|version| &version.plan.transaction().input);
        inputs.map(|input| input.previous_output).collect()
    }

    /// The inputs of versions that something else has spent, as [`crate::plan::bump()`] wants them.
    pub fn gone(&self) -> BTreeSet<OutPoint> {
        self.gone.keys().map(|outpoint| outpoint.0).collect()
    }

    /// Whether a version has all its signatures.
    pub fn is_signed(&self) -> bool {
        self.versions.iter().any(|version| version.signed.is_some())
    }

    /// Whether a version is signed, as far as can be known here: it can confirm for ever.
    pub fn may_confirm(&self) -> bool {
        self.seen || self.is_signed()
    }

    /// The highest rate of all versions, in sat for 1,000 weight units.
    pub fn highest_rate(&self) -> u64 {
        crate::plan::highest_rate(self.versions.iter().map(|v| &v.plan)).to_sat_per_kwu()
    }

    /// Whether the latest version spends a coin that is gone.
    pub(super) fn must_rebuild(&self) -> bool {
        self.gone.keys().any(|outpoint| self.latest().plan.spends(outpoint))
    }

    /// A new version without the coins that are gone, a step above all before it.
    pub(super) fn rebuild(&self) -> Work {
        let step = FeeRate::BROADCAST_MIN.to_sat_per_kwu();
        Work::Planning { rate: self.highest_rate().saturating_add(step) }
    }

    /// All signed versions, the latest first: a node takes the first that it can and refuses what
    /// that one replaces.
    pub(super) fn broadcasts(&self) -> impl Iterator<Item = Effect> {
        let signed = self.versions.iter().rev().filter_map(|version| version.signed.clone());
        signed.map(Effect::Broadcast)
    }

    pub(super) fn signed(&self, txid: &Txid, transaction: &Transaction) -> Self {
        let mut bound = self.clone();
        for version in &mut bound.versions {
            if version.plan.txid() == *txid {
                version.signed = Some(Stored(transaction.clone()));
            }
        }
        bound
    }
}

impl Notice {
    pub(super) fn effect(self) -> Effect {
        Effect::Notify(self)
    }
}
