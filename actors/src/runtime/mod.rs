//! What actors run on: the loop that feeds one, the pool for heavy work, and the carrying out of
//! what a coordinator asks for.

pub mod ask;
pub mod coordinate;
mod desk;
pub mod fault;
pub mod mailbox;
pub mod pool;
pub mod run;

pub use ask::{NoAnswer, Pulse};
pub use fault::Fault;
pub use mailbox::{Letter, Mailbox};
pub use pool::Pool;
pub use run::{Actor, ActorStatus, Away, run};
