//! A bitcoind that is busy.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use axum::{Json, Router, http::StatusCode, routing::post};

use super::*;

/// Gives the error to the first calls, and then a scan that found nothing.
async fn must_serve(errors: u32, message: &'static str) -> (Chain, Arc<AtomicU32>) {
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let answer = move |Json(call): Json<Value>| async move {
        let busy = count.fetch_add(1, Ordering::Relaxed) < errors;
        let error = busy.then(|| json!({ "code": -8, "message": message }));
        let result = (!busy).then(|| json!({ "height": 200, "unspents": [] }));
        let status = if busy { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
        (status, Json(json!({ "id": call["id"], "error": error, "result": result })))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let routes = Router::new().route("/", post(answer));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let auth = Auth::Password { user: "user".into(), password: Secret::new("password") };
    (Chain::new(ClientConfig::new(url, auth, Network::Regtest)).expect("a client"), asked)
}

#[tokio::test]
async fn scan__should_wait_for_another_to_end() {
    let busy = "Scan already in progress, use action \"abort\" or \"status\"";
    let (chain, asked) = must_serve(2, busy).await;

    let found = chain.scan(&["addr(x)".into()]).await;

    assert_eq!(found, Ok(Vec::new()));
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn scan__should_not_repeat_what_is_wrong() {
    let (chain, asked) = must_serve(1, "Invalid action 'x'").await;

    let refused = chain.scan(&["addr(x)".into()]).await.expect_err("it is wrong");

    assert!(refused.body.message.contains("Invalid action"), "{refused:?}");
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}
