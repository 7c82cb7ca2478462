//! The consumer's end.

use std::{sync::Arc, time::Duration};

use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;
use trestle_store::{Batch, Store, StoreError};

use super::{
    Cursor, FeedStatus, FollowError, Step,
    engine::{Engine, Item},
};
use crate::ports::{ReadChain, chain::ChainStatus};

/// A consumer may hold this many steps that it has not committed: the engine remembers more blocks
/// than that, so it never needs a row that is not stored yet.
const MAX_UNCOMMITTED: usize = 1_000;

/// Settings of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedConfig {
    /// Blocks asked for at the same time. bitcoind serves 16 calls at once unless told otherwise,
    /// and others want some.
    pub max_requests: usize,
    /// Blocks held ahead of the consumer.
    pub max_blocks: usize,
    /// Bytes of blocks held ahead of the consumer, as serialized; at least one block's worth.
    pub max_bytes: usize,
    /// How often the tip is looked at when nothing wakes the feed.
    pub poll: Duration,
    /// The wait after the first failure in a row; it doubles with each.
    pub first_retry: Duration,
    /// The longest wait after a failure.
    pub longest_retry: Duration,
}

impl Default for FeedConfig {
    fn default() -> Self {
        Self {
            max_requests: 6,
            max_blocks: 256,
            max_bytes: 32 << 20,
            poll: Duration::from_secs(1),
            first_retry: Duration::from_millis(100),
            longest_retry: Duration::from_secs(10),
        }
    }
}

/// Steps along the chain for one consumer. A task of its own looks ahead; it ends with the feed.
pub struct Feed {
    chain: Arc<dyn ReadChain>,
    store: Arc<dyn Store>,
    cursor: Cursor,
    config: FeedConfig,
    wake: Option<watch::Receiver<ChainStatus>>,
    status: watch::Sender<FeedStatus>,
    items: mpsc::Receiver<Item>,
    /// Taken from the queue but too much for the last call.
    held: Option<Item>,
    /// `None` only while it is being replaced.
    engine: Option<AbortOnDropHandle<()>>,
}

impl Feed {
    /// A feed that goes on where the stored cursor is. `wake`, where there is one, tells of new
    /// tips earlier than polling would.
    ///
    /// # Errors
    /// [`StoreError`] if the cursor cannot be read.
    pub async fn start(
        chain: Arc<dyn ReadChain>,
        store: Arc<dyn Store>,
        cursor: Cursor,
        config: FeedConfig,
        wake: Option<watch::Receiver<ChainStatus>>,
    ) -> Result<Self, StoreError> {
        let (status, _) = watch::channel(FeedStatus::Starting);
        let (_, items) = mpsc::channel(1);
        let mut feed =
            Self { chain, store, cursor, config, wake, status, items, held: None, engine: None };
        feed.reload().await?;
        Ok(feed)
    }

    /// The next step. May be dropped and called again without losing one.
    ///
    /// # Errors
    /// [`FollowError`], once, when someone must act first.
    pub async fn next(&mut self) -> Result<Step, FollowError> {
        self.item().await?.into_step()
    }

    /// The next steps that are at hand, one at least, up to a number (1,000 at most) and a sum of
    /// block bytes: to commit several at once while catching up. May be dropped and called again
    /// without losing one.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub async fn next_many(
        &mut self,
        max_blocks: usize,
        max_bytes: usize,
    ) -> Result<Vec<Step>, FollowError> {
        let first = self.item().await?;
        let mut bytes = first.bytes();
        let mut steps = vec![first.into_step()?];
        while steps.len() < max_blocks.min(MAX_UNCOMMITTED) {
            let Some(item) = self.held.take().or_else(|| self.items.try_recv().ok()) else { break };
            bytes = bytes.saturating_add(item.bytes());
            if bytes > max_bytes || item.is_error() {
                self.held = Some(item);
                break;
            }
            steps.push(item.into_step()?);
        }
        Ok(steps)
    }

    /// Goes on from the stored cursor, forgetting what was not committed. To be called after a
    /// commit that failed.
    ///
    /// # Errors
    /// [`StoreError`] if the cursor cannot be read; the feed then gives [`FollowError::Ended`].
    pub async fn reload(&mut self) -> Result<(), StoreError> {
        // The old engine ends first: it must not send, fetch or report beside the new one.
        self.engine = None;
        self.held = None;
        let (sender, items) = mpsc::channel(self.config.max_blocks.max(1));
        self.items = items;
        let branch = self.cursor.load(self.store.as_ref()).await?;
        let engine = Engine::new(
            self.chain.clone(),
            self.store.clone(),
            self.cursor.clone(),
            branch,
            self.config.clone(),
            self.wake.clone(),
            self.status.clone(),
            sender,
        );
        self.engine = Some(AbortOnDropHandle::new(tokio::spawn(engine.run())));
        Ok(())
    }

    /// Gives the steps from this height on once more, for a rescan: blocks that were connected are
    /// connected again without a disconnect, so their effects must be the same when repeated.
    ///
    /// # Errors
    /// [`StoreError`] if the cursor cannot be read or written.
    pub async fn reset(&mut self, to: u32) -> Result<(), StoreError> {
        self.engine = None;
        if to < self.cursor.next(self.store.as_ref()).await? {
            let mut batch = Batch::new();
            self.cursor.reset(&mut batch, to);
            self.store.commit(batch).await?;
        }
        self.reload().await
    }

    /// Where the feed stands.
    pub fn status(&self) -> watch::Receiver<FeedStatus> {
        self.status.subscribe()
    }

    /// The consumer's cursor.
    pub const fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    async fn item(&mut self) -> Result<Item, FollowError> {
        match self.held.take() {
            Some(item) => Ok(item),
            None => self.items.recv().await.ok_or(FollowError::Ended),
        }
    }
}
