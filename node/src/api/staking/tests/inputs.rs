//! What is wrong with a request, and page keys that do not belong where they are used.

use base64::{Engine as _, prelude::BASE64_URL_SAFE};
use serde_json::json;

use super::{chain::key, *};

#[tokio::test]
async fn inputs__should_be_checked_one_by_one() {
    let api = Api::start(Chain::new().await).await;
    let staker = format!("/v1/staker/delegations?staker_btc_pk={}", key(1));
    let hash = "ab".repeat(32);
    // The x coordinate 5 is on no point.
    let off_curve = format!("{:064x}", 5);
    let mainnet = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
    let script = "bcrt1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qzf4jry";
    let many = ["address=x"; 11].join("&");
    for (path, part) in [
        ("/v1/staker/delegations".to_owned(), "staker_btc_pk is required"),
        ("/v1/staker/delegations?staker_btc_pk=".into(), "staker_btc_pk is required"),
        ("/v1/staker/delegations?staker_btc_pk=zz".into(), "invalid staker_btc_pk"),
        (format!("/v1/staker/delegations?staker_btc_pk={off_curve}"), "invalid staker_btc_pk"),
        (format!("/v1/staker/delegations?staker_btc_pk=02{}", key(1)), "invalid staker_btc_pk"),
        (format!("{staker}&state=lost"), "invalid state: not a state"),
        (format!("{staker}&state=unconfirmed"), "invalid state: not a state"),
        (format!("{staker}&pagination_key=abc"), "invalid pagination key format"),
        (format!("{staker}&pagination_key=ab_-"), "invalid pagination key format"),
        (format!("{staker}&pagination_key=a==="), "invalid pagination key format"),
        (format!("{staker}&pagination_key={}", "A".repeat(516)), "invalid pagination key format"),
        (format!("{staker}&pagination_key=AAAA"), "invalid pagination token"),
        (format!("{staker}&pagination_key=%2B%2B%2B%2B"), "invalid pagination token"),
        ("/v1/delegation".into(), "staking_tx_hash_hex is required"),
        (
            format!("/v1/delegation?staking_tx_hash_hex={}", &hash[1..]),
            "invalid staking_tx_hash_hex",
        ),
        (format!("/v1/delegation?staking_tx_hash_hex={hash}00"), "invalid staking_tx_hash_hex"),
        (
            format!("/v1/delegation?staking_tx_hash_hex=zz{}", &hash[2..]),
            "invalid staking_tx_hash_hex",
        ),
        ("/v1/unbonding/eligibility".into(), "staking_tx_hash_hex is required"),
        ("/v1/unbonding/eligibility?staking_tx_hash_hex=1".into(), "invalid staking_tx_hash_hex"),
        ("/v1/finality-providers?fp_btc_pk=1".into(), "invalid fp_btc_pk"),
        ("/v1/finality-providers?sort=up".into(), "invalid sort"),
        ("/v1/finality-providers?pagination_key=x".into(), "invalid pagination key format"),
        ("/v1/stats/staker?staker_btc_pk=1".into(), "invalid staker_btc_pk"),
        ("/v1/stats/staker?pagination_key=x".into(), "invalid pagination key format"),
        ("/v1/staker/delegation/check".into(), "address is required"),
        ("/v1/staker/delegation/check?address=1".into(), "invalid address"),
        (
            format!("/v1/staker/delegation/check?address={mainnet}"),
            "not an address of this network",
        ),
        (format!("/v1/staker/delegation/check?address={script}"), "unsupported type"),
        (format!("/v1/staker/delegation/check?address={mainnet}&timeframe=x"), "invalid address"),
        ("/v1/staker/pubkey-lookup".into(), "address is required"),
        ("/v1/staker/pubkey-lookup?address=".into(), "invalid address"),
        (format!("/v1/staker/pubkey-lookup?{many}"), "at most 10"),
        (format!("/v1/staker/pubkey-lookup?address={mainnet}"), "not an address of this network"),
        ("/v1/staking/events/page?after=-1".into(), "invalid after"),
        ("/v1/staking/events/page?after=18446744073709551616".into(), "invalid after"),
        ("/v1/staking/events/page?limit=0".into(), "invalid limit"),
        ("/v1/staking/events/page?limit=501".into(), "invalid limit"),
        ("/v1/staking/events?after=x".into(), "invalid after"),
    ] {
        is_fault(&api.get(&path).await, 400, "BAD_REQUEST", part);
    }
    let address = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
    let path = format!("/v1/staker/delegation/check?address={address}&timeframe=week");
    is_fault(&api.get(&path).await, 400, "BAD_REQUEST", "invalid timeframe");
}

#[tokio::test]
async fn inputs__should_take_what_clients_may_send() {
    let api = Api::start(Chain::new().await).await;
    for path in [
        format!(
            "/v1/staker/delegations?staker_btc_pk={}&staker_btc_pk=zz&unknown=1&state=",
            key(1)
        ),
        format!(
            "/v1/staker/delegations?staker_btc_pk={}&pagination_key=",
            key(1).to_string().to_uppercase()
        ),
        "/v1/finality-providers?sort=&fp_btc_pk=".into(),
        "/v1/staking/events/page?after=0&pagination_key=0&limit=500".into(),
    ] {
        api.must_get(&path).await;
    }
}

#[tokio::test]
async fn page_keys__should_work_at_the_path_that_gave_them_only() {
    let api = Api::start(Chain::new().await).await;
    let (hash, pk) = ("ab".repeat(32), key(1).to_string());
    let staker = format!("/v1/staker/delegations?staker_btc_pk={pk}&");
    let paths = [staker.as_str(), "/v1/finality-providers?", "/v1/stats/staker?"];
    let good = [
        json!({ "staking_tx_hash_hex": hash, "staking_start_height": 7 }),
        json!({ "finality_provider_pk_hex": pk, "active_tvl": 7 }),
        json!({ "staker_pk_hex": pk, "active_tvl": u64::MAX }),
    ];
    let token = |key: &Value| BASE64_URL_SAFE.encode(key.to_string());
    for (at, path) in paths.iter().enumerate() {
        for (of, key) in good.iter().enumerate() {
            let answer = api.get(&format!("{path}pagination_key={}", token(key))).await;
            if at == of {
                assert_eq!(answer.0, StatusCode::OK, "{path}: {}", answer.1);
            } else {
                is_fault(&answer, 400, "BAD_REQUEST", "invalid pagination token");
            }
        }
    }
    for (path, key) in [
        (
            paths[0],
            json!({ "staking_tx_hash_hex": hash, "staking_start_height": 4_294_967_296u64 }),
        ),
        (paths[0], json!({ "staking_tx_hash_hex": hash, "staking_start_height": -1 })),
        (paths[0], json!({ "staking_tx_hash_hex": hash, "staking_start_height": 1e30 })),
        (paths[0], json!({ "staking_tx_hash_hex": "ab", "staking_start_height": 1 })),
        (paths[0], json!({ "staking_tx_hash_hex": hash, "staking_start_height": 1, "state": "x" })),
        (paths[1], json!({ "finality_provider_pk_hex": pk, "active_tvl": 1.5 })),
        (paths[1], json!({ "finality_provider_pk_hex": &pk[1..], "active_tvl": 1 })),
        (paths[2], json!({ "staker_pk_hex": pk, "active_tvl": 1, "more": 1 })),
        (paths[2], json!([pk, 1, 2])),
        (paths[2], json!(null)),
    ] {
        let answer = api.get(&format!("{path}pagination_key={}", token(&key))).await;
        is_fault(&answer, 400, "BAD_REQUEST", "invalid pagination token");
    }
}
