//! Whole networks of real processes on a real bitcoind: the paths that money takes, and what must
//! hold when processes die, the chain turns and disks fill up.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

mod cancel;
mod chain;
mod demo;
mod kills;
mod loss;
mod metrics;
#[path = "../shared/metrics_document.rs"]
mod metrics_document;
mod money;
mod peers;
mod policy;
mod presence;
mod relay;
mod store;
mod support;
mod texts;
mod wallet;
