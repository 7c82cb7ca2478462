//! The command line, as a person uses it: the real binary, real files, exit codes and messages.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

mod import;
mod json;
mod keys;
mod run;
mod staking;
mod store;
mod support;
#[path = "../../../proto/staking/tests/staking/vectors.rs"]
mod vectors;
