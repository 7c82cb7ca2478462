//! A covenant member by itself: every rule, and what it remembers.

use std::sync::Arc;

use bitcoin::{
    Amount, PublicKey, Sequence, Transaction,
    consensus::{encode::serialize_hex, serialize},
    secp256k1::schnorr::Signature,
};
use futures::future::{BoxFuture, FutureExt, ready};
use tokio::sync::oneshot;
use trestle_actors::{
    covenant::{CovenantInput, HttpFault, HttpOrder},
    ports::{ChainError, SignError, SignUnbonding, SigningOrder, chain::Tip},
};
use trestle_wire::{
    Message,
    staking::{AskedUnbonding, UnbondingAnswer, UnbondingAsk, UnbondingRefusal},
};

use crate::{
    byzantine::ask_for,
    world::{COORDINATOR, Staked, World, full_key, keypair, peer, sign, x_only},
};

/// What member 101 answers.
async fn answers(world: &mut World, ask: UnbondingAsk) -> Vec<UnbondingAnswer> {
    let before = world.net.sent_to(peer(COORDINATOR)).len();
    world.member(101).ask(peer(COORDINATOR), ask.clone().into()).await;
    let mut sent = world.net.sent_to(peer(COORDINATOR)).split_off(before);
    assert_eq!(sent.len(), 1, "one answer to one message");
    let Message::UnbondingSigned(signed) = sent.remove(0) else { panic!("another message") };
    assert_eq!(signed.id, ask.id);
    signed.answers
}

async fn refusal(world: &mut World, asked: AskedUnbonding) -> Option<UnbondingRefusal> {
    let id = trestle_wire::SessionId([8; 16]);
    let ask = UnbondingAsk { id, unbondings: vec![asked] };
    match answers(world, ask).await.as_slice() {
        [UnbondingAnswer::Refused(why)] => Some(*why),
        [UnbondingAnswer::Signed(_)] => None,
        other => panic!("{other:?}"),
    }
}

fn asked(staked: &Staked) -> AskedUnbonding {
    ask_for(std::slice::from_ref(staked)).unbondings.remove(0)
}

fn with(staked: &Staked, change: impl Fn(&mut Transaction)) -> AskedUnbonding {
    let mut transaction = staked.unbonding().transaction().clone();
    change(&mut transaction);
    AskedUnbonding { transaction: serialize(&transaction), ..asked(staked) }
}

#[tokio::test]
async fn member__should_refuse_with_the_first_rule_that_is_broken() {
    // Given
    let mut world = World::new().await;
    let mut stakes = world.stake(2).await;
    let (staked, other) = (stakes.remove(0), stakes.remove(0));
    let good = asked(&staked);
    let odd = |key: [u8; 33]| {
        let mut other = key;
        other[0] ^= 1;
        other
    };
    let cases = [
        ("no transaction", AskedUnbonding { transaction: vec![1], ..good.clone() }, "form"),
        ("replaceable", with(&staked, |tx| tx.input[0].sequence = Sequence::ZERO), "form"),
        ("two outputs", with(&staked, |tx| tx.output.push(tx.output[0].clone())), "form"),
        ("no such stake", AskedUnbonding { staking: [7; 32], ..good.clone() }, "unknown_stake"),
        ("a stranger's key", AskedUnbonding { key: full_key(55), ..good.clone() }, "not_a_member"),
        (
            "the key's other parity",
            AskedUnbonding { key: odd(full_key(101)), ..good.clone() },
            "not_a_member",
        ),
        ("another member's key", AskedUnbonding { key: full_key(102), ..good.clone() }, "not_held"),
        (
            "another stake's output",
            with(&staked, |tx| tx.input[0].previous_output = other.stake.outpoint),
            "input",
        ),
        ("another output", with(&staked, |tx| tx.input[0].previous_output.vout = 1), "input"),
        ("a lower fee", with(&staked, |tx| tx.output[0].value += Amount::from_sat(1)), "output"),
        (
            "another script",
            with(&staked, |tx| {
                let secp = bitcoin::secp256k1::Secp256k1::new();
                tx.output[0].script_pubkey = bitcoin::ScriptBuf::new_p2tr(&secp, x_only(9), None);
            }),
            "output",
        ),
        (
            "nobody's signature",
            AskedUnbonding { staker: sign(&keypair(9), [1; 32]).serialize(), ..good.clone() },
            "staker_signature",
        ),
    ];
    // When, then
    for (name, asked, expected) in cases {
        let why = refusal(&mut world, asked).await.map(UnbondingRefusal::label);
        assert_eq!(why, Some(expected), "{name}");
    }
    // And what keeps all rules is signed.
    assert_eq!(refusal(&mut world, good).await, None);
    let metrics = &world.member(101).metrics;
    let counts = [&metrics.received, &metrics.succeeded, &metrics.failed];
    assert_eq!(counts.map(|count| count.get()), [13, 1, 12]);
}

