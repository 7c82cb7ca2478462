//! Envelopes out and in, and the hellos before them.

use libp2p::{
    PeerId,
    gossipsub::PublishError,
    request_response::{self, OutboundFailure, OutboundRequestId, ResponseChannel},
    swarm::ConnectionId,
};
use trestle_actors::ports::Delivery;
use trestle_wire::{
    Ack, Envelope, Header, Message, Peer, Refusal, announce::Presence, envelope::VERSION,
};

use super::{
    backoff::Pauses,
    behaviour::topic,
    codec::Request,
    contact::{Contact, Greeted, absent},
    door::{Answer, Knock},
    node::Node,
    queue::{Lane, Queued, Reply},
};
use crate::{
    address,
    events::PeerEvent,
    handler::{Greeting, hello::HelloState},
};

/// Pauses between hellos that got no answer.
const HELLO_PAUSES: Pauses = Pauses {
    first: std::time::Duration::from_millis(200),
    most: std::time::Duration::from_secs(10),
};

/// A request of ours without an answer yet.
pub(super) enum Flight {
    /// Our hello.
    Hello(PeerId),
    /// A queued message.
    Message { to: Peer, lane: Lane, bytes: usize, reply: Option<Reply> },
}

impl Flight {
    /// The node is stopping.
    pub(super) fn stop(self) {
        match self {
            Self::Hello(_) | Self::Message { reply: None, .. } => {}
            Self::Message { reply: Some(reply), .. } => {
                reply.send(Err(Delivery::Stopping)).ok();
            }
        }
    }
}

impl Node {
    /// Sends what may leave for this peer.
    pub(super) fn pump(&mut self, to: Peer) {
        let id = address::to_peer_id(to);
        while let Some((lane, message)) = self.shared.queues.pop(to) {
            let Queued { id: message_id, kind: (application, kind), label, body, reply } = message;
            let bytes = body.len();
            let header = self.header(to, message_id);
            let envelope = Envelope { header, application, kind, body }.to_bytes();
            self.shared.metrics.sent(label, envelope.len());
            let request =
                self.swarm.behaviour_mut().messages.send_request(&id, Request::new(envelope));
            self.flights.insert(request, Flight::Message { to, lane, bytes, reply });
        }
    }

    /// Sends the hellos that are due.
    pub(super) fn greet_due(&mut self, now: u64) {
        let due: Vec<PeerId> = self
            .contacts
            .iter()
            .filter(|(_, c)| c.greeted == Greeted::Due && c.backoff.is_due(now))
            .map(|(id, _)| *id)
            .collect();
        due.into_iter().for_each(|id| self.greet(id, now));
    }

    fn greet(&mut self, id: PeerId, now: u64) {
        let Some(peer) = address::to_peer(&id) else { return };
        let header = self.header(peer, self.shared.next_id());
        let hello = Message::from(self.config.hello.clone());
        let bytes = Envelope::seal(header, &hello).to_bytes();
        self.shared.metrics.sent(hello.label(), bytes.len());
        let request = self.swarm.behaviour_mut().messages.send_request(&id, Request::new(bytes));
        self.flights.insert(request, Flight::Hello(id));
        if let Some(contact) = self.contacts.get_mut(&id) {
            contact.greeted = Greeted::Sent(request);
            contact.backoff.put_off(HELLO_PAUSES, now, rand::random());
        }
    }

    /// A request came, was answered, or failed.
    pub(super) fn on_message(&mut self, event: request_response::Event<Request, Ack>) {
        match event {
            request_response::Event::Message { peer, connection_id, message } => match message {
                request_response::Message::Request { request, channel, .. } => {
                    self.on_request(peer, connection_id, request, channel);
                }
                request_response::Message::Response { request_id, response } => {
                    self.on_response(request_id, Ok(response));
                }
            },
            request_response::Event::OutboundFailure { request_id, error, .. } => {
                self.on_response(request_id, Err(error));
            }
            // The sender has gone or given up; it will try again.
            request_response::Event::InboundFailure { .. }
            | request_response::Event::ResponseSent { .. } => {}
        }
    }

