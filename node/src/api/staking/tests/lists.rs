//! Delegations, finality providers, stakers and figures.

use std::collections::BTreeSet;

use bitcoin::{
    Address, Network as BitcoinNetwork, consensus::serialize, key::Parity, secp256k1::Secp256k1,
};
use futures::future::BoxFuture;
use serde_json::json;
use trestle_store::{Batch, Row, Scan, Space, Store, StoreError};

use super::{
    chain::{START, TIME, key},
    *,
};

fn delegations_of(staker: u8) -> String {
    format!("/v1/staker/delegations?staker_btc_pk={}&", key(staker))
}

fn of(row: &Value) -> (u64, String) {
    let height = row["staking_tx"]["start_height"].as_u64().expect("a height");
    (height, row["staking_tx_hash_hex"].as_str().expect("a hash").to_owned())
}

#[tokio::test]
async fn delegation__should_have_every_field() {
    let mut chain = Chain::new().await;
    let stake = chain.stake(1, 201, 100_000, 100);
    let height = chain.mine(vec![stake.clone()]).await;
    chain.mine_empty(1).await;
    let unbonding = chain.unbonding(&chain.stake_of(&stake, 1, 201, 100), 1);
    chain.mine(vec![unbonding.clone()]).await;
    chain.mine_empty(1).await;
    let api = Api::start(chain).await;

    let id = stake.compute_txid();
    let body = api.must_get(&format!("/v1/delegation?staking_tx_hash_hex={id}")).await;

    let expected = json!({
        "staking_tx_hash_hex": id.to_string(),
        "staker_pk_hex": key(1).to_string(),
        "finality_provider_pk_hex": key(201).to_string(),
        "state": "unbonding",
        "staking_value": 100_000,
        "staking_tx": {
            "tx_hex": hex::encode(serialize(&stake)), "output_index": 0,
            "start_timestamp": "2023-11-14T22:13:20Z", "start_height": height, "timelock": 100,
        },
        "unbonding_tx": {
            "tx_hex": hex::encode(serialize(&unbonding)), "output_index": 0,
            "start_timestamp": "2023-11-14T22:13:22Z", "start_height": height + 2, "timelock": 3,
        },
        "is_overflow": false,
    });
    assert_eq!(body, json!({ "data": expected }));
    let list = api.must_get(&delegations_of(1)).await;
    assert_eq!(list, json!({ "data": [expected], "pagination": { "next_key": "" } }));
    let none = api.get(&format!("/v1/delegation?staking_tx_hash_hex={}", "00".repeat(32))).await;
    is_fault(&none, 404, "NOT_FOUND", "staking delegation not found, please retry");
    let nobody = api.must_get(&delegations_of(9)).await;
    assert_eq!(nobody, json!({ "data": [], "pagination": { "next_key": "" } }));
}

#[tokio::test]
async fn delegations__should_page_through_one_height_without_gaps() {
    for (lower, upper, lengths) in
        [(5, 3, vec![3, 3, 2]), (3, 3, vec![3, 3]), (7, 0, vec![3, 3, 1]), (3, 0, vec![3])]
    {
        let mut chain = Chain::new().await;
        for count in [lower, upper] {
            let mut block = Vec::new();
            for _ in 0..count {
                block.push(chain.stake(1, 201, 20_000, 100));
            }
            block.push(chain.stake(2, 201, 20_000, 100));
            chain.mine(block).await;
        }
        chain.mine_empty(1).await;
        let api = Api::start(chain).await;

        let (rows, pages) = api.must_get_all(&delegations_of(1)).await;

        assert_eq!(pages, lengths);
        let found: Vec<_> = rows.iter().map(of).collect();
        let mut sorted = found.clone();
        sorted.sort_by(|(a, x), (b, y)| b.cmp(a).then(x.cmp(y)));
        sorted.dedup();
        assert_eq!(found, sorted, "the latest block first, then by hash, each once");
        assert_eq!(found.len(), lower + upper);
    }
}

