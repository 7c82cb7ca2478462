//! What a staker should know before a stake is signed.

use bitcoin::Amount;
use serde::Serialize;
use trestle_staking::{Cap, GlobalParams, VersionParams};

use super::amount::{Rate, both};

/// A window that closes within so many blocks may be closed before the stake is in a block.
const CLOSING: u64 = 3;
/// Blocks by which a coordinator and bitcoind may be apart for a moment.
const APART: u32 = 2;
/// With more than a fifth of the cap filled, others may fill the rest before the stake is confirmed.
const FILLING_PERCENT: u128 = 20;
/// A fee above this part of what it is paid for is told.
pub(super) const FEE_PERCENT: u64 = 1;

/// What is known when the stake is built.
pub(super) struct Situation<'a> {
    pub(super) all: &'a GlobalParams,
    /// Those of the next block.
    pub(super) params: &'a VersionParams,
    pub(super) next: u32,
    /// Confirmed and unconfirmed value that counts, where an API says it.
    pub(super) tvl: Option<(u64, u64)>,
    /// The height for which it says that.
    pub(super) tip: Option<u32>,
    pub(super) value: Amount,
    pub(super) fee: Amount,
    pub(super) rate: Rate,
    /// The mempool's minimum.
    pub(super) least: Rate,
    /// Whether an API knows the finality provider; nothing without an API.
    pub(super) registered: Option<bool>,
}

/// One thing to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Warning {
    /// Whether the stake will be overflow by all that is known now: locked, and counted for nothing.
    pub(super) overflow: bool,
    pub(super) text: String,
    #[serde(skip)]
    pub(super) kind: Kind,
}

/// What a warning is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Room under the cap.
    Cap,
    /// The coordinator's height beside bitcoind's.
    Height,
    /// A version of the parameters that comes soon.
    Version,
    /// The mempool's minimum.
    Rate,
    /// The fee beside the stake.
    Fee,
    /// The finality provider.
    Provider,
    /// The coordinator's parameters beside the file's.
    Parameters,
    /// Whose the stake will be.
    Owner,
    /// The stake's id.
    Id,
}

impl Warning {
    pub(super) const fn new(kind: Kind, text: String) -> Self {
        Self { overflow: false, text, kind }
    }

    /// Whether who has seen this one need not be told the other, whatever heights it names.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.kind == other.kind && (self.overflow || !other.overflow)
    }
}

/// Everything to know, the gravest first.
pub(super) fn warnings(at: &Situation<'_>) -> Vec<Warning> {
    let tell = |kind| move |text| Warning::new(kind, text);
    let mut found: Vec<Warning> = cap(at).into_iter().collect();
    found.extend(height(at).map(tell(Kind::Height)));
    found.extend(version(at).map(tell(Kind::Version)));
    if at.rate < at.least {
        let text = format!(
            "the fee rate of {} is below the mempool's minimum of {}: it will not be taken",
            at.rate, at.least
        );
        found.push(Warning::new(Kind::Rate, text));
    }
    if is_dear(at.fee, at.value) {
        let text = format!("the fee of {} is over {FEE_PERCENT} % of the stake", both(at.fee));
        found.push(Warning::new(Kind::Fee, text));
    }
    if at.registered == Some(false) {
        let text = "the finality provider is not registered: check its key".into();
        found.push(Warning::new(Kind::Provider, text));
    }
    found.sort_by_key(|warning| !warning.overflow);
    found
}

/// Whether there is room for it.
fn cap(at: &Situation<'_>) -> Option<Warning> {
    let next = u64::from(at.next);
    let (overflow, text) = match (at.params.cap, at.tvl) {
        (Cap::Value(cap), Some((active, unconfirmed))) => value_cap(cap, active, unconfirmed)?,
        (Cap::Value(cap), None) => (
            false,
            format!(
                "whether the cap of {} is reached is not known: give --api URL of a coordinator",
                both(cap)
            ),
        ),
        (Cap::Height(last), _) if next > last => (
            true,
            format!("the window closed at height {last}: in block {next} the stake is overflow"),
        ),
        (Cap::Height(last), _) if next + CLOSING > last => (
            false,
            format!(
                "the window closes at height {last}, the next block is {next}: if the stake is \
                 not in a block by then it is overflow"
            ),
        ),
        (Cap::Height(_), _) => return None,
    };
    Some(Warning { overflow, text, kind: Kind::Cap })
}

/// That the figures are those of another time than the next block's.
fn height(at: &Situation<'_>) -> Option<String> {
    let (own, theirs) = (at.next.saturating_sub(1), at.tip?);
    if own > theirs.saturating_add(APART) {
        return Some(format!(
            "the coordinator has only come to block {theirs}, and bitcoind is at {own}: stakes since \
             then may have filled the cap"
        ));
    }
    (theirs > own.saturating_add(APART)).then(|| {
        format!(
            "bitcoind has only come to block {own}, and the coordinator is at {theirs}: wait until \
             it has caught up"
        )
    })
}

/// A version that can be in force by the time the stake is in a block.
fn version(at: &Situation<'_>) -> Option<String> {
    let following = at.params.version.checked_add(1).and_then(|number| at.all.version(number))?;
    let next = u64::from(at.next);
    let soon = next.saturating_add(u64::from(at.params.confirmation_depth));
    let height = following.activation_height;
    (height <= soon).then(|| {
        format!(
            "version {} of the parameters takes effect at height {height}, the next block is \
             {next}: in a block from there on this stake may be invalid",
            following.version
        )
    })
}

/// Whether a fee is a large part of what it is paid for.
pub(super) fn is_dear(fee: Amount, value: Amount) -> bool {
    u128::from(fee.to_sat()) * 100 > u128::from(value.to_sat()) * u128::from(FEE_PERCENT)
}

fn value_cap(cap: Amount, active: u64, unconfirmed: u64) -> Option<(bool, String)> {
    let sats = Amount::from_sat;
    if active >= cap.to_sat() {
        let text = format!(
            "the cap of {} is reached ({} active): the stake is overflow, locked and counted for \
             nothing",
            both(cap),
            both(sats(active))
        );
        return Some((true, text));
    }
    if unconfirmed >= cap.to_sat() {
        let text = format!(
            "the cap of {} is reached once the newest blocks are confirmed ({} with them): the \
             stake is most likely overflow",
            both(cap),
            both(sats(unconfirmed))
        );
        return Some((true, text));
    }
    let is_filling = u128::from(unconfirmed) * 100 > u128::from(cap.to_sat()) * FILLING_PERCENT;
    is_filling.then(|| {
        let text = format!(
            "{} of the cap of {} is taken; stakes that are confirmed before this one can fill the \
             rest, and then it is overflow",
            both(sats(unconfirmed)),
            both(cap)
        );
        (false, text)
    })
}

#[cfg(test)]
mod tests;
