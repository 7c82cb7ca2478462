//! A request that the reference service accepts. The data is no part of the repository: the folder
//! named by `TRESTLE_VECTORS` is read, else a folder `shared/vectors` in or beside any folder above
//! this crate. Without it the test passes and says so; under `CI=true` it fails.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use bitcoin::{Transaction, consensus::deserialize};
use serde_json::json;

use super::*;

fn found() -> Option<Value> {
    let named = std::env::var_os("TRESTLE_VECTORS").map(PathBuf::from);
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let beside =
        || above.map(|folder| folder.join("shared/vectors")).find(|folder| folder.is_dir());
    let folder = named.or_else(beside).map(|folder| folder.join("babylon"));
    let Some(folder) = folder.filter(|folder| folder.is_dir()) else {
        let ci = std::env::var_os("CI").is_some_and(|value| value == "true");
        assert!(!ci, "no conformance data: set TRESTLE_VECTORS to the folder that holds babylon/");
        let text = "SKIPPED 1 of 1 conformance tests: set TRESTLE_VECTORS";
        writeln!(std::io::stderr(), "{text}").expect("somebody listens");
        return None;
    };
    let text = std::fs::read_to_string(folder.join("unbonding_request_vector.json"));
    Some(serde_json::from_str(&text.expect("a readable file")).expect("JSON"))
}

#[tokio::test]
async fn accepted_request__should_be_accepted() {
    let Some(vector) = found() else { return };
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
