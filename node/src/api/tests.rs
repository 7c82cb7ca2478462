//! Both listeners, spoken to over HTTP, with a coordinator that answers from a list.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

mod refusals;

use std::{net::SocketAddr, sync::Arc};

use bitcoin::{Address, Amount, Network as BitcoinNetwork, OutPoint, Txid, hashes::Hash as _};
use prometheus_client::registry::Registry;
use reqwest::{Client, Response, StatusCode, header};
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use trestle_actors::coordinator::{
    ingress::{CoordinatorHandle, Denied, Request},
    view::{PayRequest, PaymentPhase, PaymentView},
};
use trestle_wire::{Hash32, Network, Peer, hello::Role};

use super::{token::Token, *};
use crate::{
    config,
    events::{Event, EventBus},
    metrics,
    readiness::{Health, Readiness},
};

const ADDRESS: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";

struct Api {
    public: String,
    admin: SocketAddr,
    token: Token,
    readiness: Readiness,
    events: EventBus,
    stop: CancellationToken,
    http: Client,
    _dir: tempfile::TempDir,
}

impl Api {
    async fn must_get(&self, path: &str) -> Response {
        self.http.get(format!("{}{path}", self.public)).send().await.expect("an answer")
    }

    async fn must_post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let request = self.http.post(format!("http://{}{path}", self.admin)).json(&body);
        let request = request.bearer_auth(self.token.expose_secret());
        let answer = request.send().await.expect("an answer");
        (answer.status(), answer.json().await.expect("JSON"))
    }
}

async fn must_start(coordinator: Option<CoordinatorHandle>) -> Api {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let token = Token::load_or_create(&dir.path().join("admin.token")).expect("a token");
    let mut registry = Registry::default();
    let events = EventBus::new();
    let readiness = Readiness::new(metrics::register(&mut registry), events.clone());
    let params = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let params = config::load_params(&params.join("../conf/params.regtest.toml"));
    let stop = CancellationToken::new();
    let state = ApiState {
        facts: Arc::new(NodeFacts {
            peer: Peer([1; 32]),
            committee_key: [2; 32],
            roles: [Role::Coordinator].into(),
            network: Network::Regtest,
            params: Some(params.expect("the example")),
            listen: vec!["/ip4/127.0.0.1/tcp/1".into()],
        }),
        coordinator,
        staking: None,
        readiness: readiness.clone(),
        registry: Arc::new(registry),
        events: events.clone(),
        peers: Arc::new(|| Box::pin(async { Vec::new() })),
        stop: stop.clone(),
    };
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let public = server::bind(any, "api.listen").await.expect("a free port");
    let admin = server::bind(any, "admin.listen").await.expect("a free port");
    let public_address = public.local_addr().expect("bound");
    let admin_address = admin.local_addr().expect("bound");
    let routes = admin::router(state.clone(), token.clone(), admin_address, &[]);
    tokio::spawn(server::serve(public, super::public::router(state), stop.clone()));
    tokio::spawn(server::serve(admin, routes, stop.clone()));
    Api {
        public: format!("http://{public_address}"),
        admin: admin_address,
        token,
        readiness,
        events,
        stop,
        http: Client::builder().no_proxy().build().expect("a client"),
        _dir: dir,
    }
}

// Says yes to payments and to freezing one coin, no to key generations, and nothing to the rest.
fn coordinator() -> (CoordinatorHandle, JoinHandle<()>) {
    let (mailbox, mut requests) = mpsc::channel(8);
    let task = tokio::spawn(async move {
        while let Some(request) = requests.recv().await {
            match request {
                Request::Pay(request, reply) => {
                    let _ = reply.send(Ok(payment(request)));
                }
                Request::Dkg(name, reply) => {
                    let _ = reply.send(Err(Denied::NotFound(format!("committee {name}"))));
                }
                Request::Freeze(_, coin, true, reply) if coin.vout == 7 => {
                    let _ = reply.send(Ok(()));
                }
                // Dropped without an answer.
                Request::Committees(..)
                | Request::SignText(..)
                | Request::Payment(..)
                | Request::Payments(..)
                | Request::Freeze(..)
                | Request::Release(..)
                | Request::Rescan(..) => {}
                Request::Cancel(_, name, reply) => {
                    let _ = reply.send(Err(Denied::Invalid(format!("{name} is signed"))));
                }
            }
        }
    });
    (CoordinatorHandle::new(mailbox), task)
}

fn payment(request: PayRequest) -> PaymentView {
    PaymentView {
        payment: Hash32([9; 32]),
        committee: request.committee,
        idempotency_key: request.idempotency_key,
        recipients: request.recipients,
        phase: PaymentPhase::Confirmed { txid: Txid::all_zeros(), height: 12 },
        anchor: Some(OutPoint::null()),
        versions: Vec::new(),
        sign_ms: Some(40),
        note: None,
        notice: Some("the rate stays".into()),
    }
}