#[tokio::test]
async fn delegations__should_keep_the_filter_over_pages() {
    let mut chain = Chain::new().await;
    let stakes: Vec<_> = (0..9).map(|_| chain.stake(1, 201, 20_000, 100)).collect();
    chain.mine(stakes.clone()).await;
    chain.mine_empty(1).await;
    let some = stakes.iter().take(5);
    let some = some.map(|stake| chain.unbonding(&chain.stake_of(stake, 1, 201, 100), 1)).collect();
    chain.mine(some).await;
    chain.mine_empty(1).await;
    let api = Api::start(chain).await;

    let ids = |stakes: &[bitcoin::Transaction]| -> BTreeSet<String> {
        stakes.iter().map(|stake| stake.compute_txid().to_string()).collect()
    };
    for (state, expected) in [("unbonding", &stakes[..5]), ("active", &stakes[5..])] {
        // Said again on each page, and said once.
        let (said, _) = api.must_get_all(&format!("{}state={state}&", delegations_of(1))).await;
        let first = api.must_get(&format!("{}state={state}", delegations_of(1))).await;
        let next = first["pagination"]["next_key"].as_str().expect("a key");
        let second = api.must_get(&format!("{}pagination_key={next}", delegations_of(1))).await;
        let once = [first["data"].as_array(), second["data"].as_array()];
        let once: Vec<Value> = once.into_iter().flatten().flatten().cloned().collect();

        for rows in [said, once] {
            assert!(rows.iter().all(|row| row["state"] == state), "{rows:?}");
            let found: BTreeSet<String> = rows.iter().map(|row| of(row).1).collect();
            assert_eq!(found, ids(expected));
            assert_eq!(rows.len(), expected.len(), "each once");
        }
        let other = format!("{}state=withdrawn&pagination_key={next}", delegations_of(1));
        is_fault(&api.get(&other).await, 400, "BAD_REQUEST", "another state");
    }
}

/// Five providers and stakers with the same value.
async fn ties() -> Api {
    let mut chain = Chain::new().await;
    let stakes = (0..5).map(|number| chain.stake(1 + number, 201 + number, 20_000, 100)).collect();
    chain.mine(stakes).await;
    chain.mine_empty(1).await;
    Api::start(chain).await
}

#[tokio::test]
async fn providers__should_page_through_ties_and_end_with_the_unused() {
    let api = ties().await;

    let (rows, pages) = api.must_get_all("/v1/finality-providers?").await;

    assert_eq!(pages, [2, 2, 2]);
    let keys: Vec<&str> = rows.iter().map(|row| row["btc_pk"].as_str().expect("a key")).collect();
    let mut sorted: Vec<String> = (201..206).map(|number| key(number).to_string()).collect();
    sorted.sort();
    sorted.push(key(209).to_string());
    assert_eq!(keys, sorted);
    let one = rows.iter().find(|row| row["btc_pk"] == key(201).to_string());
    let expected = json!({
        "description": { "moniker": "one", "identity": "i", "website": "w",
            "security_contact": "s", "details": "d" },
        "commission": "0.05", "btc_pk": key(201).to_string(),
        "active_tvl": 20_000, "total_tvl": 20_000,
        "active_delegations": 1, "total_delegations": 1,
    });
    assert_eq!(one, Some(&expected));
    let unknown = rows.iter().find(|row| row["btc_pk"] == key(202).to_string()).expect("it");
    assert_eq!(unknown["description"]["moniker"], "");
    assert_eq!((&unknown["commission"], &unknown["active_tvl"]), (&json!(""), &json!(20_000)));

    let single = |number| format!("/v1/finality-providers?fp_btc_pk={}", key(number));
    assert_eq!(api.must_get(&single(201)).await, json!({ "data": [expected] }));
    let unused = api.must_get(&single(209)).await;
    assert_eq!(unused["data"][0]["description"]["moniker"], "two");
    assert_eq!(unused["data"][0]["total_delegations"], 0);
    assert_eq!(api.must_get(&single(210)).await, json!({ "data": null }));

    let shuffled = api.must_get("/v1/finality-providers?sort=random").await;
    let found: BTreeSet<_> = shuffled["data"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| &row["btc_pk"])
        .map(Value::to_string)
        .collect();
    let expected: BTreeSet<_> = sorted[..2].iter().map(|key| format!("\"{key}\"")).collect();
    assert_eq!(found, expected, "the same page in another order");
}

#[tokio::test]
async fn providers__should_show_one_with_nothing_but_overflow_as_unused() {
    let mut chain = Chain::new().await;
    let full: Vec<_> = (0..5).map(|_| chain.stake(1, 205, 200_000, 100)).collect();
    let over = chain.stake(2, 201, 200_000, 100);
    chain.mine(full.into_iter().chain([over.clone()]).collect()).await;
    chain.mine_empty(1).await;
    let api = Api::start(chain).await;

    let (rows, _) = api.must_get_all("/v1/finality-providers?").await;
    let found: Vec<_> = rows.iter().map(|row| row["total_tvl"].clone()).collect();
    assert_eq!(found, [json!(1_000_000), json!(0), json!(0)]);
    let id = over.compute_txid();
    let body = api.must_get(&format!("/v1/delegation?staking_tx_hash_hex={id}")).await;
    assert_eq!(body["data"]["is_overflow"], true);
    let staker = api.must_get(&format!("/v1/stats/staker?staker_btc_pk={}", key(2))).await;
    assert_eq!(staker, json!({ "data": null }));
    let stats = api.must_get("/v1/stats").await;
    assert_eq!(stats["data"]["honest"]["overflow_tvl"], 200_000);
    assert_eq!(stats["data"]["active_tvl"], 1_000_000);
}

