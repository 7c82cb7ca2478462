#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use std::collections::BTreeSet;

use bitcoin::{
    Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxOut, Weight, Witness,
    absolute::LockTime,
    consensus::{deserialize, serialize},
    transaction::Version,
};
use proptest::prelude::*;
use rstest::rstest;
use trestle_wire::committee::payment::{OutPoint as WireOutPoint, PaymentProposal, Recipient};

use super::*;
use crate::{
    ledger::Conflict,
    plan::{BumpRequest, Coin, Plan, bump, plan},
    testing::{Key, coin, committee, limits, must_verify, outpoint, recipient, vb, verify},
};

const TIP: u32 = 1_000;

/// A coordinator's proposal and a member's knowledge, all honest until something is altered.
struct Case {
    wire: PaymentProposal,
    view: View,
    rules: Rules,
    ledger: Ledger,
}

fn first(coins: &[Coin], recipients: &[TxOut]) -> Plan {
    plan(coins, recipients, &committee().script(), vb(3), TIP, &limits()).expect("a plan")
}

fn seen(coin: &Coin) -> (OutPoint, SeenCoin) {
    let output = coin.output.clone();
    (coin.outpoint, SeenCoin { output, confirmations: 6, coinbase: false })
}

impl Case {
    fn new() -> Self {
        let coins = [coin(1, 400_000), coin(2, 300_000)];
        Self::of(1, &coins, &[recipient(1, 450_000), recipient(2, 100_000)])
    }

    fn of(id: u8, coins: &[Coin], recipients: &[TxOut]) -> Self {
        let plan = first(coins, recipients);
        let view = View { tip: TIP, coins: coins.iter().map(seen).collect() };
        let rules = Rules::new(BTreeSet::from([committee().script()]));
        let ledger = Ledger::default();
        Self { wire: plan.proposal(Hash32([id; 32])), view, rules, ledger }
    }

    fn judge(&self) -> Result<Approval, Refused> {
        let proposal = Proposal::parse(&self.wire).expect("well formed");
        judge(&proposal, &self.view, &self.rules, &self.ledger)
    }

    fn transaction(&self) -> Transaction {
        deserialize(&self.wire.transaction).expect("a transaction")
    }

    fn alter(&mut self, change: impl FnOnce(&mut Transaction)) {
        let mut transaction = self.transaction();
        change(&mut transaction);
        self.wire.transaction = serialize(&transaction);
    }

    fn agree(&mut self) -> Approval {
        let approval = self.judge().expect("approved");
        self.ledger.record(approval.payment, approval.entry.clone()).expect("continues");
        approval
    }
}

fn signed(transaction: &Transaction, approval: &Approval) -> Transaction {
    let mut signed = transaction.clone();
    for (input, hash) in signed.input.iter_mut().zip(&approval.sighashes) {
        input.witness = Witness::from_slice(&[committee().sign(*hash)]);
    }
    signed
}

#[test]
fn member__should_approve_an_honest_payment_with_hashes_that_consensus_accepts() {
    let case = Case::new();
    let approval = case.judge().expect("approved");
    let signed = signed(&case.transaction(), &approval);
    must_verify(&signed, &approval.spent);
    assert_eq!(approval.txid, signed.compute_txid());
    assert_eq!(approval.outflow, Amount::from_sat(550_000) + approval.fee);
    assert_eq!(*approval.entry.reserved, approval.outflow);
    assert!(approval.changed);
}

#[test]
fn member__should_give_useless_signatures_if_its_own_view_of_an_amount_differs() {
    // given a member whose node knows another amount than the chain has
    let mut case = Case::new();
    let truth: Vec<TxOut> = case.judge().expect("approved").spent;
    let lied = case.view.coins.get_mut(&outpoint(2)).expect("an input");
    lied.output.value += Amount::from_sat(1);
    let approval = case.judge().expect("approved");
    let signed = signed(&case.transaction(), &approval);
    assert!(verify(&signed, &truth).is_err());
}

