//! Requests to unbond: every code, in the order of the checks.

use bitcoin::{Amount, ScriptBuf, Sequence, Transaction, consensus::serialize};
use serde_json::json;
use trestle_actors::staking::pipeline::RequestError;
use trestle_staking::{Stake, tx::Unbonding};

use super::{
    chain::{key, sign},
    *,
};

/// An API with one active stake.
async fn staked() -> (Api, Stake) {
    let mut chain = Chain::new().await;
    let transaction = chain.stake(1, 201, 100_000, 20);
    let stake = chain.stake_of(&transaction, 1, 201, 20);
    chain.mine(vec![transaction]).await;
    chain.mine_empty(1).await;
    (Api::start(chain).await, stake)
}

fn signed(api: &Api, stake: &Stake, staker: u8) -> (Transaction, String) {
    let unbonding = Unbonding::new(stake, api.chain.version()).expect("of these parameters");
    let signature = sign(staker, unbonding.sighash());
    (unbonding.transaction().clone(), signature.to_string())
}

fn body(stake: &Stake, transaction: &Transaction, signature: &str) -> Value {
    json!({
        "staking_tx_hash_hex": stake.outpoint.txid.to_string(),
        "unbonding_tx_hash_hex": transaction.compute_txid().to_string(),
        "unbonding_tx_hex": hex::encode(serialize(transaction)),
        "staker_signed_signature_hex": signature,
    })
}

fn eligibility(stake: &Stake) -> String {
    format!("/v1/unbonding/eligibility?staking_tx_hash_hex={}", stake.outpoint.txid)
}

#[tokio::test]
async fn unbonding__should_be_accepted_once() {
    let (api, stake) = staked().await;
    let (transaction, signature) = signed(&api, &stake, 1);
    let body = body(&stake, &transaction, &signature);
    assert_eq!(api.get(&eligibility(&stake)).await, (StatusCode::OK, Value::Null));

    let accepted = api.post(body.to_string()).await;

    assert_eq!(accepted, (StatusCode::ACCEPTED, Value::Null));
    let again = api.post(body.to_string()).await;
    is_fault(&again, 403, "FORBIDDEN", "delegation state is not active");
    let answer = api.get(&eligibility(&stake)).await;
    is_fault(&answer, 403, "FORBIDDEN", "delegation state is not active");
    let path = format!("/v1/delegation?staking_tx_hash_hex={}", stake.outpoint.txid);
    assert_eq!(api.must_get(&path).await["data"]["state"], "unbonding_requested");
}

#[tokio::test]
async fn unbonding__should_need_an_active_delegation() {
    let (mut api, stake) = staked().await;
    let (transaction, signature) = signed(&api, &stake, 1);
    let mut unknown = stake.clone();
    unknown.outpoint.txid = transaction.compute_txid();
    let (other, other_signature) = signed(&api, &unknown, 1);

    let answer = api.post(body(&unknown, &other, &other_signature).to_string()).await;
    is_fault(&answer, 403, "NOT_FOUND", "delegation not found");
    is_fault(&api.get(&eligibility(&unknown)).await, 403, "NOT_FOUND", "delegation not found");

    // The lock of 20 blocks ends.
    api.chain.mine_empty(25).await;
    let answer = api.post(body(&stake, &transaction, &signature).to_string()).await;
    is_fault(&answer, 403, "FORBIDDEN", "delegation state is not active: it is unbonded");
    is_fault(&api.get(&eligibility(&stake)).await, 403, "FORBIDDEN", "not active");
}

#[tokio::test]
async fn unbonding__should_check_every_field() {
    let (api, stake) = staked().await;
    let (transaction, signature) = signed(&api, &stake, 1);
    let good = body(&stake, &transaction, &signature);
    let hex = good["unbonding_tx_hex"].as_str().expect("hex").to_owned();
    for (field, wrong) in [
        ("staking_tx_hash_hex", json!("")),
        ("staking_tx_hash_hex", json!("zz".repeat(32))),
        ("staking_tx_hash_hex", json!("ab".repeat(33))),
        ("unbonding_tx_hash_hex", json!("ab".repeat(31))),
        ("unbonding_tx_hex", json!("0")),
        ("unbonding_tx_hex", json!(&hex[2..])),
        ("unbonding_tx_hex", json!(format!("{hex}00"))),
        ("staker_signed_signature_hex", json!(&signature[2..])),
        ("staker_signed_signature_hex", json!(format!("{signature}01"))),
        ("staker_signed_signature_hex", json!("xy".repeat(64))),
    ] {
        let mut changed = good.clone();
        changed[field] = wrong;
        is_fault(&api.post(changed.to_string()).await, 400, "BAD_REQUEST", field);
    }
    // The right values in the right order, and without their names.
    let values: Vec<&Value> = [
        "staking_tx_hash_hex",
        "unbonding_tx_hash_hex",
        "unbonding_tx_hex",
        "staker_signed_signature_hex",
    ]
    .map(|name| &good[name])
    .into();
    let answer = api.post(json!(values).to_string()).await;
    is_fault(&answer, 400, "BAD_REQUEST", "invalid request payload: expected a JSON object");
    for nonsense in ["", "null", "[]", "{", "{}", "{\"staking_tx_hash_hex\":1e999}"] {
        let answer = api.post(nonsense).await;
        is_fault(&answer, 400, "BAD_REQUEST", "invalid request payload");
    }
    assert_eq!(api.post(good.to_string()).await.0, StatusCode::ACCEPTED, "nothing was stored");
}

