//! How many requests a second one address may make.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Addresses that are remembered: a few megabytes. With so many in one second, new ones have to
/// wait: better than a map without end.
const MOST: usize = 50_000;
/// A bucket is full again after this long, and then need not be remembered.
const FULL_AFTER: Duration = Duration::from_secs(1);

/// One allowance for each address.
pub(super) struct Rate {
    per_second: f64,
    most: usize,
    buckets: Mutex<Buckets>,
}

struct Buckets {
    by: HashMap<IpAddr, Bucket>,
    cleaned: Instant,
}

struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Rate {
    /// So many requests a second, and as many saved up.
    pub(super) fn new(per_second: u32) -> Self {
        Self::with_room(per_second, MOST)
    }

    fn with_room(per_second: u32, most: usize) -> Self {
        let buckets = Buckets { by: HashMap::new(), cleaned: Instant::now() };
        Self { per_second: per_second.into(), most, buckets: Mutex::new(buckets) }
    }

    /// Whether this address may make a request now; if so, it has made it.
    pub(super) fn admits(&self, address: IpAddr, now: Instant) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let whose = network(address);
        if !buckets.by.contains_key(&whose) && !buckets.make_room(self.most, now) {
            return false;
        }
        let full = self.per_second;
        let bucket = buckets.by.entry(whose).or_insert(Bucket { tokens: full, at: now });
        let gained = now.saturating_duration_since(bucket.at).as_secs_f64() * full;
        bucket.tokens = (bucket.tokens + gained).min(full);
        bucket.at = now;
        let there = bucket.tokens >= 1.0;
        if there {
            bucket.tokens -= 1.0;
        }
        there
    }
}

impl Buckets {
    /// Looks through the map at most once in the time in which all could have become full.
    fn make_room(&mut self, most: usize, now: Instant) -> bool {
        if self.by.len() >= most && now.saturating_duration_since(self.cleaned) >= FULL_AFTER {
            self.by.retain(|_, bucket| now.saturating_duration_since(bucket.at) < FULL_AFTER);
            self.cleaned = now;
        }
        self.by.len() < most
    }
}

/// Who counts as one: an IPv4 address, or the 64 bits of an IPv6 address that one customer has.
pub(in crate::api) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        v4 @ IpAddr::V4(_) => v4,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    fn v4(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn rate__should_bound_each_address_by_itself() {
        let rate = Rate::new(3);
        let now = Instant::now();

        let first: Vec<bool> = (0..5).map(|_| rate.admits(v4(1), now)).collect();

        assert_eq!(first, [true, true, true, false, false]);
        assert!(rate.admits(v4(2), now));
        let later = now + Duration::from_millis(400);
        assert!(rate.admits(v4(1), later));
        assert!(!rate.admits(v4(1), later));
    }

    #[test]
    fn rate__should_count_one_customer_as_one() {
        let rate = Rate::new(1);
        let now = Instant::now();

        for (address, admitted) in [
            ("2001:db8:0:1::1", true),
            ("2001:db8:0:1::2", false),
            ("2001:db8:0:2::1", true),
            ("192.0.2.1", true),
            ("::ffff:192.0.2.1", false),
        ] {
            let parsed = address.parse().expect("an address");
            assert_eq!(rate.admits(parsed, now), admitted, "{address}");
        }
    }

    #[test]
    fn rate__should_not_remember_without_end() {
        let rate = Rate::with_room(1, 2);
        let now = Instant::now();
        assert!(rate.admits(v4(1), now));
        assert!(rate.admits(v4(2), now));
        assert!(!rate.admits(v4(3), now), "no room for a third within the second");

        let later = now + FULL_AFTER;
        assert!(rate.admits(v4(3), later));
        assert!(rate.admits(v4(4), later));
        assert!(!rate.admits(v4(5), later));
    }
}
