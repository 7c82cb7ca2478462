//! Parameters, transactions, blocks and an index that goes through them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn,
    TxMerkleNode, TxOut, Txid, Witness, XOnlyPublicKey,
    absolute::LockTime,
    block::{Header, Version as BlockVersion},
    hashes::Hash,
    key::Keypair,
    secp256k1::Secp256k1,
    transaction::Version,
};
use trestle_staking::{
    GlobalParams, Stake, VersionParams,
    delegation::{Notice, StateName},
    script::{Keys, Leaf, StakingData, StakingOutput},
};
use trestle_store::{Scan, Store, memory::MemoryStore};

use crate::{
    follower::Step,
    runtime::Fault,
    staking::{
        events::{EventRow, What},
        export::Export,
        index::{Events, Index, Prepared, Settings, Taken},
        query,
        rows::DelegationRow,
    },
};

/// The first height.
pub(super) const START: u32 = 100;

pub(super) fn keypair(number: u8) -> Keypair {
    Keypair::from_seckey_slice(&Secp256k1::new(), &[number; 32]).expect("small and not zero")
}

pub(super) fn key(number: u8) -> XOnlyPublicKey {
    keypair(number).x_only_public_key().0
}

/// One version of the parameters of a test.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) activation: u32,
    /// `"staking_cap":…` or `"cap_height":…`.
    pub(super) cap: String,
    pub(super) members: Vec<u8>,
    pub(super) quorum: u32,
    pub(super) depth: u32,
    pub(super) unbonding_time: u16,
    pub(super) min_time: u16,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            activation: START,
            cap: r#""staking_cap":1000000000"#.into(),
            members: vec![101, 102, 103],
            quorum: 2,
            depth: 3,
            unbonding_time: 4,
            min_time: 10,
        }
    }
}

pub(super) fn text(versions: &[Rules]) -> String {
    let version = |(number, rules): (usize, &Rules)| {
        let keys = rules.members.iter().map(|n| format!("\"{}\"", keypair(*n).public_key()));
        let keys: Vec<String> = keys.collect();
        format!(
            r#"{{"version":{number},"activation_height":{},{},"tag":"74657374",
            "covenant_pks":[{}],"covenant_quorum":{},"unbonding_time":{},"unbonding_fee":500,
            "max_staking_amount":100000,"min_staking_amount":10000,"max_staking_time":1000,
            "min_staking_time":{},"confirmation_depth":{}}}"#,
            rules.activation,
            rules.cap,
            keys.join(","),
            rules.quorum,
            rules.unbonding_time,
            rules.min_time,
            rules.depth,
        )
    };
    let versions: Vec<String> = versions.iter().enumerate().map(version).collect();
    format!(r#"{{"versions":[{}]}}"#, versions.join(","))
}

/// A stake to be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spec {
    pub(super) staker: u8,
    pub(super) provider: u8,
    pub(super) value: u64,
    pub(super) time: u16,
    /// Makes its transaction like no other.
    pub(super) salt: u32,
}

impl Spec {
    pub(super) fn of(salt: u32, value: u64) -> Self {
        Self { staker: 1, provider: 50, value, time: 100, salt }
    }
}

/// A stake, and what makes its spends.
#[derive(Clone, Debug)]
pub(super) struct Staked {
    pub(super) tx: Transaction,
    pub(super) stake: Stake,
    pub(super) params: VersionParams,
}

pub(super) fn nowhere(salt: u32) -> OutPoint {
    let mut bytes = [0xaa; 32];
    bytes[..4].copy_from_slice(&salt.to_le_bytes());
    OutPoint { txid: Txid::from_byte_array(bytes), vout: 7 }
}

pub(super) fn input(previous_output: OutPoint, witness: Witness) -> TxIn {
    TxIn { previous_output, script_sig: ScriptBuf::new(), sequence: Sequence::MAX, witness }
}

pub(super) fn transaction(input: Vec<TxIn>, output: Vec<TxOut>) -> Transaction {
    Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input, output }
}

pub(super) fn pay(value: u64, script_pubkey: ScriptBuf) -> TxOut {
    TxOut { value: Amount::from_sat(value), script_pubkey }
}

pub(super) fn somewhere(value: u64) -> TxOut {
    pay(value, ScriptBuf::new_p2tr(&Secp256k1::new(), key(77), None))
}

