//! Places for connections: so many to a listener, and so many of those from one address, so that
//! one client cannot keep all others out.
//!
//! Connections from this machine count for the listener only: a reverse proxy is there, and brings
//! everybody's. Always holds: a place is given back when its connection is gone.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::staking::rate::network;

/// Connections to one listener at a time; others wait for one of them to end.
pub(super) const MOST: usize = 512;
/// Connections from one address where the config says nothing: far more than a browser or a pool
/// of a client keeps open, and an eighth of all.
pub const MOST_FROM_ONE: usize = 64;

/// How many places each address has, of those that have any.
type Taken = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// The places of a listener.
pub(super) struct Places {
    all: Arc<Semaphore>,
    from_one: usize,
    /// At most as long as there are places.
    taken: Taken,
}

/// A place, given back when it is dropped.
pub(super) struct Place {
    /// By the address it counts for, if it counts for one.
    of: Option<(IpAddr, Taken)>,
    _place: OwnedSemaphorePermit,
}

impl Places {
    pub(super) fn new(from_one: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(MOST)), from_one, taken: Arc::default() }
    }

    /// Room for a connection, whosever it will be; waits until there is some.
    pub(super) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        Arc::clone(&self.all).acquire_owned().await.ok()
    }

    /// That room for a connection from an address; `None`: it has its share.
    pub(super) fn take(&self, room: OwnedSemaphorePermit, address: IpAddr) -> Option<Place> {
        if address.to_canonical().is_loopback() {
            return Some(Place { of: None, _place: room });
        }
        let whose = network(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(whose).or_default();
        if *count >= self.from_one {
            return None;
        }
        *count += 1;
        Some(Place { of: Some((whose, Arc::clone(&self.taken))), _place: room })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((whose, taken)) = &self.of else { return };
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(whose) {
            *count -= 1;
            if *count == 0 {
                taken.remove(whose);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    async fn must_take(places: &Places, address: &str) -> Option<Place> {
        let room = places.room().await.expect("never closed");
        places.take(room, address.parse().expect("an address"))
    }

    #[tokio::test]
    async fn address__should_have_its_share_and_no_more() {
        // given
        let places = Places::new(2);
        let one = must_take(&places, "192.0.2.1").await;
        let two = must_take(&places, "::ffff:192.0.2.1").await;
        assert!(one.is_some() && two.is_some());
        // when, then
        assert!(must_take(&places, "192.0.2.1").await.is_none());
        assert!(must_take(&places, "192.0.2.2").await.is_some(), "another's share");
        drop(one);
        assert!(must_take(&places, "192.0.2.1").await.is_some(), "a place was given back");
        drop(two);
        assert!(places.taken.lock().expect("whole").is_empty(), "nobody is remembered");
        assert_eq!(places.all.available_permits(), MOST);
    }

    #[tokio::test]
    async fn machine_itself__should_have_all_places_for_its_proxy() {
        let places = Places::new(1);
        let mut held = Vec::new();

        for _ in 0..MOST / 2 {
            held.extend(must_take(&places, "127.0.0.1").await);
            held.extend(must_take(&places, "::1").await);
        }

        assert_eq!((held.len(), places.all.available_permits()), (MOST, 0));
    }
}
