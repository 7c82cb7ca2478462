//! Bounds on requests: how many at once, how many a second, how large, how long.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tokio::sync::Semaphore;

use super::{ApiError, shape::shaped};

/// Bounds of one group of routes, for all clients together: the node has few, and a map by address
/// would itself need a bound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Requests at the same time.
    at_once: usize,
    /// Requests a second, and as many saved up.
    per_second: u32,
    /// Bytes of a body.
    body: usize,
    /// How long one may take.
    time: Duration,
}

impl Limits {
    /// Scrapers and supervisors: a handful, every few seconds.
    pub(super) const PROBES: Self =
        Self { at_once: 16, per_second: 50, body: 0, time: Duration::from_secs(10) };
    /// Dashboards and scripts.
    pub(super) const READS: Self =
        Self { at_once: 64, per_second: 500, body: 0, time: Duration::from_secs(20) };
    /// One operator. A body is at most a payment to 1,000 recipients, or a text to sign in
    /// hexadecimal; an answer can take as long as a session.
    pub(super) const ADMIN: Self =
        Self { at_once: 16, per_second: 50, body: 256 * 1024, time: Duration::from_secs(240) };
}

/// Streams that may be open: each holds a task and a place in the broadcast.
const MAX_STREAMS: usize = 64;

struct Gate {
    limits: Limits,
    places: Semaphore,
    bucket: Mutex<Bucket>,
}

struct Bucket {
    tokens: f64,
    at: Instant,
}

/// Puts the bounds around routes that answer and are done.
pub(super) fn answers<S: Clone + Send + Sync + 'static>(
    routes: Router<S>,
    limits: Limits,
) -> Router<S> {
    let bucket = Bucket { tokens: f64::from(limits.per_second), at: Instant::now() };
    let gate = Gate { limits, places: Semaphore::new(limits.at_once), bucket: Mutex::new(bucket) };
    shaped(routes)
        .layer(middleware::from_fn_with_state(Arc::new(gate), pass))
        .layer(DefaultBodyLimit::max(limits.body))
}

/// Bounds the number of open streams.
pub(super) fn streams<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    let places = Arc::new(Semaphore::new(MAX_STREAMS));
    shaped(routes).layer(middleware::from_fn_with_state(places, hold))
}

async fn pass(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    if !gate.take_token() {
        return too_many("more requests a second than this listener takes");
    }
    let Ok(_place) = gate.places.try_acquire() else {
        return too_many("more requests at once than this listener takes");
    };
    match tokio::time::timeout(gate.limits.time, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let status = StatusCode::GATEWAY_TIMEOUT;
            ApiError::new(status, "timeout", "the request took too long").into_response()
        }
    }
}

async fn hold(State(places): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let Ok(place) = places.try_acquire_owned() else {
        return too_many("more open event streams than this listener takes");
    };
    // The place is given back when the body, not only the head, is done.
    next.run(request).await.map(|body| {
        axum::body::Body::from_stream(futures::StreamExt::map(
            body.into_data_stream(),
            move |chunk| {
                let _held = &place;
                chunk
            },
        ))
    })
}

impl Gate {
    fn take_token(&self) -> bool {
        let full = f64::from(self.limits.per_second);
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let gained = now.duration_since(bucket.at).as_secs_f64() * full;
        bucket.tokens = (bucket.tokens + gained).min(full);
        bucket.at = now;
        let there = bucket.tokens >= 1.0;
        if there {
            bucket.tokens -= 1.0;
        }
        there
    }
}

fn too_many(message: &str) -> Response {
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "limit", message)
        .hint("wait a second and try again")
        .into_response()
}
