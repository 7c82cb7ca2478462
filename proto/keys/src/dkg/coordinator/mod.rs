//! The coordinator's side of one attempt at a key: collect from everyone, hand on to everyone.
//!
//! Always holds: each step goes on only with an answer from every member; the attempt ends with a
//! key that everyone certified, or with a reason. What a member says is taken only with that
//! member's signature, so a reason can name whom it proves.

mod effect;
mod event;
mod machine;
mod reject;
mod state;

pub use effect::CoordinatorEffect;
pub use event::CoordinatorEvent;
pub use reject::CoordinatorReject;
pub use state::{Agreed, CoordinatorDkg, Phase};