#[tokio::test]
async fn good_and_bad_in_one_batch__should_be_answered_each_for_itself() {
    let mut world = World::new().await;
    let stakes = world.stake(3).await;
    let mut ask = ask_for(&stakes);
    ask.unbondings[1].staker = [0; 64];

    let answers = answers(&mut world, ask).await;

    let signed = |answer: &UnbondingAnswer| matches!(answer, UnbondingAnswer::Signed(_));
    assert_eq!(answers.iter().map(signed).collect::<Vec<_>>(), [true, false, true]);
    for (staked, answer) in stakes.iter().zip(&answers) {
        let UnbondingAnswer::Signed(signature) = answer else { continue };
        let signature = Signature::from_slice(signature).expect("a signature");
        assert!(staked.unbonding().verify_member(&x_only(101), &signature));
    }
}

#[tokio::test]
async fn batch__should_be_one_commit_before_the_answer_and_repeated_from_the_store() {
    // Given a batch that was signed
    let mut world = World::new().await;
    let stakes = world.stake(20).await;
    let before = world.member(101).store.commits();
    let first = answers(&mut world, ask_for(&stakes)).await;
    assert_eq!(world.member(101).store.commits(), before + 1);
    // When the same is asked again, in another order, by a member that lost its signer
    world.member(101).means.signer = Arc::new(Broken(SignError::Locked));
    let reversed: Vec<Staked> = stakes.iter().rev().cloned().collect();
    let second = answers(&mut world, ask_for(&reversed)).await;
    // Then
    assert_eq!(second, first.iter().rev().cloned().collect::<Vec<_>>());
    assert_eq!(world.member(101).store.commits(), before + 1);
    assert_eq!(world.member(101).metrics.resent.get(), 20);
}

#[tokio::test]
async fn signature_that_could_not_be_stored__should_not_leave() {
    for applied in [false, true] {
        // Given a member whose store fails
        let mut world = World::new().await;
        let stakes = world.stake(1).await;
        world.member(101).store.fail(0, applied);
        // When
        world.member(101).ask(peer(COORDINATOR), ask_for(&stakes).into()).await;
        // Then nothing was sent
        assert_eq!(world.net.sent_to(peer(COORDINATOR)), []);
        // And asked again, it signs.
        let answers = answers(&mut world, ask_for(&stakes)).await;
        assert!(matches!(answers.as_slice(), [UnbondingAnswer::Signed(_)]));
    }
}

#[tokio::test]
async fn same_unbonding_twice_in_one_batch__should_be_signed_once() {
    let mut world = World::new().await;
    let staked = world.stake(1).await.remove(0);

    let answers = answers(&mut world, ask_for(&[staked.clone(), staked])).await;

    assert!(matches!(
        answers.as_slice(),
        [UnbondingAnswer::Signed(_), UnbondingAnswer::Refused(UnbondingRefusal::Busy)]
    ));
}

#[tokio::test]
async fn stake_above_the_cap__should_be_signed() {
    // Given 100 stakes of 20,000 sat fill the cap of 2,000,000
    let mut world = World::new().await;
    let stakes = world.stake(101).await;
    let row =
        trestle_actors::staking::query::delegation(&world.coordinator.store, stakes[100].txid());
    let (_, row) = row.await.expect("the store is there").expect("indexed");
    assert!(row.delegation.stake().is_some_and(|stake| stake.overflow));

    let why = refusal(&mut world, asked(&stakes[100])).await;

    assert_eq!(why, None);
}

#[tokio::test]
async fn stake_above_the_last_height__should_be_refused() {
    let mut world = World::new().await;
    world.mine_empty(905).await;
    let staked = world.stake(1).await.remove(0);

    let why = refusal(&mut world, asked(&staked)).await;

    assert_eq!(why, Some(UnbondingRefusal::Retired));
}

#[tokio::test]
async fn stake_that_is_not_deep_enough__should_be_refused_until_it_is() {
    let mut world = World::new().await;
    let params = world.params.versions()[0].clone();
    let staked = Staked::new(world.chain.next(), 0, &params);
    world.mine(vec![staked.transaction.clone()]).await;

    let early = refusal(&mut world, asked(&staked)).await;
    world.mine_empty(1).await;

    assert_eq!(early, Some(UnbondingRefusal::UnknownStake));
    assert_eq!(refusal(&mut world, asked(&staked)).await, None);
}

#[tokio::test]
async fn member__should_sign_nothing_while_its_bitcoind_cannot_be_relied_on() {
    // Given
    let mut world = World::new().await;
    let staked = world.stake(1).await.remove(0);
    let (height, hash) = world.chain.tip();
    // When, then
    world.bitcoind_is(Err(ChainError::NotReady("its best block is old".into())));
    let cut_off = refusal(&mut world, asked(&staked)).await;
    assert_eq!(cut_off, Some(UnbondingRefusal::Chain));
    world.bitcoind_is(Ok(Tip { height: height + 7, hash }));
    let far_behind = refusal(&mut world, asked(&staked)).await;
    assert_eq!(far_behind, Some(UnbondingRefusal::Chain));
    // And then it is asked again.
    world.bitcoind_is(Ok(Tip { height, hash }));
    assert_eq!(refusal(&mut world, asked(&staked)).await, None);
}

