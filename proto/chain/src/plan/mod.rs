//! Payment transactions of a committee: the first version, and the versions that replace it.
//!
//! Always holds for a [`Plan`], however it was made:
//!
//! - version 2; every sequence 0xFFFFFFFD, so that it can be replaced (BIP-125) and its locktime
//!   counts; the locktime is the block height it was planned at, so that a miner gains nothing by
//!   going back to an older block. It is final in the next block of every node at that height or
//!   above: hand in the lowest height that the members needed are known to have.
//! - its first input is the anchor, which every later version spends as well;
//! - its outputs are the recipients in order, then at most one change output, never dust;
//! - all inputs are Taproot key-path spends, so that its weight and fee are exact before signing.

mod bump;
mod select;
#[cfg(test)]
mod tests;
mod version;

pub(crate) use bump::highest_rate;
pub use bump::{BumpError, BumpRequest, bump};
pub use version::{BadSignature, Plan};

use bitcoin::{Amount, FeeRate, OutPoint, Script, Sequence, TxOut, Weight};

use crate::weight;

/// The only sequence of every input: replaceable, no relative lock.
pub const SEQUENCE: Sequence = Sequence::ENABLE_RBF_NO_LOCKTIME;

/// A coin that a plan may spend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coin {
    /// Where it is.
    pub outpoint: OutPoint,
    /// Its amount and script (P2TR).
    pub output: TxOut,
    /// Whether it is in a block, deep enough to be spent. Otherwise it is change of a transaction
    /// of the committee's own, which is used only when nothing else is left, and never as anchor.
    pub confirmed: bool,
}

/// What no plan may exceed. Set them at or below what the members' rules allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Weight once signed.
    pub max_weight: Weight,
    /// Inputs, each of which is a message of the signing session.
    pub max_inputs: usize,
    /// What a version may pay to miners.
    pub max_fee: Amount,
    /// And at which rate.
    pub max_rate: FeeRate,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_weight: weight::MAX_STANDARD,
            max_inputs: trestle_wire::committee::MAX_BATCH,
            max_fee: Amount::from_sat(100_000),
            max_rate: FeeRate::from_sat_per_vb_u32(500),
        }
    }
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Nobody to pay.
    #[error("a payment needs at least one recipient")]
    NoRecipients,
    /// An output too small to be relayed.
    #[error("recipient {index} gets {value}, less than the {least} below which nodes do not relay")]
    Dust {
        /// Which recipient, from 0.
        index: usize,
        /// Its amount.
        value: Amount,
        /// The least amount for its script.
        least: Amount,
    },
    /// The committee does not have that much.
    #[error(
        "{available} is available, {needed} is needed (fee included): wait for coins or fund the committee"
    )]
    InsufficientFunds {
        /// In the coins given.
        available: Amount,
        /// Recipients and the fee of a transaction that spends all useful coins.
        needed: Amount,
    },
    /// Only unconfirmed coins: none of them can be the anchor.
    #[error("no confirmed coin to build on: wait until one of the unconfirmed ones ({0}) confirms")]
    NothingConfirmed(Amount),
    /// Too many small coins would be needed.
    #[error(
        "{inputs} inputs are not enough, {most} are allowed: pay less at once, or merge coins first"
    )]
    TooManyInputs {
        /// Inputs tried.
        inputs: usize,
        /// Inputs allowed.
        most: usize,
    },
    /// Too large to relay.
    #[error("the transaction would weigh {weight}, at most {most} is allowed: split the payment")]
    TooHeavy {
        /// Its weight once signed.
        weight: Weight,
        /// Weight allowed.
        most: Weight,
    },
    /// More to miners than allowed.
    #[error("the fee would be {fee}, at most {most} is allowed: raise the cap or use a lower rate")]
    FeeAboveCap {
        /// The fee.
        fee: Amount,
        /// The cap.
        most: Amount,
    },
    /// A higher rate than allowed.
    #[error(
        "the fee rate would be {rate} sat/kwu, at most {most} is allowed: raise the cap or use a lower rate"
    )]
    RateAboveCap {
        /// The rate.
        rate: FeeRate,
        /// The cap.
        most: FeeRate,
    },
    /// Amounts that no chain can hold.
    #[error("the amounts add up to more than all bitcoin there can be")]
    Overflow,
}

