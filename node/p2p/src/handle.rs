//! What the rest of the node holds of the swarm.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::{
    sync::{broadcast, mpsc, oneshot, watch},
    time::timeout,
};
use trestle_actors::ports::{Delivery, Inbound, SendMessage};
use trestle_wire::{Ack, BootId, Message, MessageId, Peer, announce::Presence};

use crate::{
    Received,
    events::{PeerEvent, PeerInfo},
    metrics::Metrics,
    net::queue::{Queued, Queues, Reply},
};

/// Sends messages, and tells of peers. Cheap to clone.
#[derive(Clone)]
pub struct P2pHandle {
    pub(crate) shared: Arc<Shared>,
}

/// What handles and the swarm task share.
pub(crate) struct Shared {
    pub(crate) local: Peer,
    pub(crate) boot: BootId,
    pub(crate) queues: Queues,
    pub(crate) inbound: mpsc::Sender<Received>,
    pub(crate) metrics: Metrics,
    /// Of our session messages; a durable one brings its own id.
    pub(crate) next_id: AtomicU64,
    pub(crate) listening: watch::Sender<Vec<String>>,
    pub(crate) presence: watch::Sender<Option<Presence>>,
    pub(crate) events: broadcast::Sender<PeerEvent>,
    pub(crate) peers: Mutex<BTreeMap<Peer, PeerInfo>>,
    /// Waiting for room and for the answer together.
    pub(crate) deliver_timeout: Duration,
}

impl P2pHandle {
    /// This node.
    pub fn local_peer(&self) -> Peer {
        self.shared.local
    }

    /// The addresses at which this node listens, circuit addresses included, each with its peer
    /// id at the end.
    pub fn listen_addrs(&self) -> watch::Receiver<Vec<String>> {
        self.shared.listening.subscribe()
    }

    /// Peers coming and going from now on.
    pub fn events(&self) -> broadcast::Receiver<PeerEvent> {
        self.shared.events.subscribe()
    }

    /// All connected peers, and those of the table that are not.
    pub fn peers(&self) -> Vec<PeerInfo> {
        self.shared.peers().values().cloned().collect()
    }

    async fn deliver_to_self(&self, inbound: Inbound) -> Result<Ack, Delivery> {
        let (ack, answer) = oneshot::channel();
        // Our own work waits for room.
        let received = Received { inbound, ack: Some(ack) };
        self.shared.inbound.send(received).await.map_err(|_| Delivery::Stopping)?;
        // Dropped unanswered: the actor is restarting.
        Ok(answer.await.unwrap_or(Ack::Busy))
    }

    fn offer_to_self(&self, message: Message) {
        let inbound = Inbound { from: self.shared.local, id: self.shared.next_id(), message };
        if self.shared.inbound.try_send(Received { inbound, ack: None }).is_err() {
            self.shared.metrics.lost("mailbox_full");
        }
    }
}

impl SendMessage for P2pHandle {
    fn offer(&self, to: Peer, message: Message) {
        if to == self.shared.local {
            self.offer_to_self(message);
        } else {
            self.shared.queues.push(to, queued(self.shared.next_id(), &message, None));
        }
    }

    fn deliver(
        &self,
        to: Peer,
        id: MessageId,
        message: Message,
    ) -> BoxFuture<'_, Result<Ack, Delivery>> {
        Box::pin(async move {
            let answer = async {
                if to == self.shared.local {
                    return self.deliver_to_self(Inbound { from: to, id, message }).await;
                }
                let (reply, answer) = oneshot::channel();
                self.shared.queues.push(to, queued(id, &message, Some(reply)));
                answer.await.unwrap_or(Err(Delivery::Stopping))
            };
            timeout(self.shared.deliver_timeout, answer).await.unwrap_or(Err(Delivery::Timeout))
        })
    }

    fn announce(&self, presence: Presence) {
        self.shared.presence.send_replace(Some(presence));
    }
}

impl Shared {
    /// Unique among all messages of all boots.
    pub(crate) fn next_id(&self) -> MessageId {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.boot.0);
        id[8..].copy_from_slice(&self.next_id.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        MessageId(id)
    }

    pub(crate) fn peers(&self) -> MutexGuard<'_, BTreeMap<Peer, PeerInfo>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn queued(id: MessageId, message: &Message, reply: Option<Reply>) -> Queued {
    let (kind, label) = (message.kind(), message.label());
    Queued { id, kind, label, body: message.encode_body(), reply }
}