fn pay_body() -> Value {
    json!({ "idempotency_key": "invoice-7", "recipients": [{ "address": ADDRESS, "sats": 5000 }],
        "fee_rate_sat_per_kvb": 1001 })
}

#[tokio::test]
async fn readyz__should_name_what_is_not_ready() {
    let api = must_start(None).await;
    api.readiness.set("store", Health::Ready);
    assert_eq!(api.must_get("/readyz").await.status(), StatusCode::OK);

    api.readiness.set("bitcoind", Health::NotReady("syncing".into()));

    let answer = api.must_get("/readyz").await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let body: Value = answer.json().await.expect("JSON");
    assert_eq!(
        body,
        json!({ "ready": false, "components": { "bitcoind": "syncing", "store": "ready" } })
    );
    assert_eq!(api.must_get("/healthz").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn metrics__should_be_openmetrics_text() {
    let api = must_start(None).await;
    api.readiness.set("bitcoind", Health::NotReady("syncing".into()));

    let answer = api.must_get("/metrics").await;

    assert_eq!(answer.headers()[header::CONTENT_TYPE], metrics::CONTENT_TYPE);
    let text = answer.text().await.expect("text");
    for line in [
        "trestle_node_ready 0",
        "trestle_node_component_ready{component=\"bitcoind\"} 0",
        "trestle_build_info{version=\"",
        "process_start_time_seconds ",
        "# EOF",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn reads__should_come_from_the_parameters_where_there_is_no_coordinator() {
    let api = must_start(None).await;

    let node: Value = api.must_get("/v1/node").await.json().await.expect("JSON");
    assert_eq!(node["peer"], Peer([1; 32]).to_string());
    assert_eq!(node["roles"], json!(["coordinator"]));
    let all: Value = api.must_get("/v1/committees").await.json().await.expect("JSON");
    assert_eq!(all[0]["name"], "main");
    assert_eq!(all[0]["quorums_intersect_honestly"], false);
    assert_eq!(all[0]["live"], Value::Null);
    assert_eq!(api.must_get("/v1/committees/other").await.status(), StatusCode::NOT_FOUND);
    let payments = api.must_get("/v1/committees/main/payments").await;
    assert_eq!(payments.status(), StatusCode::CONFLICT);
    let body: Value = payments.json().await.expect("JSON");
    assert_eq!(body["code"], "not_coordinator");
    assert_eq!(api.must_get("/nowhere").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn reads__should_refuse_a_page_that_makes_no_sense_in_json() {
    let api = must_start(None).await;

    let answer = api.must_get("/v1/committees/main/payments?limit=-1").await;

    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let body: Value = answer.json().await.expect("JSON");
    assert_eq!(body["code"], "invalid");
    let message = body["message"].as_str().unwrap_or_default();
    assert!(message.contains("limit"), "{message}");
}

#[tokio::test]
async fn openapi__should_describe_every_route() {
    let api = must_start(None).await;

    let document: Value = api.must_get("/openapi.json").await.json().await.expect("JSON");

    let paths = document["paths"].as_object().expect("paths");
    assert_eq!(paths.len(), 31, "{:?}", paths.keys());
    assert!(document["components"]["schemas"]["PaymentDto"].is_object());
    let docs = api.must_get("/docs/").await;
    assert_eq!(docs.status(), StatusCode::OK);
    assert!(docs.text().await.expect("text").contains("swagger-ui"));
}

#[tokio::test]
async fn events__should_stream_until_the_node_stops() {
    let api = must_start(None).await;
    let mut answer = api.must_get("/v1/events").await;
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/event-stream");

    api.events.publish(Event::Tip { height: 3, hash: "00ff".into() });

    let chunk = answer.chunk().await.expect("open").expect("an event");
    let text = String::from_utf8_lossy(&chunk);
    assert!(text.contains("event: tip"), "{text}");
    assert!(text.contains("data: {\"kind\":\"tip\",\"height\":3,\"hash\":\"00ff\"}"), "{text}");
    api.stop.cancel();
    assert!(answer.chunk().await.expect("an orderly end").is_none());
}

#[tokio::test]
async fn events__should_tell_a_slow_listener_what_it_missed() {
    let bus = EventBus::new();
    let mut listener = bus.subscribe();
    for height in 0..2_000 {
        bus.publish(Event::Tip { height, hash: String::new() });
    }

    let first = listener.recv().await;

    assert!(matches!(first, Err(tokio::sync::broadcast::error::RecvError::Lagged(976))));
}

#[tokio::test]
async fn admin__should_answer_nobody_without_the_token() {
    let api = must_start(None).await;
    let url = format!("http://{}/v1/committees/main/dkg", api.admin);

    for token in [None, Some("wrong"), Some("")] {
        let mut request = api.http.post(&url).json(&json!({}));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{token:?}");
    }
}

#[tokio::test]
async fn admin__should_refuse_a_host_name_that_is_not_its_own() {
    let api = must_start(None).await;
    let url = format!("http://{}/v1/committees/main/dkg", api.admin);

    let request = api.http.post(&url).header(header::HOST, "evil.example");
    let answer = request.bearer_auth(api.token.expose_secret()).send().await.expect("an answer");

    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let body: Value = answer.json().await.expect("JSON");
    assert_eq!(body["code"], "host");
}

#[tokio::test]
async fn pay__should_reach_the_coordinator_in_its_own_types() {
    let (handle, task) = coordinator();
    let api = must_start(Some(handle)).await;

    let (status, body) = api.must_post("/v1/committees/main/pay", pay_body()).await;

    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(body["phase"], "confirmed");
    assert_eq!(body["height"], 12);
    assert_eq!(body["recipients"][0]["sats"], 5000);
    task.abort();
}

#[tokio::test]
async fn pay__should_pass_amounts_and_rates_exactly() {
    let (mailbox, mut requests) = mpsc::channel(1);
    let api = must_start(Some(CoordinatorHandle::new(mailbox))).await;
    let asked = tokio::spawn(async move {
        match requests.recv().await {
            Some(Request::Pay(request, reply)) => {
                let _ = reply.send(Err(Denied::Busy("full".into())));
                request
            }
            other => panic!("expected a payment, got {other:?}"),
        }
    });

    let (status, body) = api.must_post("/v1/committees/main/pay", pay_body()).await;

    assert_eq!((status, &body["code"]), (StatusCode::TOO_MANY_REQUESTS, &json!("busy")));
    let request = asked.await.expect("a request");
    let address: Address<_> = ADDRESS.parse().expect("an address");
    let address = address.require_network(BitcoinNetwork::Regtest).expect("of regtest");
    assert_eq!(request.recipients, [(address, Amount::from_sat(5_000))]);
    // 1,001 sat/kvB are 250.25 sat/kwu: rounded up.
    assert_eq!(request.fee_rate.map(bitcoin::FeeRate::to_sat_per_kwu), Some(251));
    assert_eq!(request.idempotency_key, "invoice-7");
}

#[tokio::test]
async fn pay__should_refuse_what_makes_no_sense() {
    let (handle, task) = coordinator();
    let api = must_start(Some(handle)).await;
    let change = |key: &str, value: Value| {
        let mut body = pay_body();
        body[key] = value;
        body
    };
    let mainnet = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
    for body in [
        change("idempotency_key", json!("")),
        change("idempotency_key", json!("with space")),
        change("recipients", json!([])),
        change("recipients", json!([{ "address": ADDRESS, "sats": 0 }])),
        change("recipients", json!([{ "address": mainnet, "sats": 5000 }])),
        change("fee_rate_sat_per_kvb", json!(0)),
        change("unknown", json!(1)),
        json!({ "recipients": [] }),
    ] {
        let (status, answer) = api.must_post("/v1/committees/main/pay", body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
        assert!(answer["message"].is_string(), "{answer}");
    }
    drop(api);
    task.abort();
}

#[tokio::test]
async fn admin__should_pass_denials_and_coins_on() {
    let (handle, task) = coordinator();
    let api = must_start(Some(handle)).await;

    let (status, body) = api.must_post("/v1/committees/main/dkg", json!({})).await;
    assert_eq!((status, &body["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));

    let coin = format!("{}:7", Txid::all_zeros());
    let path = format!("/v1/committees/main/coins/{coin}/freeze");
    assert_eq!(api.must_post(&path, json!({})).await.0, StatusCode::OK);
    let path = "/v1/committees/main/coins/nonsense/freeze";
    assert_eq!(api.must_post(path, json!({})).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let (status, _) = api.must_post("/v1/committees/main/sign", json!({})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    // The coordinator drops the question, as one does that starts again from its store.
    let (status, body) = api.must_post("/v1/committees/main/sign", json!({ "text": "x" })).await;
    assert_eq!((status, &body["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable")));
    assert!(body["message"].as_str().is_some_and(|text| text.contains("starting again")), "{body}");
    task.abort();
}

#[tokio::test]
async fn admin__should_bound_the_body() {
    let (handle, task) = coordinator();
    let api = must_start(Some(handle)).await;
    let body = json!({ "text": "x".repeat(300 * 1024) });

    let (status, _) = api.must_post("/v1/committees/main/sign", body).await;

    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    task.abort();
}

#[tokio::test]
async fn cancel__should_name_the_payment_as_it_was_written_and_say_why_not() {
    let api = must_start(Some(coordinator().0)).await;

    let path = "/v1/committees/main/payments/invoice%2F7/cancel";
    let (status, body) = api.must_post(path, json!({})).await;

    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(body["message"], "invoice/7 is signed");
}

#[tokio::test]
async fn pay__should_say_what_of_a_repeated_request_was_not_done() {
    let api = must_start(Some(coordinator().0)).await;

    let (status, body) = api.must_post("/v1/committees/main/pay", pay_body()).await;

    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["notice"], "the rate stays");
}
