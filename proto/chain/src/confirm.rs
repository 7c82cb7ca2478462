//! Confirmations, counted in one place: a transaction in the tip's own block has one.

/// Confirmations at `tip` of what is in the block at `height`; 0 if that block is above the tip.
pub const fn confirmations(tip: u32, height: u32) -> u32 {
    if height > tip { 0 } else { (tip - height).saturating_add(1) }
}

/// Whether what is in the block at `height` is at least `depth` deep.
pub const fn is_deep(tip: u32, height: u32, depth: u32) -> bool {
    confirmations(tip, height) >= depth
}

/// Confirmations that consensus asks of a coinbase output before it is spent.
pub const COINBASE: u32 = 100;

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    #[test]
    fn confirmations__should_count_the_own_block() {
        assert_eq!(confirmations(10, 10), 1);
        assert_eq!(confirmations(10, 5), 6);
        assert_eq!(confirmations(10, 11), 0);
        assert!(is_deep(10, 5, 6));
        assert!(!is_deep(10, 5, 7));
    }
}
