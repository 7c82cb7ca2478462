//! One payment at its coordinator, from the accepted request to a settled transaction.
//!
//! ```text
//! Waiting ──Planned──▶ Signing ──VersionSigned──▶ Broadcast ──VersionConfirmed──▶ Confirmed ──▶ Settled
//!                         │                        ▲     │                           │
//!                         │                        └─────┼─────BlockDisconnected─────┘
//!                         └────────anchor spent by something else, deep────▶ Failed
//! ```
//!
//! Always holds:
//!
//! - the anchor and the recipients are in the state before the first [`Effect::Sign`] exists, and
//!   never change; every version spends the anchor, so at most one of them can ever confirm;
//! - a version that was shown to members is never forgotten, signed here or not, and may confirm at
//!   any time;
//! - a payment fails only when something else has spent its anchor `settle_depth` blocks deep;
//! - settled and failed are final: every later event is refused.
//!
//! The coordinator carries the effects out after storing the state. After a restart it asks
//! [`Payment::owed`] what this payment still waits for; each effect may be carried out again.

mod chain;
mod effect;
mod event;
mod machine;
mod reject;
mod state;
#[cfg(test)]
mod tests;
mod versions;

pub use effect::{Effect, Notice};
pub use event::Event;
pub use reject::Reject;
pub use state::{Bound, Payment, Spender, State, Terms, Version, Work};
