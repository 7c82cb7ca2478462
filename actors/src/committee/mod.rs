//! A committee member: takes part in key generations, and signs what its own rules allow.
//!
//! One request after another: an answer depends on what was stored before it, never on what is
//! half done.
//!
//! Always holds: only peers that the shared parameters list as coordinators are answered; a
//! signature share leaves only after the decision, the burn mark and the share itself are stored;
//! a refusal stores nothing and uses no nonce; the same request gives the same bytes again.

mod actor;
pub(crate) mod away;
mod budget;
mod dkg;
mod ingress;
mod keys;
pub mod metrics;
mod purpose;
mod rows;
mod sign;

pub use actor::{CommitteeActor, Setup};
pub use ingress::CommitteeInput;
pub use metrics::Metrics;
pub use purpose::{Policy, RecipientRule};
pub use rows::{Burn, KeyRow};
