//! Errors as JSON.

use axum::{
    Json,
    extract::rejection::QueryRejection,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use trestle_actors::coordinator::ingress::Denied;
use utoipa::ToSchema;

/// What every failed request answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// A fixed word for programs.
    pub code: String,
    /// What is wrong, for people.
    pub message: String,
    /// What to do next, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// A failed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    body: ErrorBody,
}

impl ApiError {
    /// An error without a hint.
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, body: ErrorBody { code: code.into(), message: message.into(), hint: None } }
    }

    /// The same with what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.body.hint = Some(hint.into());
        self
    }

    /// A request that makes no sense as it is.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message)
    }

    /// Nothing is at the path.
    pub(super) fn no_such_route() -> Self {
        let message = "there is nothing at this path";
        Self::new(StatusCode::NOT_FOUND, "no_such_route", message)
            .hint("GET /docs on the public listener lists what there is")
    }

    /// Another method than the path's.
    pub(super) fn method() -> Self {
        let message = "this path does not take that method";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method", message)
            .hint("the header Allow names those that it takes")
    }

    /// The node does not coordinate.
    pub fn not_coordinator() -> Self {
        Self::new(StatusCode::CONFLICT, "not_coordinator", "this node is not a coordinator")
            .hint("ask a node whose config lists the role \"coordinator\"")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        with_patience((self.status, Json(self.body)).into_response())
    }
}

/// How long to wait before asking again, in seconds: allowances are full again after one.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// Adds to "too many" when to ask again (RFC 6585, 4).
pub(super) fn with_patience(mut answer: Response) -> Response {
    if answer.status() == StatusCode::TOO_MANY_REQUESTS {
        answer.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    answer
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::invalid(rejection.body_text()).hint("GET /docs says what a request may ask for")
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        let message = denied.to_string();
        let (status, code, hint) = match denied {
            Denied::NotFound(_) => (
                StatusCode::NOT_FOUND,
                "not_found",
                Some(
                    "GET /v1/committees lists the committees, GET /v1/committees/NAME/payments the payments",
                ),
            ),
            Denied::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid", None),
            Denied::NotCoordinator(_) => (
                StatusCode::CONFLICT,
                "not_coordinator",
                Some("ask a node that the shared parameters list under coordinators"),
            ),
            Denied::DkgFailed(_) => (
                StatusCode::BAD_GATEWAY,
                "dkg_failed",
                Some("a key generation needs every member online; the node's log names them"),
            ),
            Denied::Refused(_) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "refused",
                Some("each member's config says what it signs: docs/committee-safety.md"),
            ),
            Denied::SigningFailed(_) => (
                StatusCode::BAD_GATEWAY,
                "signing_failed",
                Some("`trestle committee status` shows which members are online"),
            ),
            Denied::Busy(_) => (StatusCode::TOO_MANY_REQUESTS, "busy", Some("try again later")),
            Denied::Unavailable(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                Some("GET /readyz says what is missing"),
            ),
            Denied::NoAnswer => (
                StatusCode::GATEWAY_TIMEOUT,
                "no_answer",
                Some("the outcome is not known: look before asking again"),
            ),
        };
        let error = Self::new(status, code, message);
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}
