//! `trestle staking import-blocks` and `export`: a mainnet block without a bitcoind, files of every
//! form, and what is refused before anything is stored.

use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn,
    TxMerkleNode, TxOut, Txid, Witness,
    absolute::LockTime,
    block::{Header, Version as BlockVersion},
    consensus::serialize,
    hashes::Hash as _,
    p2p::Magic,
    transaction::Version,
};
use serde_json::Value;

use crate::{
    support::{Done, Folder},
    vectors,
};

const REGTEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/global-params.regtest.json");

/// The key of the reference's row for a line: the transaction id in internal byte order.
fn raw(line: &str) -> [u8; 32] {
    let txid: Txid = line.split(',').next().and_then(|id| id.parse().ok()).expect("a txid");
    txid.to_byte_array()
}

fn must_run(folder: &Folder, args: &[&str]) -> Value {
    let done = folder.run(args);
    assert_eq!(done.code, 0, "{}", done.stderr);
    done.must_json()
}

#[test]
fn mainnet_block__should_be_exported_as_the_reference_does() {
    let Some(vectors) = vectors::find() else { return };
    let folder = Folder::new();
    let path = |name: &str| vectors.join(name).display().to_string();
    let block = path("mainnet_block_864790.bin");
    let params = path("global-params.bbn-1-mainnet.json");
    let import = ["staking", "import-blocks", &block, "--store", "sqlite:x.sqlite", "--json"];
    let import = [&import[..], &["--params", &params]].concat();

    // When
    let done = folder.run(&import);

    // Then
    assert_eq!(done.code, 0, "{}", done.stderr);
    let done = done.must_json();
    let figure = |name: &str| done[name].as_u64();
    assert_eq!((figure("blocks"), figure("first_height")), (Some(1), Some(864_790)), "{done}");
    assert_eq!((figure("stakes"), figure("overflow_stakes")), (Some(337), Some(0)));
    assert_eq!((figure("invalid"), figure("active_tvl_sats")), (Some(0), Some(429_324_955_030)));
    let export = ["staking", "export", "--store", "sqlite:x.sqlite"];
    let shown = folder.run(&export);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    let expected =
        std::fs::read_to_string(vectors.join("mainnet_block_864790.expected_export.csv"));
    let expected = expected.expect("the reference's export");
    let mut lines: Vec<&str> = expected.lines().collect();
    lines[1..].sort_by_key(|line| raw(line));
    assert_eq!(shown.stdout, format!("{}\n", lines.join("\n")));

    // And: part of it, into a file
    let file = ["--output", "x.csv", "--json", "--end"];
    let none = must_run(&folder, &[&export[..], &file, &["864790"]].concat());
    assert_eq!(none["stakes"], 0);
    let all = must_run(&folder, &[&export[..], &file, &["864791", "--from", "864790"]].concat());
    assert_eq!((&all["stakes"], &all["confirmed_height"]), (&337.into(), &864_790.into()));
    let written = std::fs::read_to_string(folder.path("x.csv")).expect("the export");
    assert_eq!(written, shown.stdout);
    assert!(!folder.path("x.csv.part").exists());

    // And: once more changes nothing
    let again = must_run(&folder, &import);
    assert_eq!((&again["blocks"], &again["known_blocks"]), (&0.into(), &1.into()));
    assert_eq!(again["active_delegations"], 337);

    // And: a past that changes is refused
    let text = std::fs::read_to_string(&params).expect("parameters");
    folder.write("other.json", &text.replace("64000,", "64001,"));
    let other = [&import[..6], &["--params", "other.json"]].concat();
    let refused = folder.run(&other);
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    assert!(refused.stderr.contains("are no continuation of those"), "{}", refused.stderr);
    assert_eq!(folder.run(&export).stdout, shown.stdout);
}

