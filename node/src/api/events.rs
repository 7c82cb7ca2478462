//! `GET /v1/events`: what happens, as server-sent events.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    response::{
        IntoResponse, Response,
        sse::{Event as Sse, KeepAlive},
    },
};
use futures::{Stream, stream};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio_util::sync::CancellationToken;

use super::{ApiState, staking::events::Follow};
use crate::events::{Event, Numbered};

/// Below the idle limit of common proxies.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Events from now on, as server-sent events. A reader that is too slow gets an event `lagged` with
/// the number of events it missed, and goes on.
///
/// Where the node serves staking, its events are among them under the name `staking`, without an
/// id: their own numbers are inside, and `/v1/staking/events` goes on after any of them.
#[utoipa::path(get, path = "/v1/events", tag = "events",
    responses((status = 200, body = Event, content_type = "text/event-stream")))]
pub(super) async fn events(State(state): State<ApiState>) -> Response {
    let events = follow(state.events.subscribe(), state.stop.clone());
    let staking = state.staking.as_deref().map(Follow::from_now);
    axum::response::Sse::new(stream::select(events, delegations(staking)))
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response()
}

/// What happens to delegations; ends with the node, and at once where there is no staking.
fn delegations(follow: Option<Follow>) -> impl Stream<Item = Result<Sse, Infallible>> {
    stream::unfold(follow, |follow| async move {
        let mut follow = follow?;
        let event = follow.next().await?;
        let sse = Sse::default().event("staking").json_data(&event);
        let sse = sse.unwrap_or_else(|_| Sse::default().comment("an event that is not JSON"));
        Some((Ok(sse), Some(follow)))
    })
}

fn follow(
    events: Receiver<Numbered>,
    stop: CancellationToken,
) -> impl Stream<Item = Result<Sse, Infallible>> {
    stream::unfold((events, stop), |(mut events, stop)| async move {
        let next = tokio::select! {
            () = stop.cancelled() => return None,
            next = events.recv() => next,
        };
        let sse = match next {
            Ok(Numbered { number, event }) => Sse::default()
                .id(number.to_string())
                .event(event.kind())
                .json_data(&event)
                .unwrap_or_else(|_| Sse::default().comment("an event that is not JSON")),
            Err(RecvError::Lagged(missed)) => {
                Sse::default().event("lagged").data(format!("{{\"missed\":{missed}}}"))
            }
            Err(RecvError::Closed) => return None,
        };
        Some((Ok(sse), (events, stop)))
    })
}
