//! Faults, as clients of the network's API know them.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use trestle_actors::staking::pipeline::RequestError;
use trestle_store::StoreError;

use super::dto::FaultDto;
use crate::api::error::with_patience;

pub(super) const INTERNAL: &str = "INTERNAL_SERVICE_ERROR";
pub(super) const NOT_FOUND: &str = "NOT_FOUND";
pub(super) const BAD_REQUEST: &str = "BAD_REQUEST";
pub(super) const TIMEOUT: &str = "REQUEST_TIMEOUT";
/// Our own: the reference service has no limits of this kind.
pub(super) const TOO_MANY: &str = "TOO_MANY_REQUESTS";

/// What the outside is told of everything that is wrong inside.
const HIDDEN: &str = "Internal service error";

/// A failed request. Of a status from 500 on, the message is for our log only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api) struct StakingError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl StakingError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// An input of another form.
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, BAD_REQUEST, message)
    }

    /// Something of ours is not as it should be.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL, message)
    }

    pub(super) fn too_many(message: &str) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, TOO_MANY, message)
    }

    pub(super) fn too_large(most: usize) -> Self {
        let message = format!("the request's body is larger than {most} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, BAD_REQUEST, message)
    }

    pub(super) fn timeout() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, TIMEOUT, "the request took too long, please retry")
    }

    pub(in crate::api) fn no_such_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, NOT_FOUND, "there is nothing at this path")
    }

    pub(in crate::api) fn method() -> Self {
        let message = "this path does not take that method";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, BAD_REQUEST, message)
    }
}

impl IntoResponse for StakingError {
    fn into_response(self) -> Response {
        let Self { status, code, mut message } = self;
        if status.is_server_error() {
            tracing::warn!(%status, error = message, "a request to the staking API failed");
            HIDDEN.clone_into(&mut message);
        }
        with_patience((status, Json(FaultDto { error_code: code.into(), message })).into_response())
    }
}

impl From<StoreError> for StakingError {
    fn from(error: StoreError) -> Self {
        Self::internal(error.to_string())
    }
}

impl From<RequestError> for StakingError {
    fn from(error: RequestError) -> Self {
        // Only fixed, valid numbers come.
        let status = StatusCode::from_u16(error.status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, error.code(), error.to_string())
    }
}
