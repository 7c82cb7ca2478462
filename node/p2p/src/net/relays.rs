//! The relays we know, and on which of them this node holds a place.
//!
//! Always holds: a node without a listen address wants a place on [`PLACES`] relays, so that one
//! may die without cutting it off; a relay that failed is left alone for a while; relays from the
//! config come before those met on the way.

use std::collections::BTreeMap;

use libp2p::{Multiaddr, PeerId, core::transport::ListenerId};

use super::backoff::{Backoff, Pauses};

/// Relays to hold a place on at once.
const PLACES: usize = 2;
/// Relays remembered: those of the config and a few met. Enough for any to stand in.
const MOST_RELAYS: usize = 16;

/// The relays.
#[derive(Debug)]
pub(crate) struct Relays {
    pauses: Pauses,
    /// Whether this node needs places at all.
    wanted: bool,
    relays: BTreeMap<PeerId, Relay>,
}

#[derive(Debug)]
struct Relay {
    address: Multiaddr,
    fixed: bool,
    place: Option<(ListenerId, bool)>,
    backoff: Backoff,
}

impl Relays {
    pub(crate) const fn new(pauses: Pauses, wanted: bool) -> Self {
        Self { pauses, wanted, relays: BTreeMap::new() }
    }

    /// A relay, from the config (`fixed`) or met.
    pub(crate) fn learn(&mut self, peer: PeerId, address: &Multiaddr, fixed: bool) {
        if let Some(relay) = self.relays.get_mut(&peer) {
            // Where we reached it last is better than what the config said a year ago, but only
            // once it holds no place that names the old address.
            if relay.place.is_none() && !relay.fixed {
                relay.address = address.clone();
            }
            return;
        }
        if self.relays.len() < MOST_RELAYS {
            let address = address.clone();
            self.relays
                .insert(peer, Relay { address, fixed, place: None, backoff: Backoff::new() });
        }
    }

    /// All relays with their addresses, for guessing where others may hold a place.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (PeerId, &Multiaddr)> {
        self.relays.iter().map(|(peer, relay)| (*peer, &relay.address))
    }

    /// Where to ask for a place now.
    pub(crate) fn due(&self, now_ms: u64) -> Vec<(PeerId, Multiaddr)> {
        if !self.wanted {
            return vec![];
        }
        let held = self.relays.values().filter(|relay| relay.place.is_some()).count();
        let mut free: Vec<_> = self
            .relays
            .iter()
            .filter(|(_, relay)| relay.place.is_none() && relay.backoff.is_due(now_ms))
            .collect();
        free.sort_by_key(|(_, relay)| (relay.backoff.attempt(), !relay.fixed));
        free.into_iter()
            .take(PLACES.saturating_sub(held))
            .map(|(peer, relay)| (*peer, relay.address.clone()))
            .collect()
    }

    /// A place has been asked for.
    pub(crate) fn asked(&mut self, peer: &PeerId, listener: ListenerId) {
        if let Some(relay) = self.relays.get_mut(peer) {
            relay.place = Some((listener, false));
        }
    }

    /// A place has been given or renewed.
    pub(crate) fn granted(&mut self, peer: &PeerId) {
        if let Some(relay) = self.relays.get_mut(peer) {
            relay.backoff.reset();
            if let Some((_, granted)) = &mut relay.place {
                *granted = true;
            }
        }
    }

    /// A request has failed before it was made.
    pub(crate) fn failed(&mut self, peer: &PeerId, now_ms: u64, random: u32) {
        if let Some(relay) = self.relays.get_mut(peer) {
            relay.backoff.put_off(self.pauses, now_ms, random);
        }
    }

    /// A listener has closed. If it was a place on a relay, that relay is left alone for a while.
    pub(crate) fn closed(
        &mut self,
        listener: ListenerId,
        now_ms: u64,
        random: u32,
    ) -> Option<PeerId> {
        let (peer, relay) = self
            .relays
            .iter_mut()
            .find(|(_, relay)| relay.place.is_some_and(|(id, _)| id == listener))?;
        relay.place = None;
        relay.backoff.put_off(self.pauses, now_ms, random);
        Some(*peer)
    }

    /// Places that have been granted.
    pub(crate) fn granted_places(&self) -> usize {
        self.relays.values().filter(|relay| matches!(relay.place, Some((_, true)))).count()
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use std::time::Duration;

    use libp2p::{Multiaddr, PeerId, core::transport::ListenerId, identity::Keypair};

    use super::{Pauses, Relays};

    #[test]
    fn relays__should_hold_two_places_and_replace_the_one_that_dies() {
        let (mut relays, peers) = must_know(3, true);
        let asked = ask_all(&mut relays, 0);
        assert_eq!(asked.len(), 2);
        asked.iter().for_each(|(peer, _)| relays.granted(peer));
        assert_eq!(relays.granted_places(), 2);

        // When one dies, then the third takes its place at once.
        let (dead, listener) = asked[0];
        assert_eq!(relays.closed(listener, 10, 0), Some(dead));
        let next = ask_all(&mut relays, 10);
        let third = peers.iter().find(|peer| asked.iter().all(|(held, _)| held != *peer));
        assert_eq!(next.iter().map(|(peer, _)| peer).collect::<Vec<_>>(), third.as_slice());
    }

    #[test]
    fn relays__should_leave_a_failed_relay_alone_for_a_while() {
        let (mut relays, _) = must_know(1, true);
        let (_, listener) = ask_all(&mut relays, 0)[0];
        relays.closed(listener, 0, 0);
        assert_eq!(relays.due(99), []);
        assert_eq!(relays.due(100).len(), 1);
    }

    #[test]
    fn relays__should_want_no_place_on_a_node_that_listens() {
        let (relays, _) = must_know(3, false);
        assert_eq!(relays.due(0), []);
        assert_eq!(relays.iter().count(), 3);
    }

    fn ask_all(relays: &mut Relays, now_ms: u64) -> Vec<(PeerId, ListenerId)> {
        let due = relays.due(now_ms);
        due.iter()
            .map(|(peer, _)| {
                let listener = ListenerId::next();
                relays.asked(peer, listener);
                (*peer, listener)
            })
            .collect()
    }

    fn must_know(count: u16, wanted: bool) -> (Relays, Vec<PeerId>) {
        let pauses = Pauses { first: Duration::from_millis(100), most: Duration::from_secs(10) };
        let mut relays = Relays::new(pauses, wanted);
        let peers: Vec<_> = (0..count)
            .map(|port| {
                let peer = PeerId::from(Keypair::generate_ed25519().public());
                let address: Multiaddr =
                    format!("/ip4/192.0.2.1/tcp/{port}").parse().expect("a valid multiaddress");
                relays.learn(peer, &address, true);
                peer
            })
            .collect();
        (relays, peers)
    }
}
