//! Swarms in one process on loopback, each as a node runs it.

mod common;
mod discovery;
mod exchange;
mod hostile;
mod parameters;
mod raw;
mod relay;
