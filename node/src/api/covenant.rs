//! `POST /v1/sign-unbonding-tx`: a covenant member signs for pipelines that know nothing of peers. A
//! listener of its own, off unless the config asks for it.
//!
//! Always holds: whoever has no token learns nothing; what is asked here goes through the same
//! checks, and the same bounds, as what coordinators ask.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request, State, rejection::JsonRejection},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::{Deserialize, Serialize};
use trestle_actors::covenant::{CovenantHandle, HttpFault, HttpOrder};
use utoipa::ToSchema;

use super::{
    staking::dto::{Envelope, FaultDto},
    token::Token,
};

/// Largest body: a request has some hundred bytes.
const MAX_BODY: usize = 8_192;

/// An unbonding to sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignUnbondingDto {
    /// The staking output's script, 34 bytes.
    pub staking_output_pk_script_hex: String,
    /// The unbonding transaction.
    pub unbonding_tx_hex: String,
    /// The staker's 64-byte signature for it.
    pub staker_unbonding_sig_hex: String,
    /// The covenant key that is to sign, 33 bytes.
    pub covenant_public_key: String,
}

/// The signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignatureDto {
    /// 64 bytes.
    pub signature_hex: String,
}

/// The route, behind its token.
pub fn router(handle: CovenantHandle, token: Token) -> Router {
    Router::new()
        .route("/v1/sign-unbonding-tx", post(sign))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        // Outermost: a body is read for those with the token alone.
        .layer(middleware::from_fn_with_state(Arc::new(token), admit))
        .with_state(handle)
}

async fn admit(State(token): State<Arc<Token>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION);
    let given = given.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if given.is_some_and(|given| token.is(given)) {
        return next.run(request).await;
    }
    let message = "send `Authorization: Bearer TOKEN` with the content of the member's token file";
    fault(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message.into())
}

async fn sign(
    State(handle): State<CovenantHandle>,
    body: Result<Json<SignUnbondingDto>, JsonRejection>,
) -> Response {
    let Json(body) = match body {
        Ok(body) => body,
        Err(error) => {
            let large = error.status() == StatusCode::PAYLOAD_TOO_LARGE;
            let status =
                if large { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::BAD_REQUEST };
            return fault(status, "BAD_REQUEST", error.body_text());
        }
    };
    let order = HttpOrder::parse(
        &body.staking_output_pk_script_hex,
        &body.unbonding_tx_hex,
        &body.staker_unbonding_sig_hex,
        &body.covenant_public_key,
    );
    let signed = match order {
        Ok(order) => handle.sign(order).await,
        Err(error) => Err(error),
    };
    match signed {
        Ok(signature) => {
            let data = SignatureDto { signature_hex: hex::encode(signature) };
            Json(Envelope { data, pagination: None }).into_response()
        }
        Err(error) => refused(&error),
    }
}

fn refused(error: &HttpFault) -> Response {
    let status = StatusCode::from_u16(error.status());
    fault(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), error.code(), error.to_string())
}

fn fault(status: StatusCode, code: &str, message: String) -> Response {
    (status, Json(FaultDto { error_code: code.to_owned(), message })).into_response()
}
