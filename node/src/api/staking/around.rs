//! What is around every handler: the allowance of the caller's address, how many run at once, the
//! time limit, what browsers want to know, and the measurement of it all.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{ConnectInfo, MatchedPath, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tokio::sync::Semaphore;

use super::{
    cors::{Asked, Origins},
    error::StakingError,
    metrics::HttpMetrics,
    rate::Rate,
    state::StakingState,
};

/// How long a request may take, waiting included: a page is some milliseconds.
const TIME: Duration = Duration::from_secs(10);
/// Requests that run at once; more wait. Each holds a page in memory, and the store has fewer
/// readers anyway.
const AT_ONCE: usize = 128;

struct Guard {
    rate: Rate,
    origins: Origins,
    metrics: HttpMetrics,
}

/// Bounds routes that answer and are done.
pub(super) fn timed<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    timed_by(routes, TIME, AT_ONCE)
}

pub(super) fn timed_by<S: Clone + Send + Sync + 'static>(
    routes: Router<S>,
    time: Duration,
    at_once: usize,
) -> Router<S> {
    let places = Arc::new(Semaphore::new(at_once));
    routes.layer(middleware::from_fn_with_state((places, time), run))
}

/// Puts what concerns the caller around all routes.
pub(super) fn guarded<S: Clone + Send + Sync + 'static>(
    routes: Router<S>,
    state: &StakingState,
) -> Router<S> {
    let guard = Guard {
        rate: Rate::new(state.config.rate_limit),
        origins: Origins::new(&state.config.cors_origins),
        metrics: state.metrics.clone(),
    };
    routes.layer(middleware::from_fn_with_state(Arc::new(guard), pass))
}

async fn run(
    State((places, time)): State<(Arc<Semaphore>, Duration)>,
    request: Request,
    next: Next,
) -> Response {
    let answer = async {
        // Never closed.
        let _place = places.acquire().await;
        next.run(request).await
    };
    tokio::time::timeout(time, answer)
        .await
        .unwrap_or_else(|_| StakingError::timeout().into_response())
}

async fn pass(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let path = request.extensions().get::<MatchedPath>().cloned();
    let path = path.as_ref().map_or("", MatchedPath::as_str);
    let asked = Asked::of(request.method(), request.headers());
    let mut answer = if guard.rate.admits(caller(&request), began) {
        match asked.options() {
            Some(answer) => answer,
            None => next.run(request).await,
        }
    } else {
        StakingError::too_many("too many requests from this address, wait a second").into_response()
    };
    guard.origins.mark(path, &asked, answer.headers_mut());
    // Unknown paths have no label of their own: anybody can make up more of them.
    if !path.is_empty() {
        guard.metrics.took(path, answer.status().as_u16(), began.elapsed());
    }
    answer
}

/// Who is connected. Headers that proxies add are not believed, since anybody can send them.
fn caller(request: &Request) -> IpAddr {
    let connected = request.extensions().get::<ConnectInfo<SocketAddr>>();
    connected.map_or(Ipv4Addr::UNSPECIFIED.into(), |ConnectInfo(address)| address.ip())
}
