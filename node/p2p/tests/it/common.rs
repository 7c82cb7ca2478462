//! A node under test, and waiting for what it does.

use std::{future::Future, time::Duration};

use libp2p::{PeerId, identity::Keypair};
use prometheus_client::{encoding::text::encode, registry::Registry};
use tokio::{
    sync::{broadcast::error::RecvError, mpsc},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use trestle_p2p::{Config, Limits, P2pHandle, PeerEvent, PeerInfo, Received, StartError, start};
use trestle_wire::{
    Ack, BootId, Hash32, KeyRef, Message, MessageId, Network, Peer,
    announce::Presence,
    committee::{
        dkg::{DkgSession, PublicKeys},
        key::{KeyFetch, KeyReady},
    },
    hello::{Hello, Role, Section},
};

/// Longer than anything here takes on a busy machine; reached only when a test fails.
const PATIENCE: Duration = Duration::from_secs(30);
/// For what is said at once, without the network.
pub(crate) const PATIENCE_SHORT: Duration = Duration::from_secs(5);
pub(crate) const TCP: &str = "/ip4/127.0.0.1/tcp/0";
pub(crate) const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";

/// How to start a node. Its seed makes its identity.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) seed: u8,
    pub(crate) boot: u8,
    pub(crate) network: Network,
    pub(crate) listen: Vec<String>,
    pub(crate) bootnodes: Vec<String>,
    pub(crate) relays: Vec<String>,
    pub(crate) serve_relay: bool,
    pub(crate) parameters: Option<u8>,
    pub(crate) table: Vec<u8>,
    pub(crate) limits: Limits,
}

impl Setup {
    /// A member of a committee with the members `table`, listening on a free port.
    pub(crate) fn member(seed: u8, table: &[u8], bootnodes: &[String]) -> Self {
        Self {
            seed,
            boot: seed,
            network: Network::Regtest,
            listen: vec![TCP.to_owned()],
            bootnodes: bootnodes.to_vec(),
            relays: vec![],
            serve_relay: false,
            parameters: Some(1),
            table: table.to_vec(),
            limits: Limits::default(),
        }
    }

    /// A bootnode that serves as a relay.
    pub(crate) fn bootnode(seed: u8) -> Self {
        Self { parameters: None, serve_relay: true, ..Self::member(seed, &[], &[]) }
    }

    pub(crate) fn start(self) -> Node {
        self.try_start().expect("loopback and free ports")
    }

    pub(crate) fn try_start(self) -> Result<Node, StartError> {
        let mut registry = Registry::default();
        let (inbound, received) = mpsc::channel(1024);
        let (presence, presences) = mpsc::channel(64);
        let cancel = CancellationToken::new();
        let hello = hello(self.parameters);
        let config = Config {
            secret: [self.seed; 32].into(),
            network: self.network,
            listen: self.listen,
            external: vec![],
            bootnodes: self.bootnodes,
            relays: self.relays,
            serve_relay: self.serve_relay,
            hello,
            boot: BootId([self.boot; 8]),
            table: self.table.iter().map(|seed| peer(*seed)).collect(),
            limits: self.limits,
        };
        let (handle, task) = start(config, &mut registry, inbound, presence, cancel.clone())?;
        Ok(Node { handle, received, presences, registry, cancel, task })
    }
}

/// A running node.
pub(crate) struct Node {
    pub(crate) handle: P2pHandle,
    pub(crate) received: mpsc::Receiver<Received>,
    pub(crate) presences: mpsc::Receiver<(Peer, Presence)>,
    registry: Registry,
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

impl Node {
    pub(crate) fn peer(&self) -> Peer {
        self.handle.local_peer()
    }

    /// Where it listens, with its peer id.
    pub(crate) async fn address(&self) -> String {
        let mut addresses = self.handle.listen_addrs();
        let addresses = soon("a listen address", addresses.wait_for(|a| !a.is_empty())).await;
        addresses.expect("the node runs").first().expect("not empty").clone()
    }