/// A pipeline that is told "unknown" would give the request up.
#[tokio::test]
async fn stake_in_a_block_that_the_index_has_not_seen__should_be_asked_for_again() {
    let mut world = World::new().await;
    let (height, hash) = world.chain.tip();
    let unknown = asked(&Staked::new(150, 9, &world.params.versions()[0]));
    assert_eq!(refusal(&mut world, unknown.clone()).await, Some(UnbondingRefusal::UnknownStake));

    world.bitcoind_is(Ok(Tip { height: height + 1, hash }));

    assert_eq!(refusal(&mut world, unknown).await, Some(UnbondingRefusal::Chain));
}

#[tokio::test]
async fn signer_that_fails__should_be_told_with_its_reason() {
    let mut world = World::new().await;
    let staked = world.stake(1).await.remove(0);
    let key = PublicKey::from_slice(&full_key(101)).expect("a key");
    for (error, expected) in [
        (SignError::Locked, UnbondingRefusal::SignerUnavailable),
        (SignError::Unavailable("gone".into()), UnbondingRefusal::SignerUnavailable),
        (SignError::Malformed("odd".into()), UnbondingRefusal::SignerUnavailable),
        (SignError::NotHeld(key), UnbondingRefusal::NotHeld),
    ] {
        world.member(101).means.signer = Arc::new(Broken(error));

        assert_eq!(refusal(&mut world, asked(&staked)).await, Some(expected));
    }
}

#[tokio::test]
async fn signer_that_gives_a_wrong_signature__should_be_found_out() {
    let mut world = World::new().await;
    let staked = world.stake(1).await.remove(0);
    world.member(101).means.signer = Arc::new(Wrong);

    let why = refusal(&mut world, asked(&staked)).await;

    assert_eq!(why, Some(UnbondingRefusal::SignerUnavailable));
    assert_eq!(world.member(101).metrics.bad_signatures.get(), 1);
}

#[tokio::test]
async fn http__should_have_the_same_rules_and_the_codes_that_clients_know() {
    // Given
    let mut world = World::new().await;
    let staked = world.stake(1).await.remove(0);
    let script = |staked: &Staked| {
        let output = staked.stake.tx_out(&staked.params).expect("different keys");
        hex::encode(output.script_pubkey.as_bytes())
    };
    let transaction = serialize_hex(staked.unbonding().transaction());
    let signature = hex::encode(staked.form().signature.serialize());
    let key = hex::encode(full_key(101));
    // When, then
    let other = Staked::new(150, 9, &staked.params);
    let order = HttpOrder::parse(&script(&other), &transaction, &signature, &key);
    let answer = post(&mut world, order.expect("well formed")).await;
    assert_eq!(answer, Err(HttpFault::Refused(UnbondingRefusal::UnknownStake)));
    let order = HttpOrder::parse(&script(&staked), &transaction, &signature, &key);
    let answer = post(&mut world, order.expect("well formed")).await.expect("signed");
    let given = Signature::from_slice(&answer).expect("a signature");
    assert!(staked.unbonding().verify_member(&x_only(101), &given));
    // And fields are refused by name.
    let field = |script: &str, tx: &str, signature: &str, key: &str| match HttpOrder::parse(
        script, tx, signature, key,
    ) {
        Err(fault @ HttpFault::Field { field, .. }) => {
            assert_eq!((fault.status(), fault.code()), (400, "BAD_REQUEST"));
            field
        }
        other => panic!("{other:?}"),
    };
    let script = script(&staked);
    assert_eq!(field("0014", "", "", ""), "staking_output_pk_script_hex");
    assert_eq!(field(&script, "00", "", ""), "unbonding_tx_hex");
    assert_eq!(field(&script, &transaction, "00", ""), "staker_unbonding_sig_hex");
    assert_eq!(field(&script, &transaction, &signature, &key[2..]), "covenant_public_key");
    let fault = HttpFault::Refused(UnbondingRefusal::NotHeld);
    assert_eq!((fault.status(), fault.code()), (500, "INTERNAL_SERVICE_ERROR"));
    assert_eq!(fault.to_string(), "Wallet does not maintain covenant public key");
}

async fn post(world: &mut World, order: HttpOrder) -> Result<[u8; 64], HttpFault> {
    let (reply, answer) = oneshot::channel();
    world.member(101).handle(CovenantInput::Http(Box::new(order), reply)).await;
    answer.await.expect("answered").map_err(HttpFault::Refused)
}

/// Always fails in the same way.
struct Broken(SignError);

impl SignUnbonding for Broken {
    fn sign(&self, _order: SigningOrder) -> BoxFuture<'_, Result<Signature, SignError>> {
        ready(Err(self.0.clone())).boxed()
    }
}

/// Signs something else.
struct Wrong;

impl SignUnbonding for Wrong {
    fn sign(&self, _order: SigningOrder) -> BoxFuture<'_, Result<Signature, SignError>> {
        ready(Ok(sign(&keypair(101), [5; 32]))).boxed()
    }
}