/// Makes the first version of a payment: picks coins, an anchor among them, and a fee.
///
/// Selection: a subset of the confirmed coins that needs no change, if a bounded search finds one;
/// else the largest first, unconfirmed ones last. The same arguments give the same plan.
///
/// # Errors
/// [`PlanError`].
pub fn plan(
    coins: &[Coin],
    recipients: &[TxOut],
    change_script: &Script,
    rate: FeeRate,
    height: u32,
    limits: &Limits,
) -> Result<Plan, PlanError> {
    let frame = Frame::new(recipients, change_script, rate, height, limits)?;
    select::select(coins, &frame, rate, limits)
}

/// The same on a given anchor, with other coins added if it does not suffice: confirmed ones first,
/// the largest first.
///
/// # Errors
/// [`PlanError`].
pub fn plan_on(
    anchor: &Coin,
    coins: &[Coin],
    recipients: &[TxOut],
    change_script: &Script,
    rate: FeeRate,
    height: u32,
    limits: &Limits,
) -> Result<Plan, PlanError> {
    let frame = Frame::new(recipients, change_script, rate, height, limits)?;
    select::select_on(anchor, coins, &frame, rate, limits)
}

/// What a plan is made around, whatever its inputs.
pub(crate) struct Frame<'a> {
    pub(crate) recipients: &'a [TxOut],
    pub(crate) change_script: &'a Script,
    pub(crate) height: u32,
}

impl<'a> Frame<'a> {
    fn new(
        recipients: &'a [TxOut],
        change_script: &'a Script,
        rate: FeeRate,
        height: u32,
        limits: &Limits,
    ) -> Result<Self, PlanError> {
        check_recipients(recipients)?;
        if rate > limits.max_rate {
            return Err(PlanError::RateAboveCap { rate, most: limits.max_rate });
        }
        Ok(Self { recipients, change_script, height })
    }

    /// A plan spending exactly these coins, the first of them as anchor. `floor` gives the least
    /// fee for a weight. Change is paid if it is worth an output; `Ok(None)` if the coins do not
    /// suffice.
    pub(crate) fn assemble(
        &self,
        coins: &[&Coin],
        floor: impl Fn(Weight) -> Option<Amount>,
    ) -> Result<Option<Plan>, PlanError> {
        let overflow = PlanError::Overflow;
        let available =
            weight::sum(coins.iter().map(|c| c.output.value)).ok_or(overflow.clone())?;
        let wanted =
            weight::sum(self.recipients.iter().map(|r| r.value)).ok_or(overflow.clone())?;
        let Some(spare) = available.checked_sub(wanted) else { return Ok(None) };

        let mut change = TxOut::minimal_non_dust(self.change_script.to_owned());
        let outputs = || self.recipients.iter();
        let with_change = weight::signed(coins.len(), outputs().chain([&change]));
        let fee = floor(with_change).ok_or(overflow.clone())?;
        if let Some(rest) = spare.checked_sub(fee).filter(|rest| *rest >= change.value) {
            change.value = rest;
            return Ok(Some(Plan::assemble(self, coins, Some(change))));
        }
        let without = floor(weight::signed(coins.len(), outputs())).ok_or(overflow)?;
        Ok((spare >= without).then(|| Plan::assemble(self, coins, None)))
    }
}

impl Limits {
    /// Refuses a plan that exceeds any of these.
    pub(crate) fn check(&self, plan: &Plan) -> Result<(), PlanError> {
        let (weight, fee) = (plan.weight(), plan.fee());
        if weight > self.max_weight {
            return Err(PlanError::TooHeavy { weight, most: self.max_weight });
        }
        if fee > self.max_fee {
            return Err(PlanError::FeeAboveCap { fee, most: self.max_fee });
        }
        let rate = weight::rate(fee, weight);
        if rate > self.max_rate {
            return Err(PlanError::RateAboveCap { rate, most: self.max_rate });
        }
        Ok(())
    }
}

fn check_recipients(recipients: &[TxOut]) -> Result<(), PlanError> {
    if recipients.is_empty() {
        return Err(PlanError::NoRecipients);
    }
    for (index, recipient) in recipients.iter().enumerate() {
        let least = recipient.script_pubkey.minimal_non_dust();
        if recipient.value < least {
            return Err(PlanError::Dust { index, value: recipient.value, least });
        }
    }
    Ok(())
}
