//! The public listener: reading only.

use axum::{
    Json, Router,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use trestle_actors::coordinator::ingress::CoordinatorHandle;
use trestle_wire::Hash32;
use utoipa::{IntoParams, OpenApi as _};
use utoipa_swagger_ui::SwaggerUi;

use super::{
    ApiError, ApiState,
    dto::{CommitteeDto, NodeDto, PaymentDto, ReadyDto},
    error::ErrorBody,
    events, limits,
    openapi::ApiDoc,
    staking,
};
use crate::{metrics, readiness::Health};

/// Most payments in one answer: about 1 MB.
const MAX_PAYMENTS: u32 = 200;

/// All public routes.
pub fn router(state: ApiState) -> Router {
    // Probes have their own allowance: a flood of reads must not make the node look dead.
    let probes = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(prometheus));
    let reads = Router::new()
        .route("/v1/node", get(node))
        .route("/v1/committees", get(committees))
        .route("/v1/committees/{name}", get(committee))
        .route("/v1/committees/{name}/payments", get(payments))
        .route("/v1/payments/{id}", get(payment));
    let streams = Router::new().route("/v1/events", get(events::events));
    let docs =
        Router::<ApiState>::from(SwaggerUi::new("/docs").url("/openapi.json", ApiDoc::openapi()));
    // Staking has its own limits, by address: its clients are the public.
    let staking = state.staking.clone();
    let routes = limits::answers(probes, limits::Limits::PROBES)
        .merge(limits::answers(reads.merge(docs), limits::Limits::READS))
        .merge(limits::streams(streams))
        .with_state(state);
    match staking {
        // What is around its paths is around unknown ones too: browsers may read that answer.
        Some(staking) => routes.merge(staking::router(staking)),
        None => routes.fallback(unknown),
    }
}

pub(super) async fn unknown() -> ApiError {
    ApiError::no_such_route()
}

/// Whether the process runs.
#[utoipa::path(get, path = "/healthz", tag = "probes", responses((status = 200, description = "It runs")))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether the node can do its work.
#[utoipa::path(get, path = "/readyz", tag = "probes", responses(
    (status = 200, body = ReadyDto),
    (status = 503, body = ReadyDto, description = "Some component is not ready"),
))]
pub(super) async fn readyz(State(state): State<ApiState>) -> Response {
    let all = state.readiness.all();
    let ready = all.values().all(|health| *health == Health::Ready);
    let words = |(component, health): (&'static str, Health)| {
        let word = match health {
            Health::Ready => "ready".to_owned(),
            Health::NotReady(reason) => reason,
        };
        (component.to_owned(), word)
    };
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let components = all.into_iter().map(words).collect();
    (status, Json(ReadyDto { ready, components })).into_response()
}

/// Metrics in the OpenMetrics text format.
#[utoipa::path(get, path = "/metrics", tag = "probes", responses((status = 200, body = String, content_type = "application/openmetrics-text")))]
pub(super) async fn prometheus(State(state): State<ApiState>) -> Response {
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::encode(&state.registry))
        .into_response()
}

/// Identity, roles, peers, parameters hash and version.
#[utoipa::path(get, path = "/v1/node", tag = "node", responses((status = 200, body = NodeDto)))]
pub(super) async fn node(State(state): State<ApiState>) -> Json<NodeDto> {
    let peers = (state.peers)().await;
    let facts = &state.facts;
    Json(NodeDto {
        peer: facts.peer.to_string(),
        committee_key: hex::encode(facts.committee_key),
        roles: facts.roles.iter().map(|role| role.name().to_owned()).collect(),
        network: facts.network.name().into(),
        params_hash: facts.params.as_ref().map(|params| params.hash().to_string()),
        version: env!("CARGO_PKG_VERSION").into(),
        listen: facts.listen.clone(),
        peers,
    })
}

/// All committees of the shared parameters; with keys and money at their coordinator.
#[utoipa::path(get, path = "/v1/committees", tag = "committees", responses((status = 200, body = Vec<CommitteeDto>)))]
pub(super) async fn committees(
    State(state): State<ApiState>,
) -> Result<Json<Vec<CommitteeDto>>, ApiError> {
    views(&state, None).await.map(Json)
}

/// One committee.
#[utoipa::path(get, path = "/v1/committees/{name}", tag = "committees",
    params(("name" = String, Path, description = "The committee's name")),
    responses((status = 200, body = CommitteeDto), (status = 404, body = ErrorBody)))]
pub(super) async fn committee(
    State(state): State<ApiState>,
    Path(name): Path<String>,
) -> Result<Json<CommitteeDto>, ApiError> {
    views(&state, Some(&name)).await?.pop().map(Json).ok_or_else(|| no_committee(&name))
}

/// How many.
#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct Page {
    /// At most so many, up to 200; 50 without it.
    limit: Option<u32>,
}

/// The payments of a committee, latest first.
#[utoipa::path(get, path = "/v1/committees/{name}/payments", tag = "payments",
    params(("name" = String, Path, description = "The committee's name"), Page),
    responses((status = 200, body = Vec<PaymentDto>), (status = 404, body = ErrorBody)))]
pub(super) async fn payments(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Vec<PaymentDto>>, ApiError> {
    let Query(page) = page?;
    let limit = page.limit.unwrap_or(50).min(MAX_PAYMENTS);
    let payments = coordinator(&state)?.payments(name, limit).await?;
    Ok(Json(payments.into_iter().map(PaymentDto::from).collect()))
}

/// One payment.
#[utoipa::path(get, path = "/v1/payments/{id}", tag = "payments",
    params(("id" = String, Path, description = "The payment's id, 64 hexadecimal digits")),
    responses((status = 200, body = PaymentDto), (status = 404, body = ErrorBody)))]
pub(super) async fn payment(
    State(state): State<ApiState>,
    Path(id): Path<String>,
) -> Result<Json<PaymentDto>, ApiError> {
    let id: Hash32 = id.parse().map_err(|e| ApiError::invalid(format!("payment id: {e}")))?;
    Ok(Json(coordinator(&state)?.payment(id).await?.into()))
}

pub(super) fn coordinator(state: &ApiState) -> Result<&CoordinatorHandle, ApiError> {
    state.coordinator.as_ref().ok_or_else(ApiError::not_coordinator)
}

// What the parameters say, with what the coordinator knows where this node is one.
async fn views(state: &ApiState, name: Option<&str>) -> Result<Vec<CommitteeDto>, ApiError> {
    let all = state.facts.params.as_ref().map_or(&[][..], |params| params.committees.as_slice());
    let wanted = all.iter().filter(|committee| name.is_none_or(|name| committee.name == name));
    let mut views: Vec<_> = wanted.map(CommitteeDto::from).collect();
    if let (Some(coordinator), false) = (&state.coordinator, views.is_empty()) {
        let known = coordinator.committees(name.map(str::to_owned)).await?;
        views = views
            .into_iter()
            .map(|view| match known.iter().find(|known| known.name == view.name) {
                Some(known) => view.with_live(known.clone()),
                None => view,
            })
            .collect();
    }
    Ok(views)
}

fn no_committee(name: &str) -> ApiError {
    let message = format!("the shared parameters have no committee {name:?}");
    ApiError::new(StatusCode::NOT_FOUND, "not_found", message).hint("GET /v1/committees lists them")
}
