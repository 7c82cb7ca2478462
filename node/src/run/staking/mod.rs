//! Starts what a node does about staking: the index of delegations, which coordinators and members
//! both have, and beside it what the shared parameters make of this node.
//!
//! Always holds: one store has one index; nothing of staking runs on a node that the shared
//! parameters do not list for it.

mod covenant;
mod events;
mod signer;

use std::{path::Path, sync::Arc};

use tokio::sync::watch;
use trestle_actors::{
    follower::{FeedConfig, FeedStatus},
    ports::chain::ChainStatus,
    runtime::{ActorStatus, Mailbox, Pulse, run},
    staking::{
        self, Events, Index, LoadError, Settings, StakingActor, StakingHandle, StakingInput,
        addresses::AddressBook,
        feed::{FeedMeans, StakingJobs},
        ingress::StakingStatus,
        pipeline::{Means, Pipeline, PipelineInput, Setup, UnbondingHandle},
    },
};
use trestle_keys::StakingParams;
use trestle_staking::{GlobalParams, providers::Providers};
use trestle_wire::{Peer, hello::Role};

use super::{
    RunError,
    actors::{Actors, Parts, Shared, ended},
    feeds, gauges, handler,
};
use crate::{
    api::staking::{HttpMetrics, StakingState, Unbond},
    config::{Config, ConfigError, GlobalFile, StakingConfig},
    metrics,
};

/// Letters that may wait for the index and the requests of stakers: what members answer comes in
/// batches, and blocks are bounded by themselves.
const MAILBOX: usize = 512;
/// Blocks that the index may be behind before the node says that it is not ready.
const MOST_BEHIND: u32 = 6;

/// What this node is to staking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part<'a> {
    /// Serves stakers.
    coordinates: Option<&'a StakingConfig>,
    /// Signs with this covenant key.
    member: Option<[u8; 33]>,
}

impl<'a> Part<'a> {
    fn of(config: &'a Config, staking: &StakingParams, me: &Peer) -> Self {
        let signs = config.roles.contains(&Role::Committee);
        Self {
            coordinates: config.staking.as_ref().filter(|_| staking.coordinates(me)),
            member: staking.key_of(me).copied().filter(|_| signs),
        }
    }
}

/// Starts everything of staking that this node does.
///
/// # Errors
/// [`RunError::Staking`] with what has to be done about it.
pub(super) async fn start(
    parts: &mut Parts<'_>,
    shared: &Shared,
    actors: &mut Actors,
) -> Result<(), RunError> {
    let (Some(listed), Some(global)) = (&parts.params.staking, parts.global) else {
        return Ok(());
    };
    let part = Part::of(parts.config, listed, &parts.keys.identity.peer.peer());
    if part.coordinates.is_none() && part.member.is_none() {
        return Ok(());
    }
    let (handle, pulse) = start_index(parts, shared, listed, global, part, actors).await?;
    if let Some(config) = part.coordinates {
        let unbond = unbond(parts, shared, global, &handle, pulse);
        actors.staking = Some(serve(parts, global, config, unbond, &handle)?);
        events::tell(parts, &handle, &mut actors.tasks)?;
        let book = AddressBook::new(Arc::clone(&parts.store), handle.status()).run();
        let stop = parts.stop.clone();
        actors.tasks.spawn(async move {
            let _ = stop.run_until_cancelled(book).await;
            Ok(())
        });
    }
    if let Some(key) = part.member {
        covenant::start(parts, shared, listed, global, key, actors)?;
    }
    Ok(())
}

async fn start_index(
    parts: &mut Parts<'_>,
    shared: &Shared,
    listed: &StakingParams,
    global: &GlobalFile,
    part: Part<'_>,
    actors: &mut Actors,
) -> Result<(StakingHandle, Pulse), RunError> {
    let counters = staking::Metrics::default();
    counters.register_compatible(parts.registry);
    counters.register(metrics::ours(parts.registry));
    gauges::lag("staking", counters.height.clone(), parts);
    let told = part.coordinates.map_or(Events::Off, |config| {
        let confirmed_info = config.confirmed_info;
        Events::On { confirmed_info }
    });
    let settings = Settings { events: told, ..Settings::default() };
    let params = Arc::new(global.params.clone());
    let store = Arc::clone(&parts.store);
    let index = Index::load(store, Arc::clone(&params), &global.text, settings).await;
    let index = index.map_err(|error| cannot_load(&error, &global.path))?;
    let head = *index.head();
    let means = FeedMeans {
        store: Arc::clone(&parts.store),
        chain: Arc::new(parts.bitcoind.clone()),
        compute: Arc::clone(&shared.compute),
        tips: Some(parts.chain.clone()),
        config: FeedConfig::default(),
        params: Arc::clone(&params),
        cursor: index.cursor().clone(),
        status: watch::channel(FeedStatus::Starting).0,
    };
    let (mailbox, letters) = Mailbox::new(MAILBOX);
    mailbox.register(metrics::ours(parts.registry), "staking");
    let stands =
        StakingStatus { tip: head.tip(), confirmed: head.confirmed(), last_event: head.last_event };
    let (told, at) = watch::channel(stands);
    let mut actor = StakingActor::new(index, counters, told);
    let mut jobs = StakingJobs::new(means, mailbox.clone());
    if part.coordinates.is_some() {
        actor = actor.with_pipeline(pipeline(parts, shared, listed, &params));
        jobs = jobs.with_pipeline(Means {
            global: params,
            compute: Arc::clone(&shared.compute),
            broadcast: Arc::new(parts.bitcoind.clone()),
        });
        let hears = feeds::World {
            connected: |peer| StakingInput::Pipeline(PipelineInput::Connected(peer)),
            // Who is away does not answer: requests notice by themselves.
            lost: |_| StakingInput::Tick,
            tip: |_| StakingInput::Tick,
        };
        feeds::world(mailbox.clone(), hears, parts, &mut actors.tasks);
        actors.mailboxes.staking = Some(handler::mailbox(mailbox.clone(), StakingInput::Received));
    }
    let (status, health) = watch::channel(ActorStatus::Loading);
    let (clock, stop) = (Arc::clone(&shared.clock), parts.stop.clone());
    actors.tasks.spawn(async move {
        let start = move |job| jobs.start(job);
        ended("staking", run(actor, letters, clock, start, status, stop).await)
    });
    let (chain, shown) = (parts.chain.clone(), at.clone());
    let behind = move || behind(&chain.borrow(), &shown.borrow(), head.start);
    let pulse = Pulse::from(health.clone());
    feeds::health("staking", health, behind, parts, &mut actors.tasks);
    Ok((StakingHandle::new(mailbox, at), pulse))
}

