//! Stakes on a real chain: every script path of every output is spent, and refused when it should
//! be; an offline wallet signs for the committee.
#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

mod chain;
mod committee;
mod fixture;
mod paths;
mod refusals;
mod wallet;
