//! The staking API over HTTP, on a store in memory that the real index filled with blocks made for
//! it.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

mod chain;
mod documents;
mod events;
mod inputs;
mod limits;
mod lists;
mod unbonding;
mod vector;
#[path = "../../../../../proto/staking/tests/staking/vectors.rs"]
mod vectors;

use std::{net::SocketAddr, sync::Arc};

use futures::future::{BoxFuture, FutureExt as _};
use prometheus_client::registry::Registry;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;
use trestle_actors::{
    ports::{Compute, compute::Work},
    staking::{Index, RequestFact, addresses, ingress::StakingStatus, pipeline},
};
use trestle_staking::{GlobalParams, providers::Providers};
use trestle_store::memory::MemoryStore;
use trestle_wire::Network;

use self::chain::Chain;
use super::*;
use crate::{api::server, config::StakingConfig};

/// Runs work at once.
struct Inline;

impl Compute for Inline {
    fn submit(&self, work: Work) -> BoxFuture<'_, ()> {
        work();
        std::future::ready(()).boxed()
    }
}

/// An API and the chain behind it.
struct Api {
    url: String,
    http: Client,
    chain: Chain,
    metrics: Registry,
    stop: CancellationToken,
}

fn config() -> StakingConfig {
    StakingConfig {
        finality_providers: None,
        delegations_page: 3,
        providers_page: 2,
        max_body: 4_096,
        rate_limit: 10_000,
        cors_origins: vec!["https://stake.example.org".into()],
        confirmed_info: false,
    }
}

fn state_of(chain: &Chain, metrics: &mut Registry, stop: CancellationToken) -> StakingState {
    let global = Arc::clone(&chain.params);
    let unbond = accepting(Arc::clone(&chain.index), chain.store.clone(), Arc::clone(&global));
    let (providers, _) = Providers::parse(REGISTRY).expect("a registry");
    StakingState::new(
        Arc::new(chain.store.clone()),
        global,
        Arc::new(providers),
        Network::Regtest,
        unbond,
        chain.status.subscribe(),
        config(),
        HttpMetrics::register(metrics),
        stop,
    )
}

/// Checks as production does, and stores the fact in the index.
fn accepting(index: Arc<Mutex<Index>>, store: MemoryStore, global: Arc<GlobalParams>) -> Unbond {
    Arc::new(move |form| {
        let (index, store, global) = (Arc::clone(&index), store.clone(), Arc::clone(&global));
        async move {
            let order = pipeline::check(&store, &Inline, &global, form).await?;
            let fact = RequestFact::Made { unbonding: order.txid() };
            let mut index = index.lock().await;
            let planned = index.plan_request(order.outpoint().txid, fact).await.expect("a plan")?;
            index.commit(planned).await.expect("memory takes it");
            Ok(())
        }
        .boxed()
    })
}

impl Api {
    async fn start(chain: Chain) -> Self {
        Self::start_with(chain, |_| {}).await
    }

    /// With something of the state changed.
    async fn start_with(chain: Chain, change: impl FnOnce(&mut StakingState)) -> Self {
        let mut metrics = Registry::default();
        let stop = CancellationToken::new();
        let mut state = state_of(&chain, &mut metrics, stop.clone());
        change(&mut state);
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = server::bind(any, "api.listen").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        tokio::spawn(server::serve(listener, router(Arc::new(state)), stop.clone()));
        while addresses::advance(&chain.store).await.expect("memory answers") {}
        Self { url, http: must_client(), chain, metrics, stop }
    }

    fn request(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("{}{path}", self.url))
    }

    async fn must_send(&self, path: &str) -> Response {
        self.request(path).send().await.expect("an answer")
    }

    /// Status and body.
    async fn get(&self, path: &str) -> (StatusCode, Value) {
        must_read(self.must_send(path).await).await
    }

    async fn must_get(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    /// All pages' rows, each page by its length, by following `next_key`.
    async fn must_get_all(&self, path: &str) -> (Vec<Value>, Vec<usize>) {
        let (mut rows, mut lengths, mut key) = (Vec::new(), Vec::new(), String::new());
        loop {
            let page = self.must_get(&format!("{path}pagination_key={key}")).await;
            let data = page["data"].as_array().expect("a list").clone();
            lengths.push(data.len());
            rows.extend(data);
            key = page["pagination"]["next_key"].as_str().expect("a key").to_owned();
            if key.is_empty() {
                return (rows, lengths);
            }
            assert!(lengths.len() < 100, "pages without end");
        }
    }

    async fn post(&self, body: impl Into<reqwest::Body>) -> (StatusCode, Value) {
        let request = self.http.post(format!("{}/v1/unbonding", self.url)).body(body);
        must_read(request.send().await.expect("an answer")).await
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn must_client() -> Client {
    Client::builder().no_proxy().build().expect("a client")
}

async fn must_read(answer: Response) -> (StatusCode, Value) {
    let status = answer.status();
    (status, answer.json().await.expect("JSON"))
}

fn is_fault((status, body): &(StatusCode, Value), number: u16, code: &str, part: &str) {
    assert_eq!((status.as_u16(), &body["errorCode"]), (number, &Value::from(code)), "{body}");
    let message = body["message"].as_str().expect("a message");
    assert!(message.contains(part), "{message:?} is without {part:?}");
    assert_eq!(body.as_object().map(serde_json::Map::len), Some(2), "{body}");
}

/// A status channel that says where an index stands.
fn statuses() -> watch::Sender<StakingStatus> {
    watch::Sender::new(StakingStatus::default())
}

/// The providers 201 and 209: of the second nobody's stake is.
const REGISTRY: &str = r#"{"finality_providers":[
  {"description":{"moniker":"one","identity":"i","website":"w","security_contact":"s","details":"d"},
   "commission":"0.05","btc_pk":"6b3274f76e3c6b6bcaaacf3415608b1b75f0e7173d505e2c77f0c8981b1ac43c"},
  {"description":{"moniker":"two"},
   "commission":"0.1","btc_pk":"0612c5e8c98a9677a2ddd13770e26f5f1e771a088c88ce519a1e1b65872423f9"}]}"#;
