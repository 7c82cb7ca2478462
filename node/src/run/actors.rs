//! Starts the actors that the node's roles name, and feeds them what they hear besides messages.

use std::{collections::BTreeSet, sync::Arc};

use prometheus_client::registry::Registry;
use rand::rngs::OsRng;
use tokio::{
    sync::{broadcast, mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use trestle_actors::{
    committee::{self, CommitteeActor, CommitteeInput, Policy, RecipientRule},
    coordinator::{self, CoordinatorActor, CoordinatorInput, Settings, ingress::CoordinatorHandle},
    covenant::CovenantHandle,
    follower::FeedConfig,
    ports::{Clock, Compute, chain::ChainStatus},
    runtime::{
        ActorStatus, Fault, Mailbox, Pool,
        coordinate::{Jobs, Means},
        run,
    },
    vault::Vault,
};
use trestle_bitcoind::Bitcoind;
use trestle_keys::{Params, sealed::KeyFile, taproot::bitcoin_network};
use trestle_p2p::P2pHandle;
use trestle_store::{Store, StoreError};
use trestle_wire::{BootId, Network, hello::Role};

use super::{
    RunError, feeds, gauges,
    guard::{Guard, GuardedCoins, SinceStart},
    handler::{self, Mailboxes},
    staking,
};
use crate::{
    api::staking::StakingState,
    config::{Config, GlobalFile, Recipients},
    events::EventBus,
    metrics,
    readiness::Readiness,
};

/// Letters that may wait for an actor. A coordinator hears from every member at once.
const MAILBOX: usize = 512;
/// Events that a slow listener may miss.
const EVENTS: usize = 256;
/// What a member says that signs nothing more.
const ROLLBACK: &str = "its data is older than what it has signed, so it refuses to sign: it was \
                        restored from a copy; see \"Backups\" in docs/operating.md";

/// What actors are made of. Only nodes with a role that follows a chain have actors.
pub(super) struct Parts<'a> {
    pub(super) config: &'a Config,
    pub(super) params: &'a Params,
    /// The global parameters of staking; there exactly if `params` have staking.
    pub(super) global: Option<&'a GlobalFile>,
    pub(super) network: Network,
    pub(super) keys: Arc<KeyFile>,
    pub(super) boot: BootId,
    pub(super) store: Arc<dyn Store>,
    pub(super) bitcoind: Bitcoind,
    pub(super) chain: watch::Receiver<ChainStatus>,
    pub(super) p2p: P2pHandle,
    pub(super) registry: &'a mut Registry,
    pub(super) readiness: Readiness,
    pub(super) events: EventBus,
    pub(super) stop: CancellationToken,
}

impl Parts<'_> {
    /// For those who judge by our bitcoind's chain.
    pub(super) fn guard(&self) -> Guard {
        Guard { status: self.chain.clone(), network: self.network }
    }
}

/// The running actors.
#[derive(Default)]
pub(super) struct Actors {
    /// Where their messages go.
    pub(super) mailboxes: Mailboxes,
    /// What the API asks.
    pub(super) coordinator: Option<CoordinatorHandle>,
    /// What the staking API reads and asks.
    pub(super) staking: Option<StakingState>,
    /// What asks for signatures over HTTP.
    pub(super) covenant: Option<CovenantHandle>,
    /// Their tasks; one that ends with an error stops the node.
    pub(super) tasks: JoinSet<Result<(), RunError>>,
}

/// What all actors share.
pub(super) struct Shared {
    pub(super) params: Arc<Params>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) compute: Arc<dyn Compute>,
}

/// Starts them.
///
/// # Errors
/// [`RunError::Actor`] or [`RunError::Staking`] when a role cannot be taken up.
pub(super) async fn start(mut parts: Parts<'_>) -> Result<Actors, RunError> {
    let pool = Pool::for_this_machine()
        .map_err(|source| RunError::Io { what: "starting threads for signing", source })?;
    let shared = Shared {
        params: Arc::new(parts.params.clone()),
        clock: Arc::new(SinceStart::new()),
        compute: Arc::new(pool),
    };
    let mut actors = Actors::default();
    gauges::tip(&mut parts);
    if parts.config.roles.contains(&Role::Committee) {
        start_committee(&mut parts, &shared, &mut actors)?;
    }
    if parts.config.roles.contains(&Role::Coordinator) {
        start_coordinator(&mut parts, &shared, &mut actors);
    }
    staking::start(&mut parts, &shared, &mut actors).await?;
    feeds::presence(&parts, &mut actors.tasks);
    Ok(actors)
}

fn start_committee(
    parts: &mut Parts<'_>,
    shared: &Shared,
    actors: &mut Actors,
) -> Result<(), RunError> {
    let counters = committee::Metrics::default();
    counters.register(metrics::ours(parts.registry));
    gauges::show_committee(&counters);
    let setup = committee::Setup {
        params: Arc::clone(&shared.params),
        me: parts.keys.identity.peer.peer(),
        boot: parts.boot,
        vault: Vault::new(Arc::clone(&parts.keys), OsRng),
        policy: policy(parts)?,
        store: Arc::clone(&parts.store),
        network: Arc::new(parts.p2p.clone()),
        coins: Arc::new(GuardedCoins { bitcoind: parts.bitcoind.clone(), guard: parts.guard() }),
        compute: Arc::clone(&shared.compute),
        clock: Arc::clone(&shared.clock),
        metrics: counters.clone(),
    };
    let (mailbox, letters) = Mailbox::new(MAILBOX);
    mailbox.register(metrics::ours(parts.registry), "committee");
    let (status, health) = watch::channel(ActorStatus::Loading);
    let actor = CommitteeActor::new(setup);
    let (clock, stop) = (Arc::clone(&shared.clock), parts.stop.clone());
    actors.tasks.spawn(async move {
        let never = |job: std::convert::Infallible| match job {};
        ended("committee", run(actor, letters, clock, never, status, stop).await)
    });
    let rollback = move || (counters.rollback.get() != 0).then(|| ROLLBACK.to_owned());
    feeds::health("committee", health, rollback, parts, &mut actors.tasks);
    let hears = feeds::World {
        connected: CommitteeInput::Connected,
        lost: CommitteeInput::Lost,
        tip: CommitteeInput::Tip,
    };
    feeds::world(mailbox.clone(), hears, parts, &mut actors.tasks);
    actors.mailboxes.committee = Some(handler::mailbox(mailbox, CommitteeInput::Received));
    Ok(())
}

