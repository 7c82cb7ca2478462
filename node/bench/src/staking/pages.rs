//! A staker's delegations over HTTP, beside a handler that hands out as many bytes of one row.

use std::{fs, net::SocketAddr, path::Path, process::Stdio, sync::Arc};

use axum::{
    Router,
    extract::{Query, State},
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use eyre::{Result, ensure, eyre};
use prometheus_client::registry::Registry;
use serde::Deserialize;
use tokio::{net::TcpListener, process::Command, sync::watch};
use tokio_util::sync::CancellationToken;
use trestle_actors::staking::{ingress::StakingStatus, pipeline::RequestError};
use trestle_node::{
    api::staking::{HttpMetrics, StakingState, Unbond, router},
    config::StakingConfig,
};
use trestle_staking::providers::Providers;
use trestle_store::{Batch, Op, Store};
use trestle_wire::Network;

use super::{
    AREA,
    fill::Filled,
    load::{Order, Outcome},
    world::World,
};
use crate::{
    Bench,
    runs::{Measured, Run},
    say,
};

const CASE: &str = "GET /v1/staker/delegations, 500,000 delegations";
const TARGET: f64 = 0.5;
const DELEGATIONS: u32 = 500_000;
const CONNECTIONS: usize = 32;
/// Requests of each connection in a turn.
const REQUESTS: usize = 500;
/// Rows of the other handler's space in one commit.
const CHUNK: usize = 500;
const SPACE: &str = "bench.page";
const PATH: &str = "/v1/staker/delegations?staker_btc_pk=";

/// Measures requests a second, and how long the slowest hundredth takes.
pub(super) async fn run(bench: &mut Bench) -> Result<()> {
    if !bench.wants(CASE) {
        return Ok(());
    }
    let world = World::new()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("pages.sqlite");
    let filled = Filled::make(&file, &world, DELEGATIONS).await?;
    let store = trestle_store_sql::open(&format!("sqlite:{}", file.display())).await?;
    let stop = CancellationToken::new();
    let ours = listen(ours(&world, &store, &stop)?, &stop).await?;
    let page = page(&format!("{ours}{PATH}"), &filled).await?;
    pages(store.as_ref(), &filled, page).await?;
    let limit = listen(least(&store), &stop).await?;
    say(&format!("staking: a page has {page} bytes"));
    let keys: Vec<String> = filled.stakers.iter().map(|staker| hex::encode(staker.0)).collect();
    let stakers = folder.path().join("stakers");
    fs::write(&stakers, keys.join("\n"))?;
    let order = |url: &str, turn| Order {
        url: format!("{url}{PATH}"),
        stakers: stakers.clone(),
        connections: CONNECTIONS,
        requests: REQUESTS,
        bytes: page,
        seed: turn,
    };
    let (mut rates, mut slowest) = (Vec::new(), Vec::new());
    for turn in 0..=bench.runs {
        let seed = turn as u64;
        let ours = from_outside(folder.path(), &order(&ours, seed)).await?;
        let limit = from_outside(folder.path(), &order(&limit, seed)).await?;
        say(&format!(
            "staking: {CASE}: turn {turn}: ours {:.0}/s, p99 {:.1} ms; limit {:.0}/s, p99 {:.1} ms",
            ours.rate, ours.p99_ms, limit.rate, limit.p99_ms
        ));
        if turn > 0 {
            rates.push(Run { ours: ours.rate, limit: Some(limit.rate) });
            slowest.push(Run { ours: ours.p99_ms, limit: Some(limit.p99_ms) });
        }
    }
    stop.cancel();
    let nothing = || eyre!("nothing was measured");
    let rates = Measured::of(rates).ok_or_else(nothing)?;
    bench.report.add_rate(AREA, CASE, "1/s", &rates, Some(TARGET))?;
    let slowest = Measured::of(slowest).ok_or_else(nothing)?;
    bench.report.add(AREA, format!("{CASE}: p99"), "ms", &slowest, None)
}

/// The API as a coordinator has it, with an allowance that nobody uses up.
fn ours(world: &World, store: &Arc<dyn Store>, stop: &CancellationToken) -> Result<Router> {
    let config = StakingConfig {
        finality_providers: None,
        delegations_page: 10,
        providers_page: 10,
        max_body: 8_192,
        rate_limit: u32::MAX,
        cors_origins: Vec::new(),
        confirmed_info: false,
    };
    let unbond: Unbond = Arc::new(|_| Box::pin(std::future::ready(Err(RequestError::Busy))));
    let (_, status) = watch::channel(StakingStatus::default());
    let state = StakingState::new(
        Arc::clone(store),
        Arc::clone(&world.global),
        Arc::new(Providers::default()),
        Network::Regtest,
        unbond,
        status,
        config,
        HttpMetrics::register(&mut Registry::default()),
        stop.clone(),
    );
    Ok(router(Arc::new(state)))
}

/// One point read a request, and what it read is the answer.
fn least(store: &Arc<dyn Store>) -> Router {
    #[derive(Deserialize)]
    struct Asked {
        staker_btc_pk: String,
    }
    async fn read(
        State(store): State<Arc<dyn Store>>,
        Query(asked): Query<Asked>,
    ) -> impl IntoResponse {
        let key = hex::decode(&asked.staker_btc_pk).map_err(|_| StatusCode::BAD_REQUEST)?;
        match store.get(SPACE, &key).await {
            Ok(Some(page)) => Ok(([(header::CONTENT_TYPE, "application/json")], page)),
            Ok(None) => Err(StatusCode::NOT_FOUND),
            Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
    Router::new().route("/v1/staker/delegations", get(read)).with_state(Arc::clone(store))
}

async fn listen(routes: Router, stop: &CancellationToken) -> Result<String> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let address = listener.local_addr()?;
    tokio::spawn(trestle_node::api::server::serve(listener, routes, stop.clone()));
    Ok(address.to_string())
}

/// Bytes of a full page's answer.
async fn page(url: &str, filled: &Filled) -> Result<usize> {
    let staker = filled.stakers.first().ok_or_else(|| eyre!("nobody has delegations"))?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let answer = http.get(format!("http://{url}{}", hex::encode(staker.0))).send().await?;
    ensure!(answer.status().is_success(), "expected a page, got {}", answer.status());
    let body = answer.bytes().await?;
    let json: serde_json::Value = serde_json::from_slice(&body)?;
    let rows = json["data"].as_array().map_or(0, Vec::len);
    ensure!(rows == 10, "expected a page of 10, got {rows}");
    Ok(body.len())
}

/// A row of the same size for each staker.
async fn pages(store: &dyn Store, filled: &Filled, size: usize) -> Result<()> {
    for some in filled.stakers.chunks(CHUNK) {
        let ops = some.iter().map(|staker| Op::Put(SPACE, staker.0.to_vec(), vec![b' '; size]));
        store.commit(Batch { ops: ops.collect() }).await?;
    }
    Ok(())
}

/// This program once more, as the client.
async fn from_outside(folder: &Path, order: &Order) -> Result<Outcome> {
    let file = folder.join("order.json");
    fs::write(&file, serde_json::to_vec(order)?)?;
    let mut client = Command::new(std::env::current_exe()?);
    let done = client.arg("--load").arg(&file).stderr(Stdio::inherit()).output().await?;
    ensure!(done.status.success(), "the client failed: {}", done.status);
    Ok(serde_json::from_slice(&done.stdout)?)
}
