//! A member of the staking covenant: checks unbondings against its own index of its own chain, and
//! signs what the parameters allow.
//!
//! The index runs beside this actor ([`crate::staking::StakingActor`], without events and requests)
//! and is read from the store, so a check is a look-up. An unbonding is taken from coordinators in
//! batches, or one at a time from `POST /v1/sign-unbonding-tx`; both go through the same rules
//! (`rules`) and the same signer, wherever the key is kept
//! ([`SignUnbonding`](crate::ports::SignUnbonding)).
//!
//! Always holds: only peers that the shared parameters list as coordinators are answered; a
//! signature leaves only after it is stored, and it verified; the same unbonding has the same
//! signature for ever; what one request in a batch does wrong is the others' business in no way.
//!
//! Whether a stake is above the cap, or spent already, does not matter: its staker may want it back,
//! and a signature for a spent output is worth nothing.

mod actor;
mod ingress;
mod jobs;
mod local;
mod metrics;
mod order;
mod rows;
mod rules;

pub use actor::{CovenantActor, Setup};
pub use ingress::{CovenantHandle, CovenantInput, HttpFault, HttpOrder};
pub use jobs::{Job, Jobs, Means, carry_out};
pub use local::LocalSigner;
pub use metrics::{Metrics, Reason};
pub use rules::{Rules, check};
