//! Bodies, rates, times, browsers and measurements.

use std::time::Duration;

use axum::{Router, routing::get};
use reqwest::{Method, header};
use serde_json::json;

use super::{super::around, *};

const SITE: &str = "https://stake.example.org";
const CAMPAIGNS: &str = "https://dashboard.galxe.com";
const CHECK: &str = "/v1/staker/delegation/check?address=x";

#[tokio::test]
async fn bodies__should_be_bounded_and_the_sender_told() {
    let api = Api::start(Chain::new().await).await;
    for size in [4_097, 300 * 1_024, 4 << 20] {
        let answer = api.post(vec![b' '; size]).await;
        is_fault(&answer, 413, "BAD_REQUEST", "larger than 4096 bytes");
    }
    // As large as allowed: it is read, and is not JSON.
    is_fault(&api.post(vec![b' '; 4_096]).await, 400, "BAD_REQUEST", "invalid request payload");
}

#[tokio::test]
async fn requests__should_be_bounded_by_address() {
    let chain = Chain::new().await;
    let api = Api::start_with(chain, |state| state.config.rate_limit = 5).await;

    let mut answers = Vec::new();
    for _ in 0..50 {
        answers.push(api.get("/v1/global-params").await);
    }

    let refused: Vec<_> = answers.iter().filter(|answer| answer.0 != StatusCode::OK).collect();
    assert!(answers[..5].iter().all(|answer| answer.0 == StatusCode::OK));
    is_fault(refused.first().expect("some"), 429, "TOO_MANY_REQUESTS", "too many requests");
}

#[tokio::test]
async fn refusals__should_be_readable_by_allowed_pages() {
    let chain = Chain::new().await;
    let api = Api::start_with(chain, |state| state.config.rate_limit = 5).await;
    let ask = async |method: Method, path: &str, body: usize| {
        let request = api.http.request(method, format!("{}{path}", api.url));
        request.header(header::ORIGIN, SITE).body(vec![b' '; body]).send().await.expect("an answer")
    };
    for (method, path, body, status) in [
        (Method::GET, "/v1/nothing", 0, 404),
        (Method::DELETE, "/v1/stats", 0, 405),
        (Method::GET, "/v1/delegation", 0, 400),
        (Method::POST, "/v1/unbonding", 5_000, 413),
    ] {
        let answer = ask(method, path, body).await;
        assert_eq!(answer.status().as_u16(), status, "{path}");
        assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], SITE, "{path}");
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/json", "{path}");
    }
    for _ in 0..5_000 {
        let answer = ask(Method::GET, "/v1/global-params", 0).await;
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], SITE);
            assert_eq!(answer.headers()[header::RETRY_AFTER], "1");
            let exposed = &answer.headers()[header::ACCESS_CONTROL_EXPOSE_HEADERS];
            assert_eq!(exposed, "retry-after", "scripts may read it");
            return;
        }
    }
    panic!("no request was too many");
}

#[tokio::test]
async fn requests__should_end_in_time() {
    let never = Router::<()>::new().route("/never", get(std::future::pending::<()>));
    let routes = around::timed_by(never, Duration::from_millis(20), 1);
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = server::bind(any, "api.listen").await.expect("a free port");
    let url = format!("http://{}/never", listener.local_addr().expect("bound"));
    let stop = CancellationToken::new();
    tokio::spawn(server::serve(listener, routes, stop.clone()));

    // Both: the second gets no place, and waits no longer than the first.
    let (http, ask) = (must_client(), || async { must_client().get(&url).send().await });
    let (one, two) = futures::join!(ask(), async { http.get(&url).send().await });

    for answer in [one, two] {
        let answer = must_read(answer.expect("an answer")).await;
        is_fault(&answer, 408, "REQUEST_TIMEOUT", "took too long");
    }
    stop.cancel();
}

