//! Parameters, scripts, transactions and identification, from outside; every spend is judged by
//! Bitcoin's own consensus code.
#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

mod conformance;
mod edges;
mod fixture;
mod identify;
mod params;
mod params_check;
mod properties;
mod providers;
mod requests;
mod scripts;
mod spends;
mod staking;
mod vectors;
mod witnesses;