/// The OP_RETURN of a stake.
pub(super) fn data(spec: &Spec, params: &VersionParams) -> TxOut {
    let data = StakingData {
        tag: params.tag,
        staker: key(spec.staker),
        finality_provider: key(spec.provider),
        time: spec.time,
    };
    pay(0, data.to_script())
}

/// The staking output of a stake.
pub(super) fn locked(spec: &Spec, params: &VersionParams) -> TxOut {
    let keys = Keys::new(&params.covenant, key(spec.staker), &[key(spec.provider)]);
    let keys = keys.expect("keys that differ");
    pay(spec.value, StakingOutput::new(&keys, spec.time).script_pubkey())
}

/// A stake within or without the parameters' bounds, with the staking output as number 0.
pub(super) fn stake(spec: Spec, params: &VersionParams) -> Staked {
    let tx = transaction(
        vec![input(nowhere(spec.salt), Witness::new())],
        vec![locked(&spec, params), data(&spec, params), somewhere(1_000)],
    );
    staked(tx, 0, spec, params)
}

pub(super) fn staked(tx: Transaction, vout: u32, spec: Spec, params: &VersionParams) -> Staked {
    let stake = Stake {
        outpoint: OutPoint { txid: tx.compute_txid(), vout },
        staker: key(spec.staker),
        finality_provider: key(spec.provider),
        value: Amount::from_sat(spec.value),
        time: spec.time,
        params_version: params.version,
    };
    Staked { tx, stake, params: params.clone() }
}

/// A witness by script. Signatures are not looked at by the index.
pub(super) fn witness(leaf: &Leaf) -> Witness {
    leaf.witness([[1; 64]])
}

impl Staked {
    pub(super) fn txid(&self) -> Txid {
        self.stake.outpoint.txid
    }

    pub(super) fn output(&self) -> StakingOutput {
        self.stake.output(&self.params).expect("keys that differ")
    }

    /// The unbonding that the parameters demand.
    pub(super) fn unbonding(&self) -> Transaction {
        let paid = self.stake.unbonding_tx_out(&self.params).expect("keys that differ");
        let spend = input(self.stake.outpoint, witness(&self.output().unbonding()));
        transaction(vec![spend], vec![paid.expect("more than the fee")])
    }

    pub(super) fn withdrawal_input(&self) -> TxIn {
        input(self.stake.outpoint, witness(&self.output().timelock()))
    }

    pub(super) fn unbonding_withdrawal_input(&self) -> TxIn {
        let output = self.stake.unbonding_output(&self.params).expect("keys that differ");
        let from = OutPoint { txid: self.unbonding().compute_txid(), vout: 0 };
        input(from, witness(&output.timelock()))
    }

    pub(super) fn withdrawal(&self) -> Transaction {
        transaction(vec![self.withdrawal_input()], vec![somewhere(9_000)])
    }

    pub(super) fn unbonding_withdrawal(&self) -> Transaction {
        transaction(vec![self.unbonding_withdrawal_input()], vec![somewhere(9_000)])
    }

    pub(super) fn slashing(&self) -> Transaction {
        let spend = input(self.stake.outpoint, witness(&self.output().slashing()));
        transaction(vec![spend], vec![somewhere(100), somewhere(9_000)])
    }
}

/// A branch, from [`START`] on.
#[derive(Clone, Debug, Default)]
pub(super) struct Chain {
    pub(super) blocks: Vec<Arc<Block>>,
    salt: u32,
}

impl Chain {
    /// Puts a block on top, which no other is like; says its height.
    pub(super) fn mine(&mut self, txs: Vec<Transaction>) -> u32 {
        self.salt += 1;
        let prev_blockhash =
            self.blocks.last().map_or_else(BlockHash::all_zeros, |b| b.block_hash());
        let coinbase =
            transaction(vec![input(OutPoint::null(), Witness::new())], vec![somewhere(50)]);
        let txdata = [vec![coinbase], txs].concat();
        let mut header = Header {
            version: BlockVersion::TWO,
            prev_blockhash,
            merkle_root: TxMerkleNode::all_zeros(),
            time: 1_700_000_000 + self.salt,
            bits: CompactTarget::from_consensus(0x207f_ffff),
            nonce: 0,
        };
        let mut block = Block { header, txdata };
        header.merkle_root = block.compute_merkle_root().expect("a transaction");
        while header.validate_pow(header.target()).is_err() {
            header.nonce += 1;
        }
        block.header = header;
        self.blocks.push(Arc::new(block));
        self.tip()
    }

    pub(super) fn tip(&self) -> u32 {
        START + u32::try_from(self.blocks.len()).expect("few") - 1
    }

