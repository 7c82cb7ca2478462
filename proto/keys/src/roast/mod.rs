//! A signing session of the coordinator: any t honest members finish it, whatever the others do.
//!
//! The idea is ROAST's: a member that still owes an answer is left out of further attempts, every
//! other member may be in the next one, so each failed attempt costs the dishonest side at least
//! one of its members. Three things are ours. A session signs a batch, and a further attempt only
//! what is still unsigned. Shares are checked when an attempt is complete, all at once, since an
//! attempt with a wrong share costs that member its place either way. And while an attempt may
//! still succeed, the next one waits for a grace period, so that the good case costs one attempt.
//!
//! Always holds: a signature that leaves the session verifies under the tweaked key; a nonce of a
//! member is in at most one attempt; at most n attempts are open at a time.

mod effect;
mod event;
mod machine;
mod reject;
mod state;
#[cfg(test)]
mod tests;

pub use effect::{Blame, RoastEffect};
pub use event::{RoastEvent, Verdict};
pub use reject::RoastReject;
pub use state::{Attempt, MemberState, Nonces, Outcome, Roast, Timing};