#[test]
fn member__should_give_signatures_that_do_not_fit_another_output() {
    let case = Case::new();
    let approval = case.judge().expect("approved");
    let mut signed = signed(&case.transaction(), &approval);
    signed.output[0].value -= Amount::from_sat(1);
    assert!(verify(&signed, &approval.spent).is_err());
}

type Alter = fn(&mut Case);
type Expect = fn(&Refused) -> bool;

#[rstest]
#[case::version(|c: &mut Case| c.alter(|t| t.version = Version::ONE), |r: &Refused| matches!(r, Refused::Version { got: 1 }))]
#[case::locktime_ahead(
    |c: &mut Case| c.alter(|t| t.lock_time = LockTime::from_consensus(TIP + 1)),
    |r: &Refused| matches!(r, Refused::Locktime { got: 1_001, tip: TIP })
)]
#[case::locktime_in_seconds(
    |c: &mut Case| c.alter(|t| t.lock_time = LockTime::from_consensus(500_000_000)),
    |r: &Refused| matches!(r, Refused::Locktime { .. })
)]
#[case::sequence(
    |c: &mut Case| c.alter(|t| t.input[1].sequence = Sequence::MAX),
    |r: &Refused| matches!(r, Refused::Sequence { index: 1, .. })
)]
#[case::relative_lock(
    |c: &mut Case| c.alter(|t| t.input[0].sequence = Sequence::from_height(6)),
    |r: &Refused| matches!(r, Refused::Sequence { index: 0, got: 6 })
)]
#[case::weight(|c: &mut Case| c.rules.max_weight = Weight::from_wu(500), |r: &Refused| matches!(r, Refused::TooHeavy { .. }))]
#[case::recipient_paid_less(
    |c: &mut Case| c.alter(|t| t.output[1].value -= Amount::from_sat(1)),
    |r: &Refused| matches!(r, Refused::RecipientNotPaid { index: 1 })
)]
#[case::recipient_paid_elsewhere(
    |c: &mut Case| c.alter(|t| t.output[0].script_pubkey = Key::number(66).script()),
    |r: &Refused| matches!(r, Refused::RecipientNotPaid { index: 0 })
)]
#[case::recipients_swapped(
    |c: &mut Case| c.alter(|t| t.output.swap(0, 1)),
    |r: &Refused| matches!(r, Refused::RecipientNotPaid { index: 0 })
)]
#[case::recipient_left_out(
    |c: &mut Case| c.alter(|t| drop(t.output.remove(1))),
    |r: &Refused| matches!(r, Refused::RecipientNotPaid { index: 1 })
)]
#[case::recipient_paid_twice(
    |c: &mut Case| c.alter(|t| t.output.insert(1, t.output[0].clone())),
    |r: &Refused| matches!(r, Refused::RecipientNotPaid { index: 1 })
)]
#[case::recipient_not_listed(
    |c: &mut Case| c.rules.recipients = Recipients::Only(BTreeSet::from([recipient(1, 0).script_pubkey])),
    |r: &Refused| matches!(r, Refused::RecipientNotAllowed { index: 1, .. })
)]
#[case::recipient_with_a_huge_script(
    |c: &mut Case| {
        let script = ScriptBuf::from_bytes(vec![0x51; 9_000]);
        c.wire.recipients[0].script = script.to_bytes();
        c.alter(|t| t.output[0].script_pubkey = script);
        c.rules.recipients = Recipients::Only(BTreeSet::new());
    },
    |r: &Refused| matches!(r, Refused::RecipientNotAllowed { index: 0, .. })
)]
#[case::theft_as_change(
    |c: &mut Case| c.alter(|t| t.output[2].script_pubkey = Key::number(66).script()),
    |r: &Refused| matches!(r, Refused::ChangeNotOurs { .. })
)]
#[case::theft_beside_change(
    |c: &mut Case| c.alter(|t| t.output.push(recipient(9, 1_000))),
    |r: &Refused| matches!(r, Refused::TooManyOutputs { got: 4, most: 3 })
)]
#[case::two_changes(
    |c: &mut Case| c.alter(|t| t.output.push(TxOut { script_pubkey: committee().script(), ..recipient(9, 1_000) })),
    |r: &Refused| matches!(r, Refused::TooManyOutputs { .. })
)]
#[case::dust_change(
    |c: &mut Case| c.alter(|t| t.output[2].value = Amount::from_sat(329)),
    |r: &Refused| matches!(r, Refused::Dust { index: 2, .. })
)]
#[case::fee_hidden_in_change(
    |c: &mut Case| c.alter(|t| t.output[2].value -= Amount::from_sat(110_000)),
    |r: &Refused| matches!(r, Refused::FeeTooHigh { .. })
)]
#[case::fee_for_lack_of_change(
    |c: &mut Case| c.alter(|t| drop(t.output.pop())),
    |r: &Refused| matches!(r, Refused::FeeTooHigh { .. })
)]
#[case::rate(|c: &mut Case| c.rules.max_fee_rate = vb(2), |r: &Refused| matches!(r, Refused::RateTooHigh { .. }))]
#[case::payment(
    |c: &mut Case| c.rules.max_payment = Amount::from_sat(550_000),
    |r: &Refused| matches!(r, Refused::PaymentTooHigh { .. })
)]
#[case::window(
    |c: &mut Case| c.rules.window.amount = Amount::from_sat(550_000),
    |r: &Refused| matches!(r, Refused::WindowFull { used: Amount::ZERO, .. })
)]
#[case::coin_unknown_to_the_own_node(
    |c: &mut Case| drop(c.view.coins.remove(&outpoint(2))),
    |r: &Refused| matches!(r, Refused::UnknownCoin { index: 1, .. })
)]
#[case::coin_of_somebody_else(
    |c: &mut Case| c.view.coins.get_mut(&outpoint(2)).expect("there").output.script_pubkey = Key::number(8).script(),
    |r: &Refused| matches!(r, Refused::InputNotOurs { index: 1, .. })
)]
#[case::amount_lied_about(
    |c: &mut Case| c.view.coins.get_mut(&outpoint(2)).expect("there").output.value = Amount::from_sat(100_000),
    |r: &Refused| matches!(r, Refused::SpendsMoreThanItHas { .. })
)]
#[case::too_fresh(
    |c: &mut Case| c.rules.min_confirmations = 7,
    |r: &Refused| matches!(r, Refused::TooFresh { index: 0, got: 6, needed: 7, .. })
)]
#[case::immature_coinbase(
    |c: &mut Case| {
        let coin = c.view.coins.get_mut(&outpoint(2)).expect("there");
        (coin.coinbase, coin.confirmations) = (true, 99);
    },
    |r: &Refused| matches!(r, Refused::TooFresh { index: 1, got: 99, needed: 100, .. })
)]
fn member__should_refuse(#[case] alter: Alter, #[case] expected: Expect) {
    let mut case = Case::new();
    assert!(case.judge().is_ok(), "honest before");
    alter(&mut case);
    let refused = case.judge().expect_err("must be refused");
    assert!(expected(&refused), "{refused:?}");
    assert!(!refused.to_string().is_empty());
    assert!(refused.to_string().len() <= 400, "fits the wire: {refused}");
}

