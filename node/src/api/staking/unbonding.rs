//! Requests to end a lock early.

use std::sync::Arc;

use axum::{Json, body::Body, extract::State, http::StatusCode};
use trestle_actors::staking::{
    pipeline::{RequestError, UnbondingForm},
    query,
};

use super::{
    StakingState,
    dto::{FaultDto, UnbondingRequestDto},
    error::StakingError,
    input::{Input, body, object},
};

/// Accepts a request to unbond a stake before its lock ends.
///
/// The checks, in this order: form of the fields, the delegation is there, it is active, the
/// transaction is fit for signing ahead, its hash, the output it spends, the value it leaves, its
/// one output, the staker's signature.
#[utoipa::path(post, path = "/v1/unbonding", tag = "staking", request_body = UnbondingRequestDto,
    responses(
        (status = 202, description = "Accepted and stored; the body is `null`"),
        (status = 400, body = FaultDto, description = "BAD_REQUEST: a field has another form"),
        (status = 403, body = FaultDto, description = "NOT_FOUND: no such delegation. FORBIDDEN: it is not active. VALIDATION_ERROR: the transaction or the signature is not right"),
        (status = 413, body = FaultDto, description = "The body is too large"),
        (status = 503, body = FaultDto, description = "Not now: ask again"),
    ))]
pub(in crate::api) async fn unbonding(
    State(state): State<Arc<StakingState>>,
    sent: Body,
) -> Result<(StatusCode, Json<()>), StakingError> {
    let bytes = body(sent, state.config.max_body).await?;
    let request: UnbondingRequestDto = object(&bytes)?;
    let form = UnbondingForm::parse(
        &request.staking_tx_hash_hex,
        &request.unbonding_tx_hash_hex,
        &request.unbonding_tx_hex,
        &request.staker_signed_signature_hex,
    )?;
    (state.unbond)(form).await?;
    Ok((StatusCode::ACCEPTED, Json(())))
}

/// Whether a request to unbond would be accepted.
#[utoipa::path(get, path = "/v1/unbonding/eligibility", tag = "staking",
    params(("staking_tx_hash_hex" = String, Query, description = "The staking transaction's hash")),
    responses(
        (status = 200, description = "It is active; the body is `null`"),
        (status = 400, body = FaultDto),
        (status = 403, body = FaultDto, description = "NOT_FOUND: no such delegation. FORBIDDEN: it is not active"),
    ))]
pub(in crate::api) async fn unbonding_eligibility(
    State(state): State<Arc<StakingState>>,
    input: Input,
) -> Result<Json<()>, StakingError> {
    let txid = input.txid("staking_tx_hash_hex")?;
    let found = query::delegation(state.store.as_ref(), txid).await?;
    let (_, row) = found.ok_or(RequestError::NotFound)?;
    row.delegation.eligible().map_err(RequestError::from)?;
    Ok(Json(()))
}
