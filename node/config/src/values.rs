//! The small types that config values are parsed into.

use std::str::FromStr;

use trestle_wire::hello::Role;

/// A role by its name in config files.
pub(crate) fn role(name: &str) -> Option<Role> {
    [Role::Bootnode, Role::Committee, Role::Coordinator]
        .into_iter()
        .find(|role| role.name() == name)
}

/// A multiaddress, looked at only as far as its form: `/`-separated, first `/ip4`, `/ip6` or `/dns`.
/// The swarm parses the rest.
pub(crate) fn multiaddr(text: &str) -> Option<String> {
    let mut parts = text.strip_prefix('/')?.split('/');
    let first = parts.next()?;
    let known = ["ip4", "ip6", "dns", "dns4", "dns6"].contains(&first);
    (known && parts.clone().count() >= 3 && parts.all(|part| !part.is_empty()))
        .then(|| text.to_owned())
}

/// A multiaddress that names its peer at the end.
pub(crate) fn peer_multiaddr(text: &str) -> Option<String> {
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
