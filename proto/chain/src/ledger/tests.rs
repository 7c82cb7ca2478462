#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use bitcoin::hashes::Hash;
use proptest::prelude::*;

use super::*;
use crate::testing::{outpoint, recipient};

fn id(number: u8) -> Hash32 {
    Hash32([number; 32])
}

/// An id commits to the anchor, so no two payments have a version in common.
fn txid(payment: u8, number: u8) -> Txid {
    let mut bytes = [number; 32];
    bytes[0] = payment;
    Txid::from_byte_array(bytes)
}

struct Draft {
    payment: u8,
    anchor: u32,
    recipients: Vec<TxOut>,
    own: bool,
    txid: u8,
    sats: u64,
    tip: u32,
}

impl Draft {
    fn new(payment: u8, sats: u64, tip: u32) -> Self {
        let recipients = vec![recipient(1, 1_000)];
        Self { payment, anchor: payment.into(), recipients, own: false, txid: payment, sats, tip }
    }

    fn terms(&self) -> Terms<'_> {
        Terms {
            payment: id(self.payment),
            anchor: outpoint(self.anchor),
            recipients: &self.recipients,
            own: self.own,
            txid: txid(self.payment, self.txid),
            change: Some((1, recipient(9, 500))),
            outflow: Amount::from_sat(self.sats),
            tip: self.tip,
        }
    }

    fn agree(&self, ledger: &mut Ledger) {
        let entry = ledger.propose(&self.terms()).expect("no conflict");
        ledger.record(id(self.payment), entry).expect("continues");
    }
}

fn reserved(ledger: &Ledger, tip: u32, blocks: u32) -> u64 {
    ledger.window_without(&id(255), tip, blocks).to_sat()
}

#[test]
fn payment__should_stay_bound_to_its_first_anchor() {
    let mut ledger = Ledger::default();
    Draft::new(1, 1_000, 10).agree(&mut ledger);
    let other = Draft { anchor: 77, txid: 2, ..Draft::new(1, 1_000, 10) };
    assert_eq!(
        ledger.propose(&other.terms()),
        Err(Conflict::OtherAnchor { payment: id(1), bound: outpoint(1), got: outpoint(77) })
    );
}

#[test]
fn payment__should_stay_bound_to_its_first_recipients() {
    let mut ledger = Ledger::default();
    Draft::new(1, 1_000, 10).agree(&mut ledger);
    for recipients in
        [vec![recipient(1, 1_001)], vec![recipient(2, 1_000)], vec![recipient(1, 1_000); 2], vec![]]
    {
        let other = Draft { recipients, txid: 2, ..Draft::new(1, 1_000, 10) };
        let refused = ledger.propose(&other.terms());
        assert_eq!(refused, Err(Conflict::OtherRecipients { payment: id(1) }));
    }
}

#[test]
fn anchor__should_belong_to_one_payment() {
    let mut ledger = Ledger::default();
    Draft::new(1, 1_000, 10).agree(&mut ledger);
    let other = Draft { anchor: 1, ..Draft::new(2, 1_000, 10) };
    let refused = ledger.propose(&other.terms());
    assert_eq!(refused, Err(Conflict::AnchorTaken { anchor: outpoint(1), by: id(1) }));
}

#[test]
fn anchor__should_be_shared_with_payments_to_the_committee_itself() {
    let mut ledger = Ledger::default();
    let own = |payment| Draft { anchor: 1, own: true, ..Draft::new(payment, 10, 10) };
    // before the payment to others, and after it
    own(2).agree(&mut ledger);
    assert_eq!(ledger.anchored(&outpoint(1)), None);
    Draft::new(1, 1_000, 10).agree(&mut ledger);
    own(3).agree(&mut ledger);
    assert_eq!(ledger.anchored(&outpoint(1)), Some(id(1)));
    // it binds the payment itself all the same, and frees nothing for a second one to others
    let moved = Draft { anchor: 7, txid: 9, ..own(2) };
    let refused = ledger.propose(&moved.terms());
    assert!(matches!(refused, Err(Conflict::OtherAnchor { .. })), "{refused:?}");
    let other = Draft { anchor: 1, ..Draft::new(4, 1_000, 10) };
    let refused = ledger.propose(&other.terms());
    assert_eq!(refused, Err(Conflict::AnchorTaken { anchor: outpoint(1), by: id(1) }));
}

#[test]
fn versions__should_be_bounded_and_counted_once() {
    let mut ledger = Ledger::default();
    for number in 0..64 {
        let draft = Draft { txid: number, ..Draft::new(1, 1_000, 10) };
        draft.agree(&mut ledger);
        draft.agree(&mut ledger);
    }
    let one_more = Draft { txid: 64, ..Draft::new(1, 1_000, 10) };
    let refused = ledger.propose(&one_more.terms());
    assert_eq!(refused, Err(Conflict::TooManyVersions { payment: id(1) }));
    assert_eq!(ledger.entry(&id(1)).map(|entry| entry.versions.len()), Some(MAX_VERSIONS));
    assert_eq!(reserved(&ledger, 10, 5), 1_000, "one reservation for all versions");
}