    pub(super) fn at(&self, height: u32) -> Option<&Arc<Block>> {
        self.blocks.get(height.checked_sub(START)? as usize)
    }

    pub(super) fn lose(&mut self, blocks: usize) {
        self.blocks.truncate(self.blocks.len() - blocks);
    }

    /// The steps from where an index is to the tip.
    pub(super) async fn steps_for(&self, index: &Index) -> Vec<Step> {
        let (mut steps, mut at) = (Vec::new(), index.tip().map(|tip| tip.height));
        while let Some(height) = at {
            let hash = index.cursor().hash(index.store().as_ref(), height).await;
            let hash = hash.expect("memory answers").expect("the cursor's own height");
            if self.at(height).is_some_and(|block| block.block_hash() == hash) {
                break;
            }
            steps.push(Step::Disconnect { height, hash });
            at = height.checked_sub(1).filter(|below| *below >= START);
        }
        let next = at.map_or(START, |height| height + 1);
        for height in next..START + u32::try_from(self.blocks.len()).expect("few") {
            let block = Arc::clone(self.at(height).expect("below the tip"));
            steps.push(Step::Connect { height, hash: block.block_hash(), block });
        }
        steps
    }
}

pub(super) const TELLING: Settings =
    Settings { start: None, depth: None, events: Events::On { confirmed_info: false } };

pub(super) struct World {
    pub(super) text: String,
    pub(super) params: Arc<GlobalParams>,
    pub(super) store: MemoryStore,
    pub(super) index: Index,
    pub(super) chain: Chain,
}

pub(super) async fn must_load(store: &dyn AsStore, text: &str) -> Index {
    let params = Arc::new(GlobalParams::parse(text).expect("valid parameters"));
    let loaded = Index::load(store.shared(), params, text, TELLING).await;
    loaded.expect("the stored parameters are the same")
}

/// Works steps out and begins to commit them.
pub(super) async fn hand_over(index: &mut Index, steps: &[Step]) -> Result<Option<Taken>, Fault> {
    let prepared = Prepared::all(steps, index.params());
    let planned = index.plan(prepared).await?;
    index.hand_over(planned).await
}

/// A store that can be shared.
pub(super) trait AsStore {
    fn shared(&self) -> Arc<dyn Store>;
}

impl<S: Store + Clone> AsStore for S {
    fn shared(&self) -> Arc<dyn Store> {
        Arc::new(self.clone())
    }
}

impl World {
    pub(super) async fn new(versions: &[Rules]) -> Self {
        let (text, store) = (text(versions), MemoryStore::new());
        let params = Arc::new(GlobalParams::parse(&text).expect("valid parameters"));
        let index = must_load(&store, &text).await;
        Self { text, params, store, index, chain: Chain::default() }
    }

    pub(super) async fn plain() -> Self {
        Self::new(&[Rules::default()]).await
    }

    pub(super) fn version(&self, number: u64) -> &VersionParams {
        self.params.version(number).expect("a version of this test")
    }

    /// A stake under the first version.
    pub(super) fn stake(&self, spec: Spec) -> Staked {
        stake(spec, self.version(0))
    }

    /// As after a crash.
    pub(super) async fn restart(&mut self) {
        self.index = must_load(&self.store, &self.text).await;
    }

    /// Brings the index to the tip, one commit a step.
    pub(super) async fn sync(&mut self) -> Vec<Taken> {
        let mut all = Vec::new();
        for step in self.chain.steps_for(&self.index).await {
            all.push(self.index.take(&[step]).await.expect("a valid chain"));
        }
        all
    }

    /// The same in groups, each committed as the next is worked out.
    pub(super) async fn sync_behind(&mut self, group: usize) {
        for steps in self.chain.steps_for(&self.index).await.chunks(group) {
            hand_over(&mut self.index, steps).await.expect("a valid chain");
        }
        self.index.settle().await.expect("memory commits");
    }

    pub(super) async fn mine(&mut self, txs: Vec<Transaction>) -> u32 {
        let height = self.chain.mine(txs);
        self.sync().await;
        height
    }

    /// Puts empty blocks on top.
    pub(super) async fn pass(&mut self, blocks: u32) {
        for _ in 0..blocks {
            self.mine(Vec::new()).await;
        }
    }

    pub(super) async fn row(&self, txid: Txid) -> Option<DelegationRow> {
        let found = query::delegation(&self.store, txid).await.expect("memory answers");
        found.map(|(_, row)| row)
    }

