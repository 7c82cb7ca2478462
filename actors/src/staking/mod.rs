//! Staking: what the chain says about every delegation, stored, for the coordinator, its API and
//! the covenant member.
//!
//! [`Index`] takes the steps of a block feed and is the only writer of delegations; [`query`] reads
//! what it stored. A coordinator runs it inside its [`StakingActor`], a member inside its own actor.
//! One store holds one index.
//!
//! Always holds: what a block does is committed together with the place in the chain, once; what a
//! block costs depends on what it touches and not on how much is stored.

pub mod actor;
pub mod addresses;
pub mod events;
pub mod export;
pub mod feed;
pub mod index;
pub mod ingress;
pub mod metrics;
pub mod pipeline;
pub mod query;
pub mod rows;
mod tables;
#[cfg(test)]
mod tests;

pub use actor::{StakingActor, StakingJob};
pub use index::{Events, Index, LoadError, Planned, Prepared, RequestFact, Settings, Taken};
pub use ingress::{StakingHandle, StakingInput};
pub use metrics::Metrics;
