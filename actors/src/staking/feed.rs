//! Reads blocks for an index, ahead of it, and prepares them on the pool.
//!
//! Always holds: at most two groups of blocks are on their way to the index, one that it works out
//! and one behind it, besides the rows of the one that it commits, so that memory is bounded whatever
//! the speeds are.

use std::{sync::Arc, time::Duration};

use bitcoin::Block;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    task::JoinSet,
};
use tokio_util::task::AbortOnDropHandle;
use trestle_staking::GlobalParams;
use trestle_store::Store;

use super::{
    actor::StakingJob,
    index::{Prepared, prepare},
    ingress::StakingInput,
    pipeline,
};
use crate::{
    follower::{Cursor, Feed, FeedConfig, FeedStatus, FollowError, Step},
    ports::{Compute, ReadChain, chain::ChainStatus},
    runtime::Mailbox,
};

/// Blocks that are committed together while catching up.
const BLOCKS: usize = 200;
/// Bytes of blocks that are committed together: a stake's rows lie anywhere in their tables, so that
/// a commit writes most pages of these however few stakes it has, and few large commits write half
/// of what many small ones do. Few enough that the next group is read and looked at meanwhile.
const BYTES: usize = 8 << 20;
/// Groups of blocks on their way: one is worked out, one is being read.
const GROUPS: usize = 2;
/// Wait before a feed that ended is started again.
const AGAIN: Duration = Duration::from_secs(5);

/// What reading blocks needs.
#[derive(Clone)]
pub struct FeedMeans {
    /// Where the cursor is.
    pub store: Arc<dyn Store>,
    /// Blocks.
    pub chain: Arc<dyn ReadChain>,
    /// Threads for identifying stakes.
    pub compute: Arc<dyn Compute>,
    /// Tells of new tips.
    pub tips: Option<watch::Receiver<ChainStatus>>,
    /// How to read.
    pub config: FeedConfig,
    /// The parameters.
    pub params: Arc<GlobalParams>,
    /// The index's place: [`Index::cursor`](super::Index::cursor).
    pub cursor: Cursor,
    /// Where the feed says how it is doing.
    pub status: watch::Sender<FeedStatus>,
}

/// Carries out the actor's jobs. Dropping it ends them.
pub struct StakingJobs {
    means: FeedMeans,
    mailbox: Mailbox<StakingInput>,
    feed: Option<AbortOnDropHandle<()>>,
    /// On a coordinator: what jobs of the pipeline need, and those under way.
    pipeline: Option<pipeline::Means>,
    running: JoinSet<()>,
}

impl StakingJobs {
    /// Results go to `mailbox`.
    pub fn new(means: FeedMeans, mailbox: Mailbox<StakingInput>) -> Self {
        Self { means, mailbox, feed: None, pipeline: None, running: JoinSet::new() }
    }

    /// The same for a coordinator.
    #[must_use]
    pub fn with_pipeline(self, means: pipeline::Means) -> Self {
        Self { pipeline: Some(means), ..self }
    }

    /// Starts a job. The pipeline bounds how many of its own are under way.
    pub fn start(&mut self, job: StakingJob) {
        while self.running.try_join_next().is_some() {}
        match job {
            StakingJob::Pipeline(job) => {
                // Without a pipeline there are no such jobs.
                let Some(means) = self.pipeline.clone() else { return };
                let mailbox = self.mailbox.clone();
                self.running.spawn(async move {
                    if let Some(done) = pipeline::carry_out(&means, job).await {
                        mailbox.send(StakingInput::Pipeline(done)).await;
                    }
                });
            }
            StakingJob::Follow { feed } => {
                // The one before must be gone before the cursor is read.
                self.feed = None;
                let (means, mailbox) = (self.means.clone(), self.mailbox.clone());
                let send = move |steps, room| {
                    let mailbox = mailbox.clone();
                    async move {
                        let room = Some(room);
                        mailbox.send(StakingInput::Steps { feed, steps, room }).await
                    }
                };
                self.feed = Some(AbortOnDropHandle::new(tokio::spawn(follow(means, send))));
            }
        }
    }
}

/// A group's place on the way to the index: the next comes when this is dropped.
///
/// It has a share in the group's blocks, so that they outlive the index's work on them and are freed
/// elsewhere: thousands of transactions take as long to free as some of that work.
#[derive(Debug)]
pub struct Room {
    blocks: Vec<Arc<Block>>,
    done: mpsc::Sender<Vec<Arc<Block>>>,
    _place: OwnedSemaphorePermit,
}

impl Room {
    fn new(
        steps: &[Prepared],
        done: mpsc::Sender<Vec<Arc<Block>>>,
        _place: OwnedSemaphorePermit,
    ) -> Self {
        let block = |prepared: &Prepared| match prepared.step() {
            Step::Connect { block, .. } => Some(Arc::clone(block)),
            Step::Disconnect { .. } => None,
        };
        Self { blocks: steps.iter().filter_map(block).collect(), done, _place }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // If nobody frees them there, they are freed here.
        drop(self.done.try_send(std::mem::take(&mut self.blocks)));
    }
}

/// Reads and prepares blocks until nobody takes them any more; `send` says whether somebody does.
/// For actors of other kinds that hold an index too.
pub async fn follow<F>(means: FeedMeans, send: impl Fn(Vec<Prepared>, Room) -> F + Send)
where
    F: Future<Output = bool> + Send,
{
    loop {
        let (chain, store) = (Arc::clone(&means.chain), Arc::clone(&means.store));
        let (config, cursor) = (means.config.clone(), means.cursor.clone());
        let ended = match Feed::start(chain, store, cursor, config, means.tips.clone()).await {
            Ok(mut source) => read(&mut source, &means, &send).await,
            Err(error) => Some(error.into()),
        };
        let Some(error) = ended else { return };
        tracing::error!(%error, "the staking index's block feed stopped; it is started again");
        tokio::time::sleep(AGAIN).await;
    }
}

/// `None`: nobody takes blocks any more.
async fn read<F>(
    source: &mut Feed,
    means: &FeedMeans,
    send: &(impl Fn(Vec<Prepared>, Room) -> F + Send),
) -> Option<FollowError>
where
    F: Future<Output = bool> + Send,
{
    let groups = Arc::new(Semaphore::new(GROUPS));
    // Each group on its way has a place in it. Ends when the last one is freed.
    let (done, mut blocks) = mpsc::channel(GROUPS);
    tokio::spawn(async move { while blocks.recv().await.is_some() {} });
    let mut status = source.status();
    loop {
        let place = Arc::clone(&groups).acquire_owned().await.ok()?;
        let steps = tokio::select! {
            biased;
            steps = source.next_many(BLOCKS, BYTES) => match steps {
                Ok(steps) => steps,
                Err(error) => {
                    means.status.send_replace(FeedStatus::Stopped(error.clone()));
                    return Some(error);
                }
            },
            Ok(()) = status.changed() => {
                means.status.send_replace(status.borrow_and_update().clone());
                continue;
            }
        };
        let prepared = prepare(&*means.compute, &means.params, steps).await?;
        let room = Room::new(&prepared, done.clone(), place);
        if !send(prepared, room).await {
            return None;
        }
    }
}
