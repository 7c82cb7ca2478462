//! All parts of this crate together: wallet, planner, three members, payment.

use bitcoin::{
    Block, BlockHash, CompactTarget, TxMerkleNode,
    block::{Header, Version as BlockVersion},
    consensus::deserialize,
};

use super::*;
use crate::{
    ledger::Ledger,
    policy::{Proposal, Rules, SeenCoin, View, judge},
    testing::must_verify,
    wallet::Wallet,
};

fn block_of(txdata: Vec<Transaction>) -> Block {
    let header = Header {
        version: BlockVersion::TWO,
        prev_blockhash: BlockHash::all_zeros(),
        merkle_root: TxMerkleNode::all_zeros(),
        time: 0,
        bits: CompactTarget::from_consensus(0),
        nonce: 0,
    };
    Block { header, txdata }
}

/// A member: what its own node says, its rules and its memory.
struct Member {
    view: View,
    rules: Rules,
    ledger: Ledger,
}

impl Member {
    fn new(wallet: &Wallet) -> Self {
        let seen = wallet.coins(1).into_iter().map(|coin| {
            let output = coin.output;
            (coin.outpoint, SeenCoin { output, confirmations: 1, coinbase: false })
        });
        let view = View { tip: wallet.height(), coins: seen.collect() };
        let rules = Rules::new([committee().script()].into());
        Self { view, rules, ledger: Ledger::default() }
    }

    /// The hashes it would sign, its memory stored first.
    fn agree(&mut self, effect: &Effect) -> Option<Vec<[u8; 32]>> {
        let Effect::Sign { proposal, .. } = effect else { return None };
        let proposal = Proposal::parse(proposal).expect("well formed");
        let approval = judge(&proposal, &self.view, &self.rules, &self.ledger).ok()?;
        self.ledger.record(approval.payment, approval.entry).expect("continues");
        Some(approval.sighashes)
    }
}

fn signatures(hashes: &[[u8; 32]]) -> Vec<[u8; 64]> {
    hashes.iter().map(|hash| committee().sign(*hash)).collect()
}

#[test]
fn payment__should_go_from_request_to_block_through_a_bump_and_a_reorg() {
    // given a committee with two coins in a block, and three members that see them
    let mut wallet = Wallet::load([committee().script()].into(), TIP - 1, []);
    let mut fund = first().transaction().clone();
    fund.output = coins().into_iter().map(|coin| coin.output).collect();
    wallet.connect(TIP, &block_of(vec![fund])).expect("in order");
    let mut members: Vec<Member> = (0..3).map(|_| Member::new(&wallet)).collect();
    let change = committee().script();

    // when a payment is planned, agreed to by all, and signed
    let payment = accepted();
    let coins = wallet.for_plan(1);
    let plan = plan(&coins, &recipients(), &change, vb(2), TIP, &limits()).expect("a plan");
    let (payment, effects) = must_apply(&payment, Event::Planned(plan.clone()));
    let bound = payment.bound().expect("bound");
    wallet.reserve(payment.id(), bound.inputs()).expect("free");
    wallet.promise(payment.id(), plan.change().map(|(at, output)| (at, output.clone())));
    let agreed: Vec<_> = members.iter_mut().map(|member| member.agree(&effects[0])).collect();
    assert_eq!(agreed, vec![Some(plan.sighashes()); 3]);
    let signed = plan.finish(&signatures(&plan.sighashes())).expect("verifies");
    must_verify(&signed, &plan.spent());
    let (payment, _) = must_apply(&payment, Event::VersionSigned { transaction: signed.clone() });
    assert!(wallet.for_plan(1).iter().all(|coin| !coin.confirmed), "all coins are reserved");

    // and bumped, with the members' consent
    let (payment, _) = must_apply(&payment, Event::BumpRequested { rate: vb(9) });
    let second = bumped(&payment, vb(9));
    let (payment, effects) = must_apply(&payment, Event::Planned(second.clone()));
    assert!(members.iter_mut().all(|member| member.agree(&effects[0]).is_some()));
    let hashes = second.sighashes();
    let transaction = second.finish(&signatures(&hashes)).expect("verifies");
    let (payment, effects) = must_apply(&payment, Event::VersionSigned { transaction });
    assert_eq!(broadcasts(&effects), [second.txid()]);

    // and the first version confirms all the same
    let changes = wallet.connect(TIP + 1, &block_of(vec![signed.clone()])).expect("in order");
    let events: Vec<Event> = changes
        .spends
        .iter()
        .inspect(|spend| assert_eq!(spend.reserved_by, Some(payment.id())))
        .filter_map(|spend| payment.spent(spend.outpoint, spend.txid, spend.height, block(1)))
        .collect();
    assert_eq!(events.len(), 1, "told once, by the anchor");
    let confirmed = after(&payment, events);
    assert!(matches!(confirmed.state(), State::Confirmed { txid, .. } if **txid == plan.txid()));
    assert_eq!(wallet.coins(1).len(), 1, "the change");

    // then a reorg brings everything back, and both versions are sent again
    wallet.disconnect(TIP + 1).expect("the last");
    let (back, effects) = must_apply(&confirmed, Event::BlockDisconnected { height: TIP + 1 });
    assert_eq!(broadcasts(&effects), [second.txid(), plan.txid()]);
    assert!(matches!(back.state(), State::Broadcast { .. }));
    assert_eq!(wallet.balance(1).reserved.to_sat(), 1_000_000);

    // and no member agrees to pay the same again from elsewhere
    let mut elsewhere = effects_of_other_coins(&payment);
    let member = &mut members[0];
    let spare = coin(9, 900_000);
    let output = spare.output;
    member
        .view
        .coins
        .insert(spare.outpoint, SeenCoin { output, confirmations: 9, coinbase: false });
    assert_eq!(member.agree(&elsewhere.remove(0)), None);
}

/// What a coordinator that forgot its payment would show members.
fn effects_of_other_coins(payment: &Payment) -> Vec<Effect> {
    let (coins, change) = ([coin(9, 900_000)], committee().script());
    let plan = plan(&coins, &recipients(), &change, vb(2), TIP, &limits()).expect("a plan");
    let proposal = plan.proposal(payment.id());
    let shown: Transaction = deserialize(&proposal.transaction).expect("a transaction");
    assert_eq!(shown.compute_txid(), plan.txid());
    vec![Effect::Sign { version: 0, proposal }]
}
