//! The task behind a feed: compares branches, fetches, hands on, and tries again.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, watch},
    time::sleep,
};
use trestle_chain::headers::{Branch, ForkSearch, NeedsOlder, PAGE, Position, Search};
use trestle_store::Store;

use super::{
    Cursor, FeedConfig, FeedStatus, FollowError, Step,
    prefetch::{Fetched, Prefetch, Room, Trouble, positions},
};
use crate::ports::{
    ChainError, ReadChain,
    chain::{ChainStatus, Tip},
};

/// Hashes held in memory: 128 KiB. More than what can lie between the engine and the store, which
/// is what the queue holds and what a consumer may have uncommitted.
const KEEP: usize = 4_096;
/// bitcoind may lack a block for a moment, around a reorg; for longer, something is wrong.
const MISSING_IN_A_ROW: u32 = 5;

/// What goes to the consumer.
pub(super) enum Item {
    Step { step: Step, bytes: usize, _room: Option<OwnedSemaphorePermit> },
    Stopped(FollowError),
}

impl Item {
    pub(super) fn into_step(self) -> Result<Step, FollowError> {
        match self {
            Self::Step { step, .. } => Ok(step),
            Self::Stopped(error) => Err(error),
        }
    }

    pub(super) const fn bytes(&self) -> usize {
        match self {
            Self::Step { bytes, .. } => *bytes,
            Self::Stopped(_) => 0,
        }
    }

    pub(super) const fn is_error(&self) -> bool {
        matches!(self, Self::Stopped(_))
    }
}

/// Nobody takes steps any more.
struct Gone;

/// From our tip to the node's.
struct Route {
    fork: Option<Position>,
    page: Vec<Position>,
    tip: Tip,
}

pub(super) struct Engine {
    chain: Arc<dyn ReadChain>,
    store: Arc<dyn Store>,
    cursor: Cursor,
    /// The branch up to the last block handed on.
    branch: Branch,
    config: FeedConfig,
    room: Room,
    wake: Option<watch::Receiver<ChainStatus>>,
    status: watch::Sender<FeedStatus>,
    items: mpsc::Sender<Item>,
    failures: u32,
    /// Failures in a row because of a block that is not there.
    missing: u32,
    /// Last said to the consumer, and not over yet.
    stopped: Option<FollowError>,
}

impl Engine {
    #[expect(clippy::too_many_arguments, reason = "everything a task needs, named at one place")]
    pub(super) fn new(
        chain: Arc<dyn ReadChain>,
        store: Arc<dyn Store>,
        cursor: Cursor,
        branch: Branch,
        config: FeedConfig,
        wake: Option<watch::Receiver<ChainStatus>>,
        status: watch::Sender<FeedStatus>,
        items: mpsc::Sender<Item>,
    ) -> Self {
        let room = Room::new(&config);
        let (failures, missing, stopped) = (0, 0, None);
        Self {
            chain,
            store,
            cursor,
            branch,
            config,
            room,
            wake,
            status,
            items,
            failures,
            missing,
            stopped,
        }
    }

    /// Works until the feed is dropped.
    pub(super) async fn run(mut self) {
        loop {
            let done = match self.round().await {
                Ok(done) => done,
                Err(trouble) => self.recover(trouble).await,
            };
            if done.is_err() {
                return;
            }
        }
    }

    /// One look at the tip, and all the way there.
    async fn round(&mut self) -> Result<Result<(), Gone>, Trouble> {
        let Some(route) = self.route().await? else {
            self.pause(self.config.poll).await;
            return Ok(Ok(()));
        };
        self.report(route.tip);
        while self.branch.tip() != route.fork {
            if self.leave().await?.is_err() {
                return Ok(Err(Gone));
            }
        }
        if route.page.is_empty() {
            return Ok(Ok(()));
        }
        let target = route.tip.height;
        let mut blocks = Prefetch::start(self.chain.clone(), &self.room, route.page, target);
        while let Some(block) = blocks.next().await {
            let (at, fetched) = block?;
            if self.enter(at, fetched).await?.is_err() {
                return Ok(Err(Gone));
            }
            self.report(route.tip);
        }
        Ok(Ok(()))
    }

    /// How to get to the node's tip; `None` if that is where we are.
    async fn route(&mut self) -> Result<Option<Route>, Trouble> {
        let tip = self.chain.tip().await?;
        let ours = self.branch.tip();
        if ours.is_some_and(|ours| (ours.height, ours.hash) == (tip.height, tip.hash)) {
            self.settle(tip);
            return Ok(None);
        }
        if tip.height < self.branch.start() {
            if ours.is_none() {
                self.settle(tip);
                return Ok(None);
            }
            return Ok(Some(Route { fork: None, page: Vec::new(), tip }));
        }
        let mut search = ForkSearch::new(self.branch.start(), ours, tip.height);
        loop {
            let window = search.window();
            let from = window.start;
            let count = tip.height.saturating_sub(from).saturating_add(1).min(PAGE);
            let theirs = self.chain.hashes(from, count).await?;
            let ours = self.our_hashes(window).await?;
            match search.compare(&ours, &theirs) {
                Search::Deeper(next) => search = next,
                Search::Found(fork) => {
                    let known = |at: &Position| fork.is_some_and(|fork| at.height <= fork.height);
                    let page = positions(from, theirs).skip_while(known).collect();
                    return Ok(Some(Route { fork, page, tip }));
                }
            }
        }
    }

