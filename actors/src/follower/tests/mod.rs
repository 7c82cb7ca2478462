#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

mod chain;
mod consumer;
mod crashes;
mod faults;
mod reorgs;
mod steps;
