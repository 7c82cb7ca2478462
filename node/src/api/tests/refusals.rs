//! What is refused, on every listener, whoever refuses it: the listener's own form of errors.

use reqwest::Method;
use tokio::sync::watch;
use trestle_actors::{
    covenant::CovenantHandle,
    runtime::{ActorStatus, Mailbox},
};

use super::*;

/// A refusal in the form of our own API; gives its code.
async fn must_be_ours(what: &str, answer: Response) -> (StatusCode, String) {
    let status = answer.status();
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/json", "{what}");
    let body: Value = answer.json().await.expect("JSON");
    assert!(body["message"].as_str().is_some_and(|text| !text.is_empty()), "{what}: {body}");
    (status, body["code"].as_str().expect("a code").to_owned())
}

#[tokio::test]
async fn public_listener__should_refuse_everything_in_json() {
    let api = must_start(None).await;
    for (method, path, status, code) in [
        (Method::GET, "/nowhere", 404, "no_such_route"),
        (Method::GET, "/docs/nothing", 404, "no_such_route"),
        (Method::POST, "/v1/node", 405, "method"),
        (Method::DELETE, "/healthz", 405, "method"),
        (Method::POST, "/v1/events", 405, "method"),
        (Method::GET, "/v1/committees/%FF", 400, "invalid"),
        (Method::GET, "/v1/payments/%C3%28", 400, "invalid"),
        (Method::GET, "/v1/payments/12", 422, "invalid"),
    ] {
        let what = format!("{method} {path}");
        let request = api.http.request(method, format!("{}{path}", api.public));

        let answer = request.send().await.expect("an answer");

        let allows = answer.headers().contains_key(header::ALLOW);
        assert_eq!(allows, status == 405, "{what}");
        let refused = must_be_ours(&what, answer).await;
        assert_eq!((refused.0.as_u16(), refused.1.as_str()), (status, code), "{what}");
    }
    let head = api.http.head(format!("{}/nowhere", api.public)).send().await.expect("an answer");
    assert_eq!(head.status(), StatusCode::NOT_FOUND);
    assert!(head.bytes().await.expect("nothing").is_empty());
}

#[tokio::test]
async fn admin_listener__should_refuse_everything_in_json() {
    let api = must_start(Some(coordinator().0)).await;
    let large = "x".repeat(300 * 1_024);
    for (method, path, body, status) in [
        (Method::GET, "/nowhere", "", 404),
        (Method::GET, "/v1/committees/main/dkg", "", 405),
        (Method::POST, "/v1/committees/%FF/dkg", "{}", 400),
        (Method::POST, "/v1/committees/main/sign", "{", 400),
        (Method::POST, "/v1/committees/main/sign", &large, 413),
    ] {
        let what = format!("{method} {path}");
        let request = api.http.request(method, format!("http://{}{path}", api.admin));
        let request = request.header(header::CONTENT_TYPE, "application/json");
        let request = request.bearer_auth(api.token.expose_secret()).body(body.to_owned());

        let answer = request.send().await.expect("an answer");

        assert_eq!(must_be_ours(&what, answer).await.0.as_u16(), status, "{what}");
    }
    let stranger = api.http.get(format!("http://{}/nowhere", api.admin)).send().await;
    let refused = must_be_ours("no token", stranger.expect("an answer")).await;
    assert_eq!(refused, (StatusCode::UNAUTHORIZED, "token".to_owned()));
}

#[tokio::test]
async fn listener__should_say_when_to_ask_again() {
    /// More than are let through while they are sent one after another.
    const FLOOD: usize = 20_000;
    let api = must_start(None).await;
    for _ in 0..FLOOD {
        let answer = api.must_get("/healthz").await;
        if answer.status() == StatusCode::OK {
            continue;
        }
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(answer.headers()[header::RETRY_AFTER], "1");
        assert_eq!(must_be_ours("too many", answer).await.1, "limit");
        return;
    }
    panic!("{FLOOD} requests were all let through");
}

#[tokio::test]
async fn covenant_listener__should_refuse_everything_as_its_clients_know_it() {
    // given
    let dir = tempfile::tempdir().expect("a temporary folder");
    let token = Token::load_or_create(&dir.path().join("token")).expect("a token");
    let (mailbox, _letters) = Mailbox::new(1);
    let routes = covenant::router(CovenantHandle::new(mailbox), token.clone());
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = server::bind(any, "covenant.http.listen").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let stop = CancellationToken::new();
    tokio::spawn(server::serve(listener, routes, stop.clone()));
    let http = Client::builder().no_proxy().build().expect("a client");
    let path = "/v1/sign-unbonding-tx";
    let list = json!(["00", "00", "00", "00"]).to_string();
    let large = " ".repeat(4 << 20);
    for (method, path, body, status, code) in [
        (Method::POST, "/nowhere", "{}", 404, "NOT_FOUND"),
        (Method::GET, path, "", 405, "BAD_REQUEST"),
        (Method::POST, path, list.as_str(), 400, "BAD_REQUEST"),
        (Method::POST, path, "", 400, "BAD_REQUEST"),
        (Method::POST, path, "{}", 400, "BAD_REQUEST"),
        (Method::POST, path, &large, 413, "BAD_REQUEST"),
    ] {
        let what = format!("{method} {path}");
        let request = http.request(method, format!("{url}{path}"));
        let request = request.bearer_auth(token.expose_secret()).body(body.to_owned());
        // when
        let answer = request.send().await.expect("an answer");
        // then
        let found = answer.status().as_u16();
        let body: Value = answer.json().await.expect("JSON");
        assert_eq!((found, &body["errorCode"]), (status, &json!(code)), "{what}: {body}");
        assert!(body["message"].is_string(), "{what}: {body}");
    }
    let stranger = http.post(format!("{url}/nowhere")).send().await.expect("an answer");
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
    let body: Value = stranger.json().await.expect("JSON");
    assert_eq!(body["errorCode"], "UNAUTHORIZED");
    stop.cancel();
}

#[tokio::test]
async fn coordinator_without_its_store__should_be_unavailable_at_once_with_the_reason() {
    // given: nobody reads what is asked
    let (mailbox, _requests) = mpsc::channel(8);
    let (_status, seen) = watch::channel(ActorStatus::Waiting("the disk is full".into()));
    let api = must_start(Some(CoordinatorHandle::new(mailbox).with_pulse(seen))).await;
    // when
    let (status, body) = api.must_post("/v1/committees/main/pay", pay_body()).await;
    let read = api.must_get("/v1/committees").await;
    // then
    assert_eq!((status, &body["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable")));
    let message = body["message"].as_str().unwrap_or_default();
    assert!(message.contains("the disk is full"), "{message}");
    assert_eq!(read.status(), StatusCode::SERVICE_UNAVAILABLE);
}
