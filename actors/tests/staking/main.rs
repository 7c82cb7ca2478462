//! Unbonding from the request to the chain: the coordinator's pipeline and covenant members, each
//! with an index of its own, over a chain, a network and stores in memory.
//!
//! Always holds: a test owns time, delivery and crashes; the code under test is production's.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

mod actor;
mod byzantine;
mod crashes;
mod pipeline;
mod requests;
mod seeds;
mod signer;
mod world;