#[rstest]
#[case::nonsense(|w: &mut PaymentProposal| w.transaction = vec![1, 2, 3])]
#[case::trailing_bytes(|w: &mut PaymentProposal| w.transaction.push(0))]
#[case::no_recipients(|w: &mut PaymentProposal| w.recipients.clear())]
#[case::other_anchor(|w: &mut PaymentProposal| w.anchor = WireOutPoint { txid: [9; 32], vout: 0 })]
#[case::absurd_amount(|w: &mut PaymentProposal| w.recipients[0].sats = u64::MAX)]
fn proposal__should_be_refused_when_malformed(#[case] alter: fn(&mut PaymentProposal)) {
    let mut case = Case::new();
    alter(&mut case.wire);
    assert!(Proposal::parse(&case.wire).is_err());
}

type Tamper = fn(&mut Transaction);

#[rstest]
#[case::signed(|t: &mut Transaction| t.input[1].witness = Witness::from_slice(&[[1; 64]]))]
#[case::script(|t: &mut Transaction| t.input[1].script_sig = ScriptBuf::from_bytes(vec![0x51]))]
#[case::spent_twice(|t: &mut Transaction| t.input[1].previous_output = t.input[0].previous_output)]
#[case::no_inputs(|t: &mut Transaction| t.input.clear())]
#[case::anchor_second(|t: &mut Transaction| t.input.swap(0, 1))]
#[case::absurd_output(|t: &mut Transaction| t.output[2].value = Amount::MAX)]
fn proposal__should_be_refused_with_such_a_transaction(#[case] tamper: Tamper) {
    let mut case = Case::new();
    case.alter(tamper);
    assert!(Proposal::parse(&case.wire).is_err());
}