    /// Where it listens with a transport, with its peer id.
    pub(crate) async fn listening(&self, transport: &str) -> String {
        let mut addresses = self.handle.listen_addrs();
        let with = |all: &Vec<String>| all.iter().find(|at| at.contains(transport)).cloned();
        let bound = soon("a listen address", addresses.wait_for(|all| with(all).is_some())).await;
        with(&bound.expect("the node runs")).expect("waited for")
    }

    /// Waits until messages flow to and from the peer.
    pub(crate) async fn ready(&self, peer: Peer) -> PeerInfo {
        self.wait("a ready peer", |info| info.peer == peer && info.ready).await
    }

    /// Waits until a peer looks as wanted.
    pub(crate) async fn wait(&self, what: &str, wanted: impl Fn(&PeerInfo) -> bool) -> PeerInfo {
        let mut events = self.handle.events();
        let found = soon(what, async {
            loop {
                if let Some(info) = self.handle.peers().into_iter().find(|info| wanted(info)) {
                    return info;
                }
                match events.recv().await {
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => panic!("the node has stopped before {what}"),
                }
            }
        });
        found.await
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> Received {
        soon("a message", self.received.recv()).await.expect("the node runs")
    }

    /// Takes the next message, which must be durable, and says that it is committed.
    pub(crate) async fn commit(&mut self) -> Received {
        let mut received = self.next().await;
        let ack = received.ack.take().expect("a durable message");
        ack.send(Ack::Accepted).expect("the door waits for it");
        received
    }

    /// A counter or gauge as scraped, 0 if it is not there.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes everything");
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().expect("a whole number"))
    }

    pub(crate) async fn stop(self) {
        self.cancel.cancel();
        soon("the end of the node", self.task).await.expect("the node does not panic");
    }
}

/// The first event that `pick` takes.
pub(crate) async fn event<T>(
    events: &mut tokio::sync::broadcast::Receiver<PeerEvent>,
    pick: impl Fn(PeerEvent) -> Option<T>,
) -> T {
    soon("an event", async {
        loop {
            let event = events.recv().await.expect("the node runs and we keep up");
            if let Some(picked) = pick(event) {
                return picked;
            }
        }
    })
    .await
}

/// What a future gives, or a failed test.
pub(crate) async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited {PATIENCE:?} for {what}"))
}

pub(crate) fn keypair(seed: u8) -> Keypair {
    Keypair::ed25519_from_bytes([seed; 32]).expect("any 32 bytes are an ed25519 secret")
}

pub(crate) fn peer(seed: u8) -> Peer {
    let id = PeerId::from(keypair(seed).public());
    Peer::from_multihash(&id.to_bytes()).expect("an ed25519 peer")
}

pub(crate) fn hello(parameters: Option<u8>) -> Hello {
    let hash = |n| Hash32([n; 32]);
    Hello {
        parameters: parameters.map(hash),
        sections: parameters
            .map(|n| Section { name: "committee.main".to_owned(), hash: hash(n) })
            .into_iter()
            .collect(),
        roles: vec![if parameters.is_some() { Role::Committee } else { Role::Bootnode }],
        software: "test".to_owned(),
    }
}

/// A session message.
pub(crate) fn session(n: u32) -> Message {
    let key = KeyRef { committee: "main".to_owned(), generation: n, epoch: 0 };
    KeyFetch { committee: "main".to_owned(), have: vec![key] }.into()
}

/// A durable message.
pub(crate) fn durable() -> Message {
    let key = KeyRef { committee: "main".to_owned(), generation: 1, epoch: 0 };
    KeyReady {
        session: DkgSession { parameters: Hash32([1; 32]), key, attempt: 1 },
        public: PublicKeys { group: [2; 33], shares: vec![] },
        transcript: Hash32([3; 32]),
        certificates: vec![],
        proof: [4; 64],
        birth: 0,
    }
    .into()
}

pub(crate) fn id(n: u8) -> MessageId {
    MessageId([n; 16])
}