#[tokio::test]
async fn unbonding__should_refuse_another_transaction() {
    let (api, stake) = staked().await;
    let (transaction, signature) = signed(&api, &stake, 1);
    let change = |edit: fn(&mut Transaction)| {
        let mut changed = transaction.clone();
        edit(&mut changed);
        body(&stake, &changed, &signature)
    };
    let mut hash = body(&stake, &transaction, &signature);
    hash["unbonding_tx_hash_hex"] = json!("ab".repeat(32));
    let (_, other) = signed(&api, &stake, 2);
    for (wrong, part) in [
        (change(|tx| tx.input[0].sequence = Sequence::ZERO), "invalid unbonding transaction"),
        (change(|tx| tx.output.push(tx.output[0].clone())), "invalid unbonding transaction"),
        (hash, "hash"),
        (
            change(|tx| tx.input[0].previous_output.txid = tx.compute_txid()),
            "not the staking transaction",
        ),
        (change(|tx| tx.input[0].previous_output.vout = 1), "the stake is output 0"),
        (change(|tx| tx.output[0].value = Amount::from_sat(99_501)), "99500 sat"),
        (
            change(|tx| {
                tx.output[0].script_pubkey = ScriptBuf::new_p2wpkh(
                    &bitcoin::WPubkeyHash::from_raw_hash(bitcoin::hashes::Hash::all_zeros()),
                )
            }),
            "script",
        ),
        (body(&stake, &transaction, &other), "signature does not verify"),
    ] {
        is_fault(&api.post(wrong.to_string()).await, 403, "VALIDATION_ERROR", part);
    }
    assert_eq!(api.get(&eligibility(&stake)).await.0, StatusCode::OK, "nothing was stored");
}

#[tokio::test]
async fn unbonding__should_be_for_later_when_the_node_cannot() {
    for error in [
        RequestError::Busy,
        RequestError::Moved,
        RequestError::Unavailable("the disk is full".into()),
    ] {
        let told = error.clone();
        let chain = Chain::new().await;
        let api = Api::start_with(chain, |state| {
            state.unbond = Arc::new(move |_| std::future::ready(Err(told.clone())).boxed());
        })
        .await;
        let stake = Stake {
            outpoint: bitcoin::OutPoint { vout: 0, ..bitcoin::OutPoint::null() },
            staker: key(1),
            finality_provider: key(201),
            value: Amount::from_sat(100_000),
            time: 20,
            params_version: 0,
        };
        let (transaction, signature) = signed(&api, &stake, 1);

        let answer = api.post(body(&stake, &transaction, &signature).to_string()).await;

        is_fault(&answer, 503, "INTERNAL_SERVICE_ERROR", "Internal service error");
    }
}

/// What a good request comes to.
async fn checked(api: &Api, stake: &Stake) -> trestle_staking::pipeline::Order {
    let (transaction, signature) = signed(api, stake, 1);
    let sent = body(stake, &transaction, &signature);
    let text = |field: &str| sent[field].as_str().expect("text").to_owned();
    let form = pipeline::UnbondingForm::parse(
        &text("staking_tx_hash_hex"),
        &text("unbonding_tx_hash_hex"),
        &text("unbonding_tx_hex"),
        &text("staker_signed_signature_hex"),
    );
    let form = form.expect("a good request");
    let order = pipeline::check(&api.chain.store, &Inline, &api.chain.params, form).await;
    order.expect("a good request")
}

#[tokio::test]
async fn progress__should_say_how_far_a_request_is() {
    let (api, stake) = staked().await;
    let (transaction, _) = signed(&api, &stake, 1);
    let request = trestle_staking::pipeline::Request::accept(checked(&api, &stake).await);

    let shown = serde_json::to_value(delegations::progress(&request)).expect("JSON");

    let id = transaction.compute_txid().to_string();
    let expected = json!({ "unbonding_tx_hash_hex": id, "phase": "collecting", "signatures": 0,
        "quorum": 2 });
    assert_eq!(shown, expected);
}

#[test]
fn note__should_be_there_for_what_waits_or_has_ended_without_its_transaction() {
    use trestle_staking::pipeline::Phase;

    let noted = Phase::ALL.into_iter().filter(|phase| delegations::note(*phase).is_some());

    let expected =
        [Phase::Stuck, Phase::Waiting, Phase::Expired, Phase::InputSpent, Phase::Dropped];
    assert_eq!(noted.collect::<Vec<_>>(), expected);
}
