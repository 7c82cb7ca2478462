//! Sets everything up and starts the two tasks.

use std::{
    collections::BTreeMap,
    net::{TcpListener, UdpSocket},
    sync::{Arc, Mutex, atomic::AtomicU64},
    time::Duration,
};

use libp2p::{
    Multiaddr, PeerId, Swarm, SwarmBuilder,
    dns::{ResolverConfig, ResolverOpts},
    identity::Keypair,
    noise, tcp, yamux,
};
use prometheus_client::registry::Registry;
use tokio::{
    sync::{broadcast, mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use trestle_wire::{Peer, announce::Presence};

use super::{
    behaviour::Behaviour,
    contact::absent,
    door::{Door, KNOCKS},
    node::{Node, Parts},
    queue::Queues,
};
use crate::{
    P2pHandle, Received, address,
    config::{Config, StartError},
    handle::Shared,
    handler::Handler,
    metrics::Metrics,
};

/// A connection without any stream for this long is closed; identify's exchange every minute keeps
/// one between live nodes from getting there.
const IDLE: Duration = Duration::from_secs(5 * 60);
/// Peer events kept for a slow reader.
const EVENTS: usize = 256;

/// Starts listening and dialling. Everything ends when `cancel` is, which the returned task waits
/// for; it ends by itself only with a panic.
///
/// Must be called within a tokio runtime.
///
/// # Errors
/// [`StartError`] if the key or an address is wrong, or a port is taken.
pub fn start(
    config: Config,
    registry: &mut Registry,
    inbound: mpsc::Sender<Received>,
    presence: mpsc::Sender<(Peer, Presence)>,
    cancel: CancellationToken,
) -> Result<(P2pHandle, JoinHandle<()>), StartError> {
    let key = config.keypair()?;
    let addresses = config.addresses()?;
    let metrics = Metrics::new(registry);
    let mut swarm = swarm(&key, &config, registry, &metrics)?;
    addresses.listen.iter().try_for_each(is_free)?;
    for address in &addresses.listen {
        swarm.listen_on(address.clone()).map_err(|e| StartError::Listen {
            address: address.to_string(),
            reason: e.to_string(),
        })?;
    }
    for address in &addresses.external {
        swarm.add_external_address(address.clone());
    }
    if config.serve_relay && addresses.external.is_empty() && !shows_listen_addresses(&config) {
        tracing::warn!(
            "serving as a relay without an external address: set `external` to the address that \
             others reach this node at, or their reservations fail"
        );
    }

    let local = address::to_peer(&PeerId::from(key.public())).ok_or(StartError::Key)?;
    let shared = Arc::new(shared(local, &config, inbound.clone(), metrics.clone()));
    let (knock, knocks) = mpsc::channel(KNOCKS);
    // As many answers as knocks: the swarm task reads them as fast as it can.
    let (answer, answers) = mpsc::channel(KNOCKS);
    let door = Door {
        handler: Handler::new(config.network, config.hello.clone(), config.table.clone()),
        inbound,
        presence,
        answers: answer,
        metrics,
        commit_timeout: config.limits.commit_timeout,
        warned: None,
    };
    let parts = Parts { swarm, config, addresses, shared: Arc::clone(&shared), knock, answers };
    let node = Node::new(parts, libp2p::metrics::Metrics::new(registry));
    let door = tokio::spawn(door.run(knocks));
    let task = tokio::spawn(async move {
        node.run(cancel).await;
        // The door ends with the node's end of the channel. A panic there is ours.
        if let Err(error) = door.await
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    });
    Ok((P2pHandle { shared }, task))
}

/// libp2p opens TCP ports for sharing, so a second node on the same port would start and take half
/// of the connections of the first. Opening the port alone, for a moment, tells.
fn is_free(address: &Multiaddr) -> Result<(), StartError> {
    let opened = match address::socket(address) {
        None => Ok(()),
        Some((socket, address::Transport::Tcp)) => TcpListener::bind(socket).map(drop),
        Some((socket, address::Transport::Udp)) => UdpSocket::bind(socket).map(drop),
    };
    opened.map_err(|e| StartError::Listen { address: address.to_string(), reason: e.to_string() })
}

/// On a test network every listen address is worth telling others.
pub(super) fn shows_listen_addresses(config: &Config) -> bool {
    config.network == trestle_wire::Network::Regtest && !config.listen.is_empty()
}

fn swarm(
    key: &Keypair,
    config: &Config,
    registry: &mut Registry,
    metrics: &Metrics,
) -> Result<Swarm<Behaviour>, StartError> {
    let setup = |e: &dyn std::fmt::Display| StartError::Setup(e.to_string());
    let transports = || {
        let tcp = tcp::Config::default().nodelay(true);
        SwarmBuilder::with_existing_identity(key.clone())
            .with_tokio()
            .with_tcp(tcp, noise::Config::new, yamux::Config::default)
            .map(|transports| transports.with_quic())
    };
    // The two ways to names give builders of different types.
    macro_rules! build {
        ($builder:expr) => {
            $builder
                .with_relay_client(noise::Config::new, yamux::Config::default)
                .map_err(|e| setup(&e))?
                .with_behaviour(|key, relay| {
                    Behaviour::new(key, relay, config, registry, metrics).map_err(Into::into)
                })
                .map_err(|e| setup(&e))?
                .with_swarm_config(|c| c.with_idle_connection_timeout(IDLE))
                .build()
        };
    }
    match transports().map_err(|e| setup(&e))?.with_dns() {
        Ok(builder) => Ok(build!(builder)),
        Err(error) => {
            // A machine without a resolver is still a node: it dials IP addresses.
            tracing::warn!(%error, "no DNS: addresses with names cannot be dialled");
            let (no_servers, options) = (ResolverConfig::default(), ResolverOpts::default());
            let builder = transports().map_err(|e| setup(&e))?;
            Ok(build!(builder.with_dns_config(no_servers, options)))
        }
    }
}

fn shared(
    local: Peer,
    config: &Config,
    inbound: mpsc::Sender<Received>,
    metrics: Metrics,
) -> Shared {
    let peers: BTreeMap<_, _> =
        config.table.iter().filter(|peer| *peer != local).map(|p| (p, absent(p))).collect();
    Shared {
        local,
        boot: config.boot,
        queues: Queues::new(metrics.clone()),
        inbound,
        metrics,
        next_id: AtomicU64::new(0),
        listening: watch::Sender::new(vec![]),
        presence: watch::Sender::new(None),
        events: broadcast::Sender::new(EVENTS),
        peers: Mutex::new(peers),
        // A message may wait one request's time for its turn.
        deliver_timeout: config.limits.request_timeout * 2,
    }
}
