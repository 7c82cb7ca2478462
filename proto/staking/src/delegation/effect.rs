//! What is to be done for a delegation.

use bincode::{Decode, Encode};
use bitcoin::Txid;
use trestle_chain::Stored;

use super::{Delegation, StateName, fact::Facts};
use crate::expiry::{Output, Timelock};

/// Something to be done. Doing it twice does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Effect {
    /// Report when this timelock has ended, with `Expired` or `UnbondingMatured`; at once if it
    /// has already.
    Watch {
        /// Of which output.
        output: Output,
        /// The timelock.
        timelock: Timelock,
    },
    /// Wait for this timelock no more.
    Unwatch {
        /// Of which output.
        output: Output,
        /// The timelock.
        timelock: Timelock,
    },
    /// Collect signatures for this unbonding and bring it into the chain.
    Unbond(Stored<Txid>),
    /// The stake is as before its unbonding (again): check the request under the parameters of the
    /// stake's height, and go on with it or answer with `RequestDropped`.
    RecheckRequest(Stored<Txid>),
    /// Do nothing more for this unbonding: it is confirmed, or cannot or need not be.
    StopUnbonding(Stored<Txid>),
}

impl Delegation {
    /// What this delegation waits for now: to be carried out after a restart.
    pub fn owed(&self) -> Vec<Effect> {
        effects(&Facts::default(), self, Effect::RecheckRequest)
    }

    /// The effects of a step from `before` to here. `asked` names what to do for a request that
    /// was not worked on before.
    pub(super) fn since(&self, before: &Self, asked: fn(Stored<Txid>) -> Effect) -> Vec<Effect> {
        effects(&before.facts, self, asked)
    }

    /// The request that is to be worked on.
    fn wanted(&self) -> Option<Stored<Txid>> {
        self.facts.request.filter(|_| self.name() == StateName::UnbondingRequested)
    }
}

fn effects(before: &Facts, after: &Delegation, asked: fn(Stored<Txid>) -> Effect) -> Vec<Effect> {
    let (was, is) = (Delegation { facts: *before }, after);
    let stopped = was.wanted().filter(|request| is.wanted() != Some(*request));
    let started = is.wanted().filter(|request| was.wanted() != Some(*request));
    let ended = was.facts.running().filter(|lock| !is.facts.running().any(|other| other == *lock));
    let begun = is.facts.running().filter(|lock| !was.facts.running().any(|other| other == *lock));
    let unwatch = ended.map(|(output, timelock)| Effect::Unwatch { output, timelock });
    let watch = begun.map(|(output, timelock)| Effect::Watch { output, timelock });
    let stop = stopped.map(Effect::StopUnbonding).into_iter();
    stop.chain(unwatch).chain(watch).chain(started.map(asked)).collect()
}
