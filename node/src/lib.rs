//! The Trestle node: config, command line, HTTP and the wiring of everything below it.
//!
//! Always holds: no protocol decision is made here; secrets are read from files, descriptors or a
//! prompt and shown nowhere; what the outside can make this crate hold is bounded.

pub mod api;
pub mod cli;
pub use trestle_config as config;
pub mod events;
pub mod keystore;
pub mod metrics;
pub mod process;
pub mod readiness;
pub mod run;
pub mod telemetry;
