//! Whether a transaction makes a stake. The rules, in the order in which they are applied:
//!
//! - A: at least two outputs, and exactly one OP_RETURN with the tag ([`super::is_candidate`]);
//! - B: exactly one OP_RETURN with two valid keys, whatever its tag;
//! - C: its tag is the parameters', and its keys differ among each other and from the committee's;
//! - D: exactly one output is locked by the scripts that it announces;
//! - E: value and time are within the parameters.
//!
//! Whether a valid stake is overflow is another matter: [`crate::Cap::overflows`].

use std::collections::BTreeMap;

use bitcoin::{Amount, OutPoint, Transaction, XOnlyPublicKey};

use super::{InvalidStake, NotStaking, filter::quick};
use crate::{
    Stake, VersionParams,
    script::{Keys, StakingData, StakingOutput},
};

/// What a transaction is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identified {
    /// A valid stake.
    Stake(Stake),
    /// A stake that the parameters do not allow.
    Invalid {
        /// Why.
        reason: InvalidStake,
        /// What it says.
        stake: Stake,
    },
    /// No staking transaction.
    NotStaking(NotStaking),
}

/// What a transaction is under the parameters of the height of its block.
pub fn identify(transaction: &Transaction, params: &VersionParams) -> Identified {
    Identifier::new(params).identify(transaction)
}

/// Many transactions under the same parameters: as [`identify`], and faster, since many stakes share
/// few providers and a key costs as much to check as all hashes of a stake.
#[derive(Clone, Debug)]
pub struct Identifier<'p> {
    pub(super) params: &'p VersionParams,
    /// Keys that were found to be on the curve.
    providers: BTreeMap<[u8; 32], XOnlyPublicKey>,
}

impl<'p> Identifier<'p> {
    /// Ten times the providers that any network had; what comes later is checked each time.
    const MOST_PROVIDERS: usize = 4096;

    /// Has seen nothing yet.
    pub fn new(params: &'p VersionParams) -> Self {
        Self { params, providers: BTreeMap::new() }
    }

    /// What a transaction is.
    pub fn identify(&mut self, transaction: &Transaction) -> Identified {
        let stake = match self.parse(transaction) {
            Ok(stake) => stake,
            Err(reason) => return Identified::NotStaking(reason),
        };
        match within(stake.value, stake.time, self.params) {
            Ok(()) => Identified::Stake(stake),
            Err(reason) => Identified::Invalid { reason, stake },
        }
    }

    /// Rules A to D.
    fn parse(&mut self, transaction: &Transaction) -> Result<Stake, NotStaking> {
        quick(transaction, self.params.tag)?;
        let data = self.only_data(transaction)?;
        if data.tag != self.params.tag {
            return Err(NotStaking::ForeignTag);
        }
        let keys = Keys::new(&self.params.covenant, data.staker, &[data.finality_provider])
            .map_err(|_| NotStaking::DuplicateKeys)?;
        let script = StakingOutput::new(&keys, data.time).script_pubkey();
        let outputs = transaction.output.iter().enumerate();
        let mut found = outputs.filter(|(_, output)| output.script_pubkey == script);
        let (index, output) = found.next().ok_or(NotStaking::NoStakingOutput)?;
        if found.next().is_some() {
            return Err(NotStaking::SeveralStakingOutputs);
        }
        // No valid transaction has that many outputs.
        let vout = u32::try_from(index).map_err(|_| NotStaking::NoStakingOutput)?;
        Ok(Stake {
            outpoint: OutPoint { txid: transaction.compute_txid(), vout },
            staker: data.staker,
            finality_provider: data.finality_provider,
            value: output.value,
            time: data.time,
            params_version: self.params.version,
        })
    }

    /// Rule B.
    fn only_data(&mut self, transaction: &Transaction) -> Result<StakingData, NotStaking> {
        let scripts = transaction.output.iter().map(|output| output.script_pubkey.as_script());
        let mut candidates = scripts
            .filter_map(|script| StakingData::parse_with(script, |bytes| self.provider(bytes)));
        let data = candidates.next().ok_or(NotStaking::InvalidKey)?;
        match candidates.next() {
            Some(_) => Err(NotStaking::SeveralCandidates),
            None => Ok(data),
        }
    }

    pub(super) fn provider(&mut self, bytes: &[u8; 32]) -> Option<XOnlyPublicKey> {
        if let Some(known) = self.providers.get(bytes) {
            return Some(*known);
        }
        let key = XOnlyPublicKey::from_slice(bytes).ok()?;
        if self.providers.len() < Self::MOST_PROVIDERS {
            self.providers.insert(*bytes, key);
        }
        Some(key)
    }
}

/// Rule E.
pub(super) fn within(value: Amount, time: u16, params: &VersionParams) -> Result<(), InvalidStake> {
    if value < params.min_staking_amount {
        Err(InvalidStake::ValueTooLow)
    } else if value > params.max_staking_amount {
        Err(InvalidStake::ValueTooHigh)
    } else if time < params.min_staking_time {
        Err(InvalidStake::TimeTooShort)
    } else if time > params.max_staking_time {
        Err(InvalidStake::TimeTooLong)
    } else {
        Ok(())
    }
}
