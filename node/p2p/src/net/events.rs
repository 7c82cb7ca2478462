//! What the swarm reports: connections, listeners, and the protocols that find peers.

use libp2p::{
    Multiaddr, PeerId,
    core::ConnectedPoint,
    gossipsub, identify, kad,
    metrics::Recorder,
    ping, relay,
    swarm::{ConnectionId, SwarmEvent},
};

use super::{
    behaviour::{BehaviourEvent, KAD},
    contact::{Contact, Greeted, Line},
    door::Knock,
    node::Node,
};
use crate::{address, events::PeerEvent};

/// Listen addresses of one peer that are looked at.
const MOST_NAMED: usize = 16;
/// Connections to one peer. Peers of the table are exempt from the general limit, but even one of
/// those has no use for more.
const MOST_LINES: usize = 8;

/// Where a connection leads. One that came through a relay knows the relay only by our own end.
fn way_to(peer: PeerId, endpoint: &ConnectedPoint) -> Multiaddr {
    if let ConnectedPoint::Listener { local_addr, .. } = endpoint
        && address::is_circuit(local_addr)
    {
        return address::complete(local_addr, peer);
    }
    endpoint.get_remote_address().clone()
}

impl Node {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "libp2p's list is open, and the rest asks nothing of us"
    )]
    pub(super) fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        self.libp2p_metrics.record(&event);
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                let line = Line {
                    remote: way_to(peer_id, &endpoint),
                    relayed: endpoint.is_relayed(),
                    dialled: endpoint.is_dialer(),
                };
                self.on_connected(peer_id, connection_id, line);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, .. } => {
                self.on_closed(peer_id, connection_id);
            }
            SwarmEvent::OutgoingConnectionError { peer_id, error, .. } => {
                tracing::debug!(peer = ?peer_id, %error, "cannot connect");
                if let Some(peer) = peer_id {
                    let now = self.now();
                    self.book.failed(&peer, now);
                    self.maintain();
                }
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                tracing::info!(%address, "listening");
                if self.shows_listen_addresses() && !address::is_circuit(&address) {
                    self.swarm.add_external_address(address);
                }
                self.show_listeners();
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                tracing::info!(%address, "no longer listening");
                self.swarm.remove_external_address(&address);
                self.show_listeners();
            }
            SwarmEvent::ListenerClosed { listener_id, reason, .. } => {
                let now = self.now();
                match self.relays.closed(listener_id, now, rand::random()) {
                    Some(relay) => tracing::info!(%relay, ?reason, "place on the relay lost"),
                    None => tracing::error!(?reason, "a listener has closed"),
                }
                self.on_places();
                self.show_listeners();
                self.maintain();
            }
            SwarmEvent::ListenerError { error, .. } => tracing::warn!(%error, "listener"),
            _ => {}
        }
    }

    fn on_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Messages(event) => self.on_message(event),
            BehaviourEvent::Identify(event) => self.on_identify(event),
            BehaviourEvent::Kad(event) => {
                self.libp2p_metrics.record(&event);
                self.on_kad(event);
            }
            BehaviourEvent::Gossip(event) => {
                self.libp2p_metrics.record(&event);
                self.on_gossip(event);
            }
            BehaviourEvent::Ping(event) => {
                self.libp2p_metrics.record(&event);
                self.on_ping(&event);
            }
            BehaviourEvent::RelayServer(event) => {
                self.libp2p_metrics.record(&event);
                tracing::debug!(?event, "relay");
            }
            BehaviourEvent::RelayClient(event) => {
                if let relay::client::Event::ReservationReqAccepted { relay_peer_id, .. } = event {
                    tracing::info!(relay = %relay_peer_id, "reachable through the relay");
                    self.relays.granted(&relay_peer_id);
                    self.on_places();
                }
            }
        }
    }

    fn on_connected(&mut self, id: PeerId, connection: ConnectionId, line: Line) {
        let Some(peer) = address::to_peer(&id) else {
            // No key of ours: a stranger that may use Kademlia.
            return;
        };
        let contact = self.contacts.entry(id).or_insert_with(Contact::new);
        let (was_ready, first) = (contact.is_ready(), contact.lines.is_empty());
        if contact.lines.len() >= MOST_LINES {
            self.swarm.close_connection(connection);
        }
        contact.lines.insert(connection, line);
        // The peer may have restarted without our having noticed: introduce ourselves again.
        contact.greeted = Greeted::Due;
        contact.backoff.reset();
        let now = self.now();
        self.book.connected(&id, now);
        self.shared.queues.connected(peer);
        self.count_connected();
        self.settle(id, was_ready);
        if first {
            self.shared.events.send(PeerEvent::Connected(peer)).ok();
        }
        self.greet_due(now);
    }

    fn on_closed(&mut self, id: PeerId, connection: ConnectionId) {
        let (Some(contact), Some(peer)) = (self.contacts.get_mut(&id), address::to_peer(&id))
        else {
            return;
        };
        contact.lines.remove(&connection);
        if !contact.lines.is_empty() {
            let ready = contact.is_ready();
            self.settle(id, ready);
            if ready {
                // What was under way on that connection may be lost: whoever resends should know.
                self.shared.events.send(PeerEvent::Ready(peer)).ok();
            }
            return;
        }
        if contact.is_ready() {
            self.shared.metrics.ready.dec();
        }
        self.contacts.remove(&id);
        self.count_connected();
        let now = self.now();
        self.book.lost(&id, now);
        self.shared.queues.disconnected(peer);
        self.show(peer, None);
        if !self.config.table.contains(&peer) {
            self.rates.forget(peer);
            self.counters.remove(&peer);
        }
        // If the door is full the entry stays until the peer's next visit.
        self.knock.try_send(Knock::Gone(peer)).ok();
        tracing::debug!(%peer, "peer lost");
        self.shared.events.send(PeerEvent::Lost(peer)).ok();
        self.maintain();
    }

    fn count_connected(&self) {
        let connected = i64::try_from(self.contacts.len()).unwrap_or(i64::MAX);
        self.shared.metrics.connected.set(connected);
    }

    fn on_identify(&mut self, event: identify::Event) {
        let identify::Event::Received { peer_id, info, .. } = event else { return };
        let serves_kad = info.protocols.contains(&KAD);
        let relays = info.protocols.contains(&relay::HOP_PROTOCOL_NAME);
        let now = self.now();
        let named = info.listen_addrs.iter().take(MOST_NAMED).map(address::without_peer);
        let usable: Vec<Multiaddr> =
            named.filter(|a| address::is_usable(a, self.config.network)).collect();
        for at in &usable {
            let at = address::complete(at, peer_id);
            if serves_kad {
                self.swarm.behaviour_mut().kad.add_address(&peer_id, at.clone());
            }
            self.book.learn(peer_id, &at, false, now);
        }
        if relays && let Some(at) = self.way_to_relay(peer_id, &usable) {
            self.relays.learn(peer_id, &at, false);
        }
        if serves_kad {
            self.book.news(now);
        }
        self.maintain();
    }

    /// The address that led to a relay, or else one that it names itself.
    fn way_to_relay(&self, relay: PeerId, named: &[Multiaddr]) -> Option<Multiaddr> {
        let lines = self.contacts.get(&relay).into_iter().flat_map(|c| c.lines.values());
        lines
            .filter(|line| line.dialled && !line.relayed)
            .map(|line| address::without_peer(&line.remote))
            .chain(named.iter().filter(|a| !address::is_circuit(a)).cloned())
            .next()
    }

    fn on_kad(&mut self, event: kad::Event) {
        let kad::Event::OutboundQueryProgressed { id, result, step, .. } = event else { return };
        let found = match result {
            kad::QueryResult::GetClosestPeers(Ok(found)) => found.peers,
            kad::QueryResult::GetClosestPeers(Err(kad::GetClosestPeersError::Timeout {
                peers,
                ..
            })) => peers,
            kad::QueryResult::Bootstrap(_)
            | kad::QueryResult::GetProviders(_)
            | kad::QueryResult::StartProviding(_)
            | kad::QueryResult::RepublishProvider(_)
            | kad::QueryResult::GetRecord(_)
            | kad::QueryResult::PutRecord(_)
            | kad::QueryResult::RepublishRecord(_) => return,
        };
        if step.last {
            self.lookups.remove(&id);
        }
        let now = self.now();
        for peer in found {
            for at in peer.addrs.iter().take(MOST_NAMED) {
                if address::is_usable(at, self.config.network) {
                    self.book.learn(peer.peer_id, at, false, now);
                }
            }
        }
        self.maintain();
    }

    fn on_gossip(&mut self, event: gossipsub::Event) {
        let gossipsub::Event::Message { propagation_source: source, message_id: id, message } =
            event
        else {
            return;
        };
        let author = message.source.as_ref().and_then(address::to_peer);
        let knock = author.map(|author| Knock::Gossip {
            author,
            source,
            id: id.clone(),
            bytes: message.data,
        });
        let taken = knock.is_some_and(|knock| self.knock.try_send(knock).is_ok());
        if !taken {
            self.shared.metrics.dropped("busy");
            let gossip = &mut self.swarm.behaviour_mut().gossip;
            let ignore = gossipsub::MessageAcceptance::Ignore;
            gossip.report_message_validation_result(&id, &source, ignore);
        }
    }

    fn on_ping(&mut self, event: &ping::Event) {
        let rtt = match &event.result {
            Ok(rtt) => *rtt,
            // An old peer; nothing is wrong with the connection.
            Err(ping::Failure::Unsupported) => return,
            Err(ping::Failure::Timeout | ping::Failure::Other { .. }) => {
                // The other end has gone without a word, and TCP alone would wait a quarter of an
                // hour: better to dial again.
                self.swarm.close_connection(event.connection);
                return;
            }
        };
        let Some(peer) = address::to_peer(&event.peer) else { return };
        if let Some(contact) = self.contacts.get_mut(&event.peer) {
            contact.rtt = Some(rtt);
            self.show(peer, self.contacts.get(&event.peer));
        }
    }

    /// Places on relays have come or gone.
    fn on_places(&mut self) {
        let places = self.relays.granted_places();
        self.shared.metrics.reservations.set(i64::try_from(places).unwrap_or(i64::MAX));
        if self.config.listen.is_empty() {
            // With a place others can ask us, so they may know of us.
            let mode = if places > 0 { kad::Mode::Server } else { kad::Mode::Client };
            self.swarm.behaviour_mut().kad.set_mode(Some(mode));
        }
    }
}
