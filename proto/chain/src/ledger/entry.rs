//! One payment, as a member remembers it.

use bincode::{Decode, Encode};
use bitcoin::{Amount, OutPoint, TxOut, Txid};

use super::Terms;
use crate::stored::Stored;

/// The row of one payment.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Entry {
    /// The outpoint that every version spends.
    pub anchor: Stored<OutPoint>,
    /// The recipients' outputs, in order.
    pub recipients: Vec<Stored<TxOut>>,
    /// Whether every output was the committee's own when it was first agreed to: its anchor is not
    /// kept from other payments then.
    pub own: bool,
    /// The most that any version moves out of the committee, fee included.
    pub reserved: Stored<Amount>,
    /// The member's height when it agreed to that much.
    pub height: u32,
    /// Every version agreed to, oldest first. Each may confirm at any time.
    pub versions: Vec<Agreed>,
}

/// A version that the member agreed to.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Agreed {
    /// Its id.
    pub txid: Stored<Txid>,
    /// What it moves out of the committee, fee included.
    pub outflow: Stored<Amount>,
    /// Its output to the committee, with its number.
    pub change: Option<(u32, Stored<TxOut>)>,
}

impl Entry {
    pub(super) fn first(terms: &Terms<'_>) -> Self {
        Self {
            anchor: Stored(terms.anchor),
            recipients: terms.recipients.iter().cloned().map(Stored).collect(),
            own: terms.own,
            reserved: Stored(terms.outflow),
            height: terms.tip,
            versions: vec![Agreed::of(terms)],
        }
    }

    /// This row with one more version.
    pub(super) fn and(&self, terms: &Terms<'_>) -> Self {
        let mut next = self.clone();
        next.versions.push(Agreed::of(terms));
        if terms.outflow > *next.reserved {
            next.reserved = Stored(terms.outflow);
            next.height = next.height.max(terms.tip);
        }
        next
    }

    /// Whether the recipients are these, in this order.
    pub fn pays(&self, recipients: &[TxOut]) -> bool {
        self.recipients.iter().map(|output| &output.0).eq(recipients)
    }

    /// Whether that version has been agreed to.
    pub fn has(&self, txid: &Txid) -> bool {
        self.versions.iter().any(|version| *version.txid == *txid)
    }

    /// Whether this row takes nothing back of `old`.
    pub(super) fn continues(&self, old: &Self) -> bool {
        self.anchor == old.anchor
            && self.recipients == old.recipients
            && self.own == old.own
            && self.reserved >= old.reserved
            && self.height >= old.height
            && self.versions.starts_with(&old.versions)
    }
}

impl Agreed {
    fn of(terms: &Terms<'_>) -> Self {
        Self {
            txid: Stored(terms.txid),
            outflow: Stored(terms.outflow),
            change: terms.change.clone().map(|(vout, output)| (vout, Stored(output))),
        }
    }
}
