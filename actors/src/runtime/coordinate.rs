//! Carries out what the coordinator asks for, and brings the results back to its mailbox.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bitcoin::{Transaction, Txid};
use futures::future::join_all;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::task::AbortOnDropHandle;
use trestle_store::Store;

use super::Mailbox;
use crate::{
    coordinator::{CoordinatorInput, Job},
    follower::{Cursor, Feed, FeedConfig, FollowError},
    ports::{
        Broadcast, Compute, EstimateFee, ReadChain, SendMessage,
        chain::{ChainError, ChainStatus},
        compute,
    },
};

/// Blocks that are committed together while catching up.
const BLOCKS: usize = 200;
/// Bytes of blocks that are committed together.
const BYTES: usize = 16 * 1024 * 1024;
/// How soon a fee rate is to confirm, in blocks.
const TARGET: u16 = 6;
/// Wait before a feed that ended is started again.
const AGAIN: Duration = Duration::from_secs(5);

/// What jobs need.
#[derive(Clone)]
pub struct Means {
    /// Durable state, for the feeds' cursors.
    pub store: Arc<dyn Store>,
    /// The way to members.
    pub network: Arc<dyn SendMessage>,
    /// Blocks.
    pub chain: Arc<dyn ReadChain>,
    /// Transactions out.
    pub broadcast: Arc<dyn Broadcast>,
    /// Fee rates.
    pub fees: Arc<dyn EstimateFee>,
    /// Threads for heavy work.
    pub compute: Arc<dyn Compute>,
    /// Tells of new tips.
    pub tips: watch::Receiver<ChainStatus>,
    /// How feeds read.
    pub feed: FeedConfig,
}

/// Carries jobs out. Dropping it ends all of them.
pub struct Jobs {
    means: Means,
    mailbox: Mailbox<CoordinatorInput>,
    running: JoinSet<()>,
    feeds: BTreeMap<String, AbortOnDropHandle<()>>,
}

impl Jobs {
    /// Results go to `mailbox`.
    pub fn new(means: Means, mailbox: Mailbox<CoordinatorInput>) -> Self {
        Self { means, mailbox, running: JoinSet::new(), feeds: BTreeMap::new() }
    }

    /// Starts a job. The number under way is bounded by the coordinator's own bounds on sessions,
    /// payments and announcements.
    pub fn start(&mut self, job: Job) {
        while self.running.try_join_next().is_some() {}
        let (means, mailbox) = (self.means.clone(), self.mailbox.clone());
        match job {
            Job::Follow { committee, feed, start, reset } => {
                // The feed before must be gone before its cursor is read.
                self.feeds.remove(&committee);
                let cursor = Cursor::new(format!("wallet.{committee}"), start);
                let task = follow(means, mailbox, committee.clone(), feed, cursor, reset);
                self.feeds.insert(committee, AbortOnDropHandle::new(tokio::spawn(task)));
            }
            job @ (Job::Check { .. }
            | Job::Deliver { .. }
            | Job::Broadcast { .. }
            | Job::Inspect { .. }
            | Job::Quote { .. }) => {
                self.running.spawn(async move {
                    if let Some(result) = carry_out(means, job).await {
                        mailbox.send(result).await;
                    }
                });
            }
        }
    }
}

async fn carry_out(means: Means, job: Job) -> Option<CoordinatorInput> {
    let result = match job {
        Job::Check { session, attempt, work } => {
            let pieces = work.into_iter().map(|piece| compute(&*means.compute, piece));
            let verdicts: Option<Vec<_>> = join_all(pieces).await.into_iter().collect();
            let verdicts = verdicts?.concat();
            CoordinatorInput::Checked { session, attempt, verdicts }
        }
        Job::Deliver { key, to, id, message } => {
            let result = means.network.deliver(to, id, message).await;
            CoordinatorInput::Delivered { key, result }
        }
        Job::Broadcast { payment, transaction } => {
            let txid = transaction.compute_txid();
            let result = means.broadcast.broadcast(transaction).await;
            CoordinatorInput::BroadcastDone { payment, txid, result }
        }
        Job::Inspect { payment, anchor, txid, height } => {
            let result = inspect(&*means.chain, txid, height).await;
            CoordinatorInput::Inspected { payment, anchor, height, result }
        }
        Job::Quote { payment } => {
            let result = means.fees.fee_rate(TARGET).await;
            CoordinatorInput::Quoted { payment, result }
        }
        Job::Follow { .. } => return None,
    };
    Some(result)
}

/// A transaction in the block at a height of the best chain.
async fn inspect(
    chain: &dyn ReadChain,
    txid: Txid,
    height: u32,
) -> Result<Option<Transaction>, ChainError> {
    let Some(hash) = chain.hashes(height, 1).await?.first().copied() else { return Ok(None) };
    let block = chain.block(hash).await?;
    Ok(block.txdata.into_iter().find(|transaction| transaction.compute_txid() == txid))
}

/// Reads blocks for a wallet until it is dropped.
async fn follow(
    means: Means,
    mailbox: Mailbox<CoordinatorInput>,
    committee: String,
    feed: u64,
    cursor: Cursor,
    reset: Option<u32>,
) {
    loop {
        let (chain, store) = (means.chain.clone(), means.store.clone());
        let (config, wake) = (means.feed.clone(), Some(means.tips.clone()));
        let started = Feed::start(chain, store, cursor.clone(), config, wake).await;
        let ended = match started {
            Ok(mut source) => {
                if let Some(height) = reset
                    && let Err(error) = source.reset(height).await
                {
                    tracing::warn!(%error, "the block follower could not go back");
                }
                read(&mut source, &mailbox, &committee, feed).await
            }
            Err(error) => Some(error.into()),
        };
        let Some(error) = ended else { return };
        tracing::error!(%error, committee, "the block follower stopped; it is started again");
        tokio::time::sleep(AGAIN).await;
    }
}

/// `None`: the coordinator is gone.
async fn read(
    source: &mut Feed,
    mailbox: &Mailbox<CoordinatorInput>,
    committee: &str,
    feed: u64,
) -> Option<FollowError> {
    loop {
        match source.next_many(BLOCKS, BYTES).await {
            Ok(steps) => {
                let committee = committee.to_owned();
                if !mailbox.send(CoordinatorInput::Steps { committee, feed, steps }).await {
                    return None;
                }
            }
            Err(error) => return Some(error),
        }
    }
}