    fn on_request(
        &mut self,
        id: PeerId,
        connection: ConnectionId,
        request: Request,
        channel: ResponseChannel<Ack>,
    ) {
        let Some(from) = address::to_peer(&id) else {
            self.shared.metrics.dropped(Refusal::NotAllowed.label());
            return self.answer(channel, Ack::Refused(Refusal::NotAllowed));
        };
        let limits = &self.config.limits;
        let rate = if self.config.table.contains(&from) { limits.member } else { limits.stranger };
        let now = self.now();
        if let Err(dropped) = self.rates.admit(from, request.bytes.len(), rate, now) {
            self.shared.metrics.dropped(dropped.reason);
            return self.answer(channel, dropped.ack);
        }
        let knock = Knock::Message { from, connection, request, channel };
        if let Err(full) = self.knock.try_send(knock) {
            self.shared.metrics.dropped("busy");
            if let Knock::Message { channel, .. } = full.into_inner() {
                self.answer(channel, Ack::Busy);
            }
        }
    }

    fn answer(&mut self, channel: ResponseChannel<Ack>, ack: Ack) {
        // It fails if the connection has gone: then nobody waits for it.
        self.swarm.behaviour_mut().messages.send_response(channel, ack).ok();
    }

    /// The door has decided.
    pub(super) fn on_answer(&mut self, answer: Answer) {
        match answer {
            Answer::Ack { channel, ack } => self.answer(channel, ack),
            Answer::Hello { peer, connection, channel, greeting } => {
                self.answer(channel, greeting.ack());
                self.on_hello(peer, connection, greeting);
            }
            Answer::Gossip { source, id, acceptance } => {
                self.swarm
                    .behaviour_mut()
                    .gossip
                    .report_message_validation_result(&id, &source, acceptance);
            }
        }
    }

    fn on_hello(&mut self, peer: Peer, connection: ConnectionId, greeting: Greeting) {
        let id = address::to_peer_id(peer);
        let Some(contact) = self.contacts.get_mut(&id) else { return };
        let was_ready = contact.is_ready();
        self.shared.metrics.received("hello");
        if let HelloState::Differs(sections) = &greeting.state {
            self.shared.metrics.dropped(Refusal::Parameters.label());
            tracing::warn!(
                %peer, sections = sections.join(", "),
                "peer has other parameters: compare the parameter files"
            );
            self.shared.events.send(PeerEvent::Differs(peer, sections.clone())).ok();
        }
        contact.theirs = greeting.state;
        contact.roles = greeting.roles;
        contact.software = greeting.software;
        if greeting.rebooted {
            // What is older than this boot leads to a process that has ended.
            contact.greeted = Greeted::Due;
            contact.backoff.reset();
            let dead: Vec<_> = contact.lines.keys().filter(|c| **c < connection).copied().collect();
            dead.into_iter().for_each(|line| {
                self.swarm.close_connection(line);
            });
        }
        self.settle(id, was_ready);
    }

    fn on_response(&mut self, request: OutboundRequestId, result: Result<Ack, OutboundFailure>) {
        let outcome = match &result {
            Ok(Ack::Accepted) => "accepted",
            Ok(Ack::Duplicate) => "duplicate",
            Ok(Ack::Busy) => "busy",
            Ok(Ack::Refused(refusal)) => refusal.label(),
            Err(OutboundFailure::Timeout) => "timeout",
            Err(_) => "failed",
        };
        self.shared.metrics.answer(outcome);
        match self.flights.remove(&request) {
            None => {}
            Some(Flight::Hello(id)) => self.on_hello_answer(id, request, result),
            Some(Flight::Message { to, lane, bytes, reply }) => {
                if let Some(reply) = reply {
                    // Its sender may have given up.
                    reply.send(delivery(result)).ok();
                }
                self.shared.queues.done(to, lane, bytes);
                self.pump(to);
            }
        }
    }

