//! The peers that we want to be connected to, where they may be, and when to try next.
//!
//! Always holds: only peers of the table, bootnodes and configured relays are in it; each has at
//! most [`MOST_ADDRESSES`] addresses; a failed try is followed by a pause.

use std::collections::BTreeMap;

use libp2p::{Multiaddr, PeerId};

use super::backoff::{Backoff, Pauses};
use crate::address;

/// Addresses kept for one peer: two transports on a few interfaces, and a few relays. The one
/// that has been silent longest makes room, so that a peer cannot grow our memory by naming more.
const MOST_ADDRESSES: usize = 16;
/// A look-up again this soon after someone new could be asked.
const SOON_MS: u64 = 100;
/// News brings a try forward at most this often for each peer: others decide how much news there
/// is, and must not decide how often we dial.
const NEWS_GAP_MS: u64 = 500;
/// A connection that lasted this long was a good one: the peer is tried at once when it is lost.
/// One that ends sooner, because the peer is full for example, counts as a failed try.
const GOOD_MS: u64 = 10_000;

/// The book.
#[derive(Debug)]
pub(crate) struct Book {
    pauses: Pauses,
    targets: BTreeMap<PeerId, Target>,
    /// Orders addresses by when they were last named.
    tick: u64,
}

#[derive(Debug)]
struct Target {
    addresses: BTreeMap<Multiaddr, Address>,
    connected: Option<u64>,
    backoff: Backoff,
    /// When an address, and when someone to ask, may bring the next try forward again.
    addresses_from: u64,
    news_from: u64,
    /// The last try found another one under way.
    missed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Address {
    named: u64,
    /// From the config: never forgotten.
    fixed: bool,
}

/// What to do about one peer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Try {
    pub(crate) peer: PeerId,
    /// Where it may be, direct ways first.
    pub(crate) addresses: Vec<Multiaddr>,
    /// Whether what we know did not help: ask others, and try the relays.
    pub(crate) search: bool,
}

impl Book {
    pub(crate) const fn new(pauses: Pauses) -> Self {
        Self { pauses, targets: BTreeMap::new(), tick: 0 }
    }

    /// Keep a connection to this peer.
    pub(crate) fn want(&mut self, peer: PeerId) {
        self.targets.entry(peer).or_insert_with(|| Target {
            addresses: BTreeMap::new(),
            connected: None,
            backoff: Backoff::new(),
            addresses_from: 0,
            news_from: 0,
            missed: false,
        });
    }

    /// The peer may be there. Ignored for peers that nobody wants.
    pub(crate) fn learn(&mut self, peer: PeerId, address: &Multiaddr, fixed: bool, now_ms: u64) {
        self.tick += 1;
        let Some(target) = self.targets.get_mut(&peer) else { return };
        let fresh = Address { named: self.tick, fixed };
        let known = target.addresses.get_mut(address);
        if let Some(known) = known {
            known.named = fresh.named;
            known.fixed |= fixed;
            return;
        }
        if target.addresses.len() >= MOST_ADDRESSES {
            let oldest =
                target.addresses.iter().filter(|(_, a)| !a.fixed).min_by_key(|(_, a)| a.named);
            let Some(oldest) = oldest.map(|(address, _)| address.clone()) else { return };
            target.addresses.remove(&oldest);
        }
        target.addresses.insert(address.clone(), fresh);
        if target.addresses_from <= now_ms {
            target.addresses_from = now_ms.saturating_add(NEWS_GAP_MS);
            target.backoff.hurry(now_ms, 0);
        }
    }

    /// There is a connection.
    pub(crate) fn connected(&mut self, peer: &PeerId, now_ms: u64) {
        if let Some(target) = self.targets.get_mut(peer) {
            target.connected.get_or_insert(now_ms);
            target.missed = false;
        }
    }

    /// A try came to nothing because another one is under way, one of a look-up for example, or one by
    /// addresses that were known before.
    pub(crate) fn missed(&mut self, peer: &PeerId) {
        if let Some(target) = self.targets.get_mut(peer) {
            target.missed = true;
        }
    }

    /// A try has failed: the one that it stood in the way of is made up for at once.
    pub(crate) fn failed(&mut self, peer: &PeerId, now_ms: u64) {
        if let Some(target) = self.targets.get_mut(peer)
            && std::mem::take(&mut target.missed)
        {
            target.backoff.hurry(now_ms, 0);
        }
    }

    /// The last connection has gone: try at once, then with pauses.
    pub(crate) fn lost(&mut self, peer: &PeerId, now_ms: u64) {
        if let Some(target) = self.targets.get_mut(peer) {
            let since = target.connected.take().unwrap_or(now_ms);
            if now_ms.saturating_sub(since) >= GOOD_MS {
                target.backoff.reset();
            }
        }
    }

    /// There is someone new to ask: peers that have not been found are looked for soon.
    pub(crate) fn news(&mut self, now_ms: u64) {
        let absent = self.targets.values_mut().filter(|t| t.connected.is_none());
        for target in absent.filter(|t| t.news_from <= now_ms) {
            target.news_from = now_ms.saturating_add(NEWS_GAP_MS);
            target.backoff.hurry(now_ms, SOON_MS);
        }
    }