#[test]
fn listed_recipients__should_be_paid_and_the_committee_itself_too() {
    let ours = TxOut { value: Amount::from_sat(50_000), script_pubkey: committee().script() };
    let mut case = Case::of(1, &[coin(1, 400_000)], &[recipient(1, 100_000), ours]);
    case.rules.recipients = Recipients::Only(BTreeSet::from([recipient(1, 0).script_pubkey]));
    let approval = case.judge().expect("approved");
    assert_eq!(approval.outflow, Amount::from_sat(150_000) + approval.fee);
}

#[test]
fn coordinator__should_not_move_a_payment_to_other_coins() {
    let mut case = Case::new();
    case.agree();
    // when the same payment is planned again on a coin that does not conflict
    let again = first(&[coin(3, 900_000)], &[recipient(1, 450_000), recipient(2, 100_000)]);
    case.wire = again.proposal(case.wire.payment);
    case.view.coins.extend([seen(&coin(3, 900_000))]);
    assert!(matches!(case.judge(), Err(Refused::Conflict(Conflict::OtherAnchor { .. }))));
}

#[test]
fn coordinator__should_not_change_whom_a_payment_pays() {
    let mut case = Case::new();
    case.agree();
    let again = first(&[coin(1, 400_000), coin(2, 300_000)], &[recipient(3, 550_000)]);
    assert_eq!(again.anchor(), outpoint(1));
    case.wire = again.proposal(case.wire.payment);
    assert!(matches!(case.judge(), Err(Refused::Conflict(Conflict::OtherRecipients { .. }))));
}

#[test]
fn coordinator__should_not_use_a_payments_anchor_for_another() {
    let mut case = Case::new();
    let id = case.wire.payment;
    case.agree();
    // as its anchor
    case.wire.payment = Hash32([2; 32]);
    let refused = case.judge();
    assert!(matches!(refused, Err(Refused::OthersAnchor { index: 0, by, .. }) if by == id));
    // or as another input
    let beside = first(&[coin(3, 500_000), coin(1, 400_000)], &[recipient(1, 800_000)]);
    assert_eq!(beside.anchor(), outpoint(3));
    case.wire = beside.proposal(Hash32([2; 32]));
    case.view.coins.extend([seen(&coin(3, 500_000))]);
    let refused = case.judge();
    assert!(matches!(refused, Err(Refused::OthersAnchor { index: 1, by, .. }) if by == id));
}

/// The committee's own output.
fn own(sats: u64) -> TxOut {
    TxOut { value: Amount::from_sat(sats), script_pubkey: committee().script() }
}

#[test]
fn coin_bound_to_a_payment__should_be_had_back_by_one_to_the_committee_itself() {
    let mut case = Case::new();
    let bound = case.agree();
    // given a limit that the coin itself exceeds, and a window with room for the fee alone
    case.rules.max_payment = Amount::from_sat(2_000);
    case.rules.window.amount = bound.outflow + Amount::from_sat(2_000);
    let back = first(&[coin(1, 400_000)], &[own(200_000)]);
    case.wire = back.proposal(Hash32([2; 32]));
    // when it is agreed to, also beside what another payment is bound to
    let approval = case.agree();
    assert_eq!(approval.outflow, approval.fee);
    must_verify(&signed(&case.transaction(), &approval), &approval.spent);
    let both = first(&[coin(3, 500_000), coin(1, 400_000)], &[own(800_000)]);
    case.wire = both.proposal(Hash32([3; 32]));
    case.view.coins.extend([seen(&coin(3, 500_000))]);
    case.agree();
    // then the payment it belonged to can still be made, and no other one
    let again = Case::new();
    (case.wire, case.rules) = (again.wire, again.rules);
    assert_eq!(case.judge().map(|approval| approval.txid), Ok(bound.txid));
    case.wire.payment = Hash32([4; 32]);
    assert!(matches!(case.judge(), Err(Refused::OthersAnchor { index: 0, .. })));
}

