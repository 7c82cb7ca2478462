//! Events on a real RabbitMQ, and the rules of their publisher.
#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

mod broker;
mod common;
mod drain;
mod rules;
