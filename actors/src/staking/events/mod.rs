//! The stream of what happened: events, numbered from 1 without a gap, those of one run together in
//! rows.
//!
//! A row holds facts; the messages for the broker and what the API shows are made from it when they
//! are read. Always holds: an event is stored in the commit that made it true, so it is there
//! exactly once.

mod row;
mod stream;

pub(in crate::staking) use row::Gathered;
pub(super) use row::height;
pub use row::{EVENTS_A_ROW, EventRow, EventView, What};
pub use stream::EventStream;
