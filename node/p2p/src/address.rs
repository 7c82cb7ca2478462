//! Which addresses are worth dialling or passing on, and peer ids across the two notations.

use std::net::{IpAddr, SocketAddr};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use trestle_wire::{Network, Peer};

/// Longest address taken from a peer, in parts: a circuit address over QUIC has eight.
const MOST_PARTS: usize = 10;

/// Our notation of a libp2p peer id; `None` for keys other than ed25519.
pub(crate) fn to_peer(id: &PeerId) -> Option<Peer> {
    Peer::from_multihash(&id.to_bytes())
}

/// libp2p's notation of one of our peers.
pub(crate) fn to_peer_id(peer: Peer) -> PeerId {
    PeerId::from_bytes(&peer.to_multihash())
        .expect("the identity multihash of an ed25519 key is a peer id by construction")
}

/// Splits `/…/p2p/PEER` into address and peer.
pub(crate) fn split_peer(mut address: Multiaddr) -> Option<(Multiaddr, PeerId)> {
    match address.pop() {
        Some(Protocol::P2p(peer)) => Some((address, peer)),
        Some(_) | None => None,
    }
}

/// The address without a peer id at its end.
pub(crate) fn without_peer(address: &Multiaddr) -> Multiaddr {
    split_peer(address.clone()).map_or_else(|| address.clone(), |(address, _)| address)
}

/// The address as it is dialled: a circuit ends in the peer that it leads to, others do not.
pub(crate) fn complete(address: &Multiaddr, peer: PeerId) -> Multiaddr {
    let address = without_peer(address);
    if is_circuit(&address) { address.with(Protocol::P2p(peer)) } else { address }
}

/// The socket that a listen address opens; `None` for a circuit, which opens none.
pub(crate) fn socket(address: &Multiaddr) -> Option<(SocketAddr, Transport)> {
    let ip = ip(address)?;
    match address.iter().nth(1) {
        Some(Protocol::Tcp(port)) => Some(((ip, port).into(), Transport::Tcp)),
        Some(Protocol::Udp(port)) => Some(((ip, port).into(), Transport::Udp)),
        Some(_) | None => None,
    }
}

/// What a listen address is opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Udp,
}

/// Whether the address leads through a relay.
pub(crate) fn is_circuit(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

/// Whether it can be dialled once its name, if it starts with one, has been looked up.
pub(crate) fn has_host(address: &Multiaddr) -> bool {
    (ip(address).is_some() || is_name(address)) && is_transport(address)
}

/// Whether it starts with a name of the DNS in place of an IP address.
pub(crate) fn is_name(address: &Multiaddr) -> bool {
    matches!(address.iter().next(), Some(Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_)))
}

/// Whether one of our transports follows the first part.
fn is_transport(address: &Multiaddr) -> bool {
    let mut parts = address.iter().skip(1);
    match parts.next() {
        Some(Protocol::Tcp(_)) => true,
        Some(Protocol::Udp(_)) => matches!(parts.next(), Some(Protocol::QuicV1)),
        Some(_) | None => false,
    }
}

/// Whether it is a wildcard, which is for listening only.
pub(crate) fn is_unspecified(address: &Multiaddr) -> bool {
    ip(address).is_some_and(|ip| ip.is_unspecified())
}

/// Whether others can have told us this address in earnest: never a wildcard, and this machine's
/// own loopback only where all nodes may be on one machine. Names are taken as well: wherever one
/// leads, the other end must prove the peer id.
pub(crate) fn is_usable(address: &Multiaddr, network: Network) -> bool {
    let local = match network {
        Network::Regtest => true,
        Network::Bitcoin | Network::Testnet4 | Network::Signet => false,
    };
    has_host(address)
        && address.iter().count() <= MOST_PARTS
        && ip(address).is_none_or(|ip| {
            !ip.is_unspecified() && !ip.is_multicast() && (local || !ip.is_loopback())
        })
}

/// The way to `target` through a relay at `address`.
pub(crate) fn circuit(address: &Multiaddr, relay: PeerId, target: PeerId) -> Multiaddr {
    reservation(address, relay).with(Protocol::P2p(target))
}

/// What to listen on to be reachable through a relay.
pub(crate) fn reservation(address: &Multiaddr, relay: PeerId) -> Multiaddr {
    address.clone().with(Protocol::P2p(relay)).with(Protocol::P2pCircuit)
}

fn ip(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next() {
        Some(Protocol::Ip4(ip)) => Some(ip.into()),
        Some(Protocol::Ip6(ip)) => Some(ip.into()),
        Some(_) | None => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use libp2p::{Multiaddr, PeerId, identity::Keypair};
    use trestle_wire::Network;

    use super::{has_host, is_name, is_usable, split_peer, to_peer, to_peer_id};

    #[test]
    fn address__should_cross_both_notations_of_a_peer() {
        let id = PeerId::from(Keypair::generate_ed25519().public());
        let peer = to_peer(&id).expect("an ed25519 peer");
        assert_eq!(to_peer_id(peer), id);
        assert_eq!(peer.to_string(), id.to_base58());
    }

    #[rustfmt::skip]
    #[test]
    fn address__should_use_only_what_can_be_dialled() {
        for (text, on_mainnet, on_regtest) in [
            ("/ip4/192.0.2.1/tcp/4100", true, true),
            ("/ip4/192.0.2.1/udp/4100/quic-v1", true, true),
            ("/ip6/2001:db8::1/tcp/4100", true, true),
            ("/ip4/127.0.0.1/tcp/4100", false, true),
            ("/ip4/0.0.0.0/tcp/4100", false, false),
            ("/ip6/::/tcp/4100", false, false),
            ("/ip4/224.0.0.1/udp/4100/quic-v1", false, false),
            ("/ip4/192.0.2.1/udp/4100", false, false),
            ("/dns4/example.org/tcp/4100", true, true),
            ("/dnsaddr/example.org", false, false),
            ("/memory/1", false, false),
        ] {
            let address = must_parse(text);
            assert_eq!(is_usable(&address, Network::Bitcoin), on_mainnet, "{text} on mainnet");
            assert_eq!(is_usable(&address, Network::Regtest), on_regtest, "{text} on regtest");
        }
        assert!(!has_host(&Multiaddr::empty()));
    }

    #[test]
    fn address__should_have_a_host_that_is_an_ip_address_or_a_name() {
        for (text, host, name) in [
            ("/ip4/192.0.2.1/tcp/4100", true, false),
            ("/dns4/example.org/tcp/4100", true, true),
            ("/dns6/example.org/udp/4100/quic-v1", true, true),
            ("/dns/example.org/tcp/4100", true, true),
            ("/dns4/example.org/udp/4100", false, true),
            ("/dnsaddr/example.org", false, false),
        ] {
            let address = must_parse(text);
            assert_eq!(has_host(&address), host, "{text}");
            assert_eq!(is_name(&address), name, "{text}");
        }
    }

    #[test]
    fn address__should_split_off_the_peer() {
        let id = PeerId::from(Keypair::generate_ed25519().public());
        let whole = must_parse(&format!("/ip4/192.0.2.1/tcp/1/p2p/{id}"));
        assert_eq!(split_peer(whole), Some((must_parse("/ip4/192.0.2.1/tcp/1"), id)));
        assert_eq!(split_peer(must_parse("/ip4/192.0.2.1/tcp/1")), None);
    }

    fn must_parse(text: &str) -> Multiaddr {
        text.parse().expect("a valid multiaddress")
    }
}
