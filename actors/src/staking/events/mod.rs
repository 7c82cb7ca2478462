//! The stream of what happened: one row an event, numbered from 1 without a gap.
//!
//! A row holds facts; the messages for the broker and what the API shows are made from it when they
//! are read. Always holds: an event is stored in the commit that made it true, so it is there
//! exactly once.

mod row;
mod stream;

pub(super) use row::height;
pub use row::{EventRow, EventView, What};
pub use stream::EventStream;
