//! A node from the moment its keys are open until it has stopped.

use std::{sync::Arc, time::Duration};

use futures::FutureExt as _;
use prometheus_client::registry::Registry;
use rand::{RngCore as _, rngs::OsRng};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use trestle_actors::{covenant::CovenantHandle, ports::chain::ChainStatus};
use trestle_p2p::P2pHandle;
use trestle_store::Store;
use trestle_wire::{BootId, hello::Hello};
use zeroize::Zeroizing;

use super::{
    Prepared, RunError,
    actors::{self, Actors, Parts},
    chain,
    handler::Handler,
    peers, store,
};
use crate::{
    api::{self, ApiState, NodeFacts, admin, public, server, token::Token},
    events::EventBus,
    metrics,
    process::{Endpoints, EndpointsFile},
    readiness::{Health, Readiness},
};

/// Messages between the swarm and the actors: some sessions' worth. Each is bounded in size, and
/// the swarm counts what finds no room.
const INBOUND: usize = 1_024;
/// Announcements kept for a slow reader; a newer one replaces what an older one said.
const PRESENCE: usize = 256;
/// How long the swarm may take to bind its addresses.
const LISTEN: Duration = Duration::from_secs(5);
/// How long tasks may take to reach a safe point at the end. What is cut off then is what a crash
/// would cut off, and the store is made for that.
const DRAIN: Duration = Duration::from_secs(10);

/// How long the store may take to close: one commit under way, and SQLite's log written back.
const CLOSE: Duration = Duration::from_secs(5);

type Tasks = JoinSet<Result<(), RunError>>;

pub(super) async fn run(
    prepared: Prepared,
    stop: CancellationToken,
    started: impl FnOnce(&Endpoints),
) -> Result<(), RunError> {
    let mut tasks = Tasks::new();
    let mut opened = None;
    if prepared.params.is_some() && prepared.config.follows_chain() {
        opened = store::open(&prepared.config, prepared.take_over, &stop).await?;
        // Told to stop while it waited for its database.
        let Some(opened) = &opened else { return Ok(()) };
        tasks.spawn(opened.guard(stop.clone()));
    }
    let store = opened.as_ref().map(|opened| Arc::clone(&opened.store));
    let outcome = match start(&prepared, store, &mut tasks, &stop).await {
        Ok(endpoints) => run_until_stopped(&prepared, &endpoints, &mut tasks, &stop, started).await,
        Err(error) => Err(error),
    };
    stop.cancel();
    let drained = tokio::time::timeout(DRAIN, drain(&mut tasks)).await;
    if drained.is_err() {
        tracing::warn!(left = tasks.len(), "some tasks did not end in time and were cut off");
    }
    // Aborts what is left before the store and the lock go.
    tasks.shutdown().await;
    if let Some(opened) = opened
        && tokio::time::timeout(CLOSE, opened.close()).await.is_err()
    {
        tracing::warn!("the store did not close in time; it is left as a crash would leave it");
    }
    drop(prepared);
    outcome
}

async fn run_until_stopped(
    prepared: &Prepared,
    endpoints: &Endpoints,
    tasks: &mut Tasks,
    stop: &CancellationToken,
    started: impl FnOnce(&Endpoints),
) -> Result<(), RunError> {
    let failed = |source| RunError::Io { what: "writing endpoints.json", source };
    let _file = EndpointsFile::write(&prepared.config.data_dir, endpoints).map_err(failed)?;
    started(endpoints);
    tracing::info!(peer = endpoints.peer, "running");
    tokio::select! {
        () = stop.cancelled() => {
            tracing::info!("stopping");
            Ok(())
        }
        error = first_error(tasks) => {
            tracing::error!(%error, "stopping, because a part of the node ended");
            Err(error)
        }
    }
}

