//! What waits for each connected peer: one bounded queue a peer with a lane for session messages
//! and one for durable ones, so that waiting for a receiver's disk holds up no session.
//!
//! Always holds: a peer's queue has at most [`ENTRIES`] messages a lane and [`BYTES`] bytes, sent
//! and unanswered ones included; messages of a lane leave in the order they came.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, oneshot};
use trestle_actors::ports::Delivery;
use trestle_wire::{Ack, MessageId, Peer};

use crate::metrics::Metrics;

/// Messages that may wait in a lane. A session has a handful of messages for one member; a
/// hundred sessions at once fit.
pub(crate) const ENTRIES: usize = 256;
/// Bytes that may wait for one peer: four of the largest envelopes.
pub(crate) const BYTES: usize = 16 * 1024 * 1024;
/// Requests in flight in a lane: enough that a round trip does not limit the flow, few enough that
/// messages hardly overtake each other.
const IN_FLIGHT: usize = 4;

/// A message on its way, its body already encoded.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) id: MessageId,
    pub(crate) kind: (u8, u16),
    pub(crate) label: &'static str,
    pub(crate) body: Vec<u8>,
    /// Where to say what became of it; only durable messages have one.
    pub(crate) reply: Option<Reply>,
}

/// How the sender of a durable message hears of it.
pub(crate) type Reply = oneshot::Sender<Result<Ack, Delivery>>;

/// Which of the two lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Lost rather than late.
    Session,
    /// Waits for the receiver's commit.
    Durable,
}

/// Whether a connected peer may be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    /// Hellos are still under way: messages wait.
    Closed,
    /// They leave.
    Open,
    /// The peer does not share our parameters: nothing is for it.
    Shut,
}

#[derive(Debug)]
struct PeerQueue {
    gate: Gate,
    session: LaneQueue,
    durable: LaneQueue,
    bytes: usize,
}

#[derive(Debug, Default)]
struct LaneQueue {
    waiting: VecDeque<Queued>,
    in_flight: usize,
}

#[derive(Debug, Default)]
struct State {
    stopped: bool,
    peers: BTreeMap<Peer, PeerQueue>,
    ready: BTreeSet<Peer>,
}

/// The queues of all connected peers, shared by the handles and the swarm task.
///
/// CORRECTNESS: the lock is held for a few map operations and never across an await.
#[derive(Debug)]
pub(crate) struct Queues {
    state: Mutex<State>,
    woken: Notify,
    metrics: Metrics,
}

