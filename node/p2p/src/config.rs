//! What a swarm needs to start, checked before anything is opened.

use std::time::Duration;

use libp2p::{Multiaddr, PeerId, identity::Keypair};
use trestle_wire::{BootId, Network, hello::Hello};
use zeroize::Zeroizing;

use crate::{
    address,
    handler::{PeerTable, rates::Rate},
};

/// How to start.
pub struct Config {
    /// The ed25519 secret key of this node's identity.
    pub secret: Zeroizing<[u8; 32]>,
    /// The Bitcoin network.
    pub network: Network,
    /// Addresses to listen on (`/ip4/0.0.0.0/tcp/4100`, `/ip4/0.0.0.0/udp/4100/quic-v1`). Without
    /// any, the node is reached through relays.
    pub listen: Vec<String>,
    /// Addresses at which others reach this node.
    pub external: Vec<String>,
    /// First contacts, each ending in `/p2p/` and a peer id.
    pub bootnodes: Vec<String>,
    /// Relays to reserve a place on when `listen` is empty, in the same form. Without any, the
    /// bootnodes are tried.
    pub relays: Vec<String>,
    /// Whether others may use this node as a relay.
    pub serve_relay: bool,
    /// What this node says of itself.
    pub hello: Hello,
    /// This start of the node.
    pub boot: BootId,
    /// The peers that matter.
    pub table: PeerTable,
    /// Bounds.
    pub limits: Limits,
}

/// The bounds that tests and operators may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// What a peer of the table may send.
    pub member: Rate,
    /// What anyone else may send.
    pub stranger: Rate,
    /// How long a request may take, bytes and answer together. libp2p's 10 s would cut off a
    /// 4 MiB envelope on a slow line, and a receiver whose disk is busy.
    pub request_timeout: Duration,
    /// How long an actor may take to commit a durable message; below `request_timeout`, so that
    /// the sender hears `Busy` rather than nothing.
    pub commit_timeout: Duration,
    /// The first pause before dialling a lost peer again; it doubles up to `redial_most`.
    pub redial_first: Duration,
    /// The longest such pause: a peer that comes back is found within it.
    pub redial_most: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            member: Rate::MEMBER,
            stranger: Rate::STRANGER,
            request_timeout: Duration::from_secs(30),
            commit_timeout: Duration::from_secs(20),
            redial_first: Duration::from_millis(250),
            redial_most: Duration::from_secs(30),
        }
    }
}

/// Why the swarm did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The identity key is not an ed25519 secret.
    #[error("the identity key is not a valid ed25519 secret key: create one with `trestle keys`")]
    Key,
    /// An address that cannot be used as it is.
    #[error("{field}: `{text}` {problem}")]
    Address {
        /// The field of [`Config`].
        field: &'static str,
        /// What it says.
        text: String,
        /// What is wrong with it, and what to write instead.
        problem: &'static str,
    },
    /// Listening failed, for example because the port is taken.
    #[error("cannot listen on {address}: {reason}; choose another port or stop what holds it")]
    Listen {
        /// The address.
        address: String,
        /// What the system says.
        reason: String,
    },
    /// libp2p could not be set up.
    #[error("cannot set up the network: {0}")]
    Setup(String),
}

/// A peer and where to find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) peer: PeerId,
    /// Without the peer id at the end.
    pub(crate) address: Multiaddr,
}

/// The addresses of a [`Config`], parsed.
pub(crate) struct Addresses {
    pub(crate) listen: Vec<Multiaddr>,
    pub(crate) external: Vec<Multiaddr>,
    pub(crate) bootnodes: Vec<Known>,
    pub(crate) relays: Vec<Known>,
}

impl Config {
    pub(crate) fn keypair(&self) -> Result<Keypair, StartError> {
        // libp2p zeroizes the copy that it is given.
        let mut secret = Zeroizing::new(*self.secret);
        Keypair::ed25519_from_bytes(secret.as_mut_slice()).map_err(|_| StartError::Key)
    }

    pub(crate) fn addresses(&self) -> Result<Addresses, StartError> {
        let bootnodes = known("bootnodes", &self.bootnodes)?;
        let relays =
            if self.relays.is_empty() { bootnodes.clone() } else { known("relays", &self.relays)? };
        let external = parse_all("external", &self.external)?;
        for (text, parsed) in self.external.iter().zip(&external) {
            if address::is_unspecified(parsed) {
                let problem = "is not an address that others can dial: write the public one";
                return Err(StartError::Address { field: "external", text: text.clone(), problem });
            }
        }
        let listen = parse_all("listen", &self.listen)?;
        if let Some((text, _)) =
            self.listen.iter().zip(&listen).find(|(_, at)| address::is_name(at))
        {
            let problem = "is a name: a node listens on an IP address; names go into external";
            return Err(StartError::Address { field: "listen", text: text.clone(), problem });
        }
        Ok(Addresses { listen, external, bootnodes, relays })
    }
}

fn parse_all(field: &'static str, texts: &[String]) -> Result<Vec<Multiaddr>, StartError> {
    texts.iter().map(|text| parse(field, text)).collect()
}

fn parse(field: &'static str, text: &str) -> Result<Multiaddr, StartError> {
    let bad = |problem| StartError::Address { field, text: text.to_owned(), problem };
    let parsed: Multiaddr = text
        .parse()
        .map_err(|_| bad("is not a multiaddress: expected for example /ip4/192.0.2.1/tcp/4100"))?;
    if !address::has_host(&parsed) {
        return Err(bad(
            "names no transport of ours: expected /ip4/…/tcp/… or /ip4/…/udp/…/quic-v1, with \
             /ip6/…, /dns4/…, /dns6/… or /dns/… in place of /ip4/… as well",
        ));
    }
    Ok(parsed)
}

fn known(field: &'static str, texts: &[String]) -> Result<Vec<Known>, StartError> {
    texts
        .iter()
        .map(|text| {
            let bad = |problem| StartError::Address { field, text: text.clone(), problem };
            let parsed = parse(field, text)?;
            if address::is_unspecified(&parsed) {
                return Err(bad("cannot be dialled: write the address at which that node is"));
            }
            let (address, peer) = address::split_peer(parsed)
                .ok_or_else(|| bad("names no peer: add /p2p/ and its peer id at the end"))?;
            Ok(Known { peer, address })
        })
        .collect()
}
