//! Which coins a first version spends.
//!
//! Always holds: the first coin chosen is confirmed, so that it can be the anchor; the choice
//! depends on nothing but the coins, the payment and the limits.

use bitcoin::{Amount, FeeRate, TxOut, Weight};

use super::{Coin, Frame, Limits, Plan, PlanError};
use crate::weight;

/// Steps of the search for a set without change. It takes a few milliseconds at most; when it finds
/// nothing by then, a change output costs 43 vbytes more and nothing else.
const TRIES: usize = 20_000;

pub(super) fn select(
    coins: &[Coin],
    frame: &Frame<'_>,
    rate: FeeRate,
    limits: &Limits,
) -> Result<Plan, PlanError> {
    let mut useful = by_worth(coins, rate)?;
    useful.dedup_by_key(|coin| coin.outpoint);

    if let Some(plan) = without_change(&useful, frame, rate, limits)? {
        return Ok(plan);
    }
    largest_first(&useful, coins, frame, rate, limits)
}

pub(super) fn select_on(
    anchor: &Coin,
    coins: &[Coin],
    frame: &Frame<'_>,
    rate: FeeRate,
    limits: &Limits,
) -> Result<Plan, PlanError> {
    let mut others = by_worth(coins, rate)?;
    others.retain(|coin| coin.outpoint != anchor.outpoint);
    others.insert(0, anchor);
    largest_first(&others, coins, frame, rate, limits)
}

/// Confirmed coins first, the largest first, without those that cost more to spend than they are
/// worth.
fn by_worth(coins: &[Coin], rate: FeeRate) -> Result<Vec<&Coin>, PlanError> {
    let own_cost = weight::fee(rate, Weight::from_wu(weight::INPUT)).ok_or(PlanError::Overflow)?;
    let mut useful: Vec<&Coin> = coins.iter().filter(|c| c.output.value > own_cost).collect();
    let key = |c: &Coin| (!c.confirmed, std::cmp::Reverse(c.output.value), c.outpoint);
    useful.sort_by_key(|coin| key(coin));
    Ok(useful)
}

fn largest_first(
    useful: &[&Coin],
    all: &[Coin],
    frame: &Frame<'_>,
    rate: FeeRate,
    limits: &Limits,
) -> Result<Plan, PlanError> {
    let floor = |weight: Weight| weight::fee(rate, weight);
    let insufficient = || insufficient(useful, all, frame, rate);
    if !useful.first().is_some_and(|coin| coin.confirmed) {
        let pending = weight::sum(useful.iter().map(|coin| coin.output.value));
        let pending = pending.ok_or(PlanError::Overflow)?;
        if pending > Amount::ZERO {
            return Err(PlanError::NothingConfirmed(pending));
        }
        return Err(insufficient()?);
    }
    let wanted =
        weight::sum(frame.recipients.iter().map(|r| r.value)).ok_or(PlanError::Overflow)?;
    let mut value = Amount::ZERO;
    for count in 1..=useful.len() {
        if count > limits.max_inputs {
            return Err(PlanError::TooManyInputs { inputs: count - 1, most: limits.max_inputs });
        }
        value = weight::sum([value, useful[count - 1].output.value]).ok_or(PlanError::Overflow)?;
        if value < wanted {
            continue;
        }
        if let Some(plan) = frame.assemble(&useful[..count], floor)? {
            limits.check(&plan)?;
            return Ok(plan);
        }
    }
    Err(insufficient()?)
}

fn insufficient(
    useful: &[&Coin],
    all: &[Coin],
    frame: &Frame<'_>,
    rate: FeeRate,
) -> Result<PlanError, PlanError> {
    let weight = weight::signed(useful.len().max(1), frame.recipients);
    let fee = weight::fee(rate, weight).ok_or(PlanError::Overflow)?;
    let wanted = frame.recipients.iter().map(|recipient| recipient.value).chain([fee]);
    let needed = weight::sum(wanted).ok_or(PlanError::Overflow)?;
    let available =
        weight::sum(all.iter().map(|coin| coin.output.value)).ok_or(PlanError::Overflow)?;
    Ok(PlanError::InsufficientFunds { available, needed })
}

