//! Parameters may grow at their end; what once was in force stays as it was.

use thiserror::Error;

use super::{Field, GlobalParams, VersionParams};

/// Why one file is no continuation of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AppendError {
    /// A version that was there is not.
    #[error("version {0} is missing: versions may be appended, never removed; restore it")]
    Removed(u64),
    /// A version that was there says something else now.
    #[error("version {version} has another {field}: a version is never changed, append a new one")]
    Changed {
        /// Which version.
        version: u64,
        /// The first field that differs.
        field: Field,
    },
    /// A new version claims heights that were already processed by the old rules.
    #[error(
        "version {version} is to take effect at height {activation}, but heights up to {processed} \
         were processed without it: give it a later activation_height"
    )]
    TooLate {
        /// Which version.
        version: u64,
        /// From when it is to hold.
        activation: u64,
        /// What is done already.
        processed: u32,
    },
}

/// How many versions `new` has more than `old`.
///
/// # Errors
/// [`AppendError::Removed`] or [`AppendError::Changed`] if `new` changes the past.
pub fn appends(old: &GlobalParams, new: &GlobalParams) -> Result<usize, AppendError> {
    for (index, before) in old.versions().iter().enumerate() {
        let Some(now) = new.versions().get(index) else {
            return Err(AppendError::Removed(before.version));
        };
        if let Some(field) = first_difference(before, now) {
            return Err(AppendError::Changed { version: before.version, field });
        }
    }
    Ok(new.versions().len() - old.versions().len())
}

/// As [`appends`], for a node that has processed blocks up to a height: what it appends must not
/// have been in force there.
///
/// # Errors
/// [`AppendError`].
pub fn appends_after(
    old: &GlobalParams,
    new: &GlobalParams,
    processed: u32,
) -> Result<usize, AppendError> {
    let added = appends(old, new)?;
    let late = |params: &&VersionParams| params.activation_height <= u64::from(processed);
    match new.versions().iter().skip(old.versions().len()).find(late) {
        Some(params) => Err(AppendError::TooLate {
            version: params.version,
            activation: params.activation_height,
            processed,
        }),
        None => Ok(added),
    }
}

fn first_difference(a: &VersionParams, b: &VersionParams) -> Option<Field> {
    Field::ALL.into_iter().find(|field| match field {
        Field::Version => a.version != b.version,
        Field::ActivationHeight => a.activation_height != b.activation_height,
        Field::StakingCap => a.cap.value() != b.cap.value(),
        Field::CapHeight => a.cap.height() != b.cap.height(),
        Field::Tag => a.tag != b.tag,
        Field::CovenantPks => a.covenant_pks != b.covenant_pks,
        Field::CovenantQuorum => a.covenant.quorum() != b.covenant.quorum(),
        Field::UnbondingTime => a.unbonding_time != b.unbonding_time,
        Field::UnbondingFee => a.unbonding_fee != b.unbonding_fee,
        Field::MaxStakingAmount => a.max_staking_amount != b.max_staking_amount,
        Field::MinStakingAmount => a.min_staking_amount != b.min_staking_amount,
        Field::MaxStakingTime => a.max_staking_time != b.max_staking_time,
        Field::MinStakingTime => a.min_staking_time != b.min_staking_time,
        Field::ConfirmationDepth => a.confirmation_depth != b.confirmation_depth,
    })
}
