//! Doubling pauses with jitter. Randomness is an argument.

use std::time::Duration;

/// When to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    attempt: u32,
    due_ms: u64,
}

/// The bounds of a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pauses {
    pub(crate) first: Duration,
    pub(crate) most: Duration,
}

impl Backoff {
    /// Due at once.
    pub(crate) const fn new() -> Self {
        Self { attempt: 0, due_ms: 0 }
    }

    pub(crate) const fn is_due(&self, now_ms: u64) -> bool {
        self.due_ms <= now_ms
    }

    /// Failures since the last success.
    pub(crate) const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Starts over: due at once.
    pub(crate) const fn reset(&mut self) {
        *self = Self::new();
    }

    /// Puts the next try off: by `first` doubled for every failure, at most `most`, and up to half
    /// of that more by `random`, so that nodes that lost the same peer do not come back together.
    pub(crate) fn put_off(&mut self, pauses: Pauses, now_ms: u64, random: u32) {
        let first = millis(pauses.first);
        let factor = 1_u64.checked_shl(self.attempt.min(32)).unwrap_or(u64::MAX);
        let pause = first.saturating_mul(factor).min(millis(pauses.most));
        let jitter = (pause / 2).saturating_mul(u64::from(random)) / u64::from(u32::MAX);
        self.attempt = self.attempt.saturating_add(1);
        self.due_ms = now_ms.saturating_add(pause).saturating_add(jitter);
    }

    /// Brings the next try forward to `soon_ms` from now, where there is news.
    pub(crate) fn hurry(&mut self, now_ms: u64, soon_ms: u64) {
        self.due_ms = self.due_ms.min(now_ms.saturating_add(soon_ms));
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use std::time::Duration;

    use super::{Backoff, Pauses};

    const PAUSES: Pauses =
        Pauses { first: Duration::from_millis(100), most: Duration::from_millis(1_000) };

    #[test]
    fn backoff__should_double_up_to_its_most_and_start_over() {
        let mut backoff = Backoff::new();
        let mut due = Vec::new();
        for _ in 0..6 {
            backoff.put_off(PAUSES, 0, 0);
            due.push(backoff.due_ms);
        }
        assert_eq!(due, [100, 200, 400, 800, 1_000, 1_000]);
        backoff.reset();
        assert!(backoff.is_due(0));
    }

    #[test]
    fn backoff__should_add_at_most_half_by_chance_and_never_overflow() {
        let mut backoff = Backoff::new();
        backoff.put_off(PAUSES, 0, u32::MAX);
        assert_eq!(backoff.due_ms, 150);
        let pauses = Pauses { first: Duration::MAX, most: Duration::MAX };
        for _ in 0..100 {
            backoff.put_off(pauses, u64::MAX, u32::MAX);
        }
        assert_eq!(backoff.due_ms, u64::MAX);
    }

    #[test]
    fn backoff__should_only_ever_bring_forward() {
        let mut backoff = Backoff::new();
        backoff.put_off(PAUSES, 0, 0);
        backoff.hurry(0, 500);
        assert!(backoff.is_due(100));
        backoff.put_off(PAUSES, 100, 0);
        backoff.hurry(100, 10);
        assert!(backoff.is_due(110) && !backoff.is_due(109));
    }
}