impl Queues {
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self { state: Mutex::default(), woken: Notify::new(), metrics }
    }

    /// Queues a message or says why not: it has then been answered and counted.
    pub(crate) fn push(&self, to: Peer, message: Queued) {
        let refused = {
            let mut state = self.lock();
            if state.stopped {
                Some((message, Delivery::Stopping, "stopping"))
            } else {
                let refused = match state.peers.get_mut(&to) {
                    None => Err((message, Delivery::Unreachable, "not_connected")),
                    Some(queue) => queue.push(message),
                };
                match refused {
                    Ok(()) => {
                        state.ready.insert(to);
                        self.metrics.queued.inc();
                        None
                    }
                    Err(refused) => Some(refused),
                }
            }
        };
        match refused {
            None => self.woken.notify_one(),
            Some((message, why, reason)) => self.lose(message, why, reason),
        }
    }

    /// Peers that have been pushed to since the last call; waits for the first.
    pub(crate) async fn pushed(&self) -> BTreeSet<Peer> {
        loop {
            let ready = std::mem::take(&mut self.lock().ready);
            if !ready.is_empty() {
                return ready;
            }
            self.woken.notified().await;
        }
    }

    /// The next message to send to a peer, if one may leave now.
    pub(crate) fn pop(&self, to: Peer) -> Option<(Lane, Queued)> {
        let popped = self.lock().peers.get_mut(&to)?.pop();
        if popped.is_some() {
            self.metrics.queued.dec();
        }
        popped
    }

    /// A request of the lane has been answered or has failed.
    pub(crate) fn done(&self, to: Peer, lane: Lane, bytes: usize) {
        if let Some(queue) = self.lock().peers.get_mut(&to) {
            queue.bytes = queue.bytes.saturating_sub(bytes);
            let lane = queue.lane(lane);
            // A request of an earlier connection may end after the queue was made anew.
            lane.in_flight = lane.in_flight.saturating_sub(1);
        }
    }

    /// A peer has connected: messages for it wait until the hellos are through.
    pub(crate) fn connected(&self, peer: Peer) {
        self.lock().peers.entry(peer).or_insert_with(PeerQueue::new);
    }

    /// Messages may leave, or wait again.
    pub(crate) fn set_open(&self, peer: Peer, open: bool) {
        if let Some(queue) = self.lock().peers.get_mut(&peer) {
            queue.gate = if open { Gate::Open } else { Gate::Closed };
        }
    }

    /// Nothing is for this peer.
    pub(crate) fn shut(&self, peer: Peer) {
        let waiting = self.lock().peers.get_mut(&peer).map(|queue| {
            queue.gate = Gate::Shut;
            queue.drain()
        });
        self.lose_all(waiting.unwrap_or_default(), &Delivery::Unreachable, "parameters");
    }

    /// A peer's last connection has gone.
    pub(crate) fn disconnected(&self, peer: Peer) {
        let waiting = self.lock().peers.remove(&peer).map(|mut queue| queue.drain());
        self.lose_all(waiting.unwrap_or_default(), &Delivery::Unreachable, "not_connected");
    }

    /// The node is stopping: nothing leaves any more.
    pub(crate) fn stop(&self) {
        let waiting = {
            let mut state = self.lock();
            state.stopped = true;
            std::mem::take(&mut state.peers).into_values().flat_map(|mut q| q.drain()).collect()
        };
        self.lose_all(waiting, &Delivery::Stopping, "stopping");
    }

    fn lose_all(&self, messages: Vec<Queued>, why: &Delivery, reason: &'static str) {
        for message in messages {
            self.metrics.queued.dec();
            self.lose(message, why.clone(), reason);
        }
    }

    fn lose(&self, message: Queued, why: Delivery, reason: &'static str) {
        self.metrics.lost(reason);
        if let Some(reply) = message.reply {
            // Its sender may have given up.
            reply.send(Err(why)).ok();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PeerQueue {
    fn new() -> Self {
        Self {
            gate: Gate::Closed,
            session: LaneQueue::default(),
            durable: LaneQueue::default(),
            bytes: 0,
        }
    }

    fn push(&mut self, message: Queued) -> Result<(), (Queued, Delivery, &'static str)> {
        if self.gate == Gate::Shut {
            return Err((message, Delivery::Unreachable, "parameters"));
        }
        let bytes = self.bytes.saturating_add(message.body.len());
        let lane = if message.reply.is_some() { Lane::Durable } else { Lane::Session };
        if bytes > BYTES || self.lane(lane).waiting.len() >= ENTRIES {
            // A full queue is a peer that does not keep up: to a durable message that is late.
            return Err((message, Delivery::Timeout, "queue_full"));
        }
        self.bytes = bytes;
        self.lane(lane).waiting.push_back(message);
        Ok(())
    }

    fn pop(&mut self) -> Option<(Lane, Queued)> {
        if self.gate != Gate::Open {
            return None;
        }
        [Lane::Session, Lane::Durable].into_iter().find_map(|name| {
            let lane = self.lane(name);
            let message = (lane.in_flight < IN_FLIGHT).then(|| lane.waiting.pop_front())??;
            lane.in_flight += 1;
            Some((name, message))
        })
    }

    fn drain(&mut self) -> Vec<Queued> {
        self.bytes = 0;
        self.session.waiting.drain(..).chain(self.durable.waiting.drain(..)).collect()
    }

    const fn lane(&mut self, lane: Lane) -> &mut LaneQueue {
        match lane {
            Lane::Session => &mut self.session,
            Lane::Durable => &mut self.durable,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use prometheus_client::registry::Registry;
    use tokio::sync::oneshot;
    use trestle_actors::ports::Delivery;
    use trestle_wire::{MessageId, Peer};

    use super::{BYTES, ENTRIES, IN_FLIGHT, Lane, Queued, Queues, Reply};
    use crate::metrics::Metrics;

    const A: Peer = Peer([1; 32]);
    const B: Peer = Peer([2; 32]);

    #[test]
    fn queue__should_keep_messages_until_the_hellos_are_through_and_keep_their_order() {
        let queues = connected();
        for n in 0..3 {
            queues.push(A, session(n, 1));
        }
        assert!(queues.pop(A).is_none());
        queues.set_open(A, true);
        let order: Vec<u8> =
            std::iter::from_fn(|| queues.pop(A)).map(|(_, message)| message.id.0[0]).collect();
        assert_eq!(order, [0, 1, 2]);
    }

    #[test]
    fn queue__should_send_no_more_at_once_than_the_lane_allows_and_let_the_other_lane_pass() {
        let queues = connected();
        queues.set_open(A, true);
        let (reply, _answer) = oneshot::channel();
        for n in 0..10 {
            queues.push(A, session(n, 1));
        }
        queues.push(A, durable(99, reply));
        let popped: Vec<_> = std::iter::from_fn(|| queues.pop(A)).collect();
        let lanes: Vec<_> = popped.iter().map(|(lane, _)| *lane).collect();
        assert_eq!(lanes, [vec![Lane::Session; IN_FLIGHT], vec![Lane::Durable]].concat());
        queues.done(A, Lane::Session, 1);
        assert_eq!(queues.pop(A).map(|(_, message)| message.id.0[0]), Some(4));
    }

    #[test]
    fn queue__should_be_bounded_in_entries_and_bytes_for_each_peer_alone() {
        let queues = connected();
        for _ in 0..ENTRIES + 5 {
            queues.push(A, session(0, 1));
        }
        assert_eq!(queues.metrics.queued.get(), 256);
        queues.push(B, session(0, BYTES));
        queues.push(B, session(1, 1));
        assert_eq!(queues.metrics.queued.get(), 257);
        // Bytes in flight count until they are answered.
        queues.set_open(B, true);
        assert!(queues.pop(B).is_some());
        queues.push(B, session(2, 1));
        assert!(queues.pop(B).is_none());
        queues.done(B, Lane::Session, BYTES);
        queues.push(B, session(3, 1));
        assert_eq!(queues.pop(B).map(|(_, message)| message.id.0[0]), Some(3));
    }

    #[test]
    fn queue__should_say_what_became_of_durable_messages() {
        let queues = connected();
        let outcomes = [
            (A, Delivery::Unreachable),
            (Peer([9; 32]), Delivery::Unreachable),
            (B, Delivery::Stopping),
        ]
        .map(|(to, expected)| {
            let (reply, answer) = oneshot::channel();
            queues.push(to, durable(1, reply));
            (answer, expected)
        });
        queues.disconnected(A);
        queues.stop();
        for (mut answer, expected) in outcomes {
            assert_eq!(answer.try_recv(), Ok(Err(expected)));
        }
        let (reply, mut answer) = oneshot::channel();
        queues.push(B, durable(1, reply));
        assert_eq!(answer.try_recv(), Ok(Err(Delivery::Stopping)));
        assert_eq!(queues.metrics.queued.get(), 0);
    }

    #[test]
    fn queue__should_take_nothing_for_a_peer_with_other_parameters() {
        let queues = connected();
        queues.push(A, session(1, 1));
        queues.shut(A);
        queues.push(A, session(2, 1));
        assert_eq!(queues.metrics.queued.get(), 0);
        assert!(queues.pop(A).is_none());
    }

    fn connected() -> Queues {
        let queues = Queues::new(Metrics::new(&mut Registry::default()));
        queues.connected(A);
        queues.connected(B);
        queues
    }

    fn session(id: u8, bytes: usize) -> Queued {
        let body = vec![0; bytes];
        Queued { id: MessageId([id; 16]), kind: (1, 1), label: "test", body, reply: None }
    }

    fn durable(id: u8, reply: Reply) -> Queued {
        Queued { reply: Some(reply), ..session(id, 1) }
    }
}
