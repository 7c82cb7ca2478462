#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use std::collections::BTreeMap;

use bitcoin::{
    BlockHash, CompactTarget, TxMerkleNode,
    block::{Header, Version},
    hashes::Hash,
};
use proptest::prelude::*;

use super::*;

/// A header on `parent` that meets regtest's target; `salt` tells siblings apart.
fn mine(parent: BlockHash, salt: u32) -> Header {
    let mut header = Header {
        version: Version::TWO,
        prev_blockhash: parent,
        merkle_root: TxMerkleNode::all_zeros(),
        time: salt,
        bits: CompactTarget::from_consensus(0x207f_ffff),
        nonce: 0,
    };
    while header.validate_pow(header.target()).is_err() {
        header.nonce += 1;
    }
    header
}

fn chain(length: u32, salt: u32) -> Vec<Header> {
    let mut headers: Vec<Header> = Vec::new();
    for height in 0..length {
        let parent = headers.last().map_or_else(BlockHash::all_zeros, Header::block_hash);
        headers.push(mine(parent, salt + height));
    }
    headers
}

#[test]
fn check_run__should_return_the_hashes_of_a_linked_run() {
    let headers = chain(5, 0);
    let parent = Position { height: 7, hash: headers[0].block_hash() };

    let hashes = check_run(Some(parent), 8, &headers[1..]);

    let expected: Vec<_> = headers[1..].iter().map(Header::block_hash).collect();
    assert_eq!(hashes, Ok(expected));
}

#[test]
fn check_run__should_reject_a_gap_in_the_links() {
    let headers = chain(5, 0);
    let gap = [headers[1], headers[3]];

    let result = check_run(None, 1, &gap);

    let (expected, got) = (headers[1].block_hash(), headers[2].block_hash());
    assert_eq!(result, Err(Reject::Unlinked { height: 2, expected, got }));
}

#[test]
fn check_run__should_reject_another_parent() {
    let headers = chain(3, 0);
    let parent = Position { height: 0, hash: chain(1, 99)[0].block_hash() };

    let result = check_run(Some(parent), 1, &headers[1..]);

    assert!(matches!(result, Err(Reject::Unlinked { height: 1, .. })));
}

#[test]
fn check_run__should_reject_a_header_without_its_work() {
    let mut headers = chain(3, 0);
    while headers[2].validate_pow(headers[2].target()).is_ok() {
        headers[2].nonce += 1;
    }

    let result = check_run(None, 0, &headers);

    assert_eq!(result, Err(Reject::Work { height: 2, hash: headers[2].block_hash() }));
}

#[test]
fn check_run__should_reject_heights_that_do_not_follow_or_overflow() {
    let headers = chain(2, 0);
    let parent = Position { height: 5, hash: BlockHash::all_zeros() };

    assert_eq!(check_run(Some(parent), 7, &headers), Err(Reject::Height { expected: 6, got: 7 }));
    assert!(matches!(check_run(None, u32::MAX, &headers), Err(Reject::Height { .. })));
}

#[test]
fn branch__should_reject_a_block_that_does_not_come_next() {
    let headers = chain(3, 0);
    let at = |height: u32| Position { height, hash: headers[height as usize].block_hash() };
    let mut branch = Branch::new(0);
    branch.connect(at(0), &headers[0]).expect("the first block fits an empty branch");

    let skipped = branch.connect(at(2), &headers[2]);
    let stranger = branch.connect(Position { height: 1, hash: at(2).hash }, &headers[2]);

    assert_eq!(skipped, Err(Reject::Height { expected: 1, got: 2 }));
    assert!(matches!(stranger, Err(Reject::Unlinked { height: 1, .. })));
    assert_eq!(branch.tip(), Some(at(0)));
}

#[test]
fn branch__should_ask_the_store_before_it_loses_sight_of_its_tip() {
    let hashes: Vec<_> = chain(4, 0).iter().map(Header::block_hash).collect();
    let mut branch = Branch::stored(10, 13, vec![hashes[3]]).expect("a page with the tip stands");

    assert_eq!(branch.disconnect(), Err(NeedsOlder(10..13)));
    branch.extend_below(&hashes[..3]);

    let left: Vec<_> = std::iter::from_fn(|| branch.disconnect().expect("all in memory")).collect();
    assert_eq!(left.iter().map(|at| at.height).collect::<Vec<_>>(), [13, 12, 11, 10]);
    assert_eq!(branch.tip(), None);
}

#[test]
fn branch__should_refuse_to_stand_on_nothing() {
    assert_eq!(Branch::stored(10, 13, vec![]), None);
    assert_eq!(Branch::stored(10, 9, vec![BlockHash::all_zeros()]), None);
    assert_eq!(Branch::stored(0, u32::MAX, vec![BlockHash::all_zeros()]), None);
}