#[test]
fn coordinator__should_not_take_a_bound_coin_by_paying_the_committee_among_others() {
    for recipients in [
        vec![own(100_000), recipient(1, 100_000)],
        vec![recipient(1, 100_000), own(100_000)],
        vec![recipient(1, 100_000)],
    ] {
        let mut case = Case::new();
        case.agree();
        let taken = first(&[coin(1, 400_000)], &recipients);
        case.wire = taken.proposal(Hash32([2; 32]));
        case.rules.max_payment = Amount::from_sat(1_000_000);
        let refused = case.judge();
        assert!(matches!(refused, Err(Refused::OthersAnchor { index: 0, .. })), "{refused:?}");
    }
    // nor by hiding a stranger's output in the place of the change
    let mut case = Case::new();
    case.agree();
    let back = first(&[coin(1, 400_000)], &[own(200_000)]);
    case.wire = back.proposal(Hash32([2; 32]));
    case.alter(|t| t.output[1].script_pubkey = Key::number(66).script());
    assert!(matches!(case.judge(), Err(Refused::ChangeNotOurs { .. })));
}

fn bumped(case: &Case, rate: u32) -> PaymentProposal {
    let coins = [coin(1, 400_000), coin(2, 300_000)];
    let previous = [first(&coins, &[recipient(1, 450_000), recipient(2, 100_000)])];
    let next = bump(&BumpRequest {
        previous: &previous,
        gone: &BTreeSet::new(),
        extra: &[],
        change_script: &committee().script(),
        rate: vb(rate),
        height: TIP,
        limits: &limits(),
    });
    next.expect("a version").proposal(case.wire.payment)
}

#[test]
fn bump__should_be_approved_and_reserve_only_the_dearer_version() {
    let mut case = Case::new();
    let before = case.agree();
    case.wire = bumped(&case, 30);
    let after = case.agree();
    assert!(after.outflow > before.outflow);
    assert_eq!(case.ledger.window_without(&Hash32([9; 32]), TIP, 144), after.outflow);
    assert_eq!(after.entry.versions.len(), 2);
}

#[test]
fn agreed_version__should_be_signed_again_however_full_the_window_is() {
    let mut case = Case::new();
    case.agree();
    case.rules.window.amount = Amount::ZERO;
    let again = case.judge().expect("approved before");
    assert!(!again.changed);
    // but a dearer one needs room
    case.wire = bumped(&case, 30);
    assert!(matches!(case.judge(), Err(Refused::WindowFull { .. })));
}

#[test]
fn window__should_count_other_payments_and_open_again() {
    let mut case = Case::new();
    let spent = case.agree().outflow;
    let other = Case::of(2, &[coin(5, 900_000)], &[recipient(1, 500_000)]);
    (case.wire, case.view) = (other.wire, other.view);
    case.rules.window = Window { blocks: 10, amount: Amount::from_sat(1_000_000) };
    let refused = case.judge();
    assert!(matches!(refused, Err(Refused::WindowFull { used, .. }) if used == spent));
    case.view.tip = TIP + 9;
    assert!(case.judge().is_err());
    case.view.tip = TIP + 10;
    assert!(case.judge().is_ok());
}

