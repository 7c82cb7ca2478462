//! What a batch needs from the stored rows and what it leaves behind, worked out without a store.
//!
//! Every implementation plans a batch the same way, so they agree on what conflicts: after the
//! first operation on a row its value is known, and only that first one can ask about the stored
//! row.

use std::collections::{BTreeMap, btree_map::Entry};

use crate::{Batch, Op, Space, StoreError};

/// Where a row is: space and key.
pub type At = (Space, Vec<u8>);

/// A batch in the form stores carry out: preconditions on stored rows, then one final write a row.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    requires: Vec<(At, Option<Vec<u8>>)>,
    writes: BTreeMap<At, Option<Vec<u8>>>,
    doomed: Option<StoreError>,
}

impl Plan {
    /// Plans a batch.
    #[must_use]
    pub fn new(batch: Batch) -> Self {
        let batch = match unconditional(batch) {
            Ok(writes) => return Self { writes, ..Self::default() },
            Err(batch) => batch,
        };
        let mut plan = Self::default();
        // The value of each row that only an `Expect` has touched; the others are in `writes`.
        let mut expected: BTreeMap<At, Option<Vec<u8>>> = BTreeMap::new();
        for op in batch.ops {
            let fits = match op {
                Op::Put(space, key, value) => plan.write((space, key), Some(value)),
                Op::Delete(space, key) => plan.write((space, key), None),
                Op::Insert(space, key, value) => {
                    let at = (space, key);
                    plan.require(&mut expected, at.clone(), None)
                        .and_then(|()| plan.write(at, Some(value)))
                }
                Op::Expect(space, key, value) => plan.require(&mut expected, (space, key), value),
            };
            if let Err(conflict) = fits {
                plan.doomed = Some(conflict);
                break;
            }
        }
        plan
    }

    /// The rows whose stored value decides whether the batch applies.
    pub fn required(&self) -> impl Iterator<Item = &At> {
        self.requires.iter().map(|(at, _)| at)
    }

    /// What each changed row becomes, in order of space and key; `None` removes it.
    pub fn writes(&self) -> &BTreeMap<At, Option<Vec<u8>>> {
        &self.writes
    }

    /// Bytes held by this plan: keys and values.
    pub fn size(&self) -> usize {
        let row = |((space, key), value): (&At, &Option<Vec<u8>>)| {
            space.len() + key.len() + value.as_ref().map_or(0, Vec::len)
        };
        let requires: usize = self.requires.iter().map(|(at, value)| row((at, value))).sum();
        requires + self.writes.iter().map(row).sum::<usize>()
    }

    /// Checks the preconditions against the stored rows, in the order of the batch.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] naming the first row that is not as the batch asks.
    pub fn check<'a>(&self, stored: impl Fn(&At) -> Option<&'a [u8]>) -> Result<(), StoreError> {
        for (at, value) in &self.requires {
            if stored(at) != value.as_deref() {
                return Err(conflict(at));
            }
        }
        self.doomed.clone().map_or(Ok(()), Err)
    }

    #[expect(clippy::unnecessary_wraps, reason = "one shape for the arms of the match above")]
    fn write(&mut self, at: At, value: Option<Vec<u8>>) -> Result<(), StoreError> {
        self.writes.insert(at, value);
        Ok(())
    }

    fn require(
        &mut self,
        expected: &mut BTreeMap<At, Option<Vec<u8>>>,
        at: At,
        value: Option<Vec<u8>>,
    ) -> Result<(), StoreError> {
        if let Some(now) = self.writes.get(&at) {
            return if *now == value { Ok(()) } else { Err(conflict(&at)) };
        }
        match expected.entry(at) {
            Entry::Occupied(now) if *now.get() == value => Ok(()),
            Entry::Occupied(now) => Err(conflict(now.key())),
            Entry::Vacant(first) => {
                self.requires.push((first.key().clone(), value.clone()));
                first.insert(value);
                Ok(())
            }
        }
    }
}

/// The writes of a batch that asks for nothing: built in one go, which for rows that come in order
/// is several times faster than one by one. Of several on one row the last counts.
fn unconditional(batch: Batch) -> Result<BTreeMap<At, Option<Vec<u8>>>, Batch> {
    let asks = |op: &Op| match op {
        Op::Insert(..) | Op::Expect(..) => true,
        Op::Put(..) | Op::Delete(..) => false,
    };
    if batch.ops.iter().any(asks) {
        return Err(batch);
    }
    let write = |op| match op {
        Op::Put(space, key, value) | Op::Insert(space, key, value) => ((space, key), Some(value)),
        Op::Delete(space, key) | Op::Expect(space, key, _) => ((space, key), None),
    };
    Ok(batch.ops.into_iter().map(write).collect())
}

fn conflict((space, key): &At) -> StoreError {
    // Enough of a key to find the row by; keys may be long.
    const SHOWN: usize = 64;
    let mut shown: String = key.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect();
    if key.len() > SHOWN {
        shown.push('…');
    }
    StoreError::Conflict { space, key: shown }
}
