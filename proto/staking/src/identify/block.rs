//! The stakes among many transactions: by the rules of [`identify`](super::identify), and several
//! times faster, since the keys of their outputs are computed together.
//!
//! Always holds: what the fast way refuses is computed once more by the library, which decides. So a
//! fault of our own arithmetic costs time and no stake; and it cannot make one either, unless a wrong
//! sum happens to be the key of an output of just that transaction.

use bitcoin::{Amount, OutPoint, Script, Transaction, secp256k1::Scalar};

use super::{Identifier, InvalidStake, filter::quick, stake::within};
use crate::{
    delegation::{ProviderKey, StakerKey},
    script::{RawData, Tweaks},
    secp::{is_key, output_key, output_keys},
};

/// A staking transaction among others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staking {
    /// Its place among them.
    pub place: usize,
    /// Where the value is locked.
    pub outpoint: OutPoint,
    /// Who gets it back.
    pub staker: StakerKey,
    /// Whom it is delegated to.
    pub finality_provider: ProviderKey,
    /// What is locked.
    pub value: Amount,
    /// The lock, in blocks after inclusion.
    pub time: u16,
    /// Which version of the parameters it lives under, for ever.
    pub params_version: u64,
    /// Whether the parameters allow it.
    pub allowed: Result<(), InvalidStake>,
}

/// A transaction that announces a stake; whether it has its output remains to be seen.
struct Candidate<'t> {
    place: usize,
    transaction: &'t Transaction,
    data: RawData<'t>,
}

impl Identifier<'_> {
    /// All stakes among these transactions, in their order, those that the parameters do not allow
    /// too.
    pub fn identify_all(&mut self, transactions: &[Transaction]) -> Vec<Staking> {
        let mut tweaks = Tweaks::new(&self.params.covenant);
        let mut candidates = Vec::new();
        let mut scalars: Vec<Scalar> = Vec::new();
        for (place, transaction) in transactions.iter().enumerate() {
            if let Some(data) = self.announced(transaction) {
                candidates.push(Candidate { place, transaction, data });
                scalars.push(tweaks.tweak(data.staker, data.finality_provider, data.time));
            }
        }
        let keys = output_keys(&scalars);
        let found = candidates.iter().zip(&scalars).zip(keys);
        let locked = found.filter_map(|((candidate, tweak), key)| {
            let quickly = key.and_then(|key| self.locked(candidate, &key));
            quickly.or_else(|| self.locked(candidate, &output_key(tweak)?))
        });
        locked.collect()
    }

    /// Rules A to C.
    fn announced<'t>(&mut self, transaction: &'t Transaction) -> Option<RawData<'t>> {
        quick(transaction, self.params.tag).ok()?;
        let scripts = transaction.output.iter().map(|output| output.script_pubkey.as_script());
        let mut valid = scripts
            .filter_map(RawData::parse)
            .filter(|data| is_key(data.staker) && self.provider(data.finality_provider).is_some());
        let data = valid.next()?;
        if valid.next().is_some() {
            return None;
        }
        let covenant = &self.params.covenant;
        let taken = |key| covenant.contains_bytes(key);
        let differ = data.staker != data.finality_provider;
        let fits = differ && !taken(data.staker) && !taken(data.finality_provider);
        (fits && data.tag == self.params.tag).then_some(data)
    }

    /// Rules D and E.
    fn locked(&self, candidate: &Candidate<'_>, key: &[u8; 32]) -> Option<Staking> {
        let Candidate { place, transaction, data } = candidate;
        let outputs = transaction.output.iter().enumerate();
        let mut found = outputs.filter(|(_, output)| is_taproot(&output.script_pubkey, key));
        let (index, output) = found.next()?;
        if found.next().is_some() {
            return None;
        }
        Some(Staking {
            place: *place,
            // No valid transaction has more outputs than that.
            outpoint: OutPoint {
                txid: transaction.compute_txid(),
                vout: u32::try_from(index).ok()?,
            },
            staker: StakerKey(*data.staker),
            finality_provider: ProviderKey(*data.finality_provider),
            value: output.value,
            time: data.time,
            params_version: self.params.version,
            allowed: within(output.value, data.time, self.params),
        })
    }
}

/// `OP_1` and this key.
fn is_taproot(script: &Script, key: &[u8; 32]) -> bool {
    matches!(script.as_bytes().split_first_chunk::<2>(), Some(([0x51, 0x20], rest)) if rest == key)
}
