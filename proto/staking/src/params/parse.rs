//! From text to parameters: one reading for nodes, which stop at the first fault, and for
//! operators, who want to see all.

use std::collections::BTreeSet;

use bitcoin::Amount;
use serde_json::value::RawValue;

use super::{
    Cap, Field, VersionParams,
    fault::{Fault, ParamsError, SequenceFault},
    fields::Fields,
    source::{Object, Source, shown},
};
use crate::{Covenant, CovenantError, covenant::MAX_KEYS};

/// Real files have a few kilobytes; a thousandfold is no file of parameters.
pub(super) const MAX_BYTES: usize = 4 << 20;
/// Ten a day for a year; a check of heights walks all of them.
pub(super) const MAX_VERSIONS: usize = 4096;

/// What an unbonding's output must be worth at the least, so that it is no dust.
const UNBONDING_REST: Amount = Amount::from_sat(1000);

/// What reading a file gave.
#[derive(Default)]
pub(super) struct Read {
    /// The versions that keep the rules of their own.
    pub(super) versions: Vec<Placed>,
    /// With lines, in the order of reading.
    pub(super) faults: Vec<(usize, ParamsError)>,
    /// Fields that nobody reads: line, version, name.
    pub(super) unknown: Vec<(usize, u64, String)>,
    /// Of the entry before, right or wrong.
    before: Follows,
    /// The last value cap so far.
    last_value_cap: Option<Amount>,
}

/// What of a version the next one has to follow, as far as it can be read.
#[derive(Clone, Copy, Default)]
struct Follows {
    version: Option<u64>,
    activation_height: Option<u64>,
    cap: Option<Cap>,
}

/// A version and where it stands.
pub(super) struct Placed {
    pub(super) params: VersionParams,
    pub(super) line: usize,
}

pub(super) fn read(text: &str) -> Read {
    let mut read = Read::default();
    if text.len() > MAX_BYTES {
        let error = ParamsError::TooLarge { bytes: text.len(), most: MAX_BYTES };
        read.faults.push((1, error));
        return read;
    }
    let source = Source::new(text);
    match versions(text, &source) {
        Ok(entries) => {
            for (index, entry) in (0..).zip(entries) {
                read.add(&source, entry, index);
            }
        }
        Err((line, error)) => read.faults.push((line, error)),
    }
    read
}

/// The entries of the list.
fn versions<'a>(
    text: &'a str,
    source: &Source<'_>,
) -> Result<Vec<&'a RawValue>, (usize, ParamsError)> {
    let json =
        |error: serde_json::Error| (error.line().max(1), ParamsError::Json(error.to_string()));
    let root: Object<'_> = serde_json::from_str(text).map_err(json)?;
    let Some(list) = root.get("versions") else { return Err((1, ParamsError::NoVersions)) };
    let line = source.line(list);
    let list: Vec<&RawValue> = serde_json::from_str(list.get()).map_err(|_| {
        let got = shown(list.get());
        (line, ParamsError::Json(format!("\"versions\" must be a list, got {got}")))
    })?;
    match list.len() {
        0 => Err((line, ParamsError::NoVersions)),
        many if many > MAX_VERSIONS => Err((line, ParamsError::TooManyVersions(many))),
        _ => Ok(list),
    }
}

impl Read {
    fn add(&mut self, source: &Source<'_>, entry: &RawValue, index: u64) {
        let mut fields = match Fields::new(source, entry) {
            Ok(fields) => fields,
            Err(fault) => {
                self.before = Follows::default();
                let error = ParamsError::Version { version: index, fault };
                return self.faults.push((source.line(entry), error));
            }
        };
        let (parsed, follows) = version(&mut fields);
        let number = fields.own_number().unwrap_or(index);
        let unknown = fields.unknown().into_iter();
        self.unknown.extend(unknown.map(|(line, name)| (line, number, name)));
        let broken = !fields.faults.is_empty();
        for (line, fault) in std::mem::take(&mut fields.faults) {
            self.faults.push((line, ParamsError::Version { version: number, fault }));
        }
        self.follow(&fields, follows, number);
        if let (Some(params), false) = (parsed, broken) {
            self.versions.push(Placed { params, line: source.line(entry) });
        }
    }

    /// The rules between a version, right or wrong by itself, and those before it.
    fn follow(&mut self, fields: &Fields<'_>, now: Follows, number: u64) {
        let before = std::mem::replace(&mut self.before, now);
        let mut faults = Vec::new();
        if let (Some(before), Some(now)) = (before.version, now.version)
            && before.checked_add(1) != Some(now)
        {
            faults.push((Field::Version, SequenceFault::Number));
        }
        if let (Some(before), Some(now)) = (before.activation_height, now.activation_height)
            && now <= before
        {
            faults.push((Field::ActivationHeight, SequenceFault::Activation));
        }
        if let Some(Cap::Value(got)) = now.cap {
            if let Some(last) = self.last_value_cap.filter(|last| got < *last) {
                faults.push((Field::StakingCap, SequenceFault::Cap { last, got }));
            }
            self.last_value_cap = Some(got);
        }
        for (field, fault) in faults {
            let error = ParamsError::Sequence { version: number, fault };
            self.faults.push((fields.line_of(field), error));
        }
    }
}

/// One version by its own rules, and what the next one has to follow. May be there although there
/// were faults; they count.
fn version(fields: &mut Fields<'_>) -> (Option<VersionParams>, Follows) {
    let version = fields.number(Field::Version, u64::MAX);
    let activation_height = fields.positive(Field::ActivationHeight, u64::MAX);
    let cap = cap(fields);
    let follows = Follows { version, activation_height, cap };
    (rules(fields, follows), follows)
}