/// A block that says nothing of its height, which no other is like.
fn block(prev: BlockHash, salt: u8) -> Block {
    let coinbase = Transaction {
        version: Version::ONE,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig: ScriptBuf::from_bytes(vec![salt; 4]),
            sequence: Sequence::MAX,
            witness: Witness::new(),
        }],
        output: vec![TxOut { value: Amount::from_sat(50), script_pubkey: ScriptBuf::new() }],
    };
    let header = Header {
        version: BlockVersion::ONE,
        prev_blockhash: prev,
        merkle_root: TxMerkleNode::all_zeros(),
        time: 1_700_000_000 + u32::from(salt),
        bits: CompactTarget::from_consensus(0x207f_ffff),
        nonce: 0,
    };
    let mut block = Block { header, txdata: vec![coinbase] };
    block.header.merkle_root = block.compute_merkle_root().expect("a transaction");
    while block.header.validate_pow(block.header.target()).is_err() {
        block.header.nonce += 1;
    }
    block
}

/// Blocks that follow one another, encoded.
fn chain(blocks: u8) -> Vec<Vec<u8>> {
    let mut prev = BlockHash::from_byte_array([9; 32]);
    let mut next = |salt| {
        let block = block(prev, salt);
        prev = block.block_hash();
        serialize(&block)
    };
    (0..blocks).map(&mut next).collect()
}

/// As bitcoind keeps them: framed, with room behind them, and masked.
fn framed(blocks: &[&Vec<u8>], key: &[u8; 8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for block in blocks {
        bytes.extend(Magic::REGTEST.to_bytes());
        bytes.extend(u32::try_from(block.len()).expect("small").to_le_bytes());
        bytes.extend(*block);
    }
    let masked = bytes.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key);
    masked.chain([0; 100]).collect()
}

struct Ground {
    folder: Folder,
}

impl Ground {
    fn new() -> Self {
        let folder = Folder::new();
        std::fs::create_dir(folder.path("blocks")).expect("a folder");
        Self { folder }
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.folder.path("blocks").join(name), bytes).expect("a file");
    }

    fn import(&self, more: &[&str]) -> Done {
        let to = ["staking", "import-blocks", "blocks", "--store", "sqlite:x.sqlite", "--json"];
        self.folder.run(&[&to[..], &["--params", REGTEST], more].concat())
    }

    fn must_import(&self, more: &[&str]) -> Value {
        let done = self.import(more);
        assert_eq!(done.code, 0, "{}", done.stderr);
        done.must_json()
    }

    /// Imports what is refused, which must leave no database.
    fn must_refuse(&self, more: &[&str], what: &str) {
        let done = self.import(more);
        assert!(matches!(done.code, 1 | 5), "{what}: {} {}", done.code, done.stdout);
        assert!(done.stderr.contains(what), "expected {what:?}: {}", done.stderr);
        assert!(!self.folder.path("x.sqlite").exists(), "{what}: something is stored");
    }
}

#[test]
fn folder__should_be_read_whatever_the_form_and_order_of_its_files() {
    let (ground, chain) = (Ground::new(), chain(9));
    let key = [1, 2, 3, 4, 5, 6, 7, 0xf8];
    ground.write("xor.dat", &key);
    ground.write("rev00000.dat", b"no blocks");
    ground.write("blk00000.dat", &framed(&[&chain[3], &chain[1], &chain[2]], &key));
    ground.write("a.bin", &[&chain[8][..], &chain[7]].concat());
    ground.write("z.bin", &[&chain[0][..], &chain[0]].concat());
    let prev = bitcoin::consensus::deserialize::<Block>(&chain[3]).expect("a block").block_hash();
    ground.write("stale.raw", &serialize(&block(prev, 99)));
    // As it comes from another program.
    ground.write("framed", &framed(&[&chain[4], &chain[5], &chain[6]], &[0; 8]));

    let done = ground.must_import(&["--start", "105"]);

    assert_eq!((&done["blocks"], &done["stale_blocks"]), (&9.into(), &1.into()), "{done}");
    assert_eq!((&done["first_height"], &done["last_height"]), (&105.into(), &113.into()));
    assert_eq!((&done["confirmed_height"], &done["stakes"]), (&113.into(), &0.into()));
}

