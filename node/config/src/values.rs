//! The small types that config values are parsed into.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use trestle_wire::hello::Role;

/// A role by its name in config files.
pub(crate) fn role(name: &str) -> Option<Role> {
    [Role::Bootnode, Role::Committee, Role::Coordinator]
        .into_iter()
        .find(|role| role.name() == name)
}

/// A multiaddress, looked at as far as where it leads: a host, and a port of TCP or of QUIC over UDP.
/// The swarm parses the rest.
pub fn multiaddr(text: &str) -> Option<String> {
    let mut parts = text.strip_prefix('/')?.split('/');
    let (kind, host) = (parts.next()?, parts.next()?);
    let host = match kind {
        "ip4" => host.parse::<Ipv4Addr>().is_ok(),
        "ip6" => host.parse::<Ipv6Addr>().is_ok(),
        "dns" | "dns4" | "dns6" => !host.is_empty(),
        _ => false,
    };
    let transport = parts.next()?;
    let port = parts.next()?.parse::<u16>().is_ok();
    let carried = match transport {
        "tcp" => true,
        "udp" => parts.next() == Some("quic-v1"),
        _ => false,
    };
    (host && port && carried && parts.all(|part| !part.is_empty())).then(|| text.to_owned())
}

/// A multiaddress that names its peer at the end.
pub fn peer_multiaddr(text: &str) -> Option<String> {
    let (_, peer) = text.rsplit_once("/p2p/")?;
    trestle_wire::Peer::from_str(peer).ok()?;
    multiaddr(text)
}

/// Exactly 32 bytes in hexadecimal.
pub(crate) struct Hex32(pub(crate) [u8; 32]);

impl FromStr for Hex32 {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let bytes = hex::decode(text).map_err(|_| ())?;
        Ok(Self(bytes.try_into().map_err(|_| ())?))
    }
}
