//! The libp2p protocols of a node, each with its limits set on purpose.

use std::{num::NonZeroU32, time::Duration};

use libp2p::{
    PeerId, StreamProtocol,
    connection_limits::{self, ConnectionLimits},
    gossipsub::{self, IdentTopic, MessageAuthenticity, PeerScoreParams, PeerScoreThresholds},
    identify,
    identity::Keypair,
    kad::{self, store::MemoryStore},
    ping, relay,
    request_response::{self, ProtocolSupport},
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
};
use prometheus_client::registry::Registry;
use trestle_wire::Network;

use super::codec::{Codec, PROTOCOL};
use crate::{
    config::{Config, StartError},
    metrics::Metrics,
};

/// Our own Kademlia: nodes of other networks never get into the routing table.
pub(crate) const KAD: StreamProtocol = StreamProtocol::new("/trestle/kad/1");
/// What identify says we speak.
const IDENTIFY: &str = "/trestle/1";
/// Requests of one connection, both ways: eight of ours (four a lane) and eight of the peer's.
/// More would only let one peer hold more of our memory.
const STREAMS: usize = 16;
/// A presence has at most 64 keys of about 45 bytes: 16 KiB is room for five times that.
const MAX_GOSSIP: usize = 16 * 1024;

/// All protocols of a node.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) limits: connection_limits::Behaviour,
    pub(crate) relay_client: relay::client::Behaviour,
    pub(crate) relay_server: Toggle<relay::Behaviour>,
    pub(crate) identify: identify::Behaviour,
    pub(crate) ping: ping::Behaviour,
    pub(crate) kad: kad::Behaviour<MemoryStore>,
    pub(crate) gossip: gossipsub::Behaviour,
    pub(crate) messages: request_response::Behaviour<Codec>,
}

/// The topic on which nodes of a network announce themselves.
pub(crate) fn topic(network: Network) -> IdentTopic {
    IdentTopic::new(format!("/trestle/presence/1/{}", network.name()))
}

impl Behaviour {
    pub(crate) fn new(
        key: &Keypair,
        relay_client: relay::client::Behaviour,
        config: &Config,
        registry: &mut Registry,
        metrics: &Metrics,
    ) -> Result<Self, StartError> {
        let local = PeerId::from(key.public());
        Ok(Self {
            limits: connection_limits::Behaviour::new(connection_limits()),
            relay_client,
            relay_server: config.serve_relay.then(|| relay_server(local)).into(),
            identify: identify(key),
            ping: ping::Behaviour::new(ping()),
            kad: kad(local, config),
            gossip: gossip(key, config, registry)?,
            messages: request_response::Behaviour::with_codec(
                Codec::new(metrics.clone()),
                [(PROTOCOL, ProtocolSupport::Full)],
                request_response::Config::default()
                    .with_request_timeout(config.limits.request_timeout)
                    .with_max_concurrent_streams(STREAMS),
            ),
        })
    }
}

/// A connection costs about 100 KiB while idle; a public node serves some hundreds within 64 MiB.
/// Peers of the table are exempt, so that strangers cannot crowd them out.
fn connection_limits() -> ConnectionLimits {
    ConnectionLimits::default()
        // Handshakes are what a stranger can make us do for free.
        .with_max_pending_incoming(Some(64))
        .with_max_pending_outgoing(Some(64))
        .with_max_established_incoming(Some(256))
        .with_max_established_outgoing(Some(256))
        // Both sides may dial at once, directly and through two relays.
        .with_max_established_per_peer(Some(4))
        .with_max_established(Some(384))
}

/// A circuit carries all that two members say to each other for as long as they run: libp2p's
/// 2 minutes and 128 KiB would cut a key generation in half.
fn relay_server(local: PeerId) -> relay::Behaviour {
    let per_minute = NonZeroU32::new(120).expect("120 is not zero");
    let minute = Duration::from_secs(60);
    let config = relay::Config {
        // A committee or two behind one relay.
        max_reservations: 256,
        max_reservations_per_peer: 4,
        // Clients renew well before; a node that died frees its place within the hour.
        reservation_duration: Duration::from_secs(3600),
        // By peer only: the members of a test network share one address.
        reservation_rate_limiters: vec![],
        // A committee of 15 in full mesh has 105 circuits.
        max_circuits: 512,
        max_circuits_per_peer: 64,
        max_circuit_duration: Duration::from_secs(24 * 3600),
        max_circuit_bytes: 16 << 30,
        circuit_src_rate_limiters: vec![],
    };
    let config = config
        .reservation_rate_per_peer(per_minute, minute)
        .circuit_src_per_peer(per_minute, minute);
    let mut relay = relay::Behaviour::new(local, config);
    // Asked for in the config: not left to whether an address has been confirmed yet.
    relay.set_status(Some(relay::Status::Enable));
    relay
}

