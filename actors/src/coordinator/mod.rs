//! The coordinator: runs key generations, signing sessions and payments of the committees that the
//! shared parameters let it coordinate.
//!
//! It computes and waits for nothing itself: what takes time leaves as a [`Job`] and comes back as
//! a [`CoordinatorInput`]. Sessions live in memory and start again after a restart; payments, keys
//! and coins are stored before anything follows from them.
//!
//! Always holds: a payment's state is stored before members are asked to sign what is in it; a key
//! is stored, with what is owed to every member, before anyone hears that it is usable; whatever a
//! member sends can at most cost that member its place in a session, and end a session that cannot do
//! without members that are away.

mod actor;
mod bindings;
mod cancel;
mod chain;
mod dkg;
mod finals;
pub mod ingress;
mod input;
mod lacking;
mod learn;
mod members;
pub mod metrics;
mod payments;
mod plan;
mod release;
mod reports;
mod rows;
mod seat;
mod sessions;
pub mod view;

pub use actor::{CoordinatorActor, Setup};
pub use input::{CheckWork, CoordinatorInput, DeliveryKey, Event, Job, Settings};
pub use metrics::Metrics;
