//! Fetching blocks ahead: several at once, handed on in order, bounded in number and bytes.
//!
//! Small blocks are asked for in groups, since a request costs more than they do. A group takes the
//! room of one largest block; one that does not fit is asked for block by block.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

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
/// Most blocks of a group: what a request costs hardly shows beside so many.
const GROUP: usize = 16;
/// Bytes that a group is to have, going by the blocks before. A quarter of what there is room for,
/// since the next ones may be larger.
const GROUP_BYTES: usize = 1 << 20;

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

/// Blocks in order, up to the first that could not be had.
struct Group {
    blocks: Vec<(Position, Fetched)>,
    trouble: Option<Trouble>,
}

struct Fetch {
    from: Position,
    task: AbortOnDropHandle<Group>,
}

/// Room for blocks and requests, shared by all that a feed fetches.
#[derive(Clone, Debug)]
pub(super) struct Room {
    bytes: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    /// Groups ahead of the consumer, and most blocks of one.
    groups: usize,
    group: usize,
    /// Bytes of the largest block that came last; 0 before the first.
    latest: Arc<AtomicUsize>,
}

impl Room {
    pub(super) fn new(config: &FeedConfig) -> Self {
        let kib = (config.max_bytes / KIB).max(LARGEST_KIB as usize).min(Semaphore::MAX_PERMITS);
        let group = (config.max_blocks / GROUP).clamp(1, GROUP);
        Self {
            bytes: Arc::new(Semaphore::new(kib)),
            requests: Arc::new(Semaphore::new(config.max_requests.max(1))),
            groups: (config.max_blocks / group).max(1),
            group,
            latest: Arc::default(),
        }
    }

    /// Blocks to ask for together: one, while nothing is known of their size.
    fn next_group(&self) -> usize {
        let latest = self.latest.load(Ordering::Relaxed);
        GROUP_BYTES.checked_div(latest).unwrap_or(1).clamp(1, self.group)
    }
}

/// Blocks on their way, from a common block up to a tip.
pub(super) struct Prefetch {
    fetches: mpsc::Receiver<Result<Fetch, Trouble>>,
    /// Of the group that came last.
    arrived: VecDeque<(Position, Fetched)>,
    trouble: Option<Trouble>,
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
        let (sender, fetches) = mpsc::channel(room.groups);
        let work = run(chain, room.clone(), page, target, sender);
        let _task = AbortOnDropHandle::new(tokio::spawn(work));
        Self { fetches, arrived: VecDeque::new(), trouble: None, _task }
    }

    /// The next block; `None` when all have been taken. Nothing comes after a trouble.
    pub(super) async fn next(&mut self) -> Option<Result<(Position, Fetched), Trouble>> {
        loop {
            if let Some(block) = self.arrived.pop_front() {
                return Some(Ok(block));
            }
            if let Some(trouble) = self.trouble.take() {
                return Some(Err(trouble));
            }
            let Fetch { from, task } = match self.fetches.recv().await? {
                Ok(fetch) => fetch,
                Err(trouble) => return Some(Err(trouble)),
            };
            match task.await {
                Ok(Group { blocks, trouble }) => {
                    self.arrived = blocks.into();
                    self.trouble = trouble;
                }
                Err(error) => {
                    let text = format!("reading blocks from {} on failed: {error}", from.hash);
                    return Some(Err(ChainError::Malformed(text).into()));
                }
            }
        }
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
        let mut rest = page.as_slice();
        while !rest.is_empty() {
            let Some(fetch) = fetch(&chain, &room, &mut rest).await else { return };
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

/// Asks for the next blocks as soon as there is room. Room is taken here, in order, so that the
/// block that is needed first never waits for later ones. `None` if the room is closed, which never
/// happens.
async fn fetch(chain: &Arc<dyn ReadChain>, room: &Room, rest: &mut &[Position]) -> Option<Fetch> {
    let bytes = room.bytes.clone().acquire_many_owned(LARGEST_KIB).await.ok()?;
    let request = room.requests.clone().acquire_owned().await.ok()?;
    let (group, later) = rest.split_at(room.next_group().min(rest.len()));
    let from = *group.first()?;
    *rest = later;
    let (chain, group, latest) = (chain.clone(), group.to_vec(), room.latest.clone());
    let task = tokio::spawn(async move {
        let group = arrive(chain, group, bytes, &latest).await;
        drop(request);
        group
    });
    Some(Fetch { from, task: AbortOnDropHandle::new(task) })
}

/// Fetches blocks, checks their headers by themselves, and gives back the room that they do not
/// need.
async fn arrive(
    chain: Arc<dyn ReadChain>,
    group: Vec<Position>,
    mut room: OwnedSemaphorePermit,
    latest: &AtomicUsize,
) -> Group {
    let mut blocks = Vec::with_capacity(group.len());
    let mut together = together(&*chain, &group).await.into_iter();
    let mut largest = 0;
    for at in group {
        let read = match together.next() {
            Some(block) => Ok(block),
            None => chain.block(at.hash).await,
        };
        match read.map_err(Trouble::from).and_then(|block| fetched(at, block, &mut room)) {
            Ok(fetched) => {
                largest = largest.max(fetched.bytes);
                blocks.push((at, fetched));
            }
            Err(trouble) => return Group { blocks, trouble: Some(trouble) },
        }
    }
    latest.store(largest, Ordering::Relaxed);
    Group { blocks, trouble: None }
}

/// A group in one request, or nothing: whatever is wrong with it, its blocks are then asked for one
/// by one, and those before the trouble are still of use.
async fn together(chain: &dyn ReadChain, group: &[Position]) -> Vec<Block> {
    if group.len() < 2 {
        return Vec::new();
    }
    let hashes = group.iter().map(|at| at.hash).collect();
    let blocks = chain.blocks(hashes).await.unwrap_or_default();
    if blocks.len() == group.len() { blocks } else { Vec::new() }
}

/// Checks a block and takes its share of the group's room. Blocks that came one by one may be more
/// than that: then the last ones have none, and a group too many is in memory for a moment.
fn fetched(
    at: Position,
    block: Block,
    room: &mut OwnedSemaphorePermit,
) -> Result<Fetched, Trouble> {
    let got = check_run(None, at.height, &[block.header])?;
    if got != [at.hash] {
        let text = format!("asked for block {}, got {}", at.hash, block.block_hash());
        return Err(ChainError::Malformed(text).into());
    }
    let bytes = block.total_size();
    let share = bytes.div_ceil(KIB).max(1).min(room.num_permits());
    let room = room.split(share).expect("no more than there is");
    Ok(Fetched { block, bytes, room })
}
