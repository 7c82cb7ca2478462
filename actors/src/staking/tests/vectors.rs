//! Mainnet block 864790 through the whole index. The data is no part of the repository: the folder
//! named by `TRESTLE_VECTORS` is read, else `shared/vectors` in or beside a folder above this crate.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use bitcoin::{Block, consensus::deserialize, hashes::Hash};
use trestle_staking::{GlobalParams, export};
use trestle_store::memory::MemoryStore;

use super::world::*;
use crate::{
    follower::Step,
    staking::{
        index::{Events, Index, Settings},
        query,
    },
};

const HEIGHT: u32 = 864_790;

fn find() -> Option<PathBuf> {
    let named = std::env::var_os("TRESTLE_VECTORS").map(PathBuf::from);
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let beside = || above.map(|folder| folder.join("shared/vectors")).find(|it| it.is_dir());
    let found = named.or_else(beside).map(|folder| folder.join("babylon"));
    if let Some(folder) = found.filter(|folder| folder.is_dir()) {
        return Some(folder);
    }
    let ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!ci, "no conformance data: set TRESTLE_VECTORS to the folder that holds babylon/");
    let text = "SKIPPED 1 of 1 conformance tests: set TRESTLE_VECTORS";
    writeln!(std::io::stderr(), "{text}").expect("somebody listens");
    None
}

fn bytes(folder: &Path, name: &str) -> Vec<u8> {
    let path = folder.join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn words(folder: &Path, name: &str) -> String {
    String::from_utf8(bytes(folder, name)).expect("a text file")
}

#[tokio::test]
async fn mainnet_block__should_be_exported_as_the_reference_does() {
    let Some(folder) = find() else { return };
    // Given the block alone, on top of which nothing comes
    let text = words(&folder, "global-params.bbn-1-mainnet.json");
    let params = Arc::new(GlobalParams::parse(&text).expect("a valid file"));
    let block: Block = deserialize(&bytes(&folder, "mainnet_block_864790.bin")).expect("a block");
    let store = MemoryStore::new();
    let events = Events::On { confirmed_info: false };
    let settings = Settings { start: Some(HEIGHT), depth: Some(1), events };
    let mut index =
        Index::load(store.shared(), params, &text, settings).await.expect("a fresh store");
    let hash = block.block_hash();
    // When
    let step = Step::Connect { height: HEIGHT, hash, block: Arc::new(block.clone()) };
    let taken = index.take(&[step]).await.expect("a valid block");
    // Then
    assert_eq!((taken.counts.active, taken.counts.overflow), (337, 0));
    assert_eq!(taken.counts.invalid_confirmed, Default::default());
    let totals = index.totals();
    assert_eq!(totals.counters.active_tvl, 429_324_955_030);
    assert_eq!(totals.compat().total_stakers, 325);
    let mut lines = vec![export::HEADER.to_owned()];
    lines.extend(exported(&store, HEIGHT, HEIGHT + 1).await);
    // The reference's rows in the order of the block; ours in that of its command.
    let expected = words(&folder, "mainnet_block_864790.expected_export.csv");
    let mut expected: Vec<_> = expected.lines().map(str::to_owned).collect();
    expected[1..].sort_by_key(|line| raw(line));
    assert_eq!(lines, expected);
    let providers = query::providers(&store, None, 100).await.expect("memory answers");
    assert_eq!(providers.rows.len(), 30);
    // And it is taken back without a trace
    let undo = Step::Disconnect { height: HEIGHT, hash };
    index.take(&[undo]).await.expect("the tip");
    assert_eq!(index.totals(), &Default::default());
    let mut other = block;
    other.header.prev_blockhash = bitcoin::BlockHash::all_zeros();
    other.txdata.truncate(1);
    let step = Step::Connect { height: HEIGHT, hash: other.block_hash(), block: Arc::new(other) };
    let taken = index.take(&[step]).await.expect("a valid block");
    assert_eq!(taken.counts.reverted, 337);
}
