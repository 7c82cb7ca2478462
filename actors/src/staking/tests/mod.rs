//! The index on a store in memory, with blocks that are made for it.

#![expect(non_snake_case, reason = "test names read subject__should_do_x")]

mod behind;
mod cost;
mod crashes;
mod edges;
mod history;
mod lives;
mod queries;
mod random;
mod reorgs;
mod requests;
mod running;
mod vectors;
mod world;
