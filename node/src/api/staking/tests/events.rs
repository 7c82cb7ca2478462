//! The stream of what happened to delegations, and its pages.

use serde_json::json;
use trestle_wire::Peer;

use super::*;
use crate::{
    api::{ApiState, NodeFacts, public},
    events::{Event, EventBus},
    metrics,
    readiness::Readiness,
};

/// Reads server-sent events one by one.
struct Listener {
    answer: Response,
    text: String,
}

impl Listener {
    async fn must_open(request: RequestBuilder) -> Self {
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self { answer, text: String::new() }
    }

    /// The fields of the next event.
    async fn must_hear(&mut self) -> (Option<String>, String, Value) {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let found = event.lines().find_map(|line| line.strip_prefix(name));
                    found.map(|value| value.trim().to_owned())
                };
                let data = field("data:").expect("data");
                let data = serde_json::from_str(&data).expect("JSON");
                let heard = (field("id:"), field("event:").expect("a name"), data);
                self.text = rest.to_owned();
                return heard;
            }
            let chunk = self.answer.chunk().await.expect("open").expect("more");
            self.text.push_str(std::str::from_utf8(&chunk).expect("text"));
        }
    }
}

/// Stakes and unbonds in blocks of their own.
async fn history() -> Chain {
    let mut chain = Chain::new().await;
    let stake = chain.stake(1, 201, 100_000, 100);
    chain.mine(vec![stake.clone()]).await;
    let unbonding = chain.unbonding(&chain.stake_of(&stake, 1, 201, 100), 1);
    chain.mine(vec![unbonding]).await;
    chain.mine_empty(1).await;
    chain
}

fn numbers(page: &Value) -> Vec<u64> {
    let rows = page["data"].as_array().expect("a list");
    rows.iter().map(|row| row["number"].as_u64().expect("a number")).collect()
}

#[tokio::test]
async fn page__should_show_all_events_in_order() {
    let api = Api::start(history().await).await;

    let all = api.must_get("/v1/staking/events/page").await;
    let count = u64::try_from(numbers(&all).len()).expect("few");
    assert_eq!(numbers(&all), (1..=count).collect::<Vec<_>>());
    assert_eq!(all["pagination"]["next_key"], "");
    let active = all["data"].as_array().into_iter().flatten().find(|row| row["kind"] == "active");
    let active = active.expect("the stake is confirmed");
    assert_eq!(active["reverted"], false);
    let queues: Vec<_> = active["messages"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|message| message["queue"].clone())
        .collect();
    assert_eq!(queues, ["active_staking_queue", "staking_stats_queue"]);
    assert_eq!(active["messages"][0]["body"]["staking_value"], 100_000);
    let id = active["staking_tx_hash_hex"].as_str().expect("an id");
    assert_eq!(active["messages"][0]["message_id"], format!("{id}:active"));

    for name in ["after", "pagination_key"] {
        let mut next = String::from("0");
        let mut found = Vec::new();
        while !next.is_empty() {
            let path = format!("/v1/staking/events/page?limit=2&{name}={next}");
            let page = api.must_get(&path).await;
            found.extend(numbers(&page));
            next = page["pagination"]["next_key"].as_str().expect("a key").to_owned();
            assert!(found.len() <= numbers(&all).len(), "{name}: a page came twice");
        }
        assert_eq!(found, numbers(&all));
    }
}

#[tokio::test]
async fn stream__should_go_on_where_the_reader_was() {
    let mut api = Api::start(history().await).await;
    let all = api.must_get("/v1/staking/events/page").await;
    let last = *numbers(&all).last().expect("events");

    let mut whole = Listener::must_open(api.request("/v1/staking/events?after=0")).await;
    for row in all["data"].as_array().expect("a list") {
        let (id, name, data) = whole.must_hear().await;
        assert_eq!(id, Some(row["number"].to_string()));
        assert_eq!((json!(name), &data), (row["kind"].clone(), row));
    }
    // The header wins: browsers connect again to the address that they know.
    let again = api.request("/v1/staking/events?after=0").header("last-event-id", last - 1);
    let mut again = Listener::must_open(again).await;
    let mut fresh = Listener::must_open(api.request("/v1/staking/events")).await;
    assert_eq!(again.must_hear().await.0, Some(last.to_string()));

    let stake = api.chain.stake(2, 201, 100_000, 100);
    api.chain.mine(vec![stake]).await;

    for listener in [&mut whole, &mut again, &mut fresh] {
        let (id, _, data) = listener.must_hear().await;
        assert_eq!(id, Some((last + 1).to_string()), "{data}");
    }
}