/// What brings requests to unbond through.
fn pipeline(
    parts: &mut Parts<'_>,
    shared: &Shared,
    listed: &StakingParams,
    global: &Arc<GlobalParams>,
) -> Pipeline {
    let counters = staking::pipeline::Metrics::default();
    counters.register(metrics::ours(parts.registry));
    counters.register_compatible(parts.registry);
    Pipeline::new(Setup {
        boot: parts.boot,
        global: Arc::clone(global),
        members: listed.members.iter().map(|member| (member.key, member.peer)).collect(),
        store: Arc::clone(&parts.store),
        network: Arc::new(parts.p2p.clone()),
        clock: Arc::clone(&shared.clock),
        metrics: counters,
    })
}

fn cannot_load(error: &LoadError, file: &Path) -> RunError {
    match error {
        LoadError::History(_) => {
            let text = format!("{error}: put the earlier file back, with new versions at its end");
            ConfigError::file(file, text).into()
        }
        LoadError::Activation(_) => ConfigError::file(file, error.to_string()).into(),
        LoadError::Store(_) => {
            RunError::Staking(format!("the index of stakes cannot be read: {error}"))
        }
    }
}

/// Why the index cannot be relied on yet: it has more to read than a few blocks.
fn behind(chain: &ChainStatus, index: &StakingStatus, first: u32) -> Option<String> {
    let ChainStatus::Connected { tip, .. } = chain else { return None };
    let next = index.tip.map_or(first, |tip| tip.height.saturating_add(1));
    let missing = tip.height.saturating_add(1).saturating_sub(next);
    (missing > MOST_BEHIND).then(|| {
        format!("reading blocks: {missing} are missing up to bitcoind's best one at {}", tip.height)
    })
}

/// What the API asks.
fn serve(
    parts: &mut Parts<'_>,
    global: &GlobalFile,
    config: &StakingConfig,
    unbond: Unbond,
    handle: &StakingHandle,
) -> Result<StakingState, RunError> {
    let providers = match &config.finality_providers {
        Some(file) => read_providers(file)?,
        None => Providers::default(),
    };
    Ok(StakingState::new(
        Arc::clone(&parts.store),
        Arc::new(global.params.clone()),
        Arc::new(providers),
        parts.network,
        unbond,
        handle.status(),
        config.clone(),
        HttpMetrics::register(parts.registry),
        parts.stop.clone(),
    ))
}

fn read_providers(file: &Path) -> Result<Providers, RunError> {
    let refuse = |what: String| {
        RunError::Staking(format!(
            "{}: {what}; staking.finality_providers in the config names it",
            file.display()
        ))
    };
    let text = std::fs::read_to_string(file).map_err(|error| refuse(error.to_string()))?;
    let (providers, rejected) =
        Providers::parse(&text).map_err(|error| refuse(error.to_string()))?;
    for entry in rejected {
        tracing::warn!(
            file = %file.display(), place = entry.place, fault = %entry.fault,
            "a finality provider's entry is left out"
        );
    }
    Ok(providers)
}

/// Takes a staker's request.
fn unbond(
    parts: &Parts<'_>,
    shared: &Shared,
    global: &GlobalFile,
    handle: &StakingHandle,
    pulse: Pulse,
) -> Unbond {
    let (store, compute) = (Arc::clone(&parts.store), Arc::clone(&shared.compute));
    let (global, mailbox) = (Arc::new(global.params.clone()), handle.mailbox().clone());
    let handle = UnbondingHandle::new(store, compute, global, mailbox).with_pulse(pulse);
    Arc::new(move |form| {
        let handle = handle.clone();
        Box::pin(async move { handle.request(form).await })
    })
}