#[tokio::test]
async fn stakers__should_page_through_ties() {
    let api = ties().await;

    let (rows, pages) = api.must_get_all("/v1/stats/staker?").await;

    assert_eq!(pages, [2, 2, 1]);
    let keys: Vec<_> = rows.iter().map(|row| row["staker_pk_hex"].clone()).collect();
    let mut sorted: Vec<_> = (1..6).map(|number| key(number).to_string()).collect();
    sorted.sort();
    assert_eq!(keys, sorted);
    let one = api.must_get(&format!("/v1/stats/staker?staker_btc_pk={}", key(3))).await;
    let expected = json!({ "staker_pk_hex": key(3).to_string(), "active_tvl": 20_000,
        "total_tvl": 20_000, "active_delegations": 1, "total_delegations": 1 });
    assert_eq!(one, json!({ "data": [expected] }));
    let none = api.must_get(&format!("/v1/stats/staker?staker_btc_pk={}", key(99))).await;
    assert_eq!(none, json!({ "data": null }));
}

#[tokio::test]
async fn stats__should_keep_the_sign_of_what_is_pending() {
    let mut chain = Chain::new().await;
    let stake = chain.stake(1, 201, 100_000, 100);
    chain.mine(vec![stake.clone()]).await;
    chain.mine_empty(1).await;
    let unbonding = chain.unbonding(&chain.stake_of(&stake, 1, 201, 100), 1);
    let last = chain.mine(vec![unbonding]).await;
    let api = Api::start(chain).await;

    let stats = api.must_get("/v1/stats").await;

    assert_eq!(
        stats,
        json!({ "data": {
            "active_tvl": 100_000, "total_tvl": 100_000,
            "active_delegations": 1, "total_delegations": 1, "total_stakers": 1,
            "unconfirmed_tvl": 0, "pending_tvl": -100_000,
            "honest": { "locked_tvl": 100_000, "locked_delegations": 1, "locked_stakers": 1,
                "overflow_tvl": 0, "overflow_delegations": 0, "tip_locked_tvl": 0, "chain_tvl": 0 },
            "btc_height": last, "confirmed_height": last - 1,
        } })
    );
}

#[tokio::test]
async fn stats__should_be_there_before_the_first_block() {
    let api = Api::start(Chain::new().await).await;

    let stats = api.must_get("/v1/stats").await;
    assert_eq!(
        (&stats["data"]["pending_tvl"], &stats["data"]["btc_height"]),
        (&json!(0), &Value::Null)
    );
    let providers = api.must_get("/v1/finality-providers").await;
    let keys: Vec<_> = providers["data"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| row["btc_pk"].clone())
        .collect();
    assert_eq!(keys, [key(201).to_string(), key(209).to_string()]);
    assert_eq!(api.must_get("/v1/stats/staker").await["data"], json!([]));
}

#[tokio::test]
async fn global_params__should_have_every_field() {
    let api = Api::start(Chain::new().await).await;

    let body = api.must_get("/v1/global-params").await;

    let version = &body["data"]["versions"][0];
    assert_eq!((&version["staking_cap"], &version["cap_height"]), (&json!(1_000_000), &json!(0)));
    assert_eq!(version["activation_height"], START);
    assert_eq!(version.as_object().map(serde_json::Map::len), Some(14));
    let up = api.must_get("/healthcheck").await;
    assert_eq!(up, json!({ "data": "Server is up and running" }));
}

fn addresses_of(number: u8) -> [Address; 3] {
    let hash = |parity| {
        let key = bitcoin::CompressedPublicKey(key(number).public_key(parity));
        Address::p2wpkh(&key, BitcoinNetwork::Regtest)
    };
    let taproot = Address::p2tr(&Secp256k1::new(), key(number), None, BitcoinNetwork::Regtest);
    [taproot, hash(Parity::Even), hash(Parity::Odd)]
}

