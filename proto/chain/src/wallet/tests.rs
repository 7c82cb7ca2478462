#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use bitcoin::{
    BlockHash, CompactTarget, ScriptBuf, Sequence, TxIn, TxMerkleNode, Txid, Witness,
    absolute::LockTime,
    block::{Header, Version},
    hashes::Hash,
    transaction,
};
use proptest::prelude::*;

use super::*;
use crate::testing::{committee, outpoint, recipient};

fn ours(sats: u64) -> TxOut {
    TxOut { value: Amount::from_sat(sats), script_pubkey: committee().script() }
}

fn tx(inputs: &[OutPoint], outputs: &[TxOut]) -> Transaction {
    let input = |previous_output: &OutPoint| TxIn {
        previous_output: *previous_output,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: inputs.iter().map(input).collect(),
        output: outputs.to_vec(),
    }
}

fn block(txdata: Vec<Transaction>) -> Block {
    let header = Header {
        version: Version::TWO,
        prev_blockhash: BlockHash::all_zeros(),
        merkle_root: TxMerkleNode::all_zeros(),
        time: 0,
        bits: CompactTarget::from_consensus(0),
        nonce: 0,
    };
    Block { header, txdata }
}

fn at(transaction: &Transaction, vout: u32) -> OutPoint {
    OutPoint { txid: transaction.compute_txid(), vout }
}

fn wallet() -> Wallet {
    Wallet::load([committee().script()].into(), 100, [])
}

fn id(number: u8) -> Hash32 {
    Hash32([number; 32])
}

/// A wallet at height 101 with one coin of 5,000 sat.
fn funded() -> (Wallet, OutPoint) {
    let mut wallet = wallet();
    let fund = tx(&[outpoint(1)], &[recipient(1, 700), ours(5_000)]);
    wallet.connect(101, &block(vec![fund.clone()])).expect("in order");
    (wallet, at(&fund, 1))
}

#[test]
fn block__should_add_coins_of_watched_scripts_only() {
    let (wallet, coin) = funded();
    let coins = wallet.coins(1);
    assert_eq!(coins.len(), 1);
    assert_eq!((coins[0].outpoint, coins[0].height), (coin, Some(101)));
    assert_eq!(coins[0].state, CoinState::Spendable);
    assert_eq!(wallet.coins(2)[0].state, CoinState::Pending);
}

#[test]
fn block__should_touch_only_the_rows_it_changes_and_tell_of_spends() {
    let (mut wallet, coin) = funded();
    let more = tx(&[outpoint(2)], &[ours(900)]);
    wallet.connect(102, &block(vec![more])).expect("in order");
    wallet.reserve(id(7), [coin]).expect("free");
    let spend = tx(&[outpoint(3), coin], &[recipient(2, 1_000), ours(3_500)]);
    let changes = wallet.connect(103, &block(vec![spend.clone()])).expect("in order");
    assert_eq!(changes.height, 103);
    let txid: Txid = spend.compute_txid();
    let told = Spend { outpoint: coin, txid, height: 103, reserved_by: Some(id(7)) };
    assert_eq!(changes.spends, [told]);
    let rows: BTreeMap<OutPoint, Option<CoinRow>> = changes.rows.into_iter().collect();
    assert_eq!(rows.len(), 2);
    let spent = rows[&coin].as_ref().and_then(|row| row.spent);
    assert_eq!(spent, Some(SpentAt { height: 103, txid: Stored(txid) }));
    assert!(rows[&at(&spend, 1)].as_ref().is_some_and(|row| row.spent.is_none()));
    assert_eq!(wallet.balance(1).spendable, Amount::from_sat(900 + 3_500));
}

#[test]
fn block__should_spend_coins_made_in_it() {
    let mut wallet = wallet();
    let make = tx(&[outpoint(1)], &[ours(5_000)]);
    let spend = tx(&[at(&make, 0)], &[recipient(1, 4_000)]);
    let changes = wallet.connect(101, &block(vec![make, spend])).expect("in order");
    assert_eq!(changes.spends.len(), 1);
    assert_eq!(wallet.coins(1), []);
    let undone = wallet.disconnect(101).expect("the last");
    assert_eq!(undone.rows.len(), 1);
    assert!(undone.rows[0].1.is_none());
}

#[test]
fn disconnect__should_bring_spent_coins_back_and_take_new_ones_away() {
    let (mut wallet, coin) = funded();
    let before = wallet.clone();
    let spend = tx(&[coin], &[ours(4_000)]);
    wallet.connect(102, &block(vec![spend.clone()])).expect("in order");
    let changes = wallet.disconnect(102).expect("the last");
    assert_eq!(wallet, before);
    let rows: BTreeMap<OutPoint, Option<CoinRow>> = changes.rows.into_iter().collect();
    assert_eq!(rows[&at(&spend, 0)], None);
    assert!(rows[&coin].as_ref().is_some_and(|row| row.spent.is_none()));
}

#[test]
fn blocks__should_come_in_order() {
    let (mut wallet, _) = funded();
    let before = wallet.clone();
    let refused = wallet.connect(103, &block(vec![]));
    assert_eq!(refused, Err(OutOfOrder { expected: 102, got: 103 }));
    let refused = wallet.disconnect(100);
    assert_eq!(refused, Err(OutOfOrder { expected: 101, got: 100 }));
    assert_eq!(wallet, before);
}

