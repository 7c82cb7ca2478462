//! Whole staking networks of real processes: the seven scenarios on both stacks, and what must hold
//! when processes die, the chain turns, the broker is away and fees rise.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

mod broker;
mod chain;
mod demo;
mod export;
mod fees;
mod http;
mod kills;
mod metrics;
#[path = "../shared/metrics_document.rs"]
mod metrics_document;
mod starts;
mod support;
mod wallet;
