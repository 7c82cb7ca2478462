//! Free ports, safe to hand to a process that binds them later.
//!
//! Asking the system for port 0 and closing it again lets another test, or any outgoing
//! connection, take the number before our process binds it. So a [`Port`] comes from below
//! the range of outgoing connections, and its number is leased: no other harness on this
//! machine gets it while the [`Port`] lives, across restarts of the process that uses it.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use eyre::{Context as _, Result, ensure};
use rand::Rng as _;

use crate::lease::Lease;

/// The lowest number handed out: below it well-known services live.
const LOWEST: u16 = 10_000;
/// Where outgoing connections begin when the system does not tell.
const USUAL_OUTGOING: u16 = 32_768;
/// Numbers tried before giving up: far more than any run holds at once.
const TRIES: usize = 2_000;

/// A port number on 127.0.0.1, for TCP and UDP, that is ours until dropped.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _lease: Lease,
}

impl Port {
    /// Leases a port that nothing listens on.
    ///
    /// # Errors
    /// When none is found, or the system refuses the lease itself.
    pub fn free() -> Result<Self> {
        let end = first_outgoing();
        ensure!(end > LOWEST, "outgoing connections begin at port {end}; expected above {LOWEST}");
        for _ in 0..TRIES {
            let number = rand::thread_rng().gen_range(LOWEST..end);
            let lease = Lease::take(&format!("port/{number}")).wrap_err("cannot lease a port")?;
            if let Some(lease) = lease
                && is_unbound(number)
            {
                return Ok(Self { number, _lease: lease });
            }
        }
        eyre::bail!("found no free port in {LOWEST}..{end} in {TRIES} tries; what is using them?")
    }

    /// The number.
    #[must_use]
    pub const fn number(&self) -> u16 {
        self.number
    }
}

fn is_unbound(number: u16) -> bool {
    let address = (Ipv4Addr::LOCALHOST, number);
    TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
}

fn first_outgoing() -> u16 {
    fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|range| range.split_whitespace().next()?.parse().ok())
        .unwrap_or(USUAL_OUTGOING)
}