#[tokio::test]
async fn browsers__should_be_let_in_by_origin() {
    let api = Api::start(Chain::new().await).await;
    let allowed = |answer: &Response| {
        let value = answer.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        value.map(|value| value.to_str().expect("text").to_owned())
    };
    for (path, origin, expected) in [
        ("/v1/stats", SITE, Some(SITE)),
        ("/v1/stats", "https://evil.example.org", None),
        ("/v1/stats", CAMPAIGNS, None),
        (CHECK, CAMPAIGNS, Some(CAMPAIGNS)),
        (CHECK, SITE, Some(SITE)),
    ] {
        let answer = api.request(path).header(header::ORIGIN, origin).send().await.expect("it");
        assert_eq!(allowed(&answer).as_deref(), expected, "{path} {origin}");
        assert!(answer.headers().get_all(header::VARY).iter().any(|value| value == "origin"));
    }
    let preflight = api.http.request(Method::OPTIONS, format!("{}/v1/unbonding", api.url));
    let preflight = preflight.header(header::ORIGIN, SITE).send().await.expect("an answer");
    assert_eq!(preflight.status(), StatusCode::NO_CONTENT);
    assert_eq!(allowed(&preflight).as_deref(), Some(SITE));
    assert!(
        preflight.headers()[header::ACCESS_CONTROL_ALLOW_METHODS]
            .to_str()
            .is_ok_and(|methods| methods.contains("POST"))
    );
    let refused = api.http.request(Method::OPTIONS, format!("{}/v1/unbonding", api.url));
    let refused = refused.header(header::ORIGIN, "https://evil.example.org").send().await;
    let refused = refused.expect("an answer");
    assert_eq!(
        (allowed(&refused), refused.headers().get(header::ACCESS_CONTROL_ALLOW_METHODS)),
        (None, None)
    );

    let all = Api::start_with(Chain::new().await, |state| {
        state.config.cors_origins = vec!["*".into()];
    })
    .await;
    let answer = all.request("/v1/stats").header(header::ORIGIN, "https://any.org").send().await;
    assert_eq!(allowed(&answer.expect("an answer")).as_deref(), Some("*"));
}

#[tokio::test]
async fn answers__should_carry_security_headers_whatever_they_say() {
    let api = Api::start(Chain::new().await).await;
    for path in ["/v1/stats", "/v1/delegation", "/healthcheck"] {
        let answer = api.must_send(path).await;
        for (name, part) in [
            (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
            (header::X_FRAME_OPTIONS, "DENY"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "strict-origin"),
        ] {
            let value = answer.headers()[&name].to_str().expect("text");
            assert!(value.contains(part), "{path}: {name}: {value}");
        }
    }
}

#[tokio::test]
async fn methods__should_be_those_of_the_path() {
    let api = Api::start(Chain::new().await).await;

    let head = api.http.head(format!("{}/v1/stats", api.url)).send().await.expect("an answer");
    assert_eq!(head.status(), StatusCode::OK);
    assert!(head.bytes().await.expect("nothing").is_empty());
    let wrong = api.http.delete(format!("{}/v1/stats", api.url)).send().await.expect("an answer");
    is_fault(&must_read(wrong).await, 405, "BAD_REQUEST", "does not take that method");
    let wrong = api.get("/v1/unbonding").await;
    is_fault(&wrong, 405, "BAD_REQUEST", "does not take that method");
}

#[tokio::test]
async fn requests__should_be_measured_by_path_and_status() {
    let api = Api::start(Chain::new().await).await;
    api.must_get("/v1/stats").await;
    api.must_get("/v1/stats").await;
    api.get("/v1/delegation?staking_tx_hash_hex=1").await;

    let text = crate::metrics::encode(&api.metrics);

    for line in [
        "http_request_duration_seconds_count{endpoint=\"/v1/stats\",status=\"200\"} 2",
        "http_request_duration_seconds_count{endpoint=\"/v1/delegation\",status=\"400\"} 1",
        "http_request_duration_seconds_bucket{le=\"30.0\",endpoint=\"/v1/stats\",status=\"200\"} 2",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert_eq!(json!(text.matches("le=\"0.1\"").count()), 2);
}

#[test]
fn times__should_be_utc() {
    for (seconds, expected) in [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_399, "2000-02-28T23:59:59Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (951_868_800, "2000-03-01T00:00:00Z"),
        (1_231_006_505, "2009-01-03T18:15:05Z"),
        (1_709_164_800, "2024-02-29T00:00:00Z"),
        (1_735_689_599, "2024-12-31T23:59:59Z"),
        (u32::MAX, "2106-02-07T06:28:15Z"),
    ] {
        assert_eq!(time::rfc3339(seconds), expected);
    }
}