/// A machine that is busy signing may take some seconds to answer. libp2p forgives one failure, so a
/// TCP connection whose other end hangs or is cut off is given up after 70 s at most: twice
/// the interval and the timeout.
fn ping() -> ping::Config {
    ping::Config::new().with_interval(Duration::from_secs(15)).with_timeout(Duration::from_secs(20))
}

fn identify(key: &Keypair) -> identify::Behaviour {
    identify::Behaviour::new(
        identify::Config::new(IDENTIFY.to_owned(), key.public())
            .with_agent_version(format!("trestle/{}", env!("CARGO_PKG_VERSION")))
            // More often than a connection may be idle: it keeps those of live nodes open.
            .with_interval(Duration::from_secs(60))
            .with_push_listen_addr_updates(true),
    )
}

fn kad(local: PeerId, config: &Config) -> kad::Behaviour<MemoryStore> {
    let mut kad_config = kad::Config::new(KAD);
    kad_config
        // For finding peers only: nobody can have us store a record.
        .set_record_filtering(kad::StoreInserts::FilterBoth)
        .set_caching(kad::Caching::Disabled)
        .set_replication_interval(None)
        .set_publication_interval(None)
        .set_provider_publication_interval(None)
        .set_query_timeout(Duration::from_secs(20))
        .set_periodic_bootstrap_interval(Some(Duration::from_secs(5 * 60)));
    let mut kad = kad::Behaviour::with_config(local, MemoryStore::new(local), kad_config);
    let mode = if config.listen.is_empty() { kad::Mode::Client } else { kad::Mode::Server };
    kad.set_mode(Some(mode));
    kad
}

fn gossip(
    key: &Keypair,
    config: &Config,
    registry: &mut Registry,
) -> Result<gossipsub::Behaviour, StartError> {
    let setup = |e: &dyn std::fmt::Display| StartError::Setup(format!("gossipsub: {e}"));
    let gossip_config = gossipsub::ConfigBuilder::default()
        .validation_mode(gossipsub::ValidationMode::Strict)
        // Nothing is passed on before the message handler has read it.
        .validate_messages()
        .max_transmit_size(MAX_GOSSIP)
        .build()
        .map_err(|e| setup(&e))?;
    let mut gossip =
        gossipsub::Behaviour::new(MessageAuthenticity::Signed(key.clone()), gossip_config)
            .map_err(|e| setup(&e))?
            .with_metrics(
                registry.sub_registry_with_prefix("libp2p_gossipsub_mesh"),
                gossipsub::MetricsConfig::default(),
            );
    gossip
        .with_peer_score(score(config.network), PeerScoreThresholds::default())
        .map_err(|e| setup(&e))?;
    let topic = topic(config.network);
    gossip.set_topic_params(topic.clone(), topic_score()).map_err(|e| setup(&e))?;
    gossip.subscribe(&topic).map_err(|e| setup(&e))?;
    Ok(gossip)
}

fn score(network: Network) -> PeerScoreParams {
    let mut params = PeerScoreParams::default();
    if network == Network::Regtest {
        // All nodes of a test network share one address.
        params.ip_colocation_factor_weight = 0.0;
    } else {
        // An operator may run a committee's nodes behind one address; more than that is a crowd.
        params.ip_colocation_factor_threshold = 32.0;
    }
    params
}

/// A presence every few minutes is nothing to judge a peer's silence by; invalid ones are.
fn topic_score() -> gossipsub::TopicScoreParams {
    gossipsub::TopicScoreParams {
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        time_in_mesh_cap: 10.0,
        time_in_mesh_quantum: Duration::from_secs(60),
        invalid_message_deliveries_weight: -10.0,
        ..Default::default()
    }
}
