//! The staking API: paths and shapes that wallets and dashboards of the network know, beside the
//! rest of the public listener.
//!
//! Reads go straight to the store, and a request reads a bounded number of rows; the one thing that
//! is accepted, a request to unbond, goes through the staking actor.
//!
//! Always holds: an answer is an envelope ([`dto::Envelope`]) or a fault ([`dto::FaultDto`]), and at
//! an unknown path what the rest of the listener says; nothing of what went wrong inside is told
//! outside; a page key works at the path that gave it and nowhere else.

pub(super) mod address;
mod around;
mod cors;
pub(super) mod delegations;
pub mod dto;
pub(super) mod error;
pub(super) mod events;
mod figures;
pub(super) mod input;
mod metrics;
mod page;
pub(super) mod params;
pub(super) mod providers;
pub(super) mod rate;
mod state;
pub(super) mod stats;
mod time;
pub(super) mod unbonding;

pub use figures::{
    DelegationViewDto, EventMessageDto, HonestDto, StakingEventDto, StatsDto, UnbondingProgressDto,
};
pub use metrics::HttpMetrics;
pub use state::{StakingState, Unbond, system_time};

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post},
};
use serde::Serialize;

use self::{
    dto::{Envelope, PaginationDto},
    error::StakingError,
};

/// The paths that stream: no time limit, another bound on how many.
const EVENTS: &str = "/v1/staking/events";

/// All routes, with what is around them.
pub fn router(state: Arc<StakingState>) -> Router {
    let answers = Router::new()
        .route("/healthcheck", get(params::healthcheck))
        .route("/v1/global-params", get(params::global_params))
        .route("/v1/staker/delegations", get(delegations::staker_delegations))
        .route("/v1/delegation", get(delegations::delegation))
        .route("/v1/unbonding", post(unbonding::unbonding))
        .route("/v1/unbonding/eligibility", get(unbonding::unbonding_eligibility))
        .route("/v1/finality-providers", get(providers::finality_providers))
        .route("/v1/stats", get(stats::overall_stats))
        .route("/v1/stats/staker", get(stats::staker_stats))
        .route("/v1/staker/delegation/check", get(address::delegation_check))
        .route("/v1/staker/pubkey-lookup", get(address::pubkey_lookup))
        .route("/v1/staking/events/page", get(events::staking_events_page));
    let streams = Router::new().route(EVENTS, get(events::staking_events));
    let routes = around::timed(answers)
        .merge(streams)
        .method_not_allowed_fallback(|| async { StakingError::method() })
        .fallback(crate::api::public::unknown);
    around::guarded(routes, &state).with_state(state)
}

/// An answer.
type Answer<T> = Result<axum::Json<Envelope<T>>, StakingError>;

fn data<T: Serialize>(data: T) -> axum::Json<Envelope<T>> {
    axum::Json(Envelope { data, pagination: None })
}

fn paged<T: Serialize>(data: T, next_key: Option<String>) -> axum::Json<Envelope<T>> {
    let pagination = Some(PaginationDto { next_key: next_key.unwrap_or_default() });
    axum::Json(Envelope { data, pagination })
}

#[cfg(test)]
mod tests;
