//! Whether the service is up, and the parameters of the network.

use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;
use trestle_actors::staking::query;
use trestle_staking::GlobalParams;

use super::{
    Answer, StakingState, data,
    dto::{Envelope, FaultDto},
};

/// Whether the service is up and can read what is stored.
#[utoipa::path(get, path = "/healthcheck", tag = "staking", responses(
    (status = 200, body = Envelope<String>),
    (status = 500, body = FaultDto, description = "What is stored cannot be read"),
))]
pub(in crate::api) async fn healthcheck(
    State(state): State<Arc<StakingState>>,
) -> Answer<&'static str> {
    query::head(state.store.as_ref()).await?;
    Ok(data("Server is up and running"))
}

/// All versions of the global parameters; a cap that is not set is 0.
#[utoipa::path(get, path = "/v1/global-params", tag = "staking", responses(
    (status = 200, body = Envelope<serde_json::Value>, description = "{\"data\":{\"versions\":[…]}}, each with all fields of the file"),
))]
pub(in crate::api) async fn global_params(
    State(state): State<Arc<StakingState>>,
) -> Answer<Shared> {
    Ok(data(Shared(Arc::clone(&state.global))))
}

/// The parameters, which all answers share.
pub(in crate::api) struct Shared(Arc<GlobalParams>);

impl Serialize for Shared {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
