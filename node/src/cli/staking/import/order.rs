//! Puts blocks in the order of the chain: files may hold them in any, and stale ones among them.

use std::collections::HashMap;

use bitcoin::{Block, BlockHash};

use super::{error::ImportError, files::Place};

/// A block that is whole, and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) hash: BlockHash,
    pub(super) prev: BlockHash,
    /// The height that its coinbase says, if it says one (BIP 34).
    pub(super) height: Option<u64>,
    pub(super) place: Place,
}

/// A branch without a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ordered {
    /// In the order of the chain.
    pub(super) chain: Vec<Known>,
    /// Blocks of shorter branches.
    pub(super) stale: usize,
}

/// The height that a block says of itself.
pub(super) fn told_height(block: &Block) -> Option<u64> {
    block.bip34_block_height().ok()
}

/// The longest branch of blocks that all come from one; of two as long, the one whose end comes
/// first in the files. Blocks that are there more than once count once.
pub(super) fn order(blocks: Vec<Known>) -> Result<Ordered, ImportError> {
    let mut places: HashMap<BlockHash, usize> = HashMap::with_capacity(blocks.len());
    let mut all: Vec<Known> = Vec::with_capacity(blocks.len());
    for block in blocks {
        places.entry(block.hash).or_insert_with(|| {
            all.push(block);
            all.len() - 1
        });
    }
    let parent = |at: usize| places.get(&all[at].prev).copied();
    let mut roots = (0..all.len()).filter(|at| parent(*at).is_none());
    if let (Some(first), Some(second)) = (roots.next(), roots.next()) {
        let (first, second) = (all[first], all[second]);
        let hashes = [first.hash, first.prev, second.hash, second.prev];
        return Err(ImportError::Gap(Box::new(hashes)));
    }
    // How many blocks lie below each; each is gone through once, whatever the order.
    let mut below: Vec<Option<usize>> = vec![None; all.len()];
    for at in 0..all.len() {
        let (mut path, mut next) = (Vec::new(), Some(at));
        while let Some(here) = next.filter(|here| below[*here].is_none()) {
            path.push(here);
            next = parent(here);
        }
        let depth = next.and_then(|known| below[known]).map_or(0, |depth| depth + 1);
        for (depth, here) in (depth..).zip(path.into_iter().rev()) {
            below[here] = Some(depth);
        }
    }
    let end = (0..all.len()).max_by_key(|at| (below[*at], std::cmp::Reverse(*at)));
    let (mut chain, mut next) = (Vec::new(), end);
    while let Some(here) = next {
        chain.push(all[here]);
        next = parent(here);
    }
    chain.reverse();
    Ok(Ordered { stale: all.len() - chain.len(), chain })
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use bitcoin::hashes::Hash as _;

    use super::*;

    fn block(number: u8, prev: u8) -> Known {
        let [hash, prev] = [number, prev].map(|number| BlockHash::from_byte_array([number; 32]));
        Known { hash, prev, height: None, place: Place { file: 0, offset: 0, size: 0 } }
    }

    fn ordered(blocks: &[(u8, u8)]) -> Result<(Vec<u8>, usize), String> {
        let blocks = blocks.iter().map(|(number, prev)| block(*number, *prev)).collect();
        let ordered = order(blocks).map_err(|error| error.to_string())?;
        let numbers = ordered.chain.iter().map(|known| known.hash.to_byte_array()[0]).collect();
        Ok((numbers, ordered.stale))
    }

    #[test]
    fn order__should_follow_the_headers_whatever_the_files_order() {
        assert_eq!(ordered(&[(3, 2), (1, 9), (4, 3), (2, 1), (1, 9)]), Ok((vec![1, 2, 3, 4], 0)));
        assert_eq!(ordered(&[(1, 0)]), Ok((vec![1], 0)));
        assert_eq!(ordered(&[]), Ok((vec![], 0)));
    }

    #[test]
    fn order__should_leave_out_shorter_branches() {
        let forked = [(1, 0), (20, 1), (21, 20), (2, 1), (3, 2), (4, 3)];
        assert_eq!(ordered(&forked), Ok((vec![1, 2, 3, 4], 2)));
        assert_eq!(ordered(&[(1, 0), (3, 1), (2, 1)]), Ok((vec![1, 3], 1)), "the first of two");
    }

    #[test]
    fn order__should_refuse_a_gap_and_name_both_sides() {
        let refused = ordered(&[(1, 0), (2, 1), (4, 3)]).expect_err("3 is missing");
        for number in ["0".repeat(64), "01".repeat(32), "03".repeat(32), "04".repeat(32)] {
            assert!(refused.contains(&number), "{number}: {refused}");
        }
    }
}
