//! The task that decodes what came, asks the handler, and hands messages to the node's mailbox.
//!
//! CORRECTNESS: the door waits for room in the swarm task's answer channel; the swarm task never
//! waits for the door, so the two cannot block each other.

use std::time::{Duration, Instant};

use libp2p::{PeerId, gossipsub, request_response::ResponseChannel, swarm::ConnectionId};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use trestle_actors::ports::Inbound;
use trestle_wire::{Ack, Peer, Refusal, announce::Presence};

use super::codec::Request;
use crate::{
    Received,
    handler::{Greeting, Handler, Verdict},
    metrics::Metrics,
};

/// What may wait at the door. The rates admit a burst of a thousand from one member; this holds
/// one such burst, and the rest is told to come back.
pub(crate) const KNOCKS: usize = 1024;

/// Something to look at.
#[derive(Debug)]
pub(crate) enum Knock {
    /// An envelope for us alone.
    Message {
        from: Peer,
        connection: ConnectionId,
        request: Request,
        channel: ResponseChannel<Ack>,
    },
    /// An envelope for everyone.
    Gossip { author: Peer, source: PeerId, id: gossipsub::MessageId, bytes: Vec<u8> },
    /// A peer's last connection has gone.
    Gone(Peer),
}

/// What the swarm task is to do about it.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Answer a message.
    Ack { channel: ResponseChannel<Ack>, ack: Ack },
    /// A peer has introduced itself.
    Hello {
        peer: Peer,
        connection: ConnectionId,
        channel: ResponseChannel<Ack>,
        greeting: Greeting,
    },
    /// Pass gossip on, or not.
    Gossip { source: PeerId, id: gossipsub::MessageId, acceptance: gossipsub::MessageAcceptance },
}

/// Reasons that an honest peer gives no cause for.
const SUSPICIOUS: [&str; 4] = ["malformed", "network", "replay", "unknown"];
/// Between two warnings.
const QUIET: Duration = Duration::from_secs(10);

/// The door.
pub(crate) struct Door {
    pub(crate) handler: Handler,
    pub(crate) inbound: mpsc::Sender<Received>,
    pub(crate) presence: mpsc::Sender<(Peer, Presence)>,
    pub(crate) answers: mpsc::Sender<Answer>,
    pub(crate) metrics: Metrics,
    pub(crate) commit_timeout: Duration,
    /// When a refused message was last warned of.
    pub(crate) warned: Option<Instant>,
}

impl Door {
    /// Runs until the swarm task is gone.
    pub(crate) async fn run(mut self, mut knocks: mpsc::Receiver<Knock>) {
        while let Some(knock) = knocks.recv().await {
            let answer = match knock {
                Knock::Message { from, connection, request, channel } => {
                    self.message(from, connection, &request, channel)
                }
                Knock::Gossip { author, source, id, bytes } => {
                    let acceptance = self.gossip(author, &bytes);
                    Some(Answer::Gossip { source, id, acceptance })
                }
                Knock::Gone(peer) => {
                    self.handler.forget(peer);
                    None
                }
            };
            if let Some(answer) = answer
                && self.answers.send(answer).await.is_err()
            {
                return;
            }
        }
    }

    /// Says who sends what makes no sense, now and then: a peer must not fill the log.
    fn note(&mut self, from: Peer, reason: &'static str) {
        let now = Instant::now();
        let soon = self.warned.is_some_and(|last| now.duration_since(last) < QUIET);
        if soon || !SUSPICIOUS.contains(&reason) {
            tracing::debug!(peer = %from, reason, "message refused");
            return;
        }
        self.warned = Some(now);
        let advice = if reason == "replay" {
            "repeated or old: do two processes run with this identity?"
        } else {
            "does it run other software, or another network?"
        };
        tracing::warn!(peer = %from, reason, "message refused: {advice}");
    }

    fn message(
        &mut self,
        from: Peer,
        connection: ConnectionId,
        request: &Request,
        channel: ResponseChannel<Ack>,
    ) -> Option<Answer> {
        self.metrics.received_bytes(request.bytes.len());
        match self.handler.open(from, &request.bytes) {
            Verdict::Hello(greeting) => {
                Some(Answer::Hello { peer: from, connection, channel, greeting })
            }
            Verdict::Drop(dropped) => {
                self.metrics.dropped(dropped.reason);
                self.note(from, dropped.reason);
                Some(Answer::Ack { channel, ack: dropped.ack })
            }
            Verdict::Deliver(inbound) if inbound.message.is_durable() => {
                self.durable(inbound, channel)
            }
            Verdict::Deliver(inbound) => {
                let ack = self.hand_over(Received { inbound, ack: None });
                Some(Answer::Ack { channel, ack })
            }
        }
    }

    /// Answers later: when the actor has committed the message, or has not within its time.
    fn durable(&self, inbound: Inbound, channel: ResponseChannel<Ack>) -> Option<Answer> {
        let (ack, committed) = oneshot::channel();
        match self.hand_over(Received { inbound, ack: Some(ack) }) {
            Ack::Accepted => {
                let (answers, patience) = (self.answers.clone(), self.commit_timeout);
                // As many of these as there are open streams, and none outlives its time.
                tokio::spawn(async move {
                    let ack = match timeout(patience, committed).await {
                        Ok(Ok(ack)) => ack,
                        Ok(Err(_)) | Err(_) => Ack::Busy,
                    };
                    answers.send(Answer::Ack { channel, ack }).await.ok();
                });
                None
            }
            ack @ (Ack::Busy | Ack::Duplicate | Ack::Refused(_)) => {
                Some(Answer::Ack { channel, ack })
            }
        }
    }

    fn hand_over(&self, received: Received) -> Ack {
        let label = received.inbound.message.label();
        if self.inbound.try_send(received).is_ok() {
            self.metrics.received(label);
            Ack::Accepted
        } else {
            self.metrics.dropped("busy");
            Ack::Busy
        }
    }

    fn gossip(&self, author: Peer, bytes: &[u8]) -> gossipsub::MessageAcceptance {
        self.metrics.received_bytes(bytes.len());
        match self.handler.presence(bytes) {
            Ok(presence) => {
                if self.presence.try_send((author, presence)).is_ok() {
                    self.metrics.received("presence");
                } else {
                    self.metrics.dropped("busy");
                }
                gossipsub::MessageAcceptance::Accept
            }
            Err(dropped) => {
                self.metrics.dropped(dropped.reason);
                // A neighbour with other parameters or a newer version is no liar.
                let honest = [Refusal::Parameters, Refusal::Unknown, Refusal::Network]
                    .iter()
                    .any(|refusal| refusal.label() == dropped.reason);
                if honest {
                    gossipsub::MessageAcceptance::Ignore
                } else {
                    gossipsub::MessageAcceptance::Reject
                }
            }
        }
    }
}
