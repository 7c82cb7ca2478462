//! When a timelocked output can be spent, to the block, and which outputs are due at a tip.
//!
//! Stakes and unbondings end in a relative timelock of `t` blocks, enforced by
//! `OP_CHECKSEQUENCEVERIFY` (BIP 112) on the input's sequence. BIP 68 ("Specification") lets such
//! an input into a block only above height `h + t - 1`, where `h` is the height of the block with
//! the output. From this follow three heights that are easily mixed up:
//!
//! | figure | value | what it says |
//! |---|---|---|
//! | [`Timelock::spendable_at`] | `h + t - 1` | the tip from which nodes take a spend into their mempool |
//! | [`Timelock::first_block`] | `h + t` | the first block that may hold a spend |
//! | [`Timelock::expires_at`] | `h + t` | the tip at which the reference services call it expired |
//!
//! The reference services are thus one block late. Here a delegation is unbonded from
//! `spendable_at` on; `expires_at` is given beside it for who compares.
//!
//! Always holds: what is due depends on the tip's height alone, never on a clock or on what was
//! asked before, so that asking again gives the same answer and a reorganisation takes it back.

mod schedule;
#[cfg(test)]
mod tests;
mod timelock;

pub use schedule::{Due, Schedule};
pub use timelock::{Output, Timelock};
