//! The way of a message: out of an actor, through a liar's hands, over the wire, to another actor.

use trestle_actors::{
    committee::CommitteeInput,
    coordinator::{CoordinatorInput, DeliveryKey, Job},
    ports::{Delivery, Inbound},
};
use trestle_wire::{
    Ack, Message, MessageId, Network, Peer,
    committee::sign::SignRequest,
    envelope::{Envelope, Header},
};

use super::{Event, World, checker::What, dice, faults::Lie, node::Role};

impl World {
    /// After an input: what was said is sent, what was asked for is done, the next tick is planned.
    pub(super) fn after(
        &mut self,
        node: usize,
        asked: Option<(Peer, SignRequest)>,
        jobs: Option<Vec<Job>>,
    ) {
        for (to, message) in self.nodes[node].out.take() {
            if let (Some((from, request)), Message::SignShares(answer)) = (&asked, &message) {
                let store = self.nodes[node].store.clone();
                self.checker.shares(node, *from, request, answer, store.rows());
            }
            self.say(node, to, message);
        }
        match jobs {
            Some(jobs) => {
                self.carry_out(jobs);
                self.plan_wake(node);
            }
            None => self.crashed(node),
        }
        self.hear_answers();
    }

    /// Sends what a node says, unless it lies or someone tampers with it.
    pub(crate) fn say(&mut self, from: usize, to: Peer, message: Message) {
        let Some(to) = self.nodes.iter().position(|node| node.peer == to) else { return };
        let said = match self.lies.get(&from) {
            Some(lie) => lie.tell(message, &mut self.rng),
            None => vec![message],
        };
        for message in said {
            let sent = match &mut self.tamper {
                Some(tamper) => tamper(from, to, message),
                None => vec![message],
            };
            for message in sent {
                self.send(from, to, &message, None);
            }
        }
        if self.lies.get(&from) == Some(&Lie::Garbage) {
            let peer = self.nodes[from].peer;
            let length = dice::below(&mut self.rng, 64);
            let bytes: Vec<u8> =
                (0..length).map(|_| dice::below(&mut self.rng, 256) as u8).collect();
            self.at(self.now + 1, Event::Arrive { to, from: peer, bytes, ack: None });
        }
    }

    pub(super) fn is_cut(&self, a: usize, b: usize) -> bool {
        self.cut.contains(&a) || self.cut.contains(&b)
    }

    /// Puts a message on its way.
    pub(super) fn send(
        &mut self,
        from: usize,
        to: usize,
        message: &Message,
        ack: Option<DeliveryKey>,
    ) {
        if self.is_cut(from, to) || dice::chance(&mut self.rng, self.faults.loss) {
            self.tally.lost += 1;
            return;
        }
        let bytes = self.envelope(from, message);
        let peer = self.nodes[from].peer;
        let copies = 1 + u32::from(dice::chance(&mut self.rng, self.faults.duplicate));
        self.tally.doubled += u64::from(copies - 1);
        for _ in 0..copies {
            let delay = 1 + dice::below(&mut self.rng, self.faults.delay_ms);
            let (bytes, ack) = (bytes.clone(), ack.clone());
            self.at(self.now + delay, Event::Arrive { to, from: peer, bytes, ack });
        }
    }

    pub(crate) fn envelope(&mut self, from: usize, message: &Message) -> Vec<u8> {
        self.counter += 1;
        let header = Header {
            version: trestle_wire::envelope::VERSION,
            network: Network::Regtest,
            id: MessageId([0; 16]),
            boot: self.nodes[from].boot_id(),
            counter: self.counter,
        };
        Envelope::seal(header, message).to_bytes()
    }

    pub(super) fn arrive(
        &mut self,
        to: usize,
        from: Peer,
        bytes: &[u8],
        wanted: Option<DeliveryKey>,
    ) {
        let Some(ack) = self.receive(to, from, bytes) else { return };
        let lost = dice::chance(&mut self.rng, self.faults.loss);
        if let Some(key) = wanted.filter(|_| !lost) {
            let delay = 1 + dice::below(&mut self.rng, self.faults.delay_ms);
            let boot = self.nodes[0].boot;
            let input = CoordinatorInput::Delivered { key, result: Ok(ack) };
            self.at(self.now + delay, Event::Result { node: 0, boot, input });
        }
    }

    /// What a node's message handler does with bytes: decode, and hand on what could be decoded.
    pub(crate) fn receive(&mut self, to: usize, from: Peer, bytes: &[u8]) -> Option<Ack> {
        let message = Envelope::from_bytes(bytes).and_then(|envelope| envelope.open()).ok()?;
        if let Message::KeyReady(ready) = &message {
            self.checker.signed(What::Proof(ready.session.key.clone()));
        }
        let inbound = Inbound { from, id: MessageId([0; 16]), message };
        match self.nodes[to].role {
            Role::Coordinator(_) => self.coordinator(CoordinatorInput::Received(inbound)),
            Role::Member(_) => self.member(to, CommitteeInput::Received(inbound)),
            Role::Played => {
                self.inbox.push((to, from, inbound.message));
                Some(Ack::Accepted)
            }
            Role::Down => None,
        }
    }

    /// Sends a durable message once.
    pub(super) fn deliver(&mut self, key: DeliveryKey, to: Peer, message: &Message) {
        let Some(node) = self.nodes.iter().position(|node| node.peer == to) else { return };
        self.send(0, node, message, Some(key.clone()));
        // If the answer came before, this one is late and does nothing.
        let boot = self.nodes[0].boot;
        let input = CoordinatorInput::Delivered { key, result: Err(Delivery::Timeout) };
        self.at(self.now + 2_000, Event::Result { node: 0, boot, input });
    }
}
