//! A member's durable memory of the payments it agreed to.
//!
//! One row for each payment, under its id; everything else here is derived from the rows and kept
//! up to date as they change. The order is: judge, store the row, [`Ledger::record`] it, and only
//! then sign.
//!
//! Always holds:
//!
//! - a payment's anchor and recipients never change once its first row is stored;
//! - no outpoint is the anchor of two payments that pay somebody. It is never given free for a
//!   second one: as long as the coin exists, an old version may still confirm, and once it is spent
//!   nobody needs it. A payment of which every output is the committee's own shares any anchor: it
//!   pays nobody, and once it confirms no version of the other one can;
//! - a payment's reservation counts once, whatever the sessions and versions, as the most that any
//!   version moves out. When a dearer version is agreed to, the whole of it counts from then on as
//!   reserved at that height: later, never less;
//! - versions are only added, at most [`MAX_VERSIONS`].

mod entry;
#[cfg(test)]
mod tests;

pub use entry::{Agreed, Entry};

use std::collections::BTreeMap;

use bitcoin::{Amount, OutPoint, TxOut, Txid};
use trestle_wire::Hash32;

/// Versions of one payment that a member agrees to. A fee rises to its cap in far fewer steps; the
/// bound keeps a coordinator from growing a row without end.
pub const MAX_VERSIONS: usize = 64;

/// The rows, and the indexes over them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    entries: BTreeMap<Hash32, Entry>,
    anchors: BTreeMap<OutPoint, Hash32>,
    change: BTreeMap<OutPoint, Hash32>,
    /// Satoshis reserved at each height.
    reserved: BTreeMap<u32, u64>,
}

/// What a version to be agreed to does, as the member itself worked it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms<'a> {
    /// The payment.
    pub payment: Hash32,
    /// The outpoint that every version spends.
    pub anchor: OutPoint,
    /// The recipients' outputs, in order.
    pub recipients: &'a [TxOut],
    /// Whether every output is the committee's own.
    pub own: bool,
    /// The version's id.
    pub txid: Txid,
    /// The version's output to the committee.
    pub change: Option<(u32, TxOut)>,
    /// What leaves the committee, fee included.
    pub outflow: Amount,
    /// The member's own tip.
    pub tip: u32,
}

/// Why the ledger does not allow a version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// The payment is bound to another anchor.
    #[error(
        "payment {payment} is bound to the anchor {bound}, the proposal spends {got}: every version must spend the same coin"
    )]
    OtherAnchor {
        /// The payment.
        payment: Hash32,
        /// Bound by the first version.
        bound: OutPoint,
        /// In the proposal.
        got: OutPoint,
    },
    /// The payment is bound to other recipients.
    #[error(
        "payment {payment} is bound to other recipients or amounts: a new purpose needs a new payment"
    )]
    OtherRecipients {
        /// The payment.
        payment: Hash32,
    },
    /// Another payment has this anchor.
    #[error("the coin {anchor} is the anchor of payment {by}: choose another anchor")]
    AnchorTaken {
        /// The outpoint.
        anchor: OutPoint,
        /// Whose it is.
        by: Hash32,
    },
    /// Too many versions.
    #[error("payment {payment} has {MAX_VERSIONS} versions already: wait for one to confirm")]
    TooManyVersions {
        /// The payment.
        payment: Hash32,
    },
}

/// Why a row cannot be what the ledger holds next: damaged rows, or a fault of this node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEntry {
    /// Two rows have one anchor.
    #[error("payments {first} and {second} have the same anchor {anchor}: the ledger is damaged")]
    SharedAnchor {
        /// The outpoint.
        anchor: OutPoint,
        /// The row that was there.
        first: Hash32,
        /// The row that came.
        second: Hash32,
    },
    /// A row that does not continue the one before.
    #[error("the new row of payment {0} takes something back: the ledger is damaged")]
    TakesBack(Hash32),
}

impl Ledger {
    /// The ledger of stored rows.
    ///
    /// # Errors
    /// [`BadEntry`] if the rows contradict each other.
    pub fn load(rows: impl IntoIterator<Item = (Hash32, Entry)>) -> Result<Self, BadEntry> {
        let mut ledger = Self::default();
        for (payment, entry) in rows {
            ledger.record(payment, entry)?;
        }
        Ok(ledger)
    }