/// A second payment that spends the first one's unconfirmed change beside its own anchor.
fn on_change(case: &Case, anchor: Coin) -> (PaymentProposal, View) {
    let transaction = case.transaction();
    let outpoint = OutPoint { txid: transaction.compute_txid(), vout: 2 };
    let change = Coin { outpoint, output: transaction.output[2].clone(), confirmed: false };
    let paid = anchor.output.value.to_sat() + 20_000;
    let plan = first(&[anchor.clone(), change], &[recipient(4, paid)]);
    assert!(plan.spends(&outpoint));
    let view = View { tip: TIP, coins: [seen(&anchor)].into() };
    (plan.proposal(Hash32([2; 32])), view)
}

#[test]
fn own_change__should_be_spendable_unconfirmed_but_only_after_agreeing_to_it() {
    let mut case = Case::new();
    let (wire, view) = on_change(&case, coin(3, 200_000));
    let first = std::mem::replace(&mut case.wire, wire);
    let first_view = std::mem::replace(&mut case.view, view);
    assert!(matches!(case.judge(), Err(Refused::UnknownCoin { index: 1, .. })));
    let (second, second_view) = (case.wire.clone(), case.view.clone());
    (case.wire, case.view) = (first, first_view);
    case.agree();
    (case.wire, case.view) = (second, second_view);
    assert!(case.judge().is_ok());
}

#[test]
fn anchor__should_be_confirmed() {
    let mut case = Case::new();
    case.agree();
    let transaction = case.transaction();
    let change = OutPoint { txid: transaction.compute_txid(), vout: 2 };
    let coin = Coin { outpoint: change, output: transaction.output[2].clone(), confirmed: true };
    let plan = first(&[coin], &[recipient(4, 20_000)]);
    case.wire = plan.proposal(Hash32([2; 32]));
    assert!(matches!(case.judge(), Err(Refused::AnchorUnconfirmed { .. })));
}

#[test]
fn version__should_not_spend_change_of_its_own_payment() {
    let mut case = Case::new();
    case.agree();
    let change = OutPoint { txid: case.transaction().compute_txid(), vout: 2 };
    case.alter(|t| t.input[1].previous_output = change);
    assert!(matches!(case.judge(), Err(Refused::OwnVersion { index: 1, .. })));
}

proptest! {
    /// Whatever a coordinator sends, a member never panics, and never lets more out than it thinks.
    #[test]
    fn member__should_never_lose_more_than_the_outflow_it_reserved(
        outputs in prop::collection::vec((0_u8..4, 0_u64..800_000), 0..5),
        recipients in prop::collection::vec((0_u8..4, 0_u64..800_000), 0..4),
        inputs in prop::collection::vec(0_u32..5, 1..4),
    ) {
        let script = |n: u8| if n == 0 { committee().script() } else { Key::number(n).script() };
        let output = |(n, sats): &(u8, u64)| {
            TxOut { value: Amount::from_sat(*sats), script_pubkey: script(*n) }
        };
        let mut case = Case::new();
        case.rules.max_fee = Amount::from_sat(1_000_000);
        case.rules.max_fee_rate = vb(100_000);
        case.alter(|t| {
            t.output = outputs.iter().map(output).collect();
            let template = t.input[0].clone();
            t.input = inputs.iter().map(|n| {
                let mut input = template.clone();
                input.previous_output = outpoint(*n);
                input
            }).collect();
        });
        let anchor = outpoint(inputs[0]);
        case.wire.anchor = WireOutPoint {
            txid: *bitcoin::hashes::Hash::as_byte_array(&anchor.txid), vout: anchor.vout,
        };
        case.wire.recipients = recipients.iter().map(|r| Recipient {
            script: output(r).script_pubkey.to_bytes(), sats: r.1,
        }).collect();
        let Ok(proposal) = Proposal::parse(&case.wire) else { return Ok(()) };
        if let Ok(approval) = judge(&proposal, &case.view, &case.rules, &case.ledger) {
            let into: u64 = approval.spent.iter().map(|o| o.value.to_sat()).sum();
            let back: u64 = proposal.transaction().output.iter()
                .filter(|o| o.script_pubkey == committee().script())
                .map(|o| o.value.to_sat()).sum();
            prop_assert!(into - back <= approval.outflow.to_sat());
            prop_assert!(approval.outflow <= case.rules.max_payment);
        }
    }
}
