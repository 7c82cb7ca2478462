//! A member's side of one attempt at a key.
//!
//! Always holds: a share is made only after n equal echoes over exactly the packages this member
//! saw; nothing follows from an attempt that ended. Secrets stay in the key vault: the machine
//! says what the vault is to do and hears what came of it.

mod effect;
mod event;
mod machine;
mod reject;
mod state;

pub use effect::MemberEffect;
pub use event::MemberEvent;
pub use reject::MemberReject;
pub use state::{MemberDkg, Phase};
