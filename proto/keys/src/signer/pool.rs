//! Secret nonces by number. The number of a nonce is never used again within a boot, and a boot's
//! id is never used again.

use std::collections::BTreeMap;

use frost_secp256k1_tr::{
    keys::SigningShare,
    round1::{self, SigningNonces},
};
use rand_core::{CryptoRng, RngCore};
use trestle_wire::committee::sign::Commitment;

use crate::taproot;

/// Most nonces kept for one coordinator and key: twice the largest batch, so that a session can
/// run while the pool fills up for the next. 100 bytes of memory each.
pub const CAPACITY: usize = 2_000;

/// The nonces of one key share for one coordinator.
#[derive(Default)]
pub struct NoncePool {
    next: u64,
    nonces: BTreeMap<u64, SigningNonces>,
}

/// Why nonces cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// Never made, used, or dropped for newer ones.
    #[error("nonce {0} is not there: it was used, dropped or never made")]
    Gone(u64),
    /// The request has another commitment than the one offered.
    #[error("the commitment to nonce {0} is not the one this member made")]
    Changed(u64),
}

impl NoncePool {
    /// Makes nonces and gives the number of the first and their commitments. The oldest are
    /// dropped when there are too many, so a coordinator that asks and never signs costs a bounded
    /// amount of memory.
    pub fn make(
        &mut self,
        share: &SigningShare,
        count: usize,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> (u64, Vec<Commitment>) {
        let first = self.next;
        let mut commitments = Vec::with_capacity(count);
        for _ in 0..count.min(CAPACITY) {
            let (nonces, public) = round1::commit(share, rng);
            commitments.push(taproot::commitment_to_wire(&public));
            self.nonces.insert(self.next, nonces);
            self.next += 1;
        }
        while self.nonces.len() > CAPACITY {
            self.nonces.pop_first();
        }
        (first, commitments)
    }

    /// Whether exactly these commitments are here, unused, from number `first` on.
    ///
    /// # Errors
    /// [`PoolError`] names the first that is not.
    pub fn check(&self, first: u64, commitments: &[Commitment]) -> Result<(), PoolError> {
        for (number, commitment) in (first..).zip(commitments) {
            let nonces = self.nonces.get(&number).ok_or(PoolError::Gone(number))?;
            if taproot::commitment_to_wire(nonces.commitments()) != *commitment {
                return Err(PoolError::Changed(number));
            }
        }
        Ok(())
    }

    /// Takes nonces out for good.
    ///
    /// # Errors
    /// [`PoolError::Gone`], and then nothing is taken.
    pub fn take(&mut self, first: u64, count: usize) -> Result<Vec<SigningNonces>, PoolError> {
        let numbers = || (first..).take(count);
        if let Some(gone) = numbers().find(|number| !self.nonces.contains_key(number)) {
            return Err(PoolError::Gone(gone));
        }
        Ok(numbers().filter_map(|number| self.nonces.remove(&number)).collect())
    }

    /// Drops every nonce. Numbers go on from where they were.
    pub fn clear(&mut self) {
        self.nonces.clear();
    }

    /// Nonces that are ready.
    pub fn len(&self) -> usize {
        self.nonces.len()
    }

    /// Whether no nonce is ready.
    pub fn is_empty(&self) -> bool {
        self.nonces.is_empty()
    }
}
