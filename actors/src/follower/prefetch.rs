//! Fetching blocks ahead: several at once, handed on in order, bounded in number and bytes.

use std::sync::Arc;

use bitcoin::{Block, BlockHash};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::task::AbortOnDropHandle;
use trestle_chain::headers::{PAGE, Position, Reject, check_run};
use trestle_store::StoreError;

use super::FeedConfig;
use crate::ports::{ChainError, ReadChain};

/// Bytes are counted in KiB: permits of a semaphore.
const KIB: usize = 1_024;
/// Set aside for a block that has been asked for: no block is larger than 4,000,000 bytes.
const LARGEST_KIB: u32 = 4_096;

/// What stands in the way of a step.
#[derive(Debug)]
pub(super) enum Trouble {
    /// bitcoind's answer.
    Chain(ChainError),
    /// Headers or blocks that do not fit: a reorg between two look-ups, or nonsense.
    Reject(Reject),
    /// The store.
    Store(StoreError),
}

impl From<ChainError> for Trouble {
    fn from(error: ChainError) -> Self {
        Self::Chain(error)
    }
}

impl From<Reject> for Trouble {
    fn from(reject: Reject) -> Self {
        Self::Reject(reject)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A block that has arrived, and its share of the room for blocks.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) block: Block,
    pub(super) bytes: usize,
    pub(super) room: OwnedSemaphorePermit,
}

struct Fetch {
    at: Position,
    task: AbortOnDropHandle<Result<Fetched, Trouble>>,
}

/// Room for blocks and requests, shared by all that a feed fetches.
#[derive(Clone, Debug)]
pub(super) struct Room {
    bytes: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    ahead: usize,
}

impl Room {
    pub(super) fn new(config: &FeedConfig) -> Self {
        let kib = (config.max_bytes / KIB).max(LARGEST_KIB as usize).min(Semaphore::MAX_PERMITS);
        Self {
            bytes: Arc::new(Semaphore::new(kib)),
            requests: Arc::new(Semaphore::new(config.max_requests.max(1))),
            ahead: config.max_blocks.max(1),
        }
    }
}

/// Blocks on their way, from a common block up to a tip.
pub(super) struct Prefetch {
    fetches: mpsc::Receiver<Result<Fetch, Trouble>>,
    _task: AbortOnDropHandle<()>,
}

impl Prefetch {
    /// Fetches the blocks of `page`, and then those up to height `target`.
    pub(super) fn start(
        chain: Arc<dyn ReadChain>,
        room: &Room,
        page: Vec<Position>,
        target: u32,
    ) -> Self {
        let (sender, fetches) = mpsc::channel(room.ahead);
        let work = run(chain, room.clone(), page, target, sender);
        Self { fetches, _task: AbortOnDropHandle::new(tokio::spawn(work)) }
    }

    /// The next block; `None` when all have been taken.
    pub(super) async fn next(&mut self) -> Option<Result<(Position, Fetched), Trouble>> {
        let fetch = match self.fetches.recv().await? {
            Ok(fetch) => fetch,
            Err(trouble) => return Some(Err(trouble)),
        };
        let fetched = fetch.task.await.unwrap_or_else(|e| {
            let text = format!("reading block {} failed: {e}", fetch.at.hash);
            Err(ChainError::Malformed(text).into())
        });
        Some(fetched.map(|fetched| (fetch.at, fetched)))
    }
}

async fn run(
    chain: Arc<dyn ReadChain>,
    room: Room,
    mut page: Vec<Position>,
    target: u32,
    sender: mpsc::Sender<Result<Fetch, Trouble>>,
) {
    while let Some(last) = page.last().copied() {
        // The next hashes are on their way while the blocks of this page are.
        let next = AbortOnDropHandle::new(tokio::spawn(hashes_after(chain.clone(), last, target)));
        for at in page {
            let Some(fetch) = fetch(&chain, &room, at).await else { return };
            if sender.send(Ok(fetch)).await.is_err() {
                return;
            }
        }
        page = match next.await {
            Ok(Ok(page)) => page,
            Ok(Err(trouble)) => {
                // If nobody listens any more, nobody needs to know.
                let _ = sender.send(Err(trouble)).await;
                return;
            }
            Err(_) => return,
        };
    }
}

async fn hashes_after(
    chain: Arc<dyn ReadChain>,
    last: Position,
    target: u32,
) -> Result<Vec<Position>, Trouble> {
    let from = last.height.saturating_add(1);
    let count = target.saturating_sub(last.height).min(PAGE);
    if count == 0 {
        return Ok(Vec::new());
    }
    // Whether they link shows when their blocks are put on the branch.
    Ok(positions(from, chain.hashes(from, count).await?).collect())
}

/// Hashes from a height on, by their places.
pub(super) fn positions(from: u32, hashes: Vec<BlockHash>) -> impl Iterator<Item = Position> {
    (from..).zip(hashes).map(|(height, hash)| Position { height, hash })
}

/// Asks for a block as soon as there is room. Room is taken here, in order, so that the block that
/// is needed first never waits for later ones. `None` if the room is closed, which never happens.
async fn fetch(chain: &Arc<dyn ReadChain>, room: &Room, at: Position) -> Option<Fetch> {
    let bytes = room.bytes.clone().acquire_many_owned(LARGEST_KIB).await.ok()?;
    let request = room.requests.clone().acquire_owned().await.ok()?;
    let chain = chain.clone();
    let task = tokio::spawn(async move {
        let fetched = arrive(chain, at, bytes).await;
        drop(request);
        fetched
    });
    Some(Fetch { at, task: AbortOnDropHandle::new(task) })
}

/// Fetches a block, checks its header by itself, and gives back the room that it does not need.
async fn arrive(
    chain: Arc<dyn ReadChain>,
    at: Position,
    mut room: OwnedSemaphorePermit,
) -> Result<Fetched, Trouble> {
    let block = chain.block(at.hash).await?;
    let got = check_run(None, at.height, &[block.header])?;
    if got != [at.hash] {
        let text = format!("asked for block {}, got {}", at.hash, block.block_hash());
        return Err(ChainError::Malformed(text).into());
    }
    let bytes = block.total_size();
    let spare = (LARGEST_KIB as usize).saturating_sub(bytes.div_ceil(KIB).max(1));
    drop(room.split(spare));
    Ok(Fetched { block, bytes, room })
}