#[test]
fn search__should_find_a_deep_fork_in_few_looks() {
    let ours: Vec<_> = chain(5_000, 0).iter().map(Header::block_hash).collect();
    let theirs: Vec<_> = [&ours[..100], &[BlockHash::all_zeros(); 4_900]].concat();
    let tip = Position { height: 4_999, hash: ours[4_999] };

    let mut search = ForkSearch::new(0, Some(tip), 4_999);
    let mut looks = 0;
    let found = loop {
        looks += 1;
        let window = search.window();
        let (from, to) = (window.start as usize, window.end as usize);
        match search.compare(&ours[from..to], &theirs[from..]) {
            Search::Found(found) => break found,
            Search::Deeper(next) => search = next,
        }
    };

    assert_eq!(found, Some(Position { height: 99, hash: ours[99] }));
    assert!(looks <= 8, "{looks} looks");
}

/// A tree of blocks: each on one that came before.
struct Tree {
    headers: Vec<Header>,
    parents: Vec<Option<usize>>,
}

impl Tree {
    fn grow(choices: &[u16]) -> Self {
        let mut tree = Self { headers: vec![mine(BlockHash::all_zeros(), 0)], parents: vec![None] };
        for (salt, choice) in (1..).zip(choices) {
            // Mostly on one of the last blocks, so that branches become long.
            let count = tree.headers.len();
            let span = if choice % 5 == 0 { count } else { count.min(3) };
            let parent = count - 1 - usize::from(*choice) % span;
            tree.headers.push(mine(tree.headers[parent].block_hash(), salt));
            tree.parents.push(Some(parent));
        }
        tree
    }

    /// The headers from the root to a block.
    fn branch_of(&self, tip: usize) -> Vec<Header> {
        let mut at = Some(tip);
        let mut headers = Vec::new();
        while let Some(index) = at {
            headers.push(self.headers[index]);
            at = self.parents[index];
        }
        headers.reverse();
        headers
    }
}

/// A follower: the branch in memory, bounded, and its rows in a store.
struct Model {
    branch: Branch,
    rows: BTreeMap<u32, BlockHash>,
}

impl Model {
    fn page(&mut self, needs: NeedsOlder) {
        let older: Vec<_> = self.rows.range(needs.0).map(|(_, hash)| *hash).collect();
        self.branch.extend_below(&older);
    }

    fn hashes(&mut self, heights: std::ops::Range<u32>) -> Vec<BlockHash> {
        match self.branch.hashes(heights.clone()) {
            Ok(hashes) => hashes,
            Err(needs) => {
                self.page(needs);
                self.branch.hashes(heights).expect("the page has been added")
            }
        }
    }

    fn follow(&mut self, chain: &[Header], keep: usize) -> Result<(), TestCaseError> {
        let start = self.branch.start();
        let theirs = u32::try_from(chain.len()).expect("small") - 1;
        let fork = if theirs < start {
            None
        } else {
            let mut search = ForkSearch::new(start, self.branch.tip(), theirs);
            loop {
                let window = search.window();
                let run = check_run(None, window.start, &chain[window.start as usize..])
                    .expect("the tree is linked and mined");
                let ours = self.hashes(window);
                match search.compare(&ours, &run) {
                    Search::Found(fork) => break fork,
                    Search::Deeper(next) => search = next,
                }
            }
        };
        while self.branch.tip() != fork {
            match self.branch.disconnect() {
                Err(needs) => self.page(needs),
                // What is left is exactly what was entered and not left since, top down.
                Ok(Some(left)) => {
                    let row = self.rows.pop_last();
                    prop_assert_eq!(row, Some((left.height, left.hash)));
                }
                Ok(None) => return Err(TestCaseError::fail("emptied past the fork")),
            }
        }
        for height in self.branch.next_height()..=theirs {
            let header = &chain[height as usize];
            let at = Position { height, hash: header.block_hash() };
            self.branch.connect(at, header).expect("it follows the fork");
            prop_assert_eq!(self.rows.insert(height, at.hash), None);
            self.branch.trim(keep);
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn following__should_end_in_the_branch_of_the_tip(
        choices in prop::collection::vec(any::<u16>(), 1..150),
        tips in prop::collection::vec(any::<prop::sample::Index>(), 1..12),
        start in 0u32..20,
        keep in 1usize..30,
    ) {
        let tree = Tree::grow(&choices);
        let mut model = Model { branch: Branch::new(start), rows: BTreeMap::new() };
        for tip in tips {
            let chain = tree.branch_of(tip.index(tree.headers.len()));

            model.follow(&chain, keep)?;

            let expected: Vec<_> =
                chain.iter().skip(start as usize).map(Header::block_hash).collect();
            prop_assert_eq!(model.rows.values().copied().collect::<Vec<_>>(), expected);
        }
    }
}
