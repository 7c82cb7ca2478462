//! What the index holds in memory. All of it is made from the store.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    sync::Arc,
};

use bitcoin::{OutPoint, Txid};
use trestle_staking::{
    delegation::{ConfirmedStake, Delegation, StakerKey},
    tally::{Depth, Position, Totals},
};

use super::prepare::{FoundInput, fingerprint};
use crate::staking::{
    rows::{DelegationKey, Entry, Head, WindowBlock},
    tables::DueKey,
};

/// Bounded by what the window's blocks hold, and by the reorganisation under way.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) head: Head,
    pub(super) totals: Totals,
    /// The blocks above the last one that counts, the lowest first.
    pub(super) window: VecDeque<Arc<WindowBlock>>,
    /// What the window says of each delegation that it touches.
    pub(super) marks: BTreeMap<Txid, Mark>,
    /// The window's unbonding transactions, and whose they are.
    pub(super) unbondings: BTreeMap<Txid, DelegationKey>,
    /// Requests whose stakes have left the chain.
    pub(super) orphans: BTreeSet<Txid>,
    /// Delegations of which outsiders know something else than what is true now.
    pub(super) told: BTreeSet<Txid>,
    /// No timelock ends at a lower tip; `None`: none is waited for.
    pub(super) next_due: Option<u32>,
}

/// What the window says of a delegation.
#[derive(Clone, Debug, Default)]
pub(super) struct Mark {
    /// Its stake is in the window.
    pub(super) stake: Option<WindowStake>,
    /// The height of its unbonding, if that is.
    pub(super) unbonding: Option<u32>,
    /// The height of another spend of the staking output, if that is.
    pub(super) gone: Option<u32>,
}

/// A stake in the window.
#[derive(Clone, Copy, Debug)]
pub(super) struct WindowStake {
    /// What will be confirmed.
    pub(super) stake: ConfirmedStake,
    /// The version of the parameters.
    pub(super) version: u64,
}

impl Mark {
    const fn is_empty(&self) -> bool {
        self.stake.is_none() && self.unbonding.is_none() && self.gone.is_none()
    }
}

impl State {
    pub(super) fn new(head: Head) -> Self {
        Self {
            head,
            totals: Totals::default(),
            window: VecDeque::new(),
            marks: BTreeMap::new(),
            unbondings: BTreeMap::new(),
            orphans: BTreeSet::new(),
            told: BTreeSet::new(),
            next_due: None,
        }
    }

    /// Changes what the window says of a delegation.
    pub(super) fn mark(&mut self, txid: Txid, change: impl FnOnce(&mut Mark)) {
        let mark = self.marks.entry(txid).or_default();
        change(mark);
        if mark.is_empty() {
            self.marks.remove(&txid);
        }
    }

    /// Whether the window has a spend of the output of a timelock, not above the block at which it
    /// ends.
    pub(super) fn is_leaving(&self, due: &DueKey) -> bool {
        let mark = self.marks.get(&due.txid).filter(|_| due.output.is_staking());
        let mut spends = mark.into_iter().flat_map(|mark| [mark.unbonding, mark.gone]).flatten();
        spends.any(|height| height <= due.at)
    }

    /// Where a delegation is, by its confirmed facts and the window.
    pub(super) fn position(&self, txid: Txid, confirmed: Option<&Delegation>) -> Position {
        let mut at = confirmed.map(Position::confirmed).unwrap_or_default();
        let Some(mark) = self.marks.get(&txid) else { return at };
        let raise = |depth: &mut Depth, there: bool| {
            if there {
                *depth = (*depth).max(Depth::Window);
            }
        };
        raise(&mut at.stake, mark.stake.is_some());
        raise(&mut at.unbonding, mark.unbonding.is_some());
        raise(&mut at.gone, mark.gone.is_some());
        at
    }

    /// Takes a block of the window in, without its figures: for reading the state back.
    pub(super) fn note(&mut self, block: WindowBlock) {
        for entry in &block.entries {
            self.note_entry(entry);
        }
        self.window.push_back(Arc::new(block));
    }

    pub(super) fn note_entry(&mut self, entry: &Entry) {
        match entry {
            Entry::Staked(stake) => {
                let held = WindowStake { stake: stake.stake, version: stake.version };
                self.mark(*stake.txid, |mark| mark.stake = Some(held));
            }
            Entry::Unbonded { key, unbonding, .. } => {
                self.unbondings.insert(*unbonding.txid, *key);
                self.mark(*key.txid, |mark| mark.unbonding = Some(unbonding.height));
            }
            Entry::Left { key, from, exit } if from.is_staking() => {
                self.mark(*key.txid, |mark| mark.gone = Some(exit.by.height));
            }
            Entry::Left { .. } => {}
        }
    }

    /// The reverse.
    pub(super) fn forget_entry(&mut self, entry: &Entry) {
        match entry {
            Entry::Staked(stake) => self.mark(*stake.txid, |mark| mark.stake = None),
            Entry::Unbonded { key, unbonding, .. } => {
                self.unbondings.remove(&*unbonding.txid);
                self.mark(*key.txid, |mark| mark.unbonding = None);
            }
            Entry::Left { key, from, .. } if from.is_staking() => {
                self.mark(*key.txid, |mark| mark.gone = None);
            }
            Entry::Left { .. } => {}
        }
    }
}

/// Says which of the two outputs it is.
pub(super) trait IsStaking {
    /// Whether it is the staking output.
    fn is_staking(&self) -> bool;
}

impl IsStaking for trestle_staking::delegation::Output {
    fn is_staking(&self) -> bool {
        match self {
            Self::Staking => true,
            Self::Unbonding => false,
        }
    }
}

/// Short forms of all outputs of which a spend matters, and of all stakers that have figures: most
/// inputs of a block spend none of the outputs, many stakers are new, and this says so without a
/// look-up. Both stay in it when they are spent, and when their block leaves the chain: one too many
/// costs a look-up, one too few would lose a spend or a figure.
#[derive(Clone, Debug, Default)]
pub(super) struct Prints {
    outputs: HashSet<u64>,
    stakers: HashSet<u64>,
}

impl Prints {
    pub(super) fn insert(&mut self, outpoint: OutPoint) {
        self.outputs.insert(fingerprint(outpoint));
    }

    pub(super) fn contains(&self, input: &FoundInput) -> bool {
        self.outputs.contains(&input.print)
    }

    /// Remembers a staker; says whether it may have been there before.
    pub(super) fn meet(&mut self, staker: StakerKey) -> bool {
        let [a, b, c, d, e, f, g, h, ..] = staker.0;
        !self.stakers.insert(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
    }
}
