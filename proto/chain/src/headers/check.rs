//! What a header must satisfy before anything follows from it.

use bitcoin::{BlockHash, block::Header};

use super::Position;

/// Why headers or blocks do not continue a branch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reject {
    /// Another parent. Also what a reorg between two look-ups looks like: look again.
    #[error("the block at height {height} follows {got}, expected {expected}")]
    Unlinked {
        /// Height of the block.
        height: u32,
        /// The parent it should name.
        expected: BlockHash,
        /// The parent it names.
        got: BlockHash,
    },
    /// The hash does not meet the target in the header.
    #[error("the block {hash} at height {height} lacks the proof of work its own header asks for")]
    Work {
        /// Height of the block.
        height: u32,
        /// Its hash.
        hash: BlockHash,
    },
    /// Another height than the next one, or one beyond what a height can be.
    #[error("a block at height {got} cannot come here, expected height {expected}")]
    Height {
        /// The only height that could come.
        expected: u32,
        /// The height that came.
        got: u32,
    },
}

/// Checks headers at heights `from`, `from + 1`, … against each other and against `parent`, the
/// block before the first; without one, the first is taken as it is. Returns their hashes.
///
/// # Errors
/// The first [`Reject`].
pub fn check_run(
    parent: Option<Position>,
    from: u32,
    headers: &[Header],
) -> Result<Vec<BlockHash>, Reject> {
    if let Some(parent) = parent
        && parent.height.checked_add(1) != Some(from)
    {
        return Err(Reject::Height { expected: parent.height.saturating_add(1), got: from });
    }
    let mut hashes = Vec::with_capacity(headers.len());
    let mut before = parent.map(|parent| parent.hash);
    let mut next = Some(from);
    for header in headers {
        let height = next.ok_or(Reject::Height { expected: u32::MAX, got: from })?;
        if let Some(expected) = before.filter(|hash| *hash != header.prev_blockhash) {
            return Err(Reject::Unlinked { height, expected, got: header.prev_blockhash });
        }
        let hash = header
            .validate_pow(header.target())
            .map_err(|_| Reject::Work { height, hash: header.block_hash() })?;
        hashes.push(hash);
        before = Some(hash);
        next = height.checked_add(1);
    }
    Ok(hashes)
}
