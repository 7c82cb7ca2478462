//! `POST /v1/unbonding`: what is accepted, and how it is refused.

use bitcoin::{Amount, Sequence, Txid, absolute::LockTime, hashes::Hash};
use trestle_actors::staking::pipeline::{RequestError, UnbondingForm};
use trestle_staking::{delegation::StateName, tx::RequestFault};

use crate::world::{Staked, World, sign, x_only};

fn parse(staking: &str, unbonding: &str, tx: &str, signature: &str) -> Option<&'static str> {
    match UnbondingForm::parse(staking, unbonding, tx, signature) {
        Err(error @ RequestError::Field { field, .. }) => {
            assert_eq!((error.status(), error.code()), (400, "BAD_REQUEST"));
            Some(field)
        }
        other => {
            assert!(other.is_ok(), "{other:?}");
            None
        }
    }
}

#[tokio::test]
async fn fields__should_be_refused_by_name_in_their_order() {
    let mut world = World::new().await;
    let form = world.stake(1).await.remove(0).form();
    let (staking, unbonding) = (form.staking.to_string(), form.unbonding.to_string());
    let tx = bitcoin::consensus::encode::serialize_hex(&form.transaction);
    let signature = hex::encode(form.signature.serialize());

    assert_eq!(parse(&staking, &unbonding, &tx, &signature), None);
    assert_eq!(parse("", "", "", ""), Some("staking_tx_hash_hex"));
    assert_eq!(parse(&staking[2..], "", "", ""), Some("staking_tx_hash_hex"));
    assert_eq!(parse(&staking, "zz", "", ""), Some("unbonding_tx_hash_hex"));
    assert_eq!(parse(&staking, &unbonding, "", ""), Some("unbonding_tx_hex"));
    assert_eq!(parse(&staking, &unbonding, &format!("{tx}00"), ""), Some("unbonding_tx_hex"));
    assert_eq!(
        parse(&staking, &unbonding, &tx, &signature[2..]),
        Some("staker_signed_signature_hex")
    );
}

#[tokio::test]
async fn faults__should_be_refused_with_the_status_and_code_that_clients_know() {
    let mut world = World::new().await;
    let mut stakes = world.stake(2).await;
    let (staked, other) = (stakes.remove(0), stakes.remove(0));
    let unknown = Txid::from_byte_array([7; 32]);
    let changed = |change: &dyn Fn(&mut UnbondingForm)| {
        let mut form = staked.form();
        change(&mut form);
        form
    };
    // The id is that of the changed transaction, so that later checks are reached.
    let transaction = |change: &dyn Fn(&mut bitcoin::Transaction)| {
        changed(&|form| {
            change(&mut form.transaction);
            form.unbonding = form.transaction.compute_txid();
        })
    };
    let invalid = [
        ("version", transaction(&|tx| tx.version = bitcoin::transaction::Version::ONE)),
        ("lock", transaction(&|tx| tx.lock_time = LockTime::from_consensus(1))),
        ("sequence", transaction(&|tx| tx.input[0].sequence = Sequence::ZERO)),
        ("outputs", transaction(&|tx| tx.output.push(tx.output[0].clone()))),
        ("id", changed(&|form| form.unbonding = unknown)),
        ("input", transaction(&|tx| tx.input[0].previous_output = other.stake.outpoint)),
        ("index", transaction(&|tx| tx.input[0].previous_output.vout = 1)),
        ("fee", transaction(&|tx| tx.output[0].value += Amount::from_sat(1))),
        (
            "script",
            transaction(&|tx| {
                let secp = bitcoin::secp256k1::Secp256k1::new();
                tx.output[0].script_pubkey = bitcoin::ScriptBuf::new_p2tr(&secp, x_only(9), None);
            }),
        ),
        ("signer", changed(&|form| form.signature = other.form().signature)),
    ];
    for (name, form) in invalid {
        let error = world.request(form).await.expect_err(name);
        assert_eq!((error.status(), error.code()), (403, "VALIDATION_ERROR"), "{name}");
    }
    let error = world.request(changed(&|form| form.staking = unknown)).await;
    let error = error.expect_err("not found");
    assert_eq!((error.status(), error.code()), (403, "NOT_FOUND"));
    assert_eq!(error.to_string(), "delegation not found");
    // And nothing of it was stored.
    assert!(world.coordinator.pipeline.open().is_empty());
    let state = world.coordinator.state(staked.txid()).await;
    assert_eq!(state, Some(StateName::Active));
}

#[tokio::test]
async fn wrong_fee__should_be_told_before_the_signature() {
    let mut world = World::new().await;
    let staked = world.stake(1).await.remove(0);
    let mut form = staked.form();
    form.transaction.output[0].value = Amount::from_sat(1);
    form.unbonding = form.transaction.compute_txid();
    form.signature = sign(&staked.staker, [0; 32]);

    let answer = world.request(form).await;

    let fault = RequestFault::Value { expected: 19_500, got: 1 };
    assert_eq!(answer, Err(RequestError::Invalid(fault)));
}

#[tokio::test]
async fn second_request__should_be_forbidden() {
    let mut world = World::new().await;
    let staked = world.stake(1).await.remove(0);
    assert_eq!(world.request(staked.form()).await, Ok(()));

    let error = world.request(staked.form()).await.expect_err("requested before");

    assert_eq!(error, RequestError::NotActive(StateName::UnbondingRequested));
    assert_eq!((error.status(), error.code()), (403, "FORBIDDEN"));
    assert!(error.to_string().starts_with("delegation state is not active"));
}

#[tokio::test]
async fn stake_that_is_not_deep_enough__should_not_be_found() {
    let mut world = World::new().await;
    let params = world.params.versions()[0].clone();
    let staked = Staked::new(world.chain.next(), 0, &params);
    world.mine(vec![staked.transaction.clone()]).await;

    assert_eq!(world.request(staked.form()).await, Err(RequestError::NotFound));
}

#[tokio::test]
async fn withdrawn_stake__should_be_forbidden() {
    // Given a stake that its staker has taken back
    let mut world = World::new().await;
    let params = world.params.versions()[0].clone();
    let staked = Staked::with(world.chain.next(), 0, 20_000, 10, &params);
    world.mine(vec![staked.transaction.clone()]).await;
    world.mine_empty(10).await;
    world.mine(vec![staked.withdrawal()]).await;
    world.mine_empty(1).await;

    let answer = world.request(staked.form()).await;

    assert_eq!(answer, Err(RequestError::NotActive(StateName::Withdrawn)));
}
