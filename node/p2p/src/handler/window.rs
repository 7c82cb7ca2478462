//! Which counters of one boot have been seen: a sliding window, so that messages which overtake
//! each other pass and none passes twice.

/// How far behind the highest counter a message may be. A sender keeps at most a few requests to
/// one receiver in flight, so 1,024 leaves room for anything that can overtake it.
pub const WIDTH: u64 = 1024;
const WORDS: usize = 16;

/// The counters seen, as a ring of bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    highest: Option<u64>,
    seen: [u64; WORDS],
}

impl Window {
    /// Nothing seen yet.
    pub const fn new() -> Self {
        Self { highest: None, seen: [0; WORDS] }
    }

    /// Marks `counter` as seen. `false` if it was seen before or is too old to tell.
    pub fn insert(&mut self, counter: u64) -> bool {
        match self.highest {
            None => self.highest = Some(counter),
            Some(highest) if counter > highest => self.advance(highest, counter),
            Some(highest) if highest - counter >= WIDTH || self.is_set(counter) => return false,
            Some(_) => {}
        }
        let (word, bit) = place(counter);
        self.seen[word] |= bit;
        true
    }

    fn advance(&mut self, from: u64, to: u64) {
        if to - from >= WIDTH {
            self.seen = [0; WORDS];
        } else {
            for counter in from + 1..=to {
                let (word, bit) = place(counter);
                self.seen[word] &= !bit;
            }
        }
        self.highest = Some(to);
    }

    const fn is_set(&self, counter: u64) -> bool {
        let (word, bit) = place(counter);
        self.seen[word] & bit != 0
    }
}

impl Default for Window {
    fn default() -> Self {
        Self::new()
    }
}

const fn place(counter: u64) -> (usize, u64) {
    let slot = counter % WIDTH;
    // Below WORDS, so it fits any usize.
    ((slot / 64) as usize, 1 << (slot % 64))
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use std::collections::BTreeSet;

    use super::{WIDTH, Window};

    #[test]
    fn window__should_let_messages_overtake_but_none_pass_twice() {
        let mut window = Window::new();
        let passed = [3, 1, 2, 3, 1, 2, 4, 4].map(|counter| window.insert(counter));
        assert_eq!(passed, [true, true, true, false, false, false, true, false]);
    }

    #[test]
    fn window__should_refuse_what_is_too_old_to_tell() {
        let mut window = Window::new();
        assert!(window.insert(WIDTH + 10));
        assert!(!window.insert(10));
        assert!(window.insert(11));
        assert!(!window.insert(11));
    }

    #[test]
    fn window__should_survive_the_largest_jump() {
        let mut window = Window::new();
        assert!(window.insert(0));
        assert!(window.insert(u64::MAX));
        assert!(!window.insert(0));
        assert!(!window.insert(u64::MAX));
        assert!(window.insert(u64::MAX - 1));
    }

    #[test]
    fn window__should_agree_with_a_plain_set_on_a_long_run() {
        // Given a fixed walk that jumps forward and back by less than the width.
        let (mut window, mut model) = (Window::new(), BTreeSet::new());
        let mut state = 1_u64;
        for step in 0..20_000_u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let counter = 2_000 + step - (state >> 33) % 1_500;
            // When and then: a counter passes exactly if it is new and within the window.
            let highest = model.last().copied().unwrap_or(counter);
            let fresh = counter + WIDTH > highest && !model.contains(&counter);
            assert_eq!(window.insert(counter), fresh, "step {step}, counter {counter}");
            model.insert(counter);
        }
    }
}
