//! Committees in simulation: seeds and planted bugs under `sim`, named attacks under `byzantine`.
//!
//! `SEED=n` runs one seed, `SEEDS=n` that many, `TRESTLE_LONG=1` a thousand.

#[path = "../byzantine/mod.rs"]
mod byzantine;
mod crashes;
mod first;
mod forgetful;
mod full_disk;
mod given_up;
mod lying;
mod planted;
mod scenario;
mod seeds;
mod upkeep;
mod world;
