//! A request that the reference service accepts.

use bitcoin::{Transaction, consensus::deserialize};
use serde_json::json;

use super::*;

#[tokio::test]
async fn accepted_request__should_be_accepted() {
    let Some(vectors) = vectors::find() else { return };
    let text = std::fs::read_to_string(vectors.join("unbonding_request_vector.json"));
    let vector: Value = serde_json::from_str(&text.expect("a readable file")).expect("JSON");
    let bytes = hex::decode(vector["staking_tx_hex"].as_str().expect("hex")).expect("hex");
    let staking: Transaction = deserialize(&bytes).expect("a transaction");
    let text = json!({ "versions": [vector["params"]] }).to_string();
    let mut chain = Chain::of(&text, 102).await;
    chain.mine(vec![staking]).await;
    chain.mine_empty(9).await;
    let api = Api::start(chain).await;

    let answer = api.post(vector["request"].to_string()).await;

    assert_eq!(answer, (StatusCode::ACCEPTED, Value::Null));
    let id = vector["staking_txid"].as_str().expect("an id");
    let path = format!("/v1/delegation?staking_tx_hash_hex={id}");
    let shown = &api.must_get(&path).await["data"];
    assert_eq!(shown["state"], "unbonding_requested");
    assert_eq!(shown["staker_pk_hex"], vector["staker_pk"]);
    assert_eq!(shown["finality_provider_pk_hex"], vector["finality_provider_pk"]);
    assert_eq!(shown["staking_tx"]["tx_hex"], vector["staking_tx_hex"]);
    assert_eq!(shown["staking_tx"]["start_height"], vector["staking_start_height"]);
    assert_eq!(shown["staking_tx"]["timelock"], vector["staking_time"]);
}
