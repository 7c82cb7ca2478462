//! What is written about the API names every path of it.

use std::collections::BTreeSet;

use utoipa::OpenApi as _;

use super::*;
use crate::api::openapi::ApiDoc;

/// Every path, with its method.
const PATHS: [(&str, &str); 13] = [
    ("get", "/healthcheck"),
    ("get", "/v1/staker/delegations"),
    ("get", "/v1/delegation"),
    ("post", "/v1/unbonding"),
    ("get", "/v1/unbonding/eligibility"),
    ("get", "/v1/global-params"),
    ("get", "/v1/finality-providers"),
    ("get", "/v1/stats"),
    ("get", "/v1/stats/staker"),
    ("get", "/v1/staker/delegation/check"),
    ("get", "/v1/staker/pubkey-lookup"),
    ("get", "/v1/staking/events"),
    ("get", "/v1/staking/events/page"),
];

fn document() -> Value {
    serde_json::to_value(ApiDoc::openapi()).expect("JSON")
}

#[test]
fn openapi__should_have_exactly_the_paths() {
    let document = document();
    let mut found = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            if operation["tags"][0] == "staking" {
                found.insert((method.clone(), path.clone()));
            }
        }
    }
    let expected = PATHS.map(|(method, path)| (method.to_owned(), path.to_owned()));
    assert_eq!(found, BTreeSet::from(expected));
}

#[test]
fn openapi__should_give_each_operation_a_name_of_its_own() {
    let document = document();
    let paths = document["paths"].as_object().expect("paths");
    let operations = paths.values().flat_map(|methods| methods.as_object().into_iter().flatten());
    let ids: Vec<_> = operations.map(|(_, operation)| operation["operationId"].clone()).collect();
    let different: BTreeSet<_> = ids.iter().map(Value::to_string).collect();
    assert_eq!(different.len(), ids.len(), "{ids:?}");
}

#[tokio::test]
async fn paths__should_all_be_served() {
    let api = Api::start(Chain::new().await).await;
    for (method, path) in PATHS {
        let method = method.to_uppercase().parse().expect("a method");
        let answer = api.http.request(method, format!("{}{path}", api.url)).send().await;
        let status = answer.expect("an answer").status();
        assert_ne!(status, StatusCode::NOT_FOUND, "{path}");
        assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
}

#[tokio::test]
async fn openapi__should_have_the_fields_of_the_answers() {
    let api = Api::start(Chain::new().await).await;
    let document = document();
    let schemas = &document["components"]["schemas"];
    let stats = api.must_get("/v1/stats").await;
    let known = schemas["OverallStatsDto"]["properties"].as_object().expect("properties");
    for field in known.keys() {
        assert!(stats["data"].get(field).is_some(), "{field}");
    }
    let honest = schemas["HonestDto"]["properties"].as_object().expect("properties");
    let shown = stats["data"]["honest"].as_object().expect("figures");
    assert_eq!(honest.keys().collect::<BTreeSet<_>>(), shown.keys().collect());
}

#[test]
fn docs__should_name_every_path() {
    let text = include_str!("../../../../../docs/api.md");
    for (method, path) in PATHS {
        let named = format!("`{} {path}", method.to_uppercase());
        assert!(text.contains(&named), "{named} is not in docs/api.md");
    }
}
