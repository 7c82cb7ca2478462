//! The task that owns the swarm: its state, its loop, and its regular work.

use std::{collections::BTreeMap, collections::HashMap, sync::Arc, time::Duration};

use futures::StreamExt;
use libp2p::{
    PeerId, Swarm,
    kad::QueryId,
    metrics::Metrics as Libp2pMetrics,
    request_response::OutboundRequestId,
    swarm::{
        DialError,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use trestle_wire::{Peer, announce::Presence};

use super::{
    backoff::Pauses,
    behaviour::Behaviour,
    book::{Book, Try},
    contact::Contact,
    door::{Answer, Knock},
    messages::Flight,
    relays::Relays,
    start::shows_listen_addresses,
};
use crate::{
    address,
    config::{Addresses, Config},
    handle::Shared,
    handler::rates::Rates,
};

/// How often due work is looked for; a fraction of the shortest pause.
const TICK: Duration = Duration::from_millis(100);
/// Look-ups in Kademlia at once: each asks three peers at a time.
const MOST_LOOKUPS: usize = 4;

/// What a node is made of.
pub(super) struct Parts {
    pub(super) swarm: Swarm<Behaviour>,
    pub(super) config: Config,
    pub(super) addresses: Addresses,
    pub(super) shared: Arc<Shared>,
    pub(super) knock: mpsc::Sender<Knock>,
    pub(super) answers: mpsc::Receiver<Answer>,
}

/// The state of the swarm task.
pub(super) struct Node {
    pub(super) swarm: Swarm<Behaviour>,
    pub(super) config: Config,
    pub(super) shared: Arc<Shared>,
    pub(super) knock: mpsc::Sender<Knock>,
    answers: mpsc::Receiver<Answer>,
    pub(super) libp2p_metrics: Libp2pMetrics,
    started: Instant,
    pub(super) book: Book,
    pub(super) relays: Relays,
    pub(super) rates: Rates,
    pub(super) contacts: BTreeMap<PeerId, Contact>,
    /// The last counter used for each peer: of the table for good, of others while connected.
    pub(super) counters: BTreeMap<Peer, u64>,
    pub(super) flights: HashMap<OutboundRequestId, Flight>,
    pub(super) lookups: HashMap<QueryId, PeerId>,
    /// A presence that has found nobody to hear it yet.
    unheard: Option<Presence>,
}

impl Node {
    pub(super) fn new(parts: Parts, libp2p_metrics: Libp2pMetrics) -> Self {
        let Parts { mut swarm, config, addresses, shared, knock, answers } = parts;
        let pauses = Pauses { first: config.limits.redial_first, most: config.limits.redial_most };
        let mut book = Book::new(pauses);
        let mut relays = Relays::new(pauses, config.listen.is_empty());
        for peer in config.table.iter().filter(|peer| *peer != shared.local) {
            let id = address::to_peer_id(peer);
            book.want(id);
            swarm.behaviour_mut().limits.bypass_peer_id(&id);
        }
        let local = *swarm.local_peer_id();
        for known in addresses.bootnodes.iter().chain(&addresses.relays) {
            if known.peer == local {
                continue;
            }
            book.want(known.peer);
            book.learn(known.peer, &known.address, true, 0);
            relays.learn(known.peer, &known.address, true);
            swarm.behaviour_mut().limits.bypass_peer_id(&known.peer);
        }
        for known in addresses.bootnodes.iter().filter(|known| known.peer != local) {
            swarm.behaviour_mut().kad.add_address(&known.peer, known.address.clone());
        }
        Self {
            swarm,
            config,
            shared,
            knock,
            answers,
            libp2p_metrics,
            started: Instant::now(),
            book,
            relays,
            rates: Rates::default(),
            contacts: BTreeMap::new(),
            counters: BTreeMap::new(),
            flights: HashMap::new(),
            lookups: HashMap::new(),
            unheard: None,
        }
    }

    /// Runs until cancelled.
    pub(super) async fn run(mut self, cancel: CancellationToken) {
        let shared = Arc::clone(&self.shared);
        let mut presence = shared.presence.subscribe();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = cancel.cancelled() => break,
                event = self.swarm.select_next_some() => self.on_event(event),
                answer = self.answers.recv() => match answer {
                    Some(answer) => self.on_answer(answer),
                    // The door ends after us, unless it has panicked.
                    None => break,
                },
                peers = shared.queues.pushed() => peers.into_iter().for_each(|p| self.pump(p)),
                // The sender is in `shared`, so this never fails.
                Ok(()) = presence.changed() => {
                    self.unheard.clone_from(&presence.borrow_and_update());
                    self.announce();
                }
                _ = tick.tick() => self.maintain(),
            }
        }
        // Everyone who waits hears that nothing more will come.
        shared.queues.stop();
        for flight in self.flights.drain().map(|(_, flight)| flight) {
            flight.stop();
        }
    }

    /// Milliseconds since the start.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Does whatever has become due: dials, look-ups, places on relays, hellos.
    pub(super) fn maintain(&mut self) {
        let now = self.now();
        for due in self.book.due(now, rand::random) {
            self.attempt(due);
        }
        for (relay, at) in self.relays.due(now) {
            match self.swarm.listen_on(address::reservation(&at, relay)) {
                Ok(listener) => self.relays.asked(&relay, listener),
                Err(error) => {
                    tracing::warn!(%relay, %error, "cannot ask for a place on the relay");
                    self.relays.failed(&relay, now, rand::random());
                }
            }
        }
        self.greet_due(now);
        self.announce();
    }

    fn attempt(&mut self, due: Try) {
        let mut addresses = due.addresses;
        if due.search {
            addresses.extend(
                self.circuits_to(due.peer).filter(|a| !addresses.contains(a)).collect::<Vec<_>>(),
            );
            let known = self.lookups.values().any(|peer| *peer == due.peer);
            if !known && self.lookups.len() < MOST_LOOKUPS && !self.contacts.is_empty() {
                let query = self.swarm.behaviour_mut().kad.get_closest_peers(due.peer);
                self.lookups.insert(query, due.peer);
            }
        }
        if addresses.is_empty() {
            return;
        }
        let opts = DialOpts::peer_id(due.peer)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .addresses(addresses)
            .extend_addresses_through_behaviour()
            .build();
        if let Err(error) = self.swarm.dial(opts) {
            tracing::trace!(peer = %due.peer, %error, "not dialled");
            if matches!(error, DialError::DialPeerConditionFalse(_)) {
                self.book.missed(&due.peer);
            }
        }
    }

    /// Where a peer would be if it held a place on a relay that we know.
    fn circuits_to(&self, target: PeerId) -> impl Iterator<Item = libp2p::Multiaddr> {
        self.relays
            .iter()
            .filter(move |(relay, _)| *relay != target)
            .map(move |(relay, at)| address::circuit(at, relay, target))
    }

    /// Tells everyone of us, once there is someone.
    fn announce(&mut self) {
        let Some(presence) = self.unheard.take() else { return };
        if !self.publish(&presence) {
            self.unheard = Some(presence);
        }
    }

    /// The addresses that others may be told of, as the handle shows them.
    pub(super) fn show_listeners(&self) {
        let local = *self.swarm.local_peer_id();
        let mut addresses: Vec<String> = self
            .swarm
            .listeners()
            .map(|address| match address::split_peer(address.clone()) {
                Some(_) => address.to_string(),
                None => format!("{address}/p2p/{local}"),
            })
            .collect();
        addresses.sort();
        self.shared.listening.send_if_modified(|old| {
            let changed = *old != addresses;
            *old = addresses;
            changed
        });
    }

    /// Whether our own listen addresses are to be told to others as external ones.
    pub(super) fn shows_listen_addresses(&self) -> bool {
        shows_listen_addresses(&self.config)
    }
}
