//! Gives refusals that no handler of ours made (another method, a path that is not UTF-8, a page of
//! the documentation that there is not) the form of all others.
//!
//! Always holds: what is refused is JSON of [`ErrorBody`](super::error::ErrorBody), whoever
//! refused it; headers that say more, such as `Allow`, stay.

use axum::{
    Router,
    body::to_bytes,
    http::{HeaderName, StatusCode, header},
    middleware,
    response::{IntoResponse as _, Response},
};

use super::ApiError;

/// Longest text of a refusal that is kept: those of the framework have a line.
const MOST_TEXT: usize = 1_024;
/// Headers that belong to the body that was replaced.
const OF_BODY: [HeaderName; 3] =
    [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::TRANSFER_ENCODING];

/// Puts it around routes.
pub(super) fn shaped<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes.layer(middleware::map_response(shape))
}

async fn shape(answer: Response) -> Response {
    let status = answer.status();
    let form = answer.headers().get(header::CONTENT_TYPE);
    let failed = status.is_client_error() || status.is_server_error();
    if !failed || form.is_some_and(|form| form == "application/json") {
        return answer;
    }
    let (parts, body) = answer.into_parts();
    let error = match status {
        StatusCode::NOT_FOUND => ApiError::no_such_route(),
        StatusCode::METHOD_NOT_ALLOWED => ApiError::method(),
        _ => {
            let text = to_bytes(body, MOST_TEXT).await.unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let known = status.canonical_reason().unwrap_or("refused");
            let message = if text.trim().is_empty() { known } else { text.trim() };
            ApiError::new(status, "invalid", message)
        }
    };
    let mut shaped = error.into_response();
    for (name, value) in &parts.headers {
        if !OF_BODY.contains(name) {
            shaped.headers_mut().insert(name.clone(), value.clone());
        }
    }
    shaped
}
