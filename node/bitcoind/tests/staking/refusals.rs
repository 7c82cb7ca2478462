//! Spends that bitcoind must refuse, and why it does: by policy of its mempool and by consensus.

use bitcoin::{
    Sequence, TapSighashType, Transaction,
    sighash::{Prevouts, SighashCache},
};
use rstest::rstest;
use trestle_staking::{
    Stake, VersionParams,
    script::Leaf,
    tx::{SlashPlan, Slashing, Spend, Unbonding, Withdrawable, Withdrawal},
};

use crate::{
    chain::{Chain, FEE, somewhere},
    committee::{NINE, ONE},
    fixture::{Committee, PROVIDER, STAKER, THREE, params, plan, sign},
};

/// The script left something else than one true value: NUMEQUAL saw another number of signatures.
const COUNT: &str = "finished with a false/empty top stack element";
/// A signature that is there and wrong ends the script, whatever the number of others.
const SIGNATURE: &str = "Invalid Schnorr signature";
const LEAF: &str = "Witness program hash mismatch";
const CHECK: &str = "OP_CHECKSIGVERIFY";
const ITEMS: &str = "Stack size must be exactly one after execution";
const LOCK: &str = "Locktime requirement not satisfied";

/// A spend through a committee's script, and whose signatures follow the committee's.
struct Case {
    spend: Spend,
    hash: [u8; 32],
    others: &'static [u8],
}

impl Case {
    fn new(spend: &Spend, others: &'static [u8]) -> Self {
        Self { spend: spend.clone(), hash: spend.sighashes()[0], others }
    }

    fn leaf(&self) -> &Leaf {
        &self.spend.spent()[0].leaf
    }

    /// With this stack of the committee, and the others' signatures.
    fn with(&self, committee: Vec<Vec<u8>>) -> Transaction {
        self.through(self.leaf(), committee, self.hash)
    }

    fn through(&self, leaf: &Leaf, mut stack: Vec<Vec<u8>>, hash: [u8; 32]) -> Transaction {
        stack.extend(self.others.iter().map(|other| sign(*other, hash).serialize().to_vec()));
        let mut transaction = self.spend.transaction().clone();
        transaction.input[0].witness = leaf.witness(stack);
        transaction
    }
}

/// Both sides refuse, for this reason.
async fn must_be_refused(chain: &Chain, transaction: &Transaction, reason: &str) {
    let policy = chain.refusal(transaction).await.unwrap_or_default();
    assert!(policy.contains(reason), "expected {reason}, the mempool says {policy:?}");
    let consensus = chain.invalidity(transaction).await.unwrap_or_default();
    assert!(consensus.contains(reason), "expected {reason}, of a block it says {consensus:?}");
}

async fn must_be_accepted(chain: &Chain, transaction: &Transaction) {
    assert_eq!(chain.refusal(transaction).await, None);
    assert_eq!(chain.invalidity(transaction).await, None);
}

/// The three ways in which a committee spends.
async fn must_make_cases(
    chain: &Chain,
    params: &VersionParams,
    committee: Committee,
) -> (Vec<Case>, Vec<Stake>) {
    let stakes = chain.must_stake(&[plan(1000), plan(1000)], params).await;
    let unbonded = chain.must_unbond(&stakes[1], params, committee).await;
    let slash = SlashPlan { to: somewhere(), slashed: FEE, fee: FEE, change_time: 4 };
    let unbonding = Unbonding::new(&stakes[0], params).expect("worth more than the fee");
    let of_stake = Slashing::of_stake(&stakes[0], params, &slash).expect("rich enough");
    let of_unbonding =
        Slashing::of_unbonding(&stakes[1], unbonded, params, &slash).expect("rich enough");
    let cases = vec![
        Case::new(unbonding.spend(), &[STAKER]),
        Case::new(of_stake.spend(), &[PROVIDER, STAKER]),
        Case::new(of_unbonding.spend(), &[PROVIDER, STAKER]),
    ];
    (cases, stakes)
}

#[rstest]
#[case::of_one(ONE)]
#[case::two_of_three(THREE)]
#[case::six_of_nine(NINE)]
#[tokio::test]
async fn bitcoind__should_count_the_committees_signatures(#[case] committee: Committee) {
    let chain = Chain::must_start().await;
    let params = params(committee);
    let (cases, _) = must_make_cases(&chain, &params, committee).await;
    let quorum = usize::try_from(committee.quorum).expect("a small number");
    let order = committee.descending();
    for case in &cases {
        let items = |signers| Committee::items(&order, signers, case.hash);

        must_be_accepted(&chain, &case.with(items(quorum))).await;
        must_be_refused(&chain, &case.with(items(quorum - 1)), COUNT).await;
        if committee.members.len() == 1 {
            // There is no place for a second signature: it is left over at the end.
            let two = [items(1), items(1)].concat();
            must_be_refused(&chain, &case.with(two), ITEMS).await;
        } else {
            must_be_refused(&chain, &case.with(items(quorum + 1)), COUNT).await;
        }
    }
}

