//! Committees in simulation: seeds and planted bugs under `sim`, named attacks under `byzantine`.
//!
//! `SEED=n` runs one seed, `SEEDS=n` that many, `TRESTLE_LONG=1` a thousand.

mod first;
mod scenario;
mod seeds;
mod world;