#[test]
fn coinbase__should_need_a_hundred_confirmations() {
    let mut wallet = wallet();
    let coinbase = tx(&[OutPoint::null()], &[ours(5_000)]);
    wallet.connect(101, &block(vec![coinbase])).expect("in order");
    for height in 102..200 {
        wallet.connect(height, &block(vec![])).expect("in order");
    }
    assert_eq!(wallet.coins(1)[0].state, CoinState::Pending);
    assert_eq!(wallet.for_plan(1), []);
    wallet.connect(200, &block(vec![])).expect("in order");
    assert_eq!(wallet.coins(1)[0].state, CoinState::Spendable);
}

#[test]
fn coins__should_be_reserved_frozen_and_given_back() {
    let (mut wallet, coin) = funded();
    assert_eq!(wallet.for_plan(1).len(), 1);
    wallet.reserve(id(1), [coin]).expect("free");
    wallet.reserve(id(1), [coin]).expect("its own");
    assert_eq!(wallet.reserve(id(2), [coin]), Err(Taken { outpoint: coin, by: id(1) }));
    assert_eq!(wallet.balance(1).reserved, Amount::from_sat(5_000));
    assert_eq!(wallet.for_plan(1), []);
    wallet.release(&id(1));
    assert!(wallet.freeze(coin, true));
    assert_eq!(wallet.balance(1).frozen, Amount::from_sat(5_000));
    assert_eq!(wallet.for_plan(1), []);
    assert!(wallet.freeze(coin, false));
    assert_eq!(wallet.for_plan(1).len(), 1);
    assert!(!wallet.freeze(outpoint(99), true), "no such coin");
}

#[test]
fn promised_change__should_be_pending_until_it_confirms() {
    let (mut wallet, coin) = funded();
    let first = tx(&[coin], &[ours(4_000)]);
    let second = tx(&[coin], &[ours(3_900)]);
    wallet.promise(id(1), Some((at(&first, 0), ours(4_000))));
    wallet.promise(id(1), Some((at(&second, 0), ours(3_900))));
    wallet.reserve(id(1), [coin]).expect("free");
    assert_eq!(wallet.balance(1).pending, Amount::from_sat(3_900), "only the latest version's");
    let plan = wallet.for_plan(1);
    assert_eq!(plan.len(), 1);
    assert!(!plan[0].confirmed);
    wallet.connect(102, &block(vec![second])).expect("in order");
    assert_eq!(wallet.balance(1).pending, Amount::ZERO);
    assert_eq!(wallet.balance(1).spendable, Amount::from_sat(3_900));
    wallet.disconnect(102).expect("the last");
    assert_eq!(wallet.balance(1).pending, Amount::from_sat(3_900));
    wallet.promise(id(1), None);
    assert_eq!(wallet.balance(1).pending, Amount::ZERO);
}

#[test]
fn rescan__should_find_the_coins_of_a_script_added_late() {
    let fund = block(vec![tx(&[outpoint(1)], &[recipient(3, 700), ours(5_000)])]);
    let mut wallet = wallet();
    wallet.connect(101, &fund).expect("in order");
    wallet.watch(recipient(3, 0).script_pubkey);
    wallet.restart(100);
    assert_eq!(wallet.coins(1), []);
    wallet.connect(101, &fund).expect("in order");
    assert_eq!(wallet.balance(1).spendable, Amount::from_sat(5_700));
}

proptest! {
    /// Blocks of random payments and reorgs of random depth: the index is what reading the final
    /// chain alone gives, and the rows stored along the way give it back.
    #[test]
    fn wallet__should_forget_lost_blocks_without_a_trace(
        steps in prop::collection::vec((0_u32..4, prop::collection::vec((any::<bool>(), 1_u64..9_000), 0..5)), 1..25),
    ) {
        let mut wallet = wallet();
        let mut chain: Vec<Block> = Vec::new();
        let mut stored: BTreeMap<OutPoint, CoinRow> = BTreeMap::new();
        let mut salt = 0;
        let mut apply = |changes: Changes| for (outpoint, row) in changes.rows {
            match row {
                Some(row) => stored.insert(outpoint, row),
                None => stored.remove(&outpoint),
            };
        };
        for (depth, payments) in steps {
            for _ in 0..depth.min(u32::try_from(chain.len()).expect("few")) {
                apply(wallet.disconnect(wallet.height()).expect("the last"));
                chain.pop();
            }
            let coins = wallet.coins(1);
            let mut unspent = coins.iter();
            let txdata = payments.iter().map(|(spend, sats)| {
                salt += 1;
                let from = unspent.next().filter(|_| *spend).map(|coin| coin.outpoint);
                tx(&[from.unwrap_or(outpoint(salt))], &[ours(*sats), recipient(1, 600)])
            });
            let next = block(txdata.collect());
            apply(wallet.connect(wallet.height() + 1, &next).expect("in order"));
            chain.push(next);
        }
        let mut fresh = super::tests::wallet();
        for block in &chain {
            fresh.connect(fresh.height() + 1, block).expect("in order");
        }
        prop_assert_eq!(fresh.coins(1), wallet.coins(1));
        let config = bincode::config::standard();
        let rows = stored.into_iter().map(|(outpoint, row)| {
            let bytes = bincode::encode_to_vec(&row, config).expect("encodes");
            (outpoint, bincode::decode_from_slice(&bytes, config).expect("decodes").0)
        });
        let loaded = Wallet::load([committee().script()].into(), wallet.height(), rows);
        prop_assert_eq!(loaded.rows, wallet.rows);
    }
}