#[rstest]
#[case::two_of_three(THREE)]
#[case::six_of_nine(NINE)]
#[tokio::test]
async fn bitcoind__should_refuse_members_in_ascending_order(#[case] committee: Committee) {
    let chain = Chain::must_start().await;
    let params = params(committee);
    let (cases, _) = must_make_cases(&chain, &params, committee).await;
    let quorum = usize::try_from(committee.quorum).expect("a small number");
    let mut ascending = committee.descending();
    ascending.reverse();
    for case in &cases {
        let items = Committee::items(&ascending, quorum, case.hash);

        must_be_refused(&chain, &case.with(items), SIGNATURE).await;
    }
}

#[tokio::test]
async fn bitcoind__should_refuse_another_leaf() {
    let chain = Chain::must_start().await;
    let params = params(THREE);
    let (cases, stakes) = must_make_cases(&chain, &params, THREE).await;
    let order = THREE.descending();
    let staking = stakes[0].output(&params).expect("keys differ");
    let unbonding = stakes[0].unbonding_output(&params).expect("keys differ");
    let case = &cases[0];
    let items = || Committee::items(&order, 2, case.hash);

    // The right script with the proof of another, and with the proof from another output.
    for proof in [staking.timelock(), staking.slashing(), unbonding.slashing()] {
        let leaf = Leaf { script: case.leaf().script.clone(), ..proof };
        must_be_refused(&chain, &case.through(&leaf, items(), case.hash), LEAF).await;
    }
    // Signatures that are good for one leaf, used with another of the same output.
    let for_slashing = cases[1].hash;
    let items = Committee::items(&order, 2, for_slashing);
    let replayed = case.through(case.leaf(), items, for_slashing);
    must_be_refused(&chain, &replayed, SIGNATURE).await;
}

#[tokio::test]
async fn bitcoind__should_refuse_a_slashing_without_provider_or_staker() {
    let chain = Chain::must_start().await;
    let params = params(THREE);
    let (cases, _) = must_make_cases(&chain, &params, THREE).await;
    for case in &cases[1..] {
        let signed = case.with(Committee::items(&THREE.descending(), 2, case.hash));
        must_be_accepted(&chain, &signed).await;
        let stack: Vec<Vec<u8>> = signed.input[0].witness.iter().map(<[u8]>::to_vec).collect();
        for missing in [3, 4] {
            let mut stack = stack.clone();
            stack[missing].clear();
            let mut spend = signed.clone();
            spend.input[0].witness = bitcoin::Witness::from_slice(&stack);

            must_be_refused(&chain, &spend, CHECK).await;
        }
    }
}

/// A shorter relative lock is final sooner, and the script refuses it: the staker cannot choose.
#[tokio::test]
async fn bitcoind__should_refuse_a_withdrawal_with_a_shorter_lock() {
    let chain = Chain::must_start().await;
    let params = params(THREE);
    let stake = chain.must_stake_one(plan(10), &params).await;
    let from = Withdrawable::stake(&stake, &params).expect("keys differ");
    let withdrawal = Withdrawal::with_fee(vec![from], somewhere(), FEE).expect("rich enough");
    let spend = withdrawal.spend();
    let shorter = |sequence| {
        let mut transaction = spend.transaction().clone();
        transaction.input[0].sequence = sequence;
        let leaf = &spend.spent()[0].leaf;
        let prevouts = spend.prevouts();
        let hash = SighashCache::new(&transaction).taproot_script_spend_signature_hash(
            0,
            &Prevouts::All(&prevouts),
            leaf.hash(),
            TapSighashType::Default,
        );
        let hash: [u8; 32] = *hash.expect("one input").as_ref();
        transaction.input[0].witness = leaf.witness([sign(STAKER, hash).serialize()]);
        transaction
    };
    chain.must_mine(8).await;

    must_be_refused(&chain, &shorter(Sequence::from_height(9)), LOCK).await;
    must_be_refused(&chain, &shorter(Sequence::MAX), LOCK).await;
    let early = chain.refusal(&shorter(Sequence::from_height(10))).await;
    assert_eq!(early.as_deref(), Some("non-BIP68-final"));
}
