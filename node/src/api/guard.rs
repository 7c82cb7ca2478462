//! Who may use the admin listener: requests with the token, made to a host name that is ours.
//!
//! The host check stops a web page that resolves its own name to this machine (DNS rebinding); the
//! token stops everybody else.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{ApiError, token::Token};

/// What a request must show.
pub(super) struct Guard {
    token: Token,
    hosts: Vec<String>,
}

impl Guard {
    /// `listen` is the bound address; `extra` are further host names, in lower case.
    pub(super) fn new(token: Token, listen: SocketAddr, extra: &[String]) -> Self {
        let port = listen.port();
        let mut hosts = vec![listen.to_string(), format!("localhost:{port}")];
        if listen.ip().is_loopback() {
            hosts.extend([format!("127.0.0.1:{port}"), format!("[::1]:{port}")]);
        }
        for name in extra {
            hosts.extend([name.clone(), format!("{name}:{port}")]);
        }
        Self { token, hosts }
    }

    fn check(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let host = text(header::HOST).unwrap_or_default().to_ascii_lowercase();
        if !self.hosts.contains(&host) {
            let message = format!("this listener does not answer to the host name {host:?}");
            return Err(ApiError::new(StatusCode::FORBIDDEN, "host", message)
                .hint("use the listen address, or list the name under hosts in [admin]"));
        }
        if self.token.is_in(headers) {
            return Ok(());
        }
        Err(ApiError::new(StatusCode::UNAUTHORIZED, "token", "the admin token is missing or wrong")
            .hint("send `Authorization: Bearer TOKEN` with the content of the token file"))
    }
}

pub(super) async fn admit(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    match guard.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}