fn start_coordinator(parts: &mut Parts<'_>, shared: &Shared, actors: &mut Actors) {
    let counters = coordinator::Metrics::default();
    counters.register(metrics::ours(parts.registry));
    gauges::show_coordinator(&counters);
    gauges::lag("wallet", counters.wallet_height.clone(), parts);
    let (events, heard) = broadcast::channel(EVENTS);
    let setup = coordinator::Setup {
        params: Arc::clone(&shared.params),
        me: parts.keys.identity.peer.peer(),
        boot: parts.boot,
        settings: settings(parts),
        store: Arc::clone(&parts.store),
        network: Arc::new(parts.p2p.clone()),
        clock: Arc::clone(&shared.clock),
        metrics: counters,
        events,
    };
    let (mailbox, letters) = Mailbox::new(MAILBOX);
    mailbox.register(metrics::ours(parts.registry), "coordinator");
    let means = Means {
        store: Arc::clone(&parts.store),
        network: Arc::new(parts.p2p.clone()),
        chain: Arc::new(parts.bitcoind.clone()),
        broadcast: Arc::new(parts.bitcoind.clone()),
        fees: Arc::new(parts.bitcoind.clone()),
        compute: Arc::clone(&shared.compute),
        tips: parts.chain.clone(),
        feed: FeedConfig::default(),
    };
    let (status, health) = watch::channel(ActorStatus::Loading);
    let actor = CoordinatorActor::new(setup);
    let (clock, stop) = (Arc::clone(&shared.clock), parts.stop.clone());
    let mut jobs = Jobs::new(means, mailbox.clone());
    actors.tasks.spawn(async move {
        let start = move |job| jobs.start(job);
        ended("coordinator", run(actor, letters, clock, start, status, stop).await)
    });
    let pulse = health.clone();
    feeds::health("coordinator", health, || None, parts, &mut actors.tasks);
    feeds::events(heard, parts, &mut actors.tasks);
    let hears = feeds::World {
        connected: CoordinatorInput::Connected,
        lost: CoordinatorInput::Lost,
        tip: CoordinatorInput::Tip,
    };
    feeds::world(mailbox.clone(), hears, parts, &mut actors.tasks);
    let (requests, asked) = mpsc::channel(MAILBOX);
    feeds::requests(asked, mailbox.clone(), &mut actors.tasks);
    actors.coordinator = Some(CoordinatorHandle::new(requests).with_pulse(pulse));
    actors.mailboxes.coordinator = Some(handler::mailbox(mailbox, CoordinatorInput::Received));
}

/// How an actor's task ended.
pub(super) fn ended(actor: &str, result: Result<(), Fault>) -> Result<(), RunError> {
    result.map_err(|fault| match fault {
        Fault::Store(StoreError::NotOwner(why)) => RunError::TakenOver(why),
        Fault::Store(
            StoreError::Conflict { .. }
            | StoreError::Corrupt(_)
            | StoreError::Unavailable(_)
            | StoreError::Unknown(_),
        )
        | Fault::Invariant(_)
        | Fault::Stopping => RunError::Actor(format!("{actor}: {fault}")),
    })
}

fn policy(parts: &Parts<'_>) -> Result<Policy, RunError> {
    let config = &parts.config.committee;
    let recipients = match &config.recipients {
        Recipients::Any => RecipientRule::Any,
        Recipients::Only(addresses) => {
            let mut scripts = BTreeSet::new();
            for address in addresses {
                let address = address.clone().require_network(bitcoin_network(parts.network));
                let address = address.map_err(|e| {
                    RunError::Actor(format!("committee.recipients in the config: {e}"))
                })?;
                scripts.insert(address.script_pubkey());
            }
            RecipientRule::Only(scripts)
        }
    };
    Ok(Policy {
        recipients,
        max_fee: config.max_fee,
        max_fee_rate: config.max_fee_rate,
        max_payment: config.max_payment,
        window: trestle_chain::policy::Window {
            blocks: config.window_blocks,
            amount: config.window,
        },
        min_confirmations: config.min_confirmations,
        text_prefixes: config.text_prefixes.clone(),
    })
}

fn settings(parts: &Parts<'_>) -> Settings {
    let config = &parts.config.coordinator;
    let dkg_deadline_ms = u32::try_from(config.dkg_deadline.as_millis()).unwrap_or(u32::MAX);
    Settings {
        network: parts.network,
        dkg_deadline_ms,
        dkg_attempts: 3,
        sign_deadline_ms: 60_000,
        sign_grace_ms: 3_000,
        nonce_pool: usize::from(config.nonce_pool),
        min_confirmations: config.confirmations,
        settle_depth: config.settle_depth,
        bump_after: config.bump_after_blocks,
        max_versions: 16,
        max_fee: parts.config.committee.max_fee,
        max_fee_rate: config.max_fee_rate,
        retry_ms: 1_000,
    }
}