fn rules(fields: &mut Fields<'_>, follows: Follows) -> Option<VersionParams> {
    let Follows { version, activation_height, cap } = follows;
    let tag = fields.tag();
    let covenant = covenant(fields);
    let unbonding_time = fields.blocks(Field::UnbondingTime);
    let unbonding_fee = fields.amount(Field::UnbondingFee);
    let max_staking_amount = fields.amount(Field::MaxStakingAmount);
    let min_staking_amount = fields.amount(Field::MinStakingAmount);
    let max_staking_time = fields.blocks(Field::MaxStakingTime);
    let min_staking_time = fields.blocks(Field::MinStakingTime);
    amounts(fields, max_staking_amount, min_staking_amount, unbonding_fee);
    if let (Some(Cap::Value(cap)), Some(max)) = (cap, max_staking_amount)
        && cap < max
    {
        fields.fault(Field::StakingCap, Fault::CapBelowMax { cap, max });
    }
    if let (Some(max), Some(min)) = (max_staking_time, min_staking_time)
        && max < min
    {
        fields.fault(Field::MaxStakingTime, Fault::Times { max, min });
    }
    let confirmation_depth = depth(fields);
    let (covenant_pks, covenant) = covenant?;
    Some(VersionParams {
        version: version?,
        activation_height: activation_height?,
        cap: cap?,
        tag: tag?,
        covenant_pks,
        covenant,
        unbonding_time: unbonding_time?,
        unbonding_fee: unbonding_fee?,
        max_staking_amount: max_staking_amount?,
        min_staking_amount: min_staking_amount?,
        max_staking_time: max_staking_time?,
        min_staking_time: min_staking_time?,
        confirmation_depth: confirmation_depth?,
    })
}

/// Exactly one of the two kinds.
fn cap(fields: &mut Fields<'_>) -> Option<Cap> {
    let value = fields.optional_amount(Field::StakingCap);
    let height = fields.number(Field::CapHeight, u64::MAX);
    match (value?, height?) {
        (Amount::ZERO, 0) => {
            fields.fault(Field::StakingCap, Fault::NoCap);
            None
        }
        (value, 0) => Some(Cap::Value(value)),
        (Amount::ZERO, height) => Some(Cap::Height(height)),
        _ => {
            fields.fault(Field::CapHeight, Fault::TwoCaps);
            None
        }
    }
}

/// The committee. Every fault of keys and quorum is noted, in the order of [`Covenant::new`].
fn covenant(fields: &mut Fields<'_>) -> Option<(Vec<bitcoin::PublicKey>, Covenant)> {
    let entries = fields.keys();
    let quorum = fields.number(Field::CovenantQuorum, u64::from(u32::MAX));
    let quorum = quorum.and_then(|quorum| u32::try_from(quorum).ok());
    let entries = entries?;
    let noted = fields.faults.len();
    match (entries.len(), quorum) {
        (0, _) => fields.fault(Field::CovenantPks, CovenantError::Empty.into()),
        (many, _) if many > MAX_KEYS => {
            fields.fault(Field::CovenantPks, CovenantError::TooMany(many).into());
        }
        (_, Some(0)) => fields.fault(Field::CovenantQuorum, CovenantError::ZeroQuorum.into()),
        (keys, Some(quorum)) if usize::try_from(quorum).map_or(true, |quorum| quorum > keys) => {
            let fault = CovenantError::QuorumTooLarge { quorum, keys };
            fields.fault(Field::CovenantQuorum, fault.into());
        }
        _ => {}
    }
    let mut seen = BTreeSet::new();
    for (line, key) in &entries {
        let Some(key) = key.map(|key| key.inner.x_only_public_key().0) else { continue };
        if !seen.insert(key.serialize()) {
            fields.faults.push((*line, CovenantError::Duplicate(key).into()));
        }
    }
    let keys: Vec<_> = entries.into_iter().map(|(_, key)| key).collect::<Option<_>>()?;
    if fields.faults.len() > noted {
        return None;
    }
    let x_only = keys.iter().map(|key| key.inner.x_only_public_key().0);
    match Covenant::new(x_only, quorum?) {
        Ok(covenant) => Some((keys, covenant)),
        Err(fault) => {
            fields.fault(Field::CovenantPks, Fault::Covenant(fault));
            None
        }
    }
}

fn amounts(fields: &mut Fields<'_>, max: Option<Amount>, min: Option<Amount>, fee: Option<Amount>) {
    let Some(min) = min else { return };
    if let Some(max) = max.filter(|max| *max < min) {
        fields.fault(Field::MaxStakingAmount, Fault::Amounts { max, min });
    }
    // A fee near the largest integer has no room for the rest; then the amount is below it too.
    let enough = |fee: Amount| fee.checked_add(UNBONDING_REST).is_some_and(|least| min >= least);
    if let Some(fee) = fee.filter(|fee| !enough(*fee)) {
        fields.fault(Field::MinStakingAmount, Fault::MinBelowFee { min, fee });
    }
}

fn depth(fields: &mut Fields<'_>) -> Option<u16> {
    let number = fields.number(Field::ConfirmationDepth, u64::from(u16::MAX))?;
    let depth = u16::try_from(number).ok()?;
    if depth < 2 {
        fields.fault(Field::ConfirmationDepth, Fault::Depth(depth));
        return None;
    }
    Some(depth)
}
