//! The one place that computes values locked, counters and overflow.
//!
//! What a delegation adds to every figure follows from its [`Share`] and its [`Position`]
//! ([`Change::of`]). When it moves, the figures change by the difference ([`Change::between`]);
//! a reorganisation moves it back. So a step costs the same however many delegations there are, and
//! what is stored is one row of [`Totals`] and a row of [`Counters`] for each staker and each
//! finality provider.
//!
//! Compatible figures and honest ones stand beside each other:
//!
//! | figure | counts | falls by |
//! |---|---|---|
//! | `active_*` (compatible) | confirmed stakes under the cap | a confirmed unbonding, and nothing else |
//! | `total_*` (compatible) | every confirmed stake under the cap, ever | – |
//! | unconfirmed TVL (compatible) | `active_tvl` and every valid stake of the unconfirmed blocks, the cap ignored | an unbonding in any block |
//! | `chain_tvl` | stakes of all blocks under the cap | an unbonding in any block; this is what overflow is decided by |
//! | `locked_*` (honest) | confirmed stakes under the cap | an unbonding, an expiry, any spend |
//! | `tip_locked_tvl` (honest) | stakes of all blocks under the cap | an unbonding, an expiry, any spend, in any block |
//! | `overflow_*` (honest) | confirmed stakes above the cap | an unbonding, an expiry, any spend |
//!
//! That expiry does not reduce the compatible figures is a choice of the reference services that
//! others rely on, the cap among them: it must stay as it is, or overflow would be decided
//! differently.
//!
//! Always holds: a value that is counted never goes below zero; where it would, the caller's rows
//! contradict each other and the step is refused. The figures are a function of the delegations'
//! positions alone, not of the way there.

mod change;
mod counters;
mod overflow;
mod position;
#[cfg(test)]
mod tests;
mod totals;

pub use change::{Change, TipFigures};
pub use counters::{Counters, TallyError};
pub use overflow::{Decided, FlagChange, Move, OverflowRun};
pub use position::{Depth, Position, Share};
pub use totals::{CompatStats, Totals};