    pub(super) async fn state(&self, staked: &Staked) -> Option<StateName> {
        self.row(staked.txid()).await.map(|row| row.delegation.name())
    }

    pub(super) async fn events(&self) -> Vec<EventRow> {
        events(&self.store).await
    }

    /// What was told of a delegation, as words; `-` before what was taken back.
    pub(super) async fn told(&self, staked: &Staked) -> Vec<String> {
        let views = self.events().await.into_iter().map(|event| event.view());
        let about = views.filter(|view| view.txid == Some(staked.txid()));
        about.map(|view| format!("{}{}", if view.reverted { "-" } else { "" }, view.kind)).collect()
    }

    /// Everything agrees with an index that goes through the best chain at once, and with the
    /// stream. To be asked when the chain is as high as it ever was.
    pub(super) async fn must_be_whole(&self) {
        let store = MemoryStore::new();
        let mut fresh = must_load(&store, &self.text).await;
        let steps = self.chain.steps_for(&fresh).await;
        fresh.take(&steps).await.expect("a valid chain");
        let (ours, theirs) = (dump(&self.store).await, dump(&store).await);
        for space in SPACES {
            assert_eq!(ours.get(space), theirs.get(space), "{space}");
        }
        assert_eq!(self.index.totals(), fresh.totals());
        assert_eq!(self.index.head().told_tip, None);
        assert_eq!(self.index.head().unconfirmed_from, fresh.head().unconfirmed_from);
        let told = fold(&events(&self.store).await);
        assert_eq!(told, fold(&events(&store).await));
    }
}

pub(super) async fn events(store: &dyn Store) -> Vec<EventRow> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let page = query::events(store, after, 100).await.expect("memory answers");
        let Some((last, _)) = page.last() else { return all };
        assert_eq!(page.first().map(|(number, _)| *number), Some(after + 1), "a gap");
        after = *last;
        all.extend(page.into_iter().map(|(_, event)| event));
    }
}

/// The whole export of a range, without its heading.
pub(super) async fn exported(store: &dyn Store, from: u32, end: u32) -> Vec<String> {
    let mut export = Export::of(store, from, end).await.expect("memory answers");
    let (most, mut lines) = (export.stakes(), Vec::new());
    loop {
        let page = export.lines(store).await.expect("memory answers");
        if page.is_empty() {
            assert!(lines.len() <= most);
            return lines;
        }
        lines.extend(page);
    }
}

/// The key of the reference's row for a line: the transaction id in internal byte order.
pub(super) fn raw(line: &str) -> Vec<u8> {
    let txid: Txid = line.split(',').next().and_then(|id| id.parse().ok()).expect("a txid");
    txid.to_byte_array().to_vec()
}

/// What outsiders hold for true after reading the stream.
pub(super) fn fold(events: &[EventRow]) -> BTreeSet<String> {
    let mut held = BTreeSet::new();
    for event in events {
        let What::Delegation { txid, notice, .. } = &event.what else { continue };
        match notice {
            Notice::Happened(fact) => {
                assert!(held.insert(format!("{} {fact:?}", **txid)), "told twice: {fact:?}");
            }
            Notice::Reverted(fact) => {
                assert!(held.remove(&format!("{} {fact:?}", **txid)), "never told: {fact:?}");
            }
        }
    }
    held
}

/// All spaces whose rows depend on the chain alone.
pub(super) const SPACES: [&str; 15] = [
    "staking.delegation",
    "staking.txid",
    "staking.unbonding",
    "staking.orphan",
    "staking.window",
    "staking.at",
    "staking.expiry",
    "staking.told",
    "staking.provider",
    "staking.staker",
    "staking.provider_rank",
    "staking.staker_rank",
    "staking.totals",
    "staking.params",
    "follower_hash",
];

/// Rows by key.
pub(super) type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

pub(super) async fn dump(store: &dyn Store) -> BTreeMap<&'static str, Rows> {
    let mut all = BTreeMap::new();
    for space in SPACES {
        let scan = Scan { limit: u32::MAX, ..Scan::default() };
        let rows = store.scan(space, scan).await.expect("memory answers");
        all.insert(space, rows.into_iter().collect());
    }
    // What is zero and what was never written are the same.
    let zero = |rows: &mut Rows| rows.retain(|_, row| row.iter().skip(1).any(|byte| *byte != 0));
    all.entry("staking.totals").and_modify(zero);
    all
}