async fn start(
    prepared: &Prepared,
    store: Option<Arc<dyn Store>>,
    tasks: &mut Tasks,
    stop: &CancellationToken,
) -> Result<Endpoints, RunError> {
    let config = &prepared.config;
    let api = server::bind(config.api.listen, "api.listen").await?;
    let admin = server::bind(config.admin.listen, "admin.listen").await?;
    let signing = bind_signing(prepared).await?;

    let mut registry = Registry::default();
    let events = EventBus::new();
    let readiness = Readiness::new(metrics::register(&mut registry), events.clone());
    readiness.set("start", Health::NotReady("starting".into()));

    let boot = BootId(random());
    let (inbound, messages) = mpsc::channel(INBOUND);
    let (p2p, listen) = start_p2p(prepared, boot, inbound, &mut registry, tasks, stop).await?;
    tasks.spawn({
        let own = prepared.keys.identity.peer.peer();
        let needed = peers::lists(prepared.params.as_ref(), &own);
        let (p2p, readiness, stop) = (p2p.clone(), readiness.clone(), stop.clone());
        let shown = peers::show(p2p, needed, readiness, events.clone(), stop);
        async {
            shown.await;
            Ok(())
        }
    });

    let actors = match (&prepared.params, store) {
        (Some(params), Some(store)) => {
            let (bitcoind, status) =
                start_chain(prepared, &readiness, &events, tasks, stop).await?;
            let parts = Parts {
                config,
                params,
                global: prepared.global.as_ref(),
                network: prepared.network,
                keys: Arc::clone(&prepared.keys),
                boot,
                store,
                bitcoind,
                chain: status,
                p2p: p2p.clone(),
                registry: &mut registry,
                readiness: readiness.clone(),
                events: events.clone(),
                stop: stop.clone(),
            };
            actors::start(parts).await?
        }
        (Some(_) | None, _) => Actors::default(),
    };
    let Actors { mailboxes, coordinator, staking, covenant, tasks: actor_tasks } = actors;
    adopt(actor_tasks, tasks);
    let handler = Handler::new(mailboxes, prepared.params.clone(), &mut registry);
    let routed = handler.run(messages, stop.clone());
    tasks.spawn(async {
        routed.await;
        Ok(())
    });

    let facts = facts(prepared, listen);
    let state = ApiState {
        facts: Arc::new(facts),
        coordinator,
        staking: staking.map(Arc::new),
        readiness: readiness.clone(),
        registry: Arc::new(registry),
        events,
        peers: peers::list(p2p),
        stop: stop.clone(),
    };
    let endpoints = serve_http(prepared, state, api, admin, tasks, stop)?;
    serve_signing(signing, covenant, tasks, stop);
    readiness.set("start", Health::Ready);
    Ok(endpoints)
}

async fn start_p2p(
    prepared: &Prepared,
    boot: BootId,
    inbound: mpsc::Sender<trestle_p2p::Received>,
    registry: &mut Registry,
    tasks: &mut Tasks,
    stop: &CancellationToken,
) -> Result<(P2pHandle, Vec<String>), RunError> {
    let (config, identity) = (&prepared.config, &prepared.keys.identity);
    let params = prepared.params.as_ref();
    let hello = Hello {
        parameters: params.map(trestle_keys::Params::hash),
        sections: params.map(trestle_keys::Params::sections).unwrap_or_default(),
        roles: config.roles.iter().copied().collect(),
        software: concat!("trestle ", env!("CARGO_PKG_VERSION")).into(),
    };
    let swarm = trestle_p2p::Config {
        secret: Zeroizing::new(*identity.peer.expose_secret()),
        network: prepared.network,
        listen: config.p2p.listen.clone(),
        external: config.p2p.external.clone(),
        bootnodes: config.p2p.bootnodes.clone(),
        relays: config.p2p.relays.clone(),
        serve_relay: config.p2p.serve_relay,
        hello,
        boot,
        table: peers::table(params, &identity.peer.peer()),
        limits: trestle_p2p::Limits::default(),
    };
    let (presence, mut announced) = mpsc::channel(PRESENCE);
    let (p2p, task) = trestle_p2p::start(swarm, registry, inbound, presence, stop.clone())?;
    let end = stop.clone();
    tasks.spawn(async move { ended("the network", task.await, &end) });
    tasks.spawn(async move {
        // Ends with the swarm, which holds the other end.
        while let Some((peer, presence)) = announced.recv().await {
            tracing::debug!(%peer, height = presence.height, "a peer announced itself");
        }
        Ok(())
    });
    let mut addresses = p2p.listen_addrs();
    if !config.p2p.listen.is_empty() {
        let wanted = config.p2p.listen.len();
        // Later ones are still served; only what is printed may lack them.
        let bound = addresses.wait_for(|bound| bound.len() >= wanted);
        let _ = tokio::time::timeout(LISTEN, bound).await;
    }
    let bound = addresses.borrow().clone();
    Ok((p2p, bound))
}

async fn start_chain(
    prepared: &Prepared,
    readiness: &Readiness,
    events: &EventBus,
    tasks: &mut Tasks,
    stop: &CancellationToken,
) -> Result<(trestle_bitcoind::Bitcoind, watch::Receiver<ChainStatus>), RunError> {
    let missing = || RunError::Bitcoin("the config has no section [bitcoin]".into());
    let config = prepared.config.bitcoin.as_ref().ok_or_else(missing)?;
    let bitcoind = chain::connect(config, prepared.network).await?;
    let (sender, status) = watch::channel(ChainStatus::Unknown);
    let watched = bitcoind.clone().watch(config.poll, sender);
    let end = stop.clone();
    tasks.spawn(async move {
        tokio::select! {
            () = watched => {}
            () = end.cancelled() => {}
        }
        Ok(())
    });
    tasks.spawn(chain::show(
        status.clone(),
        prepared.network,
        readiness.clone(),
        events.clone(),
        stop.clone(),
    ));
    Ok((bitcoind, status))
}

