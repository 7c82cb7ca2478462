//! One payment at its coordinator, from the accepted request to a settled transaction.
//!
//! ```text
//! Waiting ──Planned──▶ Signing ──VersionSigned──▶ Broadcast ──VersionConfirmed──▶ Confirmed ──▶ Settled
//!                         │                        ▲     │                           │
//!                         │                        └─────┼─────BlockDisconnected─────┘
//!                         └────────anchor spent by something else, deep────▶ Failed
//! ```
//!
//! As long as no version is signed a payment can be given up, or be found to have been begun before
//! this coordinator knew of it: it is `Ended` then.
//!
//! Always holds:
//!
//! - the anchor and the recipients are in the state before the first [`Effect::Sign`] exists; every
//!   version spends the anchor, so at most one of them can ever confirm;
//! - the recipients never change, and the anchor not any more once a version is signed. Before that
//!   another one can take its place ([`Event::Rebound`]): the coordinator alone combines shares, so
//!   what it has stopped combining never becomes a signature;
//! - a version that was shown to members with the present anchor is never forgotten, signed here or
//!   not, and may confirm at any time;
//! - a payment fails only when something else has spent its anchor `settle_depth` blocks deep;
//! - settled, failed and ended are final: every later event is refused.
//!
//! The coordinator carries the effects out after storing the state. After a restart it asks
//! [`Payment::owed`] what this payment still waits for; each effect may be carried out again.

mod chain;
mod effect;
mod ending;
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
pub use state::{Bound, Ending, Payment, Spender, State, Terms, Version, Work};
