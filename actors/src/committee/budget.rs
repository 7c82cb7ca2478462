//! How much one coordinator may ask of a member. A coordinator is trusted more than a stranger and
//! less than the member itself: one that runs wild must not keep the member from serving others.

/// Messages that may be asked for at once: the largest batch a few times over, nonces included.
const BURST: u64 = 10_000;
/// Messages a second after that. One core makes about 1,000 shares a second for 11 signers.
const PER_SECOND: u64 = 1_000;

/// A token bucket, in messages to be signed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    left: u64,
    as_of_ms: u64,
}

impl Budget {
    pub(crate) fn new(now_ms: u64) -> Self {
        Self { left: BURST, as_of_ms: now_ms }
    }

    /// Takes room for `count` messages, if there is any.
    pub(crate) fn take(&mut self, count: usize, now_ms: u64) -> bool {
        let since = now_ms.saturating_sub(self.as_of_ms);
        let earned = since.saturating_mul(PER_SECOND) / 1_000;
        if earned > 0 {
            self.left = self.left.saturating_add(earned).min(BURST);
            self.as_of_ms = now_ms;
        }
        match self.left.checked_sub(count as u64) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    #[test]
    fn budget__should_refuse_past_the_burst_and_recover_with_time() {
        let mut budget = Budget::new(0);
        assert!(budget.take(10_000, 0));
        assert!(!budget.take(1, 0));
        assert!(budget.take(1_000, 1_000));
        assert!(!budget.take(1, 1_000));
    }
}
