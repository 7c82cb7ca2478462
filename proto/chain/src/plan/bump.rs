//! A version that replaces the ones before it.
//!
//! Always holds: it spends the same anchor, pays the same recipients, and obeys BIP-125 towards
//! every earlier version, because any of them may be the one a given node has: it pays a higher
//! rate than each, and more in total than each by at least 1 sat for every vbyte of its own; it
//! adds no unconfirmed input.

use std::collections::BTreeSet;

use bitcoin::{Amount, FeeRate, OutPoint, Script, Weight};

use super::{Coin, Frame, Limits, Plan, PlanError};
use crate::weight;

/// The relay rate that each replacement pays on top of what it replaces (BIP-125 rule 4).
const INCREMENTAL: FeeRate = FeeRate::BROADCAST_MIN;

/// What a new version is made from.
#[derive(Clone, Copy, Debug)]
pub struct BumpRequest<'a> {
    /// All versions so far, signed or not, oldest first.
    pub previous: &'a [Plan],
    /// Inputs of earlier versions that something else has spent: the new version does without.
    pub gone: &'a BTreeSet<OutPoint>,
    /// Coins that may be added if change does not suffice; unconfirmed ones are passed over.
    pub extra: &'a [Coin],
    /// Where change goes.
    pub change_script: &'a Script,
    /// The rate to pay, higher than every earlier version's.
    pub rate: FeeRate,
    /// The locktime, as for the first version.
    pub height: u32,
    /// Where bumping stops.
    pub limits: &'a Limits,
}

/// Why there is no new version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BumpError {
    /// Nothing to replace.
    #[error("there is no version to replace: plan the payment first")]
    NoVersion,
    /// The versions given are not of one payment.
    #[error("the versions given do not share one anchor and one list of recipients")]
    MixedVersions,
    /// The anchor is among the coins that something else has spent.
    #[error("the anchor has been spent by another transaction: no version can confirm any more")]
    AnchorGone,
    /// Not a higher rate.
    #[error("the rate asked for ({asked} sat/kwu) is not above the highest so far ({highest})")]
    NotHigher {
        /// Of the earlier versions.
        highest: FeeRate,
        /// Asked for.
        asked: FeeRate,
    },
    /// The limits, or the coins, do not allow it.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// Makes the next version of a payment: first from change, then with confirmed coins added, the
/// largest first. The same arguments give the same plan.
///
/// # Errors
/// [`BumpError`].
pub fn bump(request: &BumpRequest<'_>) -> Result<Plan, BumpError> {
    let latest = request.previous.last().ok_or(BumpError::NoVersion)?;
    check(request, latest)?;
    let coins = latest.coins();
    let mut inputs: Vec<&Coin> =
        coins.iter().filter(|coin| !request.gone.contains(&coin.outpoint)).collect();
    let frame = Frame {
        recipients: latest.recipients(),
        change_script: request.change_script,
        height: request.height,
    };
    let floor = |weight: Weight| least_fee(request, weight);

    for coin in std::iter::once(None).chain(additions(request, &inputs).map(Some)) {
        inputs.extend(coin);
        if inputs.len() > request.limits.max_inputs {
            let (inputs, most) = (inputs.len() - 1, request.limits.max_inputs);
            return Err(PlanError::TooManyInputs { inputs, most }.into());
        }
        if let Some(plan) = frame.assemble(&inputs, floor)? {
            request.limits.check(&plan)?;
            return Ok(plan);
        }
    }
    let fee = floor(weight::signed(inputs.len(), frame.recipients)).ok_or(PlanError::Overflow)?;
    let wanted = frame.recipients.iter().map(|recipient| recipient.value).chain([fee]);
    let needed = weight::sum(wanted).ok_or(PlanError::Overflow)?;
    let available =
        weight::sum(inputs.iter().map(|coin| coin.output.value)).ok_or(PlanError::Overflow)?;
    Err(PlanError::InsufficientFunds { available, needed }.into())
}

fn check(request: &BumpRequest<'_>, latest: &Plan) -> Result<(), BumpError> {
    let same =
        |plan: &Plan| plan.anchor() == latest.anchor() && plan.recipients() == latest.recipients();
    if !request.previous.iter().all(same) {
        return Err(BumpError::MixedVersions);
    }
    if request.gone.contains(&latest.anchor()) {
        return Err(BumpError::AnchorGone);
    }
    let highest = highest_rate(request.previous);
    if request.rate <= highest {
        return Err(BumpError::NotHigher { highest, asked: request.rate });
    }
    if request.rate > request.limits.max_rate {
        let (rate, most) = (request.rate, request.limits.max_rate);
        return Err(PlanError::RateAboveCap { rate, most }.into());
    }
    Ok(())
}

/// The highest rate among versions, rounded down; zero for none.
pub(crate) fn highest_rate<'a>(versions: impl IntoIterator<Item = &'a Plan>) -> FeeRate {
    let rates = versions.into_iter().map(|plan| weight::rate(plan.fee(), plan.weight()));
    rates.max().unwrap_or(FeeRate::ZERO)
}

/// Confirmed coins that pay for themselves and are not spent yet, largest first.
fn additions<'a>(
    request: &BumpRequest<'a>,
    inputs: &[&Coin],
) -> impl Iterator<Item = &'a Coin> + use<'a> {
    let cost = weight::fee(request.rate, Weight::from_wu(weight::INPUT)).unwrap_or(Amount::MAX);
    let taken: BTreeSet<OutPoint> = inputs.iter().map(|coin| coin.outpoint).collect();
    let fits = |coin: &&Coin| {
        coin.confirmed
            && coin.output.value > cost
            && !taken.contains(&coin.outpoint)
            && !request.gone.contains(&coin.outpoint)
    };
    let mut extra: Vec<&Coin> = request.extra.iter().filter(fits).collect();
    extra.sort_by_key(|coin| (std::cmp::Reverse(coin.output.value), coin.outpoint));
    extra.dedup_by_key(|coin| coin.outpoint);
    extra.into_iter()
}

/// The least fee at that weight: the rate asked for, and BIP-125's rules 3, 4 and its rate rule
/// towards every earlier version.
fn least_fee(request: &BumpRequest<'_>, weight: Weight) -> Option<Amount> {
    let mut least = weight::fee(request.rate, weight)?;
    let own = u128::from(weight::vbytes(weight));
    for plan in request.previous {
        let total = plan.fee().checked_add(weight::fee(INCREMENTAL, weight)?)?;
        // The smallest fee whose rate is strictly above: fee / own > theirs / their size.
        let theirs = u128::from(plan.fee().to_sat());
        let rate = theirs * own / u128::from(weight::vbytes(plan.weight()).max(1)) + 1;
        least = least.max(total).max(Amount::from_sat(u64::try_from(rate).ok()?));
    }
    Some(least)
}