#[test]
fn reservation__should_rise_with_a_dearer_version_and_never_fall() {
    let mut ledger = Ledger::default();
    Draft::new(1, 1_000, 10).agree(&mut ledger);
    Draft { txid: 2, ..Draft::new(1, 1_500, 14) }.agree(&mut ledger);
    Draft { txid: 3, ..Draft::new(1, 1_200, 30) }.agree(&mut ledger);
    assert_eq!(reserved(&ledger, 14, 5), 1_500);
    // The whole of it counts from height 14.
    assert_eq!(reserved(&ledger, 18, 5), 1_500);
    assert_eq!(reserved(&ledger, 19, 5), 0);
}

#[test]
fn window__should_roll() {
    let mut ledger = Ledger::default();
    for (payment, tip) in [(1, 10), (2, 12), (3, 14)] {
        Draft::new(payment, 100 * u64::from(payment), tip).agree(&mut ledger);
    }
    assert_eq!(reserved(&ledger, 14, 5), 600);
    assert_eq!(reserved(&ledger, 15, 5), 500);
    assert_eq!(reserved(&ledger, 18, 5), 300);
    assert_eq!(reserved(&ledger, 19, 5), 0);
    assert_eq!(ledger.window_without(&id(2), 14, 5).to_sat(), 400);
    // After a reorg the tip is lower than the reservations.
    assert_eq!(reserved(&ledger, 9, 5), 600);
    assert_eq!(reserved(&ledger, 3, 5), 600);
}

#[test]
fn change__should_be_known_for_every_version() {
    let mut ledger = Ledger::default();
    Draft::new(1, 1_000, 10).agree(&mut ledger);
    Draft { txid: 2, ..Draft::new(1, 1_000, 10) }.agree(&mut ledger);
    for number in [1, 2] {
        let at = OutPoint { txid: txid(1, number), vout: 1 };
        assert_eq!(ledger.change(&at), Some((id(1), &recipient(9, 500))));
        assert_eq!(ledger.change(&OutPoint { vout: 0, ..at }), None);
    }
}

#[test]
fn record__should_refuse_rows_that_take_something_back() {
    let mut ledger = Ledger::default();
    Draft::new(1, 1_000, 10).agree(&mut ledger);
    let first = ledger.entry(&id(1)).expect("recorded").clone();
    Draft { txid: 2, ..Draft::new(1, 2_000, 10) }.agree(&mut ledger);
    let before = ledger.clone();
    assert_eq!(ledger.record(id(1), first.clone()), Err(BadEntry::TakesBack(id(1))));
    assert!(matches!(ledger.record(id(2), first), Err(BadEntry::SharedAnchor { .. })));
    assert_eq!(ledger, before);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn ledger__should_be_the_same_after_loading_its_rows(
        steps in prop::collection::vec(
            (0_u8..6, 0_u32..8, any::<bool>(), 0_u8..40, 1_u64..5_000, 0_u32..60), 0..60,
        ),
        tip in 0_u32..80,
        blocks in 0_u32..30,
    ) {
        let mut ledger = Ledger::default();
        for (payment, anchor, own, txid, sats, tip) in steps {
            let draft = Draft { anchor, own, txid, ..Draft::new(payment, sats, tip) };
            if let Ok(entry) = ledger.propose(&draft.terms()) {
                ledger.record(id(payment), entry).expect("a proposed row continues");
            }
        }
        let config = bincode::config::standard();
        let rows = ledger.entries().map(|(id, entry)| {
            let bytes = bincode::encode_to_vec(entry, config).expect("encodes");
            (*id, bincode::decode_from_slice(&bytes, config).expect("decodes").0)
        });
        let loaded = Ledger::load(rows).expect("its own rows");
        prop_assert_eq!(&loaded, &ledger);
        // The index says what adding up the rows says.
        let recent = |entry: &&Entry| i64::from(entry.height) > i64::from(tip) - i64::from(blocks);
        let sum: u64 = ledger.entries().map(|(_, e)| e).filter(recent).map(|e| e.reserved.to_sat()).sum();
        prop_assert_eq!(reserved(&loaded, tip, blocks), sum);
        // No anchor twice among payments to others.
        let others = || ledger.entries().filter(|(_, entry)| !entry.own);
        let anchors: std::collections::BTreeSet<_> =
            others().map(|(_, entry)| entry.anchor).collect();
        prop_assert_eq!(anchors.len(), others().count());
    }
}
