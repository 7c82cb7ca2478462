//! The form of every message: pinned bytes, refusals, limits and properties.

mod fixtures;
mod limits;
mod properties;
mod refusals;
mod samples;
