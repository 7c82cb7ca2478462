//! One request to unbond, from its acceptance until its transaction is deep in the chain.
//!
//! ```text
//! collecting ──quorum──▶ assembling ──▶ broadcasting ──▶ in the mempool or stuck ──▶ confirmed
//!     ▲   stake moved by a reorganisation        │
//!     └──────────── checked again ◀──────────────┴──▶ waiting, expired, spent otherwise, dropped
//! ```
//!
//! A [`Request`] is kept as what is known: who signed, the finished transaction, what became of it
//! at the last broadcast, and how its stake stands in the chain. What is to be done follows from
//! that ([`Request::work`]), so events may come in any order and any number of times, and a restart
//! goes on where the stored row is. When to ask or send again is in [`Asking`] and [`Resend`],
//! which are not stored: everything there may be done once too often.
//!
//! An unbonding's fee is fixed by the parameters and everybody signed it, so nobody can raise it.
//! Below the mempool's minimum a request is *stuck*: both rates are shown, and it is sent again
//! until it goes through.
//!
//! Always holds: at most a quorum of signatures is held, each of a member and verified; requests
//! know nothing of each other; nothing is given up but by the chain or by a check against the
//! parameters.

mod asking;
mod event;
mod machine;
mod order;
mod reject;
mod request;
mod resend;
mod sending;
mod standing;
#[cfg(test)]
mod tests;

pub use asking::{Answered, Asking, Batch};
pub use event::{Effect, Event};
pub use order::{MemberKey, Order};
pub use reject::Reject;
pub use request::{Complaint, Phase, Request, Work};
pub use resend::Resend;
pub use sending::{Outlook, Rates, Sending};
pub use standing::Standing;
