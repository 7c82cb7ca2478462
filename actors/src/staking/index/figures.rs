//! Counters and ranks: what changes when a delegation moves.

use std::collections::{BTreeMap, BTreeSet};

use trestle_staking::{
    delegation::StakerKey,
    tally::{Change, Counters, Position, Share, TallyError},
};
use trestle_store::{Store, StoreError, Table};

use super::{Prepared, draft::Draft, work::Work};
use crate::{
    runtime::Fault,
    staking::{
        rows::Entry,
        tables::{PROVIDER_RANKS, PROVIDERS, RankKey, STAKER_RANKS, STAKERS},
    },
};

/// The figures that a run moves. They are stored at its end, so that those of a finality provider
/// are written once and not for every stake.
#[derive(Debug, Default)]
pub(super) struct Figures {
    stakers: Moved,
    providers: Moved,
}

/// By key: what is stored, and what is true now.
type Moved = BTreeMap<[u8; 32], (Counters, Counters)>;

impl Work<'_> {
    /// Reads the figures of all whose stakes these steps confirm, together: one by one they would
    /// be most of the time that a block takes.
    pub(super) async fn look_ahead(&mut self, steps: &[Prepared]) -> Result<(), StoreError> {
        let window = &self.state.window;
        let known = window.len().saturating_add(steps.len());
        let depth = usize::try_from(self.state.head.depth).unwrap_or(usize::MAX);
        let confirmed = known.saturating_sub(depth.saturating_sub(1));
        let (mut stakers, mut providers) = (BTreeSet::new(), BTreeSet::new());
        for entry in window.iter().take(confirmed).flat_map(|block| &block.entries) {
            if let Entry::Staked(found) = entry {
                stakers.insert(found.stake.staker.0);
                providers.insert(found.stake.provider.0);
            }
        }
        for step in steps.iter().take(confirmed.saturating_sub(window.len())) {
            for found in &step.content.stakes {
                stakers.insert(found.stake.staker.0);
                providers.insert(found.stake.finality_provider.0);
            }
        }
        let Figures { stakers: known, providers: listed } = &mut self.figures;
        // Nothing is stored of those that were never met.
        let (stakers, fresh): (BTreeSet<_>, BTreeSet<_>) =
            stakers.into_iter().partition(|key| self.prints.meet(StakerKey(*key)));
        known.extend(fresh.into_iter().map(|key| (key, Default::default())));
        read(known, &STAKERS, self.draft.base(), stakers).await?;
        read(listed, &PROVIDERS, self.draft.base(), providers).await
    }

    /// Moves a delegation in all figures. Those of its staker and provider are touched only if
    /// confirmed figures change.
    pub(super) async fn shift(
        &mut self,
        share: &Share,
        from: &Position,
        to: &Position,
    ) -> Result<(), Fault> {
        let change = Change::moved(share, from, to).map_err(broken)?;
        if change.is_empty() {
            return Ok(());
        }
        if change.counters.is_empty() {
            let nobody = Counters::default();
            (self.state.totals, _) = self.state.totals.apply(&change, &nobody).map_err(broken)?;
            return Ok(());
        }
        let Figures { stakers, providers } = &mut self.figures;
        let (_, staker) = known(stakers, &STAKERS, &self.draft, share.staker.0).await?;
        let (totals, after) = self.state.totals.apply(&change, staker).map_err(broken)?;
        (self.state.totals, *staker) = (totals, after);
        let (_, provider) = known(providers, &PROVIDERS, &self.draft, share.provider.0).await?;
        *provider = provider.plus(&change.counters).map_err(broken)?;
        Ok(())
    }

    /// Writes what has moved.
    pub(super) fn store_figures(&self) {
        let Figures { stakers, providers } = &self.figures;
        for (key, (before, after)) in stakers {
            self.rank(&STAKERS, &STAKER_RANKS, *key, before, after);
        }
        for (key, (before, after)) in providers {
            self.rank(&PROVIDERS, &PROVIDER_RANKS, *key, before, after);
        }
    }

    /// Those that never had anything under the cap have no rank: the reference services do not know
    /// them.
    fn rank(
        &self,
        table: &Table<[u8; 32], Counters>,
        ranks: &Table<RankKey, Counters>,
        key: [u8; 32],
        before: &Counters,
        after: &Counters,
    ) {
        if before == after {
            return;
        }
        let rank = |counters: &Counters| {
            let active_tvl = u64::try_from(counters.active_tvl).unwrap_or(0);
            (counters.total_delegations > 0).then_some(RankKey { active_tvl, key })
        };
        let (old, new) = (rank(before), rank(after));
        if let Some(old) = old.filter(|old| new.as_ref() != Some(old)) {
            self.draft.delete(ranks, &old);
        }
        if let Some(new) = new {
            self.draft.put(ranks, &new, after);
        }
        if after.is_empty() {
            self.draft.delete(table, &key);
        } else {
            self.draft.put(table, &key, after);
        }
    }
}

/// Takes in what is stored for these keys.
async fn read(
    moved: &mut Moved,
    table: &Table<[u8; 32], Counters>,
    store: &dyn Store,
    keys: BTreeSet<[u8; 32]>,
) -> Result<(), StoreError> {
    let keys: Vec<[u8; 32]> = keys.into_iter().collect();
    let stored = table.get_many(store, &keys).await?;
    for (key, stored) in keys.into_iter().zip(stored) {
        let stored = stored.unwrap_or_default();
        moved.insert(key, (stored, stored));
    }
    Ok(())
}

async fn known<'m>(
    moved: &'m mut Moved,
    table: &Table<[u8; 32], Counters>,
    draft: &Draft,
    key: [u8; 32],
) -> Result<&'m mut (Counters, Counters), StoreError> {
    use std::collections::btree_map::Entry;
    match moved.entry(key) {
        Entry::Occupied(known) => Ok(known.into_mut()),
        Entry::Vacant(place) => {
            let stored = table.get(draft.base(), &key).await?.unwrap_or_default();
            Ok(place.insert((stored, stored)))
        }
    }
}

pub(super) const fn broken(error: TallyError) -> Fault {
    Fault::Invariant(match error {
        TallyError::Negative => "a figure of the staking index would become negative",
        TallyError::TooLarge => "a figure of the staking index is beyond 64 bits",
    })
}
