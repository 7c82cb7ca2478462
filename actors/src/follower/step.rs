//! What a feed gives.

use std::sync::Arc;

use bitcoin::{Block, BlockHash};
use trestle_store::StoreError;

use crate::ports::{ChainError, chain::Tip};

/// One move along the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A block on top of the last one.
    Connect {
        /// Its height.
        height: u32,
        /// Its hash.
        hash: BlockHash,
        /// The block.
        block: Arc<Block>,
    },
    /// The last block is not in the best chain any more: undo it.
    Disconnect {
        /// Its height.
        height: u32,
        /// Its hash.
        hash: BlockHash,
    },
}

impl Step {
    /// The height of the block that comes or goes.
    pub const fn height(&self) -> u32 {
        match self {
            Self::Connect { height, .. } | Self::Disconnect { height, .. } => *height,
        }
    }
}

/// Where a feed stands; for `/readyz` and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedStatus {
    /// The chain has not been looked at yet.
    Starting,
    /// Blocks up to this tip are on their way.
    CatchingUp {
        /// Height of the last block handed on; `None` before the first.
        at: Option<u32>,
        /// bitcoind's best block.
        tip: Tip,
    },
    /// All blocks up to this tip have been handed on.
    Following(Tip),
    /// bitcoind does not answer as it should; it is asked again.
    Retrying(String),
    /// Going on needs a person; it is still asked again now and then.
    Stopped(FollowError),
}

/// Why there are no steps until someone does something. [`super::Feed::next`] says so once; when
/// it is called again it waits until things are right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FollowError {
    /// The wrong chain, or a block that is pruned away.
    #[error(transparent)]
    Chain(ChainError),
    /// bitcoind names a block in its best chain but does not have it.
    #[error("{0}, although it is in the best chain: let bitcoind finish, or run it with -reindex")]
    Missing(String),
    /// The cursor cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The task behind the feed is gone: reload.
    #[error("the block follower has ended; reload it from the store")]
    Ended,
}
