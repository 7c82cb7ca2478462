//! What outsiders are told of a delegation.
//!
//! A notice follows from the difference between two delegations: the one that outsiders have been
//! told of, and the one that is true now. While the chain only grows the two are a step apart.
//! During a reorganisation the store keeps the told one until the new branch is as long as the old
//! one was; then whatever is back with the same content cancels out, and only what is gone or
//! different is reverted.
//!
//! Always holds: what is told, taken together, is exactly what is true: every fact that is told and
//! not reverted is held, and no fact is told twice without being reverted in between.

use bincode::{Decode, Encode};

use super::{ConfirmedStake, Delegation, Exit, Unbonding, fact::StakeSpend};
use crate::expiry::Output;

/// Something that is true of a delegation, as outsiders see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Fact {
    /// The stake is confirmed.
    Staked(ConfirmedStake),
    /// The staking output, or the unbonding output, can be withdrawn.
    Expired {
        /// Which.
        output: Output,
        /// The tip from which it can.
        at: u32,
    },
    /// The unbonding is confirmed.
    Unbonded(Unbonding),
    /// An output is withdrawn, slashed or spent otherwise.
    Left {
        /// Which.
        from: Output,
        /// How and by what.
        exit: Exit,
    },
}

/// What outsiders are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Notice {
    /// True from now on.
    Happened(Fact),
    /// Told before, and not true any more.
    Reverted(Fact),
}

/// What has to be told so that outsiders who know `told` know `now`: first what is taken back, the
/// latest first, then what is new, in the order of the chain.
pub fn announce(told: &Delegation, now: &Delegation) -> Vec<Notice> {
    let (old, new) = (facts(told), facts(now));
    let gone = old.iter().rev().filter(|fact| !new.contains(fact)).copied();
    let fresh = new.iter().filter(|fact| !old.contains(fact)).copied();
    gone.map(Notice::Reverted).chain(fresh.map(Notice::Happened)).collect()
}

/// Five at most. Early facts are not told.
fn facts(delegation: &Delegation) -> Vec<Fact> {
    let held = &delegation.facts;
    let Some(stake) = held.stake else { return Vec::new() };
    let mut facts = vec![Fact::Staked(stake)];
    // A timelock that ended on an output that had been spent concerns nobody.
    let spent = held.spend.map(|spend| spend.spender().height);
    let expired = held.expired.filter(|at| spent.is_none_or(|height| *at < height));
    facts.extend(expired.map(|at| Fact::Expired { output: Output::Staking, at }));
    match held.spend {
        None => {}
        Some(StakeSpend::Exit(exit)) => facts.push(Fact::Left { from: Output::Staking, exit }),
        Some(StakeSpend::Unbonding(unbonding)) => {
            facts.push(Fact::Unbonded(unbonding));
            let spent = held.end.map(|exit| exit.by.height);
            let matured = held.matured.filter(|at| spent.is_none_or(|height| *at < height));
            facts.extend(matured.map(|at| Fact::Expired { output: Output::Unbonding, at }));
            let left = |exit| Fact::Left { from: Output::Unbonding, exit };
            facts.extend(held.end.map(left));
        }
    }
    facts
}
