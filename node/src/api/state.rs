//! What request handlers can reach.

use std::{collections::BTreeSet, sync::Arc};

use futures::future::BoxFuture;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;
use trestle_actors::coordinator::ingress::CoordinatorHandle;
use trestle_keys::Params;
use trestle_wire::{Network, Peer, hello::Role};

use super::{dto::PeerDto, staking::StakingState};
use crate::{events::EventBus, readiness::Readiness};

/// Lists the connected peers when asked.
pub type PeerList = Arc<dyn Fn() -> BoxFuture<'static, Vec<PeerDto>> + Send + Sync>;

/// What does not change while the node runs.
#[derive(Clone, Debug)]
pub struct NodeFacts {
    /// Its p2p identity.
    pub peer: Peer,
    /// Its committee key's x coordinate.
    pub committee_key: [u8; 32],
    /// Its roles.
    pub roles: BTreeSet<Role>,
    /// The network.
    pub network: Network,
    /// The shared parameters, if it has any.
    pub params: Option<Params>,
    /// Multiaddresses it listens on.
    pub listen: Vec<String>,
}

/// Shared by all handlers.
#[derive(Clone)]
pub struct ApiState {
    /// Who the node is.
    pub facts: Arc<NodeFacts>,
    /// The coordinator, if it has that role.
    pub coordinator: Option<CoordinatorHandle>,
    /// Staking, if it serves that.
    pub staking: Option<Arc<StakingState>>,
    /// How its parts are.
    pub readiness: Readiness,
    /// Its metrics.
    pub registry: Arc<Registry>,
    /// What happens.
    pub events: EventBus,
    /// Whom it is connected to.
    pub peers: PeerList,
    /// Ends long answers when the node stops.
    pub stop: CancellationToken,
}
