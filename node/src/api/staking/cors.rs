//! Which pages of other origins may use the API, and headers that keep answers from being misused.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

/// A site for campaigns that the network's clients use: it may ask this one path.
const CAMPAIGNS: (&str, &str) = ("/v1/staker/delegation/check", "https://dashboard.galxe.com");
/// How long a browser may remember a permission, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("300");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, OPTIONS");
const HEADERS: HeaderValue = HeaderValue::from_static("content-type, last-event-id");

/// What scripts may read beside the body: when to ask again.
const EXPOSED: HeaderValue = HeaderValue::from_static("retry-after");

/// Answers are data: nothing of them is to be run, framed or guessed at.
const SECURITY: [(HeaderName, HeaderValue); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("strict-origin-when-cross-origin")),
];

/// The origins that may.
pub(super) struct Origins {
    listed: Vec<String>,
    all: bool,
}

impl Origins {
    pub(super) fn new(listed: &[String]) -> Self {
        Self { listed: listed.to_vec(), all: listed.iter().any(|origin| origin == "*") }
    }

    /// What an answer to this request carries.
    fn allowed(&self, path: &str, origin: &HeaderValue) -> Option<HeaderValue> {
        if self.all {
            return Some(HeaderValue::from_static("*"));
        }
        let listed = self.listed.iter().any(|known| origin == known.as_str());
        let campaign = path == CAMPAIGNS.0 && origin == CAMPAIGNS.1;
        (listed || campaign).then(|| origin.clone())
    }

    /// Adds what browsers want to know.
    pub(super) fn mark(&self, path: &str, asked: &Asked, answer: &mut HeaderMap) {
        for (name, value) in SECURITY {
            answer.insert(name, value);
        }
        // What is cached for one origin must not be shown to another.
        answer.append(header::VARY, HeaderValue::from_static("origin"));
        let Some(origin) = asked.origin.as_ref().and_then(|origin| self.allowed(path, origin))
        else {
            return;
        };
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        if asked.preflight {
            answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
            answer.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
    }
}

/// What of a request matters here.
pub(super) struct Asked {
    origin: Option<HeaderValue>,
    preflight: bool,
}

impl Asked {
    pub(super) fn of(method: &Method, headers: &HeaderMap) -> Self {
        Self { origin: headers.get(header::ORIGIN).cloned(), preflight: method == Method::OPTIONS }
    }

    /// The whole answer to `OPTIONS`.
    pub(super) fn options(&self) -> Option<Response> {
        self.preflight.then(|| (StatusCode::NO_CONTENT, [(header::ALLOW, METHODS)]).into_response())
    }
}
