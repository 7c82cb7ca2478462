//! Requests to unbond, from `POST /v1/unbonding` until their transactions are deep in the chain.
//!
//! A part of the staking coordinator: [`Pipeline`] is fed by its actor, and gives jobs that are
//! carried out beside it ([`carry_out`]). Each request is a machine
//! ([`trestle_staking::pipeline::Request`]); this is its shell: rows, messages, broadcasts.
//!
//! - A request is checked off the actor ([`check`]), then stored together with the fact that its
//!   delegation has been asked to unbond.
//! - Members are asked in batches, each from a queue of its own; signatures are verified on the
//!   pool and stored before they count.
//! - What the index says of a delegation goes into the same batch as the index's own rows, so that a
//!   restart finds both or neither.
//!
//! Always holds: nothing is asked, assembled or sent before what allows it is stored; everything may
//! be done once too often; at most [`MAX_OPEN`] requests are in memory, and closed ones never are.

mod accept;
mod engine;
mod error;
mod form;
mod handle;
mod jobs;
mod members;
mod metrics;
mod moves;
mod rows;

pub use accept::check;
pub use engine::{MAX_OPEN, Pipeline, PipelineInput, Setup};
pub use error::RequestError;
pub use form::UnbondingForm;
pub use handle::UnbondingHandle;
pub use jobs::{Job, Means, carry_out};
pub use metrics::Metrics;
pub use moves::Joined;
pub use rows::{dropped, open_requests, request};