#[tokio::test]
async fn pubkey_lookup__should_know_stakers_by_three_addresses() {
    let mut chain = Chain::new().await;
    let stake = chain.stake(1, 201, 100_000, 100);
    chain.mine(vec![stake]).await;
    chain.mine_empty(1).await;
    let api = Api::start(chain).await;

    let all: Vec<_> = addresses_of(1).into_iter().chain(addresses_of(2)).collect();
    let query: Vec<_> = all.iter().map(|address| format!("address={address}")).collect();
    let body = api.must_get(&format!("/v1/staker/pubkey-lookup?{}", query.join("&"))).await;

    let expected: serde_json::Map<_, _> =
        all[..3].iter().map(|known| (known.to_string(), json!(key(1).to_string()))).collect();
    assert_eq!(body, json!({ "data": expected }));
    let check = |address: &Address| format!("/v1/staker/delegation/check?address={address}");
    for known in &all[..3] {
        assert_eq!(api.must_get(&check(known)).await, json!({ "data": true, "code": 0 }));
    }
    assert_eq!(api.must_get(&check(&all[3])).await, json!({ "data": false, "code": 0 }));
}

#[tokio::test]
async fn pubkey_lookup__should_forget_a_stake_that_left_the_chain() {
    let mut chain = Chain::new().await;
    let stake = chain.stake(1, 201, 100_000, 100);
    chain.mine(vec![stake]).await;
    chain.mine_empty(1).await;
    let mut api = Api::start(chain).await;
    let path = format!("/v1/staker/pubkey-lookup?address={}", addresses_of(1)[0]);
    assert_ne!(api.must_get(&path).await, json!({ "data": {} }));

    api.chain.undo().await;
    api.chain.undo().await;

    assert_eq!(api.must_get(&path).await, json!({ "data": {} }));
}

#[tokio::test]
async fn delegation_check__should_see_today_in_utc() {
    let midnight = u64::from(TIME) - u64::from(TIME) % 86_400;
    for (now, expected) in [(midnight, true), (midnight + 86_399, true), (midnight + 86_400, false)]
    {
        let mut chain = Chain::new().await;
        let stake = chain.stake(1, 201, 100_000, 100);
        chain.mine(vec![stake]).await;
        chain.mine_empty(1).await;
        // A function without surroundings, so one for each of the three.
        let time: fn() -> u64 = match now - midnight {
            0 => || u64::from(TIME) - u64::from(TIME) % 86_400,
            86_399 => || u64::from(TIME) - u64::from(TIME) % 86_400 + 86_399,
            _ => || u64::from(TIME) - u64::from(TIME) % 86_400 + 86_400,
        };
        let api = Api::start_with(chain, |state| state.now = time).await;

        let path = format!("/v1/staker/delegation/check?address={}", addresses_of(1)[0]);
        let today = api.must_get(&format!("{path}&timeframe=today")).await;

        assert_eq!(today["data"], expected, "{now}");
        assert_eq!(api.must_get(&path).await["data"], true);
    }
}

/// A store that cannot be read.
struct Gone;

impl Store for Gone {
    fn get<'a>(
        &'a self,
        _: Space,
        _: &'a [u8],
    ) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        let error = StoreError::Unavailable("the password is hunter2".into());
        std::future::ready(Err(error)).boxed()
    }
    fn scan(&self, _: Space, _: Scan) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        let error = StoreError::Unavailable("the password is hunter2".into());
        std::future::ready(Err(error)).boxed()
    }
    fn commit(&self, _: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        std::future::ready(Err(StoreError::Unavailable("gone".into()))).boxed()
    }
}

#[tokio::test]
async fn api__should_tell_nothing_of_what_is_wrong_inside() {
    let chain = Chain::new().await;
    let api = Api::start_with(chain, |state| state.store = Arc::new(Gone)).await;
    let id = "00".repeat(32);

    for path in [
        "/healthcheck".to_owned(),
        "/v1/stats".into(),
        "/v1/stats/staker".into(),
        delegations_of(1),
        format!("/v1/delegation?staking_tx_hash_hex={id}"),
        format!("/v1/unbonding/eligibility?staking_tx_hash_hex={id}"),
        format!("/v1/staker/pubkey-lookup?address={}", addresses_of(1)[0]),
        format!("/v1/staker/delegation/check?address={}", addresses_of(1)[0]),
        "/v1/staking/events".into(),
        "/v1/staking/events/page".into(),
    ] {
        let (status, body) = api.get(&path).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        let expected =
            json!({ "errorCode": "INTERNAL_SERVICE_ERROR", "message": "Internal service error" });
        assert_eq!(body, expected, "{path}");
    }
    let providers = api.must_get("/v1/finality-providers").await;
    assert_eq!(providers["data"].as_array().map(Vec::len), Some(2), "the registry needs no store");
}
