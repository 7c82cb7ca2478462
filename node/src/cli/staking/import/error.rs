//! Why blocks are not imported.

use std::path::PathBuf;

use bitcoin::BlockHash;
use trestle_actors::{runtime::Fault, staking::LoadError};
use trestle_store::StoreError;

use crate::cli::{CliError, Exit};

/// See the module. Up to the first commit nothing is stored.
#[derive(Debug, thiserror::Error)]
pub(super) enum ImportError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{}: no block in it; expected raw blocks, or blk*.dat files", .0.display())]
    Nothing(PathBuf),
    #[error("{}, byte {offset}: {what}", path.display())]
    Malformed { path: PathBuf, offset: u64, what: String },
    #[error("{}: expected the 8 bytes of a key for blk*.dat files", .0.display())]
    Key(PathBuf),
    #[error(
        "the blocks do not link: block {} follows {}, and {} follows {}, and neither of these two \
         is there; give all blocks between",
        .0[0], .0[1], .0[2], .0[3]
    )]
    Gap(Box<[BlockHash; 4]>),
    #[error(
        "the database has gone through the chain up to block {tip} at height {height}, and the \
         first of these, {first}, follows {prev}; give the blocks from height {} on",
        height.saturating_add(1)
    )]
    NotNext { tip: BlockHash, height: u32, first: BlockHash, prev: BlockHash },
    #[error(
        "the database's last block, {tip} at height {height}, is not on the longest branch of these \
         blocks; only a node with a bitcoind takes blocks back"
    )]
    Branch { tip: BlockHash, height: u32 },
    #[error("block {0} does not say its height; give it by --start")]
    NoHeight(BlockHash),
    #[error("block {block} has height {height}, not {start}")]
    Height { block: BlockHash, height: u64, start: u32 },
    #[error("no block has a height above {}", u32::MAX)]
    TooHigh,
    #[error(
        "with these parameters staking begins at height {activation}, above all of these blocks, \
         the last of which has height {last}: are they those of this network?"
    )]
    BeforeStaking { activation: u64, last: u32 },
    #[error(
        "the node's index is to begin at height {activation}, and the first of these blocks has \
         height {first}: the stakes between would be missing for ever; give the blocks from there \
         on, or use --store for a database by itself"
    )]
    Missing { activation: u64, first: u32 },
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error("the threads for this work did not start: {0}")]
    Threads(std::io::Error),
    #[error("the threads for this work ended")]
    Ended,
}

impl From<ImportError> for CliError {
    fn from(error: ImportError) -> Self {
        let exit = match &error {
            ImportError::Load(LoadError::History(_) | LoadError::Activation(_))
            | ImportError::BeforeStaking { .. } => Exit::Config,
            ImportError::Load(LoadError::Store(_))
            | ImportError::Io { .. }
            | ImportError::Nothing(_)
            | ImportError::Malformed { .. }
            | ImportError::Key(_)
            | ImportError::Gap(_)
            | ImportError::NotNext { .. }
            | ImportError::Branch { .. }
            | ImportError::NoHeight(_)
            | ImportError::Height { .. }
            | ImportError::TooHigh
            | ImportError::Missing { .. }
            | ImportError::Store(_)
            | ImportError::Fault(_)
            | ImportError::Threads(_)
            | ImportError::Ended => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}