#[tokio::test]
async fn stream__should_end_with_the_node() {
    let api = Api::start(history().await).await;
    let mut listener = Listener::must_open(api.request("/v1/staking/events")).await;

    api.stop.cancel();

    assert!(listener.answer.chunk().await.expect("an orderly end").is_none());
}

#[tokio::test]
async fn stream__should_tell_what_is_not_true_any_more() {
    let mut api = Api::start(history().await).await;
    let mut listener = Listener::must_open(api.request("/v1/staking/events")).await;

    for _ in 0..3 {
        api.chain.undo().await;
    }
    api.chain.mine_empty(4).await;

    loop {
        let (_, name, data) = listener.must_hear().await;
        if data["reverted"] == true {
            assert!(["active", "unbonding"].contains(&name.as_str()), "{data}");
            assert_eq!(data["messages"], json!([]));
            break;
        }
    }
}

#[tokio::test]
async fn stream__should_refuse_a_number_that_is_not_there() {
    let api = Api::start(history().await).await;
    let ahead = api.get("/v1/staking/events?after=999").await;
    is_fault(&ahead, 400, "BAD_REQUEST", "there is no event 999 yet");
    for name in ["after", "pagination_key"] {
        let ahead = api.get(&format!("/v1/staking/events/page?{name}=999")).await;
        is_fault(&ahead, 400, "BAD_REQUEST", "there is no event 999 yet");
    }
    let header = api.request("/v1/staking/events").header("last-event-id", "x");
    let wrong = must_read(header.send().await.expect("an answer")).await;
    is_fault(&wrong, 400, "BAD_REQUEST", "invalid Last-Event-ID");
}

#[tokio::test]
async fn node_events__should_have_those_of_staking_among_them() {
    let mut chain = history().await;
    let (mut registry, stop, events) =
        (Registry::default(), CancellationToken::new(), EventBus::new());
    let staking = state_of(&chain, &mut registry, stop.clone());
    let state = ApiState {
        facts: Arc::new(NodeFacts {
            peer: Peer([1; 32]),
            committee_key: [2; 32],
            roles: std::collections::BTreeSet::new(),
            network: Network::Regtest,
            params: None,
            listen: Vec::new(),
        }),
        coordinator: None,
        staking: Some(Arc::new(staking)),
        readiness: Readiness::new(metrics::register(&mut registry), events.clone()),
        registry: Arc::new(registry),
        events: events.clone(),
        peers: Arc::new(|| Box::pin(async { Vec::new() })),
        stop: stop.clone(),
    };
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = server::bind(any, "api.listen").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(server::serve(listener, public::router(state), stop.clone()));
    let http = must_client();
    let mut listener = Listener::must_open(http.get(format!("{url}/v1/events"))).await;

    events.publish(Event::Tip { height: 3, hash: "00ff".into() });
    let first = listener.must_hear().await;
    assert_eq!((first.0.as_deref(), first.1.as_str()), (Some("1"), "tip"));
    let stake = chain.stake(2, 201, 100_000, 100);
    chain.mine(vec![stake]).await;

    let (id, name, data) = listener.must_hear().await;
    assert_eq!((id, name.as_str()), (None, "staking"));
    assert!(data["number"].as_u64().is_some_and(|number| number > 1), "{data}");
    // Both kinds of routes are on one listener, and the node's fallback is still there.
    let (status, _) =
        must_read(http.get(format!("{url}/v1/stats")).send().await.expect("it")).await;
    assert_eq!(status, StatusCode::OK);
    let (status, body) = must_read(http.get(format!("{url}/v1/x")).send().await.expect("it")).await;
    assert_eq!((status, &body["code"]), (StatusCode::NOT_FOUND, &json!("no_such_route")));
    stop.cancel();
}
