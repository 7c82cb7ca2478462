//! What happened to delegations, from the stored table: as a stream that can be taken up again, and
//! by pages.
//!
//! Always holds: a reader that goes on after the last number it saw misses nothing and sees nothing
//! twice, whatever happened to it or to the node in between.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse, Response,
        sse::{Event as Sse, KeepAlive, Sse as Stream},
    },
};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;
use trestle_actors::staking::{events::EventRow, ingress::StakingStatus, query};
use trestle_store::Store;

use super::{
    Answer, StakingState,
    dto::{Envelope, FaultDto},
    error::StakingError,
    figures::{EventMessageDto, StakingEventDto},
    input::Input,
    paged,
};

/// Events read at once: some hundred kilobytes.
const READ: u32 = 100;
/// Most events on a page.
const MOST: u64 = 500;
/// Below the idle limit of common proxies.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// What browsers send when they connect again.
const LAST_EVENT_ID: &str = "last-event-id";

/// Events with numbers above `after`, the lowest first. `next_key` is the `pagination_key`, or the
/// `after`, of the next page, empty where there is none yet.
#[utoipa::path(get, path = "/v1/staking/events/page", tag = "staking",
    params(
        ("after" = Option<u64>, Query, description = "The number of the last event that is known; 0 without it"),
        ("pagination_key" = Option<u64>, Query, description = "`next_key` of the page before; it wins over `after`"),
        ("limit" = Option<u64>, Query, description = "At most so many, up to 500; 100 without it"),
    ),
    responses((status = 200, body = Envelope<Vec<StakingEventDto>>), (status = 400, body = FaultDto)))]
pub(in crate::api) async fn staking_events_page(
    State(state): State<Arc<StakingState>>,
    input: Input,
) -> Answer<Vec<StakingEventDto>> {
    let after = match input.number("pagination_key")? {
        Some(next) => next,
        None => input.number("after")?.unwrap_or(0),
    };
    let limit = input.number("limit")?.unwrap_or(READ.into());
    if !(1..=MOST).contains(&limit) {
        return Err(StakingError::bad(format!("invalid limit: expected 1 to {MOST}")));
    }
    let limit = u32::try_from(limit).unwrap_or(READ);
    there_is(after, last_event(&state).await?)?;
    let rows = query::events(state.store.as_ref(), after, limit + 1).await?;
    let full = rows.len() > limit as usize;
    let shown: Vec<_> =
        rows.iter().take(limit as usize).map(|(number, row)| shown(*number, row)).collect();
    let next = shown.last().filter(|_| full).map(|event| event.number.to_string());
    Ok(paged(shown, next))
}

/// Events as server-sent events, each with its number as id: from the one after `Last-Event-ID` (or
/// `after`) on, or without either from now on.
#[utoipa::path(get, path = "/v1/staking/events", tag = "staking",
    params(
        ("after" = Option<u64>, Query, description = "The number of the last event that is known; 0 for all"),
        ("Last-Event-ID" = Option<u64>, Header, description = "The same; it wins over `after`, since browsers send it when they connect again"),
    ),
    responses(
        (status = 200, body = StakingEventDto, content_type = "text/event-stream"),
        (status = 400, body = FaultDto, description = "A number that no event has yet"),
        (status = 429, body = FaultDto, description = "Too many streams are open"),
    ))]
pub(in crate::api) async fn staking_events(
    State(state): State<Arc<StakingState>>,
    headers: HeaderMap,
    input: Input,
) -> Result<Response, StakingError> {
    let place =
        state.stream_place().ok_or_else(|| StakingError::too_many("too many open streams"))?;
    let last = last_event(&state).await?;
    let after = after(&headers, &input)?.unwrap_or(last);
    there_is(after, last)?;
    let mut follow = Follow::new(&state, after);
    follow.place = Some(place);
    let events = futures::stream::unfold(follow, |mut follow| async move {
        let event = follow.next().await?;
        let sse = Sse::default().id(event.number.to_string()).event(&event.kind).json_data(&event);
        Some((Ok::<_, Infallible>(sse.unwrap_or_else(not_json)), follow))
    });
    Ok(Stream::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

async fn last_event(state: &StakingState) -> Result<u64, StakingError> {
    Ok(query::head(state.store.as_ref()).await?.map_or(0, |head| head.last_event))
}

/// Refuses a number above the last: its reader would wait for events that it has missed already.
fn there_is(after: u64, last: u64) -> Result<(), StakingError> {
    if after <= last {
        return Ok(());
    }
    Err(StakingError::bad(format!(
        "there is no event {after} yet, the last is {last}: if the events were numbered anew, begin \
         with after=0"
    )))
}

fn not_json(_: axum::Error) -> Sse {
    Sse::default().comment("an event that is not JSON")
}

fn after(headers: &HeaderMap, input: &Input) -> Result<Option<u64>, StakingError> {
    let Some(header) = headers.get(LAST_EVENT_ID) else { return input.number("after") };
    let number = header.to_str().ok().and_then(|text| text.parse().ok());
    let wrong = || StakingError::bad("invalid Last-Event-ID: expected the number of an event");
    number.ok_or_else(wrong).map(Some)
}

/// Reads the table as it grows.
pub(in crate::api) struct Follow {
    store: Arc<dyn Store>,
    status: watch::Receiver<StakingStatus>,
    stop: CancellationToken,
    after: u64,
    read: VecDeque<(u64, EventRow)>,
    /// Held while somebody listens.
    place: Option<OwnedSemaphorePermit>,
}

impl Follow {
    /// From the event after this number on.
    fn new(state: &StakingState, after: u64) -> Self {
        Self {
            store: Arc::clone(&state.store),
            status: state.status.clone(),
            stop: state.stop.clone(),
            after,
            read: VecDeque::new(),
            place: None,
        }
    }

    /// From now on.
    pub(in crate::api) fn from_now(state: &StakingState) -> Self {
        Self::new(state, state.status.borrow().last_event)
    }

    /// The next event, once there is one. `None`: the node is stopping, or cannot read its store;
    /// whoever connects again goes on where this ended.
    pub(in crate::api) async fn next(&mut self) -> Option<StakingEventDto> {
        loop {
            if let Some((number, row)) = self.read.pop_front() {
                self.after = number;
                return Some(shown(number, &row));
            }
            // Before the table is read: what is stored after that is told once more.
            self.status.mark_unchanged();
            let rows = query::events(self.store.as_ref(), self.after, READ).await;
            self.read = rows
                .inspect_err(|error| tracing::warn!(%error, "a stream of staking events ended"))
                .ok()?
                .into();
            if self.read.is_empty() {
                tokio::select! {
                    () = self.stop.cancelled() => return None,
                    changed = self.status.changed() => changed.ok()?,
                }
            }
        }
    }
}

fn shown(number: u64, row: &EventRow) -> StakingEventDto {
    let view = row.view();
    let messages = view.events.into_iter().map(|(message_id, event)| EventMessageDto {
        queue: event.queue().name().into(),
        message_id,
        // Its own JSON: it always reads back.
        body: serde_json::from_slice(&event.to_json()).unwrap_or_default(),
    });
    StakingEventDto {
        number,
        kind: view.kind.into(),
        reverted: view.reverted,
        staking_tx_hash_hex: view.txid.map(|txid| txid.to_string()),
        height: view.height,
        tip_height: row.tip,
        messages: messages.collect(),
    }
}
