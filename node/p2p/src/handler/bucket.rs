//! A token bucket. Time is an argument, so that a test can own it.

/// Holds up to `burst` tokens and gains `per_second` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    per_second: u64,
    /// Thousandths of a token, so that a millisecond's gain is a whole number.
    burst_milli: u64,
    level_milli: u64,
    at_ms: u64,
}

impl Bucket {
    /// A full bucket.
    pub const fn new(per_second: u64, burst: u64, now_ms: u64) -> Self {
        let burst_milli = burst.saturating_mul(1000);
        Self { per_second, burst_milli, level_milli: burst_milli, at_ms: now_ms }
    }

    /// Whether `tokens` are there now.
    pub const fn has(&mut self, tokens: u64, now_ms: u64) -> bool {
        self.refill(now_ms);
        self.level_milli >= tokens.saturating_mul(1000)
    }

    /// Takes `tokens`, or none if there are too few.
    pub const fn take(&mut self, tokens: u64, now_ms: u64) -> bool {
        let enough = self.has(tokens, now_ms);
        if enough {
            self.level_milli -= tokens.saturating_mul(1000);
        }
        enough
    }

    const fn refill(&mut self, now_ms: u64) {
        // A clock that stands still or steps back gives nothing.
        let gained = now_ms.saturating_sub(self.at_ms).saturating_mul(self.per_second);
        let level = self.level_milli.saturating_add(gained);
        self.level_milli = if level > self.burst_milli { self.burst_milli } else { level };
        if now_ms > self.at_ms {
            self.at_ms = now_ms;
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::Bucket;

    #[test]
    fn bucket__should_give_its_burst_and_then_its_rate() {
        // Given ten tokens a second, at most five saved up.
        let mut bucket = Bucket::new(10, 5, 0);

        // When a flood comes at once, then another 250 ms later.
        let first = (0..100).filter(|_| bucket.take(1, 0)).count();
        let second = (0..100).filter(|_| bucket.take(1, 250)).count();

        // Then the burst passes, and after it what the rate allows.
        assert_eq!((first, second), (5, 2));
    }

    #[test]
    fn bucket__should_never_hold_more_than_its_burst() {
        let mut bucket = Bucket::new(1_000, 3, 0);
        assert!(!bucket.take(4, u64::MAX));
        assert!(bucket.take(3, u64::MAX));
    }

    #[test]
    fn bucket__should_gain_nothing_when_the_clock_steps_back() {
        let mut bucket = Bucket::new(1, 1, 10_000);
        assert!(bucket.take(1, 10_000));
        assert!(!bucket.take(1, 0));
        assert!(!bucket.take(1, 10_500));
        assert!(bucket.take(1, 11_000));
    }
}