    /// Whom to try now; each is put off until its next turn.
    pub(crate) fn due(&mut self, now_ms: u64, mut random: impl FnMut() -> u32) -> Vec<Try> {
        let pauses = self.pauses;
        self.targets
            .iter_mut()
            .filter(|(_, target)| target.connected.is_none() && target.backoff.is_due(now_ms))
            .map(|(peer, target)| {
                let mut addresses: Vec<_> = target.addresses.keys().cloned().collect();
                addresses.sort_by_key(address::is_circuit);
                let search = addresses.is_empty() || target.backoff.attempt() > 0;
                target.backoff.put_off(pauses, now_ms, random());
                Try { peer: *peer, addresses, search }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use std::time::Duration;

    use libp2p::{Multiaddr, PeerId, identity::Keypair};

    use super::{Book, MOST_ADDRESSES, Pauses};

    #[test]
    fn book__should_search_for_a_peer_it_knows_nothing_of_and_dial_one_it_does() {
        let (mut book, peer) = wanting();
        let first = book.due(0, || 0);
        assert!(first[0].search && first[0].addresses.is_empty());

        book.learn(peer, &must_address(1), false, 10);
        let second = book.due(10, || 0);
        assert_eq!(second[0].addresses, [must_address(1)]);
    }

    #[test]
    fn book__should_leave_connected_peers_alone_and_try_lost_ones_at_once() {
        let (mut book, peer) = wanting();
        book.learn(peer, &must_address(1), false, 0);
        book.connected(&peer, 0);
        assert_eq!(book.due(1_000_000, || 0), []);
        book.lost(&peer, 1_000_000);
        assert!(!book.due(1_000_000, || 0)[0].search);
        // Then with a pause, and asking others too.
        assert_eq!(book.due(1_000_050, || 0), []);
        assert!(book.due(1_000_100, || 0)[0].search);
    }

    #[test]
    fn book__should_look_again_soon_after_news() {
        let (mut book, _) = wanting();
        for now in [0, 100, 300, 700] {
            assert_eq!(book.due(now, || 0).len(), 1, "at {now}");
        }
        book.news(701);
        assert_eq!(book.due(750, || 0), []);
        assert_eq!(book.due(801, || 0).len(), 1);
    }

    #[test]
    fn book__should_make_up_once_for_a_try_that_another_one_stood_in_the_way_of() {
        let (mut book, peer) = wanting();
        assert_eq!(book.due(0, || 0).len(), 1);
        book.learn(peer, &must_address(1), false, 10);
        assert_eq!(book.due(10, || 0).len(), 1);
        book.missed(&peer);
        assert_eq!(book.due(20, || 0), []);
        book.failed(&peer, 20);
        assert_eq!(book.due(20, || 0).len(), 1);
        book.failed(&peer, 30);
        assert_eq!(book.due(30, || 0), []);
    }

    #[test]
    fn book__should_not_hammer_a_peer_that_hangs_up_at_once() {
        let (mut book, peer) = wanting();
        book.learn(peer, &must_address(1), false, 0);
        let mut tries = 0;
        for now in 0..3_000 {
            if !book.due(now, || 0).is_empty() {
                tries += 1;
                book.connected(&peer, now);
                book.lost(&peer, now + 1);
            }
        }
        // At 0, 100, 300, 700 and 1500 ms.
        assert_eq!(tries, 5);
    }

    #[test]
    fn book__should_not_let_others_decide_how_often_it_dials() {
        let (mut book, peer) = wanting();
        // Given that the pauses have grown to their longest.
        for now in (0..100_000).step_by(100) {
            book.due(now, || 0);
        }
        // When someone names a new address, and there is news, every millisecond for 2 s.
        let mut tries = 0;
        for n in 0..2_000 {
            let now = 100_000 + u64::from(n);
            book.learn(peer, &must_address(n), false, now);
            book.news(now);
            tries += book.due(now, || 0).len();
        }
        assert!(tries <= 10, "{tries}");
    }

    #[test]
    fn book__should_forget_the_address_unnamed_longest_but_never_a_configured_one() {
        let (mut book, peer) = wanting();
        book.learn(peer, &must_address(1), true, 0);
        for port in 2..100 {
            book.learn(peer, &must_address(port), false, 0);
        }
        let addresses = &book.due(0, || 0)[0].addresses;
        assert_eq!(addresses.len(), MOST_ADDRESSES);
        assert!(addresses.contains(&must_address(1)) && addresses.contains(&must_address(99)));
    }

    #[test]
    fn book__should_ignore_addresses_of_peers_that_nobody_wants() {
        let (mut book, _) = wanting();
        let stranger = PeerId::from(Keypair::generate_ed25519().public());
        book.learn(stranger, &must_address(1), false, 0);
        assert_eq!(book.due(0, || 0).len(), 1);
    }

    fn wanting() -> (Book, PeerId) {
        let most = Duration::from_secs(10);
        let mut book = Book::new(Pauses { first: Duration::from_millis(100), most });
        let peer = PeerId::from(Keypair::generate_ed25519().public());
        book.want(peer);
        (book, peer)
    }

    fn must_address(port: u16) -> Multiaddr {
        format!("/ip4/192.0.2.1/tcp/{port}").parse().expect("a valid multiaddress")
    }
}
