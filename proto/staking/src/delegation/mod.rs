//! One delegation, from its confirmed stake to the last satoshi's withdrawal.
//!
//! ```text
//!                 ┌──────────────unbonding confirmed──────────────┐
//! unconfirmed ──▶ active ──requested──▶ unbonding_requested ──▶ unbonding ──matured──▶ unbonded
//!                 │ └──expired──▶ unbonded ◀──expired──┘           │  ▲                   │
//!                 │                  │ └────late unbonding─────────│──┘                   │
//!                 │                  └──────▶ withdrawn ◀──────────│──────────────────────┘
//!                 └────────▶ slashed, spent_otherwise ◀────────────┘
//! ```
//!
//! A delegation is kept as the facts that the chain has shown, each with its height, and what
//! state it is in follows from them ([`Delegation::state`]). From this comes what the transitions
//! of the reference services have to be retried for:
//!
//! - the facts of one branch of the chain may come in any order and any number of times; a fact
//!   whose base is not known yet is held until it comes, and the end is the same;
//! - nothing is stuck: a stake whose requested unbonding never confirms is unbonded when its
//!   timelock ends, and so is one that nobody touched. Its unbonding may still confirm afterwards,
//!   for it spends the same output, and then counts;
//! - a reorganisation takes back the facts of the lost blocks and nothing else, which gives back
//!   exactly the state before them, at any depth. Facts of the lost branch must not come after
//!   its disconnection: a fact does not say in which of two branches it stands.
//!
//! A request to unbond comes from a staker and not from a block, so it outlives a reorganisation:
//! when the stake is in the chain again it has to be checked again.
//!
//! Always holds: every fact is held at most once (six of them, so a row's size is bounded); a fact
//! never contradicts the one that it rests on; two spends of one output are never held together.
//! Overflow is data here and takes no part in any transition.
//!
//! The store finds whom a lost block concerns by [`Delegation::latest_height`], and applies
//! [`Event::BlockDisconnected`] to those.
//!
//! What outsiders are told follows from two delegations, told and now: see [`announce`].

mod announce;
mod effect;
mod event;
mod fact;
mod machine;
mod reject;
mod request;
mod spend;
mod stake;
mod state;
#[cfg(test)]
mod tests;
mod time;
mod undo;

pub use announce::{Fact, Notice, announce};
pub use effect::Effect;
pub use event::Event;
pub use fact::{ConfirmedStake, Exit, Leaving, ProviderKey, Spender, StakerKey, Unbonding};
pub use reject::Reject;
pub use state::{Delegation, State, StateName, UnknownState};

pub use crate::expiry::{Output, Timelock};
