//! What others may know of our peers.

use std::time::Duration;

use trestle_wire::{Peer, hello::Role};

use crate::handler::hello::HelloState;

/// A peer came or went. Those who fall behind in reading miss some and can look at
/// [`crate::P2pHandle::peers`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerEvent {
    /// There is a connection; hellos follow.
    Connected(Peer),
    /// Both have said hello and agree: messages flow. Comes again when the peer has restarted
    /// or one of several connections to it has gone.
    Ready(Peer),
    /// The last connection has gone.
    Lost(Peer),
    /// The peer has other parameters; these sections differ.
    Differs(Peer, Vec<String>),
    /// The peer refuses to talk to us, for the reason named.
    Refused(Peer, &'static str),
}

/// A connected peer, for people and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// The peer.
    pub peer: Peer,
    /// Where its connections lead.
    pub addrs: Vec<String>,
    /// Whether it is listed in the table.
    pub listed: bool,
    /// Whether there is a connection.
    pub connected: bool,
    /// Whether messages flow.
    pub ready: bool,
    /// How its parameters stand to ours.
    pub hello: HelloState,
    /// The roles it says it has.
    pub roles: Vec<Role>,
    /// The software it says it runs.
    pub software: String,
    /// Whether all its connections lead through relays.
    pub relayed: bool,
    /// Its last ping.
    pub rtt: Option<Duration>,
}