fn serve_http(
    prepared: &Prepared,
    state: ApiState,
    api: TcpListener,
    admin: TcpListener,
    tasks: &mut Tasks,
    stop: &CancellationToken,
) -> Result<Endpoints, RunError> {
    let failed = |source| RunError::Io { what: "looking at a bound listener", source };
    let api_address = api.local_addr().map_err(failed)?;
    let admin_address = admin.local_addr().map_err(failed)?;
    let config = &prepared.config.admin;
    let admin_routes =
        admin::router(state.clone(), prepared.token.clone(), admin_address, &config.hosts);
    let endpoints = Endpoints {
        pid: std::process::id(),
        peer: state.facts.peer.to_string(),
        api: format!("http://{api_address}"),
        admin: format!("http://{admin_address}"),
        token_file: std::path::absolute(&config.token_file).map_err(failed)?,
        p2p: state.facts.listen.clone(),
    };
    let from_one = prepared.config.api.connections_per_address;
    let public = server::serve_shared(from_one, api, public::router(state), stop.clone());
    tasks.spawn(public.map(Ok));
    tasks.spawn(server::serve(admin, admin_routes, stop.clone()).map(Ok));
    Ok(endpoints)
}

/// The listener for signing by HTTP, with its token: on a covenant member whose config has one.
async fn bind_signing(prepared: &Prepared) -> Result<Option<(TcpListener, Token)>, RunError> {
    let me = prepared.keys.identity.peer.peer();
    let staking = prepared.params.as_ref().and_then(|params| params.staking.as_ref());
    let member = staking.is_some_and(|staking| staking.key_of(&me).is_some());
    let Some(http) = &prepared.config.covenant.http else { return Ok(None) };
    if !member {
        tracing::warn!("[covenant.http] does nothing: no line under [staking.members] lists us");
        return Ok(None);
    }
    let token = Token::load_or_create(&http.token_file)?;
    Ok(Some((server::bind(http.listen, "covenant.http.listen").await?, token)))
}

fn serve_signing(
    listener: Option<(TcpListener, Token)>,
    covenant: Option<CovenantHandle>,
    tasks: &mut Tasks,
    stop: &CancellationToken,
) {
    let (Some((listener, token)), Some(covenant)) = (listener, covenant) else { return };
    let routes = api::covenant::router(covenant, token);
    tasks.spawn(server::serve(listener, routes, stop.clone()).map(Ok));
}

fn facts(prepared: &Prepared, listen: Vec<String>) -> NodeFacts {
    let identity = &prepared.keys.identity;
    NodeFacts {
        peer: identity.peer.peer(),
        committee_key: identity.committee.xonly(),
        roles: prepared.config.roles.clone(),
        network: prepared.network,
        params: prepared.params.clone(),
        listen,
    }
}

// Watches the actors' tasks from one of ours, so that the first error of any stops the node.
fn adopt(mut actors: Tasks, tasks: &mut Tasks) {
    tasks.spawn(async move {
        while let Some(done) = actors.join_next().await {
            done.map_err(|e| RunError::Actor(format!("an actor: {e}")))??;
        }
        Ok(())
    });
}

// A task that must last as long as the node.
fn ended(
    what: &str,
    done: Result<(), tokio::task::JoinError>,
    stop: &CancellationToken,
) -> Result<(), RunError> {
    match done {
        Ok(()) if stop.is_cancelled() => Ok(()),
        Ok(()) => Err(RunError::Actor(format!("{what} ended by itself"))),
        Err(e) => Err(RunError::Actor(format!("{what}: {e}"))),
    }
}

async fn first_error(tasks: &mut Tasks) -> RunError {
    loop {
        match tasks.join_next().await {
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(error))) => return error,
            Some(Err(e)) => return RunError::Actor(format!("a task panicked: {e}")),
            None => std::future::pending().await,
        }
    }
}

async fn drain(tasks: &mut Tasks) {
    while let Some(done) = tasks.join_next().await {
        match done {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a task ended with an error while stopping"),
            Err(e) => tracing::warn!(error = %e, "a task panicked while stopping"),
        }
    }
}

fn random() -> [u8; 8] {
    let mut bytes = [0; 8];
    OsRng.fill_bytes(&mut bytes);
    bytes
}
