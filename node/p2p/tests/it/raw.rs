//! A peer that writes whatever bytes it likes.

use std::io;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, noise,
    request_response::{self, Event, Message, ProtocolSupport},
    swarm::SwarmEvent,
    tcp, yamux,
};
use trestle_wire::{Ack, codec};

use crate::common::{keypair, soon};

/// Bytes as they are.
#[derive(Clone, Default)]
pub(crate) struct RawCodec;

impl request_response::Codec for RawCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut length = [0; 4];
        io.read_exact(&mut length).await?;
        let mut bytes =
            vec![0; usize::try_from(u32::from_le_bytes(length)).map_err(io::Error::other)?];
        io.read_exact(&mut bytes).await?;
        Ok(bytes)
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        self.read_request(&StreamProtocol::new("/"), io).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        b: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&b).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        b: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&b).await
    }
}

/// The peer, connected to one node.
pub(crate) struct Raw {
    swarm: Swarm<request_response::Behaviour<RawCodec>>,
    node: PeerId,
}

impl Raw {
    pub(crate) async fn connect(seed: u8, address: &str) -> Self {
        let protocol = (StreamProtocol::new("/trestle/msg/1"), ProtocolSupport::Full);
        let mut swarm = SwarmBuilder::with_existing_identity(keypair(seed))
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .expect("the transport is built in")
            .with_behaviour(|_| {
                request_response::Behaviour::new([protocol], request_response::Config::default())
            })
            .expect("the behaviour cannot fail")
            .build();
        let address: Multiaddr = address.parse().expect("a node's address");
        swarm.dial(address).expect("a dialable address");
        let node = soon("a connection", async {
            loop {
                if let SwarmEvent::ConnectionEstablished { peer_id, .. } =
                    swarm.select_next_some().await
                {
                    return peer_id;
                }
            }
        });
        let node = node.await;
        Self { swarm, node }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "libp2p's list is open")]
    /// Sends frames at the same time and says what came back for each, in any order; `None` where
    /// the stream just ended.
    pub(crate) async fn send(&mut self, frames: Vec<Vec<u8>>) -> Vec<Option<Ack>> {
        let wanted = frames.len();
        for frame in frames {
            self.swarm.behaviour_mut().send_request(&self.node, frame);
        }
        soon("answers", async {
            let mut answers = Vec::new();
            while answers.len() < wanted {
                match self.swarm.select_next_some().await {
                    SwarmEvent::Behaviour(Event::Message {
                        message: Message::Response { response, .. },
                        ..
                    }) => answers.push(codec::decode(&response).ok()),
                    SwarmEvent::Behaviour(Event::OutboundFailure { .. }) => answers.push(None),
                    SwarmEvent::ConnectionClosed { cause, .. } => panic!("closed: {cause:?}"),
                    _ => {}
                }
            }
            answers
        })
        .await
    }

    /// Sends one envelope, well framed.
    pub(crate) async fn envelope(&mut self, bytes: &[u8]) -> Option<Ack> {
        self.send(vec![frame(bytes)]).await.pop().flatten()
    }
}

/// A length and its bytes.
pub(crate) fn frame(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("a test's envelope is small");
    [&length.to_le_bytes(), bytes].concat()
}