/// A set of confirmed coins whose surplus is too small to be worth a change output.
fn without_change(
    useful: &[&Coin],
    frame: &Frame<'_>,
    rate: FeeRate,
    limits: &Limits,
) -> Result<Option<Plan>, PlanError> {
    let confirmed: Vec<&Coin> = useful.iter().copied().filter(|coin| coin.confirmed).collect();
    let fee = |weight: Weight| weight::fee(rate, weight).ok_or(PlanError::Overflow);
    let own_cost = fee(Weight::from_wu(weight::INPUT))?.to_sat();
    // What each coin adds after paying for itself. Each cost is rounded up, so that a set found is
    // never short; `assemble` has the last word.
    let values: Vec<u64> =
        confirmed.iter().map(|coin| coin.output.value.to_sat() - own_cost).collect();
    let frame_cost = fee(weight::signed(limits.max_inputs, frame.recipients)
        - Weight::from_wu(weight::INPUT * u64::try_from(limits.max_inputs).unwrap_or(u64::MAX)))?;
    let wanted = frame.recipients.iter().map(|recipient| recipient.value).chain([frame_cost]);
    let target = weight::sum(wanted).ok_or(PlanError::Overflow)?.to_sat();
    let change = TxOut::minimal_non_dust(frame.change_script.to_owned());
    let surplus = change.value.to_sat() + fee(change.weight())?.to_sat();

    let Some(chosen) = search(&values, target, surplus, limits.max_inputs) else {
        return Ok(None);
    };
    let chosen: Vec<&Coin> = chosen.into_iter().map(|index| confirmed[index]).collect();
    let plan = frame.assemble(&chosen, |weight| weight::fee(rate, weight))?;
    Ok(plan.filter(|plan| plan.change().is_none() && limits.check(plan).is_ok()))
}

/// Branch and bound: the first set, larger values tried first, whose sum is at least `target` and
/// less than `target + surplus`. `values` descend.
fn search(values: &[u64], target: u64, surplus: u64, most: usize) -> Option<Vec<usize>> {
    let mut rest = vec![0_u64; values.len() + 1];
    for index in (0..values.len()).rev() {
        rest[index] = rest[index + 1].saturating_add(values[index]);
    }
    let (mut chosen, mut sum, mut index) = (Vec::<usize>::new(), 0_u64, 0_usize);
    for _ in 0..TRIES {
        let too_little = sum.saturating_add(rest[index]) < target;
        let too_much = sum >= target.saturating_add(surplus) || chosen.len() > most;
        if !too_little && !too_much && sum >= target {
            return Some(chosen);
        }
        if too_little || too_much || index == values.len() {
            let last = chosen.pop()?;
            sum -= values[last];
            index = last + 1;
        } else {
            chosen.push(index);
            sum = sum.saturating_add(values[index]);
            index += 1;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![expect(non_snake_case, reason = "test names read subject__should_do_x")]

    use super::*;

    #[test]
    fn search__should_find_an_exact_set_that_largest_first_misses() {
        assert_eq!(search(&[50, 30, 20, 10], 60, 1, 9), Some(vec![0, 3]));
        assert_eq!(search(&[50, 30, 20, 10], 45, 1, 9), None);
        assert_eq!(search(&[50, 30, 20, 10], 45, 6, 9), Some(vec![0]));
        assert_eq!(search(&[], 1, 1, 9), None);
    }

    #[test]
    fn search__should_keep_to_the_number_of_inputs() {
        assert_eq!(search(&[10, 10, 10], 30, 1, 2), None);
        assert_eq!(search(&[10, 10, 10], 30, 1, 3), Some(vec![0, 1, 2]));
    }

    #[test]
    fn search__should_give_up_in_bounded_time() {
        // 40 equal odd values never add up to an even target below their step.
        assert_eq!(search(&[1_001; 40], 20_000, 1, 40), None);
    }
}
