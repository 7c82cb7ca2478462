//! What actors hear besides messages: who is connected, the chain's tip, requests; and what of
//! theirs goes out: health, events, presence.

use std::{collections::BTreeSet, time::Duration};

use tokio::{
    sync::{
        broadcast::{self, error::RecvError},
        mpsc, watch,
    },
    task::JoinSet,
};
use trestle_actors::{
    coordinator::{self, CoordinatorInput, ingress::Request},
    ports::{SendMessage, chain::ChainStatus},
    runtime::{ActorStatus, Mailbox},
};
use trestle_p2p::PeerEvent;
use trestle_wire::{Peer, announce::Presence};

use super::{RunError, actors::Parts, guard::HEALTH};
use crate::{
    events::Event,
    readiness::{Health, Readiness},
};

/// How often a node announces itself.
const ANNOUNCE: Duration = Duration::from_secs(60);

/// What runs beside the actors.
pub(super) type Tasks = JoinSet<Result<(), RunError>>;

/// How an actor hears of the world.
pub(super) struct World<I> {
    pub(super) connected: fn(Peer) -> I,
    pub(super) lost: fn(Peer) -> I,
    pub(super) tip: fn(u32) -> I,
}

/// Tells an actor who connects and who is lost, and where the tip is.
pub(super) fn world<I: Send + 'static>(
    mailbox: Mailbox<I>,
    hears: World<I>,
    parts: &Parts<'_>,
    tasks: &mut Tasks,
) {
    let (p2p, stop) = (parts.p2p.clone(), parts.stop.clone());
    let mut changes = p2p.events();
    let mut chain = parts.chain.clone();
    tasks.spawn(async move {
        let mut here: BTreeSet<Peer> = BTreeSet::new();
        let mut greet: Vec<Peer> = ready_peers(&p2p);
        let mut lost: Vec<Peer> = Vec::new();
        loop {
            for peer in lost.drain(..).filter(|peer| here.remove(peer)).collect::<Vec<_>>() {
                mailbox.send((hears.lost)(peer)).await;
            }
            for peer in greet.drain(..) {
                here.insert(peer);
                mailbox.send((hears.connected)(peer)).await;
            }
            if let ChainStatus::Connected { tip: at, .. } = *chain.borrow_and_update() {
                // A full mailbox means that a later tip will do.
                let _ = mailbox.offer((hears.tip)(at.height).into());
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                changed = chain.changed() => if changed.is_err() { return Ok(()) },
                change = changes.recv() => match change {
                    Ok(PeerEvent::Ready(peer)) => greet.push(peer),
                    Ok(PeerEvent::Lost(peer)) => lost.push(peer),
                    Ok(PeerEvent::Connected(_) | PeerEvent::Differs(..)
                        | PeerEvent::Refused(..)) => {}
                    Err(RecvError::Lagged(_)) => {
                        greet = ready_peers(&p2p);
                        lost = here.iter().filter(|peer| !greet.contains(peer)).copied().collect();
                    }
                    Err(RecvError::Closed) => return Ok(()),
                },
            }
        }
    });
}

fn ready_peers(p2p: &trestle_p2p::P2pHandle) -> Vec<Peer> {
    p2p.peers().into_iter().filter(|peer| peer.ready).map(|peer| peer.peer).collect()
}

/// Hands the API's requests to the coordinator.
pub(super) fn requests(
    mut asked: mpsc::Receiver<Request>,
    mailbox: Mailbox<CoordinatorInput>,
    tasks: &mut Tasks,
) {
    tasks.spawn(async move {
        while let Some(request) = asked.recv().await {
            if !mailbox.send(CoordinatorInput::Request(request)).await {
                break;
            }
        }
        Ok(())
    });
}

/// Shows an actor's health in `/readyz`: as the loop that feeds it says, and, while it runs, what
/// `hindrance` says is in its way.
pub(super) fn health(
    actor: &'static str,
    mut status: watch::Receiver<ActorStatus>,
    hindrance: impl Fn() -> Option<String> + Send + 'static,
    parts: &Parts<'_>,
    tasks: &mut Tasks,
) {
    let (readiness, stop): (Readiness, _) = (parts.readiness.clone(), parts.stop.clone());
    tasks.spawn(async move {
        loop {
            let now = status.borrow_and_update().clone();
            readiness.set(actor, judge(&now, &hindrance));
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                changed = status.changed() => if changed.is_err() { return Ok(()) },
                () = tokio::time::sleep(HEALTH) => {}
            }
        }
    });
}

fn judge(status: &ActorStatus, hindrance: impl Fn() -> Option<String>) -> Health {
    match status {
        ActorStatus::Running => hindrance().map_or(Health::Ready, Health::NotReady),
        ActorStatus::Loading => Health::NotReady("reading its state".into()),
        ActorStatus::Waiting(reason) => Health::NotReady(reason.clone()),
        ActorStatus::Stopped => Health::NotReady("stopped".into()),
    }
}

/// Publishes the coordinator's events.
pub(super) fn events(
    mut heard: broadcast::Receiver<coordinator::Event>,
    parts: &Parts<'_>,
    tasks: &mut Tasks,
) {
    let (bus, stop) = (parts.events.clone(), parts.stop.clone());
    tasks.spawn(async move {
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                event = heard.recv() => event,
            };
            match event {
                Ok(event) => bus.publish(Event::Committee {
                    committee: event.committee,
                    what: event.kind.to_owned(),
                    payment: event.payment.map(|payment| payment.to_string()),
                    text: event.text,
                }),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            }
        }
    });
}

/// Announces this node to everyone now and then.
pub(super) fn presence(parts: &Parts<'_>, tasks: &mut Tasks) {
    let (p2p, chain, stop) = (parts.p2p.clone(), parts.chain.clone(), parts.stop.clone());
    let parameters = Some(parts.params.hash());
    let roles: Vec<_> = parts.config.roles.iter().copied().collect();
    tasks.spawn(async move {
        loop {
            let height = match &*chain.borrow() {
                ChainStatus::Connected { tip, .. } => tip.height,
                ChainStatus::Unknown | ChainStatus::Unreachable(_) | ChainStatus::Wrong(_) => 0,
            };
            p2p.announce(Presence { parameters, roles: roles.clone(), height, keys: Vec::new() });
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(ANNOUNCE) => {}
            }
        }
    });
}
