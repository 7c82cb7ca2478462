//! What the handlers can reach.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use futures::future::BoxFuture;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use trestle_actors::staking::{
    ingress::StakingStatus,
    pipeline::{RequestError, UnbondingForm},
};
use trestle_staking::{GlobalParams, providers::Providers};
use trestle_store::Store;
use trestle_wire::Network;

use super::metrics::HttpMetrics;
use crate::config::StakingConfig;

/// Checks a request to unbond and hands it to the staking actor; ready once it is stored.
pub type Unbond =
    Arc<dyn Fn(UnbondingForm) -> BoxFuture<'static, Result<(), RequestError>> + Send + Sync>;

/// Streams that may be open: each holds a task and a connection.
const MAX_STREAMS: usize = 256;

/// Shared by all handlers of the staking API.
#[derive(Clone)]
pub struct StakingState {
    /// Where the index keeps what it knows. Only read.
    pub store: Arc<dyn Store>,
    /// The parameters.
    pub global: Arc<GlobalParams>,
    /// The registry of finality providers.
    pub providers: Arc<Providers>,
    /// Whose addresses are understood.
    pub network: Network,
    /// Takes requests to unbond.
    pub unbond: Unbond,
    /// Where the index stands; tells of new events.
    pub status: watch::Receiver<StakingStatus>,
    /// Sizes and limits.
    pub config: StakingConfig,
    /// What is measured.
    pub metrics: HttpMetrics,
    /// Ends streams when the node stops.
    pub stop: CancellationToken,
    /// The time in seconds since 1970: [`system_time`].
    pub now: fn() -> u64,
    streams: Arc<Semaphore>,
}

impl StakingState {
    /// What the handlers can reach; the time is the system's.
    #[expect(clippy::too_many_arguments, reason = "each is a part that others made")]
    pub fn new(
        store: Arc<dyn Store>,
        global: Arc<GlobalParams>,
        providers: Arc<Providers>,
        network: Network,
        unbond: Unbond,
        status: watch::Receiver<StakingStatus>,
        config: StakingConfig,
        metrics: HttpMetrics,
        stop: CancellationToken,
    ) -> Self {
        let (now, streams) = (system_time as fn() -> u64, Arc::new(Semaphore::new(MAX_STREAMS)));
        Self {
            store,
            global,
            providers,
            network,
            unbond,
            status,
            config,
            metrics,
            stop,
            now,
            streams,
        }
    }

    /// A place for a stream, given back when it is dropped.
    pub(super) fn stream_place(&self) -> Option<tokio::sync::OwnedSemaphorePermit> {
        Arc::clone(&self.streams).try_acquire_owned().ok()
    }
}

/// Seconds since 1970.
pub fn system_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
