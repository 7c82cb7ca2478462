//! HTTP: a public listener that only reads, and an admin listener for everything that changes
//! something.
//!
//! Always holds: the admin listener answers nobody without the token; both bound the size, number
//! and rate of requests; every error is [`error::ErrorBody`], or [`staking::dto::FaultDto`] at the
//! paths that clients of the staking network know.

pub mod admin;
pub mod covenant;
pub mod dto;
pub mod error;
mod events;
mod guard;
mod limits;
pub mod openapi;
pub mod places;
pub mod public;
pub mod server;
mod shape;
pub mod staking;
mod state;
pub mod token;

pub use error::ApiError;
pub use state::{ApiState, NodeFacts, PeerList};

#[cfg(test)]
mod tests;