#[test]
fn import__should_go_on_where_it_was_and_nowhere_else() {
    let (ground, chain) = (Ground::new(), chain(6));
    ground.write("one", &chain[..4].concat());
    ground.must_import(&["--start", "110"]);
    ground.write("one", &chain[4..].concat());
    let wrong = ground.import(&["--start", "110"]);
    assert!(wrong.stderr.contains("has height 114, not 110"), "{}", wrong.stderr);
    let done = ground.must_import(&[]);
    assert_eq!((&done["blocks"], &done["first_height"]), (&2.into(), &114.into()));

    let other = block(BlockHash::from_byte_array([8; 32]), 1);
    ground.write("one", &serialize(&other));
    let foreign = ground.import(&[]);
    assert_eq!(foreign.code, 1, "{}", foreign.stdout);
    assert!(foreign.stderr.contains("at height 115"), "{}", foreign.stderr);
    assert!(foreign.stderr.contains("give the blocks from height 116 on"), "{}", foreign.stderr);
    ground.write("one", &chain.concat());
    assert_eq!(ground.must_import(&[])["known_blocks"], 6);
}

#[test]
fn blocks__should_be_refused_before_anything_is_stored() {
    let (ground, chain) = (Ground::new(), chain(5));
    let start = ["--start", "110"];
    ground.must_refuse(&start, "no block in it");
    ground.write("one", b"");
    ground.must_refuse(&start, "no block in it");
    ground.write("one", &[&chain[0][..], b"no block"].concat());
    ground.must_refuse(&start, &format!("blocks/one, byte {}: not a block", chain[0].len()));
    ground.write("one", &chain[0][..chain[0].len() - 1]);
    ground.must_refuse(&start, "byte 0: not a block");
    let mut other = chain[0].clone();
    // Behind it: the script's length and the lock time.
    let value = other.len() - 13;
    other[value] ^= 1;
    ground.write("one", &other);
    ground.must_refuse(&start, "has another merkle root than its transactions");

    ground.write("one", &[&chain[0][..], &chain[1], &chain[3]].concat());
    ground.must_refuse(&start, "the blocks do not link");
    ground.write("one", &chain.concat());
    ground.must_refuse(&[], "does not say its height; give it by --start");
    ground.must_refuse(&["--start", "100"], "staking begins at height 110, above all of these");
    ground.must_refuse(&["--start", &u32::MAX.to_string()], "no block has a height above");

    let blk = framed(&[&chain[0]], &[0; 8]);
    std::fs::remove_file(ground.folder.path("blocks/one")).expect("it is there");
    ground.write("blk00000.dat", &[&blk[..], b"x"].concat());
    ground.must_refuse(&start, "zeros, and something behind them");
    ground.write("blk00000.dat", &blk[..blk.len() - 101]);
    ground.must_refuse(&start, "the file ends within a block");
    ground.write("blk00000.dat", &framed(&[&chain[0], &vec![0; 10]], &[0; 8]));
    ground.must_refuse(&start, "not a block");
    ground.write("xor.dat", b"short");
    ground.must_refuse(&start, "expected the 8 bytes of a key");
}

#[test]
fn commands__should_say_what_is_missing() {
    let ground = Ground::new();
    let told = |args: &[&str], code: i32, what: &str| {
        let done = ground.folder.run(&[&["staking"], args].concat());
        assert_eq!(done.code, code, "{}", done.stderr);
        assert!(done.stderr.contains(what), "expected {what:?}: {}", done.stderr);
    };
    told(&["export"], 2, "--store");
    told(&["export", "--store", "sqlite:none"], 1, "there is no database none");
    assert!(!ground.folder.path("none").exists());
    told(&["export", "--store", "sqlite:none", "--json"], 2, "name the CSV by --output");
    told(&["export", "--store", "sqlite:none", "--from", "5", "--end", "5"], 2, "no block is from");
    told(&["export", "--store", "postgres://me:word@db/x"], 2, "name a PostgreSQL database by");
    told(&["export", "--store", "memory"], 5, "in the memory of the node");
    told(&["import-blocks", "blocks", "--store", "sqlite:none"], 2, "--params");
    let bad = ["import-blocks", "blocks", "--store", "sqlite:none", "--params", "passphrase"];
    told(&bad, 5, "passphrase: ");
    let absent = ["import-blocks", "nowhere", "--store", "sqlite:none", "--params", REGTEST];
    told(&absent, 1, "nowhere: ");
    ground.folder.write_role_config(&["coordinator"], "");
    told(&["export", "-c", "node.toml"], 1, "trestle.sqlite");
    told(&["import-blocks", "blocks", "-c", "node.toml"], 5, "have no [staking] section");
}
