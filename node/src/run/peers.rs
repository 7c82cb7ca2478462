//! What the swarm says of peers, for the API and `/readyz`.

use std::{collections::BTreeSet, sync::Arc};

use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use trestle_keys::{Params, StakingParams};
use trestle_p2p::{P2pHandle, PeerEvent, PeerTable};
use trestle_wire::Peer;

use crate::{
    api::{PeerList, dto::PeerDto},
    events::{Event, EventBus},
    readiness::{Health, Readiness},
};

/// The component's name in `/readyz`.
pub(super) const COMPONENT: &str = "p2p";

/// The peers that the parameters list, without ourselves.
pub(super) fn table(params: Option<&Params>, own: &Peer) -> PeerTable {
    listed(params).into_iter().filter(|peer| peer != own).collect()
}

/// Whether the parameters list this peer.
pub(super) fn lists(params: Option<&Params>, own: &Peer) -> bool {
    listed(params).contains(own)
}

fn listed(params: Option<&Params>) -> BTreeSet<Peer> {
    let committees = params.map_or(&[][..], |params| params.committees.as_slice());
    let peers = committees.iter().flat_map(|committee| {
        let members = committee.members.iter().map(|member| member.peer);
        members.chain(committee.coordinators.iter().copied())
    });
    let staking = params.and_then(|params| params.staking.as_ref());
    peers.chain(staking.into_iter().flat_map(StakingParams::peers)).collect()
}

/// The connected peers, for the API.
pub(super) fn list(p2p: P2pHandle) -> PeerList {
    Arc::new(move || {
        let connected = p2p.peers().into_iter().filter(|peer| peer.connected);
        let dto = connected.map(|peer| PeerDto {
            peer: peer.peer.to_string(),
            roles: peer.roles.iter().map(|role| role.name().to_owned()).collect(),
            address: peer.addrs.first().cloned(),
            relayed: peer.relayed,
            listed: peer.listed,
            agrees: peer.ready,
        });
        let dto = dto.collect();
        Box::pin(async move { dto })
    })
}

/// Shows the world who comes and goes, until stopped. `needed`: this node is listed, so without the
/// others it cannot do its work.
pub(super) async fn show(
    p2p: P2pHandle,
    needed: bool,
    readiness: Readiness,
    events: EventBus,
    stop: CancellationToken,
) {
    let mut changes = p2p.events();
    loop {
        readiness.set(COMPONENT, health(&p2p, needed));
        let change = tokio::select! {
            () = stop.cancelled() => return,
            change = changes.recv() => change,
        };
        match change {
            Ok(PeerEvent::Ready(peer)) => {
                events.publish(Event::PeerConnected { peer: peer.to_string() });
            }
            Ok(PeerEvent::Lost(peer)) => {
                events.publish(Event::PeerDisconnected { peer: peer.to_string() });
            }
            // The swarm says so in the log; `health` shows it.
            Ok(PeerEvent::Connected(_) | PeerEvent::Differs(..) | PeerEvent::Refused(..))
            | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

// A node that is listed with others and reaches none of them cannot do its work. Any other, such as
// a bootnode, is ready at once: they come to it.
fn health(p2p: &P2pHandle, needed: bool) -> Health {
    let peers = p2p.peers();
    let listed = peers.iter().filter(|peer| peer.listed).count();
    let ready = peers.iter().filter(|peer| peer.listed && peer.ready).count();
    if !needed || listed == 0 || ready > 0 {
        return Health::Ready;
    }
    let connected = peers.iter().filter(|peer| peer.connected).count();
    Health::NotReady(format!(
        "none of the {listed} peers of the shared parameters agrees with us yet; connected to \
         {connected} in all"
    ))
}