    /// One payment's row.
    pub fn entry(&self, payment: &Hash32) -> Option<&Entry> {
        self.entries.get(payment)
    }

    /// All rows, in order of id.
    pub fn entries(&self) -> impl Iterator<Item = (&Hash32, &Entry)> {
        self.entries.iter()
    }

    /// The payment to others whose anchor this is.
    pub fn anchored(&self, outpoint: &OutPoint) -> Option<Hash32> {
        self.anchors.get(outpoint).copied()
    }

    /// The change output at that place of a version that this member agreed to, and its payment.
    pub fn change(&self, outpoint: &OutPoint) -> Option<(Hash32, &TxOut)> {
        let payment = self.change.get(outpoint)?;
        let entry = self.entries.get(payment)?;
        let version = entry.versions.iter().find(|version| *version.txid == outpoint.txid)?;
        version.change.as_ref().map(|(_, output)| (*payment, &output.0))
    }

    /// Satoshis reserved by all payments but one in the last `blocks` blocks up to `tip`. Heights
    /// above the tip count as well: after a reorg the tip may be lower than it was.
    pub fn window_without(&self, payment: &Hash32, tip: u32, blocks: u32) -> Amount {
        // Heights in (tip - blocks, ∞): `blocks` of them up to the tip.
        let first = tip.saturating_sub(blocks).saturating_add(u32::from(tip >= blocks));
        let sum = self.reserved.range(first..).fold(0_u64, |sum, (_, s)| sum.saturating_add(*s));
        let own = self.entries.get(payment).filter(|entry| entry.height >= first);
        Amount::from_sat(sum.saturating_sub(own.map_or(0, |entry| entry.reserved.to_sat())))
    }

    /// The row that agreeing to a version would give. Changes nothing.
    ///
    /// # Errors
    /// [`Conflict`].
    pub fn propose(&self, terms: &Terms<'_>) -> Result<Entry, Conflict> {
        let payment = terms.payment;
        let taken = self.anchored(&terms.anchor).filter(|by| *by != payment);
        if let Some(by) = taken.filter(|_| !terms.own) {
            return Err(Conflict::AnchorTaken { anchor: terms.anchor, by });
        }
        let Some(entry) = self.entries.get(&payment) else {
            return Ok(Entry::first(terms));
        };
        if *entry.anchor != terms.anchor {
            let (bound, got) = (*entry.anchor, terms.anchor);
            return Err(Conflict::OtherAnchor { payment, bound, got });
        }
        if !entry.pays(terms.recipients) {
            return Err(Conflict::OtherRecipients { payment });
        }
        if entry.has(&terms.txid) {
            return Ok(entry.clone());
        }
        if entry.versions.len() >= MAX_VERSIONS {
            return Err(Conflict::TooManyVersions { payment });
        }
        Ok(entry.and(terms))
    }

    /// Takes in a row that has been stored.
    ///
    /// # Errors
    /// [`BadEntry`]; the ledger is unchanged then.
    pub fn record(&mut self, payment: Hash32, entry: Entry) -> Result<(), BadEntry> {
        let anchor = *entry.anchor;
        let taken = self.anchored(&anchor).filter(|by| *by != payment);
        if let Some(first) = taken.filter(|_| !entry.own) {
            return Err(BadEntry::SharedAnchor { anchor, first, second: payment });
        }
        if let Some(old) = self.entries.get(&payment) {
            if !entry.continues(old) {
                return Err(BadEntry::TakesBack(payment));
            }
            self.release(old.height, old.reserved.to_sat());
        }
        if !entry.own {
            self.anchors.insert(anchor, payment);
        }
        for version in &entry.versions {
            if let Some((vout, _)) = version.change {
                self.change.insert(OutPoint { txid: *version.txid, vout }, payment);
            }
        }
        let reserved = self.reserved.entry(entry.height).or_default();
        *reserved = reserved.saturating_add(entry.reserved.to_sat());
        self.entries.insert(payment, entry);
        Ok(())
    }

    fn release(&mut self, height: u32, sats: u64) {
        let left = self.reserved.get(&height).map_or(0, |sum| sum.saturating_sub(sats));
        if left == 0 {
            self.reserved.remove(&height);
        } else {
            self.reserved.insert(height, left);
        }
    }
}
