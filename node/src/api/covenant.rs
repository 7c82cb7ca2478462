//! `POST /v1/sign-unbonding-tx`: a covenant member signs for pipelines that know nothing of peers. A
//! listener of its own, off unless the config asks for it.
//!
//! Always holds: whoever has no token learns nothing; what is asked here goes through the same
//! checks, and the same bounds, as what coordinators ask.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Body,
    extract::{Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::{Deserialize, Serialize};
use trestle_actors::covenant::{CovenantHandle, HttpFault, HttpOrder};
use utoipa::ToSchema;

use super::{
    staking::{
        dto::{Envelope, FaultDto},
        error::StakingError,
        input::{body, object},
    },
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
        .method_not_allowed_fallback(|| async { StakingError::method() })
        .fallback(|| async { StakingError::no_such_route() })
        // Outermost: a body is read for those with the token alone.
        .layer(middleware::from_fn_with_state(Arc::new(token), admit))
        .with_state(handle)
}

async fn admit(State(token): State<Arc<Token>>, request: Request, next: Next) -> Response {
    if token.is_in(request.headers()) {
        return next.run(request).await;
    }
    let message = "send `Authorization: Bearer TOKEN` with the content of the member's token file";
    fault(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message.into())
}

/// Signs an unbonding, if this member's own chain and rules allow it.
#[utoipa::path(post, path = "/v1/sign-unbonding-tx", tag = "covenant", operation_id = "sign_unbonding",
    request_body = SignUnbondingDto, security(("covenant_token" = [])),
    responses(
        (status = 200, body = Envelope<SignatureDto>),
        (status = 400, body = FaultDto, description = "BAD_REQUEST: a field has another form, or a rule is not kept"),
        (status = 401, body = FaultDto, description = "UNAUTHORIZED: no token, or another"),
        (status = 413, body = FaultDto, description = "The body is too large"),
        (status = 500, body = FaultDto, description = "INTERNAL_SERVICE_ERROR: the key is not held, the signer or the member's chain is not available, or too much at once: ask again"),
    ))]
pub(super) async fn sign(
    State(handle): State<CovenantHandle>,
    sent: Body,
) -> Result<Json<Envelope<SignatureDto>>, Response> {
    // Whatever its content type: some clients name none.
    let read = async { object::<SignUnbondingDto>(&body(sent, MAX_BODY).await?) };
    let body = read.await.map_err(StakingError::into_response)?;
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
    let signature = signed.map_err(|error| refused(&error))?;
    let data = SignatureDto { signature_hex: hex::encode(signature) };
    Ok(Json(Envelope { data, pagination: None }))
}

fn refused(error: &HttpFault) -> Response {
    let status = StatusCode::from_u16(error.status());
    fault(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), error.code(), error.to_string())
}

fn fault(status: StatusCode, code: &str, message: String) -> Response {
    (status, Json(FaultDto { error_code: code.to_owned(), message })).into_response()
}