    fn on_hello_answer(
        &mut self,
        id: PeerId,
        request: OutboundRequestId,
        result: Result<Ack, OutboundFailure>,
    ) {
        let Some(contact) = self.contacts.get_mut(&id) else { return };
        if contact.greeted != Greeted::Sent(request) {
            return;
        }
        let was_ready = contact.is_ready();
        let refused = match result {
            Ok(Ack::Accepted | Ack::Duplicate) => {
                contact.greeted = Greeted::Accepted;
                contact.backoff.reset();
                None
            }
            Ok(Ack::Refused(
                refusal @ (Refusal::Parameters | Refusal::Network | Refusal::Unknown),
            )) => Some(refusal.label()),
            // Kademlia and relaying may still be of use.
            Err(OutboundFailure::UnsupportedProtocols) => Some("unsupported"),
            Ok(Ack::Busy | Ack::Refused(_)) | Err(_) => {
                contact.greeted = Greeted::Due;
                None
            }
        };
        if let (Some(reason), Some(peer)) = (refused, address::to_peer(&id)) {
            contact.greeted = Greeted::Refused;
            tracing::warn!(%peer, reason, "peer refuses our hello");
            self.shared.events.send(PeerEvent::Refused(peer, reason)).ok();
        }
        self.settle(id, was_ready);
    }

    /// Brings queue, events and the shown state in line with a contact that has changed.
    pub(super) fn settle(&mut self, id: PeerId, was_ready: bool) {
        let (Some(contact), Some(peer)) = (self.contacts.get(&id), address::to_peer(&id)) else {
            return;
        };
        let ready = contact.is_ready();
        if contact.is_shut() {
            self.shared.queues.shut(peer);
        } else {
            self.shared.queues.set_open(peer, ready);
        }
        if ready && !was_ready {
            tracing::info!(%peer, software = contact.software, "peer is ready");
            self.shared.metrics.ready.inc();
            self.shared.events.send(PeerEvent::Ready(peer)).ok();
        } else if was_ready && !ready {
            self.shared.metrics.ready.dec();
        }
        self.show(peer, self.contacts.get(&id));
        self.pump(peer);
    }

    /// What [`crate::P2pHandle::peers`] says of a peer.
    pub(super) fn show(&self, peer: Peer, contact: Option<&Contact>) {
        let listed = self.config.table.contains(&peer);
        let mut peers = self.shared.peers();
        match contact {
            Some(contact) => peers.insert(peer, contact.info(peer, listed)),
            None if listed => peers.insert(peer, absent(peer)),
            None => peers.remove(&peer),
        };
    }

    /// Publishes our presence; `false` if there is nobody to hear it yet.
    pub(super) fn publish(&mut self, presence: &Presence) -> bool {
        let header = Header { counter: 0, ..self.header(self.shared.local, self.shared.next_id()) };
        let bytes = Envelope::seal(header, &presence.clone().into()).to_bytes();
        let topic = topic(self.config.network);
        match self.swarm.behaviour_mut().gossip.publish(topic, bytes) {
            Ok(_) => {
                self.shared.metrics.sent("presence", 0);
                true
            }
            Err(PublishError::NoPeersSubscribedToTopic | PublishError::AllQueuesFull(_)) => false,
            Err(error) => {
                tracing::warn!(%error, "presence not published");
                true
            }
        }
    }

    fn header(&mut self, to: Peer, id: trestle_wire::MessageId) -> Header {
        // A stranger that comes back must see higher numbers than before, though its entry has
        // gone: it starts from the time, which rises faster than we send.
        let start = self.now().saturating_mul(1000);
        let counter = self.counters.entry(to).or_insert(start);
        *counter = counter.saturating_add(1);
        Header {
            version: VERSION,
            network: self.config.network,
            id,
            boot: self.shared.boot,
            counter: *counter,
        }
    }
}

/// What the outbox hears. A refusal that ends with the next hello is none for good.
fn delivery(result: Result<Ack, OutboundFailure>) -> Result<Ack, Delivery> {
    match result {
        Ok(Ack::Refused(Refusal::Parameters | Refusal::Replay)) => Err(Delivery::Unreachable),
        Ok(ack) => Ok(ack),
        Err(OutboundFailure::Timeout) => Err(Delivery::Timeout),
        Err(
            OutboundFailure::DialFailure
            | OutboundFailure::ConnectionClosed
            | OutboundFailure::UnsupportedProtocols
            | OutboundFailure::Io(_),
        ) => Err(Delivery::Unreachable),
    }
}