    async fn our_hashes(
        &mut self,
        heights: std::ops::Range<u32>,
    ) -> Result<Vec<bitcoin::BlockHash>, Trouble> {
        loop {
            match self.branch.hashes(heights.clone()) {
                Ok(hashes) => return Ok(hashes),
                Err(older) => self.page_in(older).await?,
            }
        }
    }

    async fn page_in(&mut self, NeedsOlder(heights): NeedsOlder) -> Result<(), Trouble> {
        let older = self.cursor.hashes(self.store.as_ref(), heights).await?;
        self.branch.extend_below(&older);
        Ok(())
    }

    /// Takes the tip off and says so.
    async fn leave(&mut self) -> Result<Result<(), Gone>, Trouble> {
        let left = match self.branch.disconnect() {
            Ok(left) => left,
            Err(older) => return self.page_in(older).await.map(Ok),
        };
        // Empty already: there is nothing above any fork.
        let Some(Position { height, hash }) = left else { return Ok(Ok(())) };
        Ok(self.hand_on(Step::Disconnect { height, hash }, 0, None).await)
    }

    /// Puts a block on and says so.
    async fn enter(&mut self, at: Position, got: Fetched) -> Result<Result<(), Gone>, Trouble> {
        self.branch.connect(at, &got.block.header)?;
        self.branch.trim(KEEP);
        let Position { height, hash } = at;
        let step = Step::Connect { height, hash, block: Arc::new(got.block) };
        Ok(self.hand_on(step, got.bytes, Some(got.room)).await)
    }

    async fn hand_on(
        &mut self,
        step: Step,
        bytes: usize,
        room: Option<OwnedSemaphorePermit>,
    ) -> Result<(), Gone> {
        self.failures = 0;
        self.missing = 0;
        self.stopped = None;
        self.items.send(Item::Step { step, bytes, _room: room }).await.map_err(|_| Gone)
    }

    fn report(&self, tip: Tip) {
        let at = self.branch.tip().map(|at| at.height);
        self.status.send_replace(FeedStatus::CatchingUp { at, tip });
    }

    fn settle(&mut self, tip: Tip) {
        self.failures = 0;
        self.missing = 0;
        self.stopped = None;
        self.set_status(FeedStatus::Following(tip));
    }

    /// Reports a trouble and waits before the next try, longer each time.
    async fn recover(&mut self, trouble: Trouble) -> Result<(), Gone> {
        self.failures = self.failures.saturating_add(1);
        let missing = matches!(trouble, Trouble::Chain(ChainError::NotFound(_)));
        self.missing = if missing { self.missing.saturating_add(1) } else { 0 };
        match self.judge(trouble) {
            Ok(reason) => {
                tracing::debug!(reason, failures = self.failures, "the chain is asked again");
                self.set_status(FeedStatus::Retrying(reason));
            }
            Err(error) if self.stopped.as_ref() == Some(&error) => {}
            Err(error) => {
                tracing::error!(reason = %error, "blocks cannot be followed");
                self.set_status(FeedStatus::Stopped(error.clone()));
                self.stopped = Some(error.clone());
                self.items.send(Item::Stopped(error)).await.map_err(|_| Gone)?;
            }
        }
        let doublings = self.failures.saturating_sub(1).min(16);
        let wait = self.config.first_retry.saturating_mul(1 << doublings);
        self.pause(wait.min(self.config.longest_retry)).await;
        Ok(())
    }

    /// What to try again for by itself, and what needs a person.
    fn judge(&self, trouble: Trouble) -> Result<String, FollowError> {
        match trouble {
            Trouble::Store(error) => Err(FollowError::Store(error)),
            Trouble::Reject(reject) => Ok(reject.to_string()),
            Trouble::Chain(error) => match error {
                ChainError::WrongChain { .. } | ChainError::Pruned(_) => {
                    Err(FollowError::Chain(error))
                }
                ChainError::NotFound(what) if self.missing >= MISSING_IN_A_ROW => {
                    Err(FollowError::Missing(format!("bitcoind does not have {what}")))
                }
                ChainError::Unreachable(_)
                | ChainError::NotReady(_)
                | ChainError::NotFound(_)
                | ChainError::Refused(_)
                | ChainError::Malformed(_) => Ok(error.to_string()),
            },
        }
    }

    fn set_status(&self, status: FeedStatus) {
        self.status.send_if_modified(|now| {
            let changed = *now != status;
            *now = status;
            changed
        });
    }

    /// Waits, at most until something about the chain changes.
    async fn pause(&mut self, time: Duration) {
        let Some(wake) = &mut self.wake else { return sleep(time).await };
        let woken = tokio::select! {
            () = sleep(time) => return,
            woken = wake.changed() => woken,
        };
        if woken.is_err() {
            // Nobody watches the chain any more: poll from now on.
            self.wake = None;
            sleep(time).await;
        }
    }
}
