//! Reading the state back, and whether the parameters are still those it was made with.

use std::{collections::BTreeMap, fmt, sync::Arc};

use bincode::{Decode, Encode};
use bitcoin::{OutPoint, Txid};
use trestle_staking::{
    GlobalParams,
    params::{AppendError, appends_after},
};
use trestle_store::{Batch, Scan, Store, StoreError, Table, table::Key};

use super::{
    Index, Settings,
    state::{Prints, State},
};
use crate::{
    follower::Cursor,
    runtime::Fault,
    staking::{
        rows::{Entry, Head, WindowBlock},
        tables::{EXPIRY, HEAD, ORPHANS, PARAMS, TOLD, TOTALS, TXIDS, TxKey, UNBONDINGS, WINDOW},
    },
};

/// The name of the index's cursor.
const CURSOR: &str = "staking";
/// Rows read at once.
const PAGE: u32 = 1_000;

/// Why an index cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The store does not answer, or not as it should.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The parameters change what was in force for blocks that were gone through.
    #[error(
        "the global parameters are no continuation of those that the stored delegations were made \
         with: {0}"
    )]
    History(AppendError),
    /// Nothing starts that low.
    #[error("the first version takes effect at height {0}, which no block of Bitcoin has")]
    Activation(u64),
}

impl Index {
    /// Reads an index back, or begins one. `text` is that of the file with these parameters: it is
    /// kept, and a later file must be a continuation of it.
    ///
    /// # Errors
    /// [`LoadError`].
    pub async fn load(
        store: Arc<dyn Store>,
        params: Arc<GlobalParams>,
        text: &str,
        settings: Settings,
    ) -> Result<Self, LoadError> {
        // Never empty.
        let first = params.versions().first().ok_or(LoadError::Activation(u64::MAX))?;
        let activation = first.activation_height;
        let activation =
            u32::try_from(activation).map_err(|_| LoadError::Activation(activation))?;
        let depth = settings.depth.unwrap_or_else(|| first.confirmation_depth.into()).max(1);
        let head = Head::new(settings.start.unwrap_or(activation), depth);
        continue_history(store.as_ref(), text, &params).await?;
        let mut index = Self {
            cursor: Cursor::new(CURSOR, head.start),
            store,
            params,
            settings,
            state: State::new(head),
            prints: Prints::default(),
            revision: 0,
            stale: true,
            behind: None,
        };
        index.prints = prints(index.store.as_ref()).await?;
        index.read().await?;
        Ok(index)
    }

    /// Reads the state back from the store, in place of what is in memory, as soon as nothing is
    /// under way.
    ///
    /// # Errors
    /// [`Fault`] if the store does not answer.
    pub async fn reload(&mut self) -> Result<(), Fault> {
        // How it ended shows in what is read.
        let _ = self.settle().await;
        Ok(self.read().await?)
    }

    /// The prints stay: those of what was not committed do no harm.
    async fn read(&mut self) -> Result<(), StoreError> {
        let store = self.store.as_ref();
        let fresh = Head::new(self.state.head.start, self.state.head.depth);
        let head = match HEAD.get(store, &[]).await? {
            Some(head) => Head { depth: fresh.depth, ..head },
            None => fresh,
        };
        // Blocks below the start that is stored were never looked at.
        self.cursor = Cursor::new(CURSOR, head.start);
        let mut state = State::new(head);
        state.totals = TOTALS.get(store, &[]).await?.unwrap_or_default();
        let mut blocks: BTreeMap<u32, WindowBlock> = WINDOW.all(store).await?.into_iter().collect();
        for height in head.unconfirmed_from..head.next() {
            let block = blocks.remove(&height).unwrap_or_default();
            note_prints(&mut self.prints, &block);
            state.note(block);
        }
        state.orphans = ORPHANS.all(store).await?.into_iter().map(|(key, _)| key.0).collect();
        state.told = TOLD.all(store).await?.into_iter().map(|(key, _)| key.0).collect();
        let first = EXPIRY.scan(store, Scan { limit: 1, ..Scan::default() }).await?;
        state.next_due = first.first().map(|(key, _)| key.at);
        self.state = state;
        self.stale = false;
        self.revision = self.revision.wrapping_add(1);
        Ok(())
    }
}

/// Checks the stored text against the new one, and stores that.
async fn continue_history(
    store: &dyn Store,
    text: &str,
    params: &GlobalParams,
) -> Result<(), LoadError> {
    let stored = PARAMS.get(store, &[]).await?;
    if stored.as_deref() == Some(text) {
        return Ok(());
    }
    let tip = HEAD.get(store, &[]).await?.and_then(|head| head.tip);
    if let (Some(stored), Some(tip)) = (stored, tip) {
        let old = GlobalParams::parse(&stored).map_err(|error| {
            StoreError::Corrupt(format!("the stored global parameters: {error}"))
        })?;
        appends_after(&old, params, tip.height).map_err(LoadError::History)?;
    }
    let mut batch = Batch::new();
    PARAMS.put(&mut batch, &[], &text.to_owned());
    Ok(store.commit(batch).await?)
}

/// Those of everything confirmed.
async fn prints(store: &dyn Store) -> Result<Prints, StoreError> {
    let mut prints = Prints::default();
    each(store, &TXIDS, |txid, row| {
        prints.insert(OutPoint { txid, vout: row.output_index });
        prints.meet(row.staker);
    })
    .await?;
    each(store, &UNBONDINGS, |txid, _| prints.insert(OutPoint { txid, vout: 0 })).await?;
    Ok(prints)
}

/// Goes through all rows, a page at a time: there are as many as there ever were stakes.
async fn each<V: Encode + Decode<()>>(
    store: &dyn Store,
    table: &Table<TxKey, V>,
    mut take: impl FnMut(Txid, V),
) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let scan = Scan { after: after.take(), limit: PAGE, ..Scan::default() };
        let page = table.scan(store, scan).await?;
        let full = page.len() == PAGE as usize;
        for (TxKey(txid), row) in page {
            after = full.then(|| TxKey(txid).to_key());
            take(txid, row);
        }
        if !full {
            return Ok(());
        }
    }
}

/// Those of a block that is not confirmed.
fn note_prints(prints: &mut Prints, block: &WindowBlock) {
    for entry in &block.entries {
        match entry {
            Entry::Staked(entry) => {
                let vout = entry.stake.output_index;
                prints.insert(OutPoint { txid: *entry.txid, vout });
            }
            Entry::Unbonded { unbonding, .. } => {
                prints.insert(OutPoint { txid: *unbonding.txid, vout: 0 });
            }
            Entry::Left { .. } => {}
        }
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("head", &self.state.head).finish_non_exhaustive()
    }
}
