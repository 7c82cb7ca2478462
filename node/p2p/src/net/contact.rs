//! A connected peer, as the swarm task sees it.

use std::{collections::BTreeMap, time::Duration};

use libp2p::{Multiaddr, request_response::OutboundRequestId, swarm::ConnectionId};
use trestle_wire::{Peer, hello::Role};

use super::backoff::Backoff;
use crate::{events::PeerInfo, handler::hello::HelloState};

/// How far our hello has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Greeted {
    /// To be sent when the back-off allows.
    Due,
    /// Under way.
    Sent(OutboundRequestId),
    /// Taken.
    Accepted,
    /// Refused for as long as both run as they are.
    Refused,
}

/// One connection.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) remote: Multiaddr,
    pub(crate) relayed: bool,
    pub(crate) dialled: bool,
}

/// A peer with at least one connection.
#[derive(Debug)]
pub(crate) struct Contact {
    pub(crate) lines: BTreeMap<ConnectionId, Line>,
    pub(crate) greeted: Greeted,
    pub(crate) backoff: Backoff,
    pub(crate) theirs: HelloState,
    pub(crate) roles: Vec<Role>,
    pub(crate) software: String,
    pub(crate) rtt: Option<Duration>,
}

impl Contact {
    pub(crate) const fn new() -> Self {
        Self {
            lines: BTreeMap::new(),
            greeted: Greeted::Due,
            backoff: Backoff::new(),
            theirs: HelloState::Missing,
            roles: vec![],
            software: String::new(),
            rtt: None,
        }
    }

    /// Whether messages flow.
    pub(crate) fn is_ready(&self) -> bool {
        self.greeted == Greeted::Accepted && self.theirs == HelloState::Ok
    }

    /// Whether messages cannot flow with this boot of the peer.
    pub(crate) const fn is_shut(&self) -> bool {
        matches!(self.greeted, Greeted::Refused)
            || matches!(self.theirs, HelloState::Differs(_) | HelloState::WithoutParameters)
    }

    pub(crate) fn info(&self, peer: Peer, listed: bool) -> PeerInfo {
        PeerInfo {
            peer,
            addrs: self.lines.values().map(|line| line.remote.to_string()).collect(),
            listed,
            connected: true,
            ready: self.is_ready(),
            hello: self.theirs.clone(),
            roles: self.roles.clone(),
            software: self.software.clone(),
            relayed: self.lines.values().all(|line| line.relayed),
            rtt: self.rtt,
        }
    }
}

/// A peer of the table without a connection.
pub(crate) const fn absent(peer: Peer) -> PeerInfo {
    PeerInfo {
        peer,
        addrs: vec![],
        listed: true,
        connected: false,
        ready: false,
        hello: HelloState::Missing,
        roles: vec![],
        software: String::new(),
        relayed: false,
        rtt: None,
    }
}
