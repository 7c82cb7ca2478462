//! That no two listeners of a node want the same port: the second could not be bound.

use std::net::{IpAddr, SocketAddr};

use super::{AdminConfig, ApiConfig, CovenantConfig, P2pConfig, Section};

/// What a listener binds. A name instead of an address is not looked up.
struct Listener {
    section: &'static str,
    ip: IpAddr,
    port: u16,
    udp: bool,
}

impl Listener {
    fn http(section: &'static str, listen: SocketAddr) -> Self {
        Self { section, ip: listen.ip(), port: listen.port(), udp: false }
    }

    fn p2p(address: &str) -> Option<Self> {
        let mut parts = address.split('/').skip(2);
        let ip = parts.next()?.parse().ok()?;
        let udp = parts.next()? == "udp";
        Some(Self { section: "p2p", ip, port: parts.next()?.parse().ok()?, udp })
    }

    /// Port 0 is a free one. A listener on all addresses of a machine is on each of them.
    fn collides(&self, other: &Self) -> bool {
        let everywhere = self.ip.is_unspecified() || other.ip.is_unspecified();
        self.port != 0
            && (self.port, self.udp) == (other.port, other.udp)
            && (everywhere || self.ip == other.ip)
    }
}

/// Notes each listener that wants what an earlier one has.
pub(super) fn check(
    root: &Section<'_>,
    p2p: &P2pConfig,
    api: &ApiConfig,
    admin: &AdminConfig,
    covenant: &CovenantConfig,
) {
    let mut all: Vec<Listener> = p2p.listen.iter().filter_map(|at| Listener::p2p(at)).collect();
    all.push(Listener::http("api", api.listen));
    all.push(Listener::http("admin", admin.listen));
    all.extend(covenant.http.as_ref().map(|http| Listener::http("covenant.http", http.listen)));
    for (place, later) in all.iter().enumerate() {
        let Some(earlier) = all[..place].iter().find(|earlier| later.collides(earlier)) else {
            continue;
        };
        let what = format!(
            "port {} is wanted by {}.listen too: each listener needs one of its own (0 takes a free \
             one)",
            later.port, earlier.section
        );
        let section = match later.section {
            "covenant.http" => root.section("covenant").section("http"),
            section => root.section(section),
        };
        section.problem("listen", what);
    }
}
