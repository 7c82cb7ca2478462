//! The client against answers as the API gives them.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use axum::{
    Json, Router,
    extract::Query,
    http::StatusCode,
    response::IntoResponse as _,
    routing::{get, post},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

use super::*;

/// Three pages of two delegations each, the last shorter.
async fn page(Query(query): Query<BTreeMap<String, String>>) -> Json<Value> {
    let at: u64 = query.get("pagination_key").and_then(|key| key.parse().ok()).unwrap_or(0);
    assert!(query.contains_key("staker_btc_pk"), "every page has the filter: {query:?}");
    let entries: Vec<u64> = (at..(at + 2).min(5)).collect();
    let next = if at + 2 < 5 { (at + 2).to_string() } else { String::new() };
    Json(json!({ "data": entries, "pagination": { "next_key": next } }))
}

async fn must_serve() -> Api {
    let fault = |status: StatusCode, code: &'static str| {
        (status, Json(json!({ "errorCode": code, "message": "told" }))).into_response()
    };
    let routes = Router::new()
        .route("/pages", get(page))
        .route(
            "/around",
            get(|| async { Json(json!({ "data": [1], "pagination": { "next_key": "1" } })) }),
        )
        .route(
            "/v1/delegation",
            get(move || async move { fault(StatusCode::NOT_FOUND, "NOT_FOUND") }),
        )
        .route("/v1/unbonding", post(|| async { (StatusCode::ACCEPTED, "null") }))
        .route("/refused", post(move || async move { fault(StatusCode::FORBIDDEN, "FORBIDDEN") }))
        .route("/eligible", get(|| async { "null" }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Api::new(format!("http://{address}/")).expect("a client")
}

#[tokio::test]
async fn pages__should_be_read_to_the_end_or_the_limit() {
    let api = must_serve().await;
    let query = [("staker_btc_pk", "aa")];

    for (limit, count, complete) in [(10, 5, true), (5, 5, true), (4, 4, false), (3, 3, false)] {
        let (all, done) = api.pages::<u64>("/pages", &query, limit).await.expect("pages");
        assert_eq!((all.len(), done), (count, complete), "limit {limit}");
        assert_eq!(all, (0..count as u64).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn pages__should_not_go_around_for_ever() {
    let api = must_serve().await;

    let (all, complete) = api.pages::<u64>("/around", &[], 1_000).await.expect("pages");

    assert_eq!((all.len(), complete), (2, true));
}

#[tokio::test]
async fn faults__should_keep_their_code() {
    let api = must_serve().await;

    assert_eq!(api.delegation("00").await, Ok(None));
    assert_eq!(api.post("/v1/unbonding", &json!({})).await, Ok(()));
    assert_eq!(api.ask("/eligible", &[]).await, Ok(()));
    let error = api.post("/refused", &json!({})).await.expect_err("it was refused");
    assert_eq!((error.exit, error.body.code.as_str()), (Exit::Refused, "FORBIDDEN"));
    let error = api.get::<Value>("/nothing", &[]).await.expect_err("no such path");
    assert!(
        error
            .body
            .hint
            .is_some_and(|hint| hint.contains("--api URL, the address of a coordinator"))
    );
}
