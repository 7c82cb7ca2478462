//! The vault's part in signing.

use frost_secp256k1_tr::{keys::KeyPackage, round1::SigningNonces};
use trestle_keys::{
    signer::{PoolError, pool::CAPACITY},
    taproot::{Tweak, tweak_key_package},
};
use trestle_wire::{
    KeyRef, Peer, codec,
    committee::{dkg::DkgSession, sign::Commitment},
};

use super::Vault;

/// Everything a batch's shares are computed from. It is consumed by the computation, and its
/// nonces are in no pool any more.
pub struct Prepared {
    /// The key share, tweaked for the committee's own script.
    pub share: KeyPackage,
    /// One pair of nonces a message.
    pub nonces: Vec<SigningNonces>,
}

impl Vault {
    /// Opens a stored key share, unless it is open already. `false`: the stored bytes are not what
    /// this vault sealed for that session.
    pub fn open_share(&mut self, key: &KeyRef, session: &DkgSession, sealed: &[u8]) -> bool {
        if self.shares.contains_key(key) {
            return true;
        }
        let opened = self.keys.data.open(&codec::encode(session), sealed);
        let Ok(bytes) = opened else { return false };
        let Ok(share) = KeyPackage::deserialize(&bytes) else { return false };
        self.shares.insert(key.clone(), tweak_key_package(&share, Tweak::KeyPath));
        true
    }

    /// Closes an opened share: another attempt at the same key replaced it.
    pub fn close_share(&mut self, key: &KeyRef) {
        self.shares.remove(key);
        // The pools stay, empty: a number is never given to a second nonce of one boot.
        for (_, pool) in self.pools.iter_mut().filter(|((of, _), _)| of == key) {
            pool.clear();
        }
    }

    /// Makes nonces of an opened share for one coordinator. `None`: the share is not open.
    pub fn make_nonces(
        &mut self,
        key: &KeyRef,
        coordinator: Peer,
        count: usize,
    ) -> Option<(u64, Vec<Commitment>)> {
        let share = self.shares.get(key)?;
        let pool = self.pools.entry((key.clone(), coordinator)).or_default();
        Some(pool.make(share.signing_share(), count.min(CAPACITY), &mut self.rng))
    }

    /// Whether these nonces are here and unused.
    ///
    /// # Errors
    /// [`PoolError`].
    pub fn check_nonces(
        &self,
        key: &KeyRef,
        coordinator: Peer,
        first: u64,
        commitments: &[Commitment],
    ) -> Result<(), PoolError> {
        let pool = self.pools.get(&(key.clone(), coordinator));
        pool.ok_or(PoolError::Gone(first))?.check(first, commitments)
    }

    /// Takes nonces out for good, together with the share they are for.
    ///
    /// # Errors
    /// [`PoolError`], and then nothing is taken.
    pub fn prepare(
        &mut self,
        key: &KeyRef,
        coordinator: Peer,
        first: u64,
        count: usize,
    ) -> Result<Prepared, PoolError> {
        let share = self.shares.get(key).ok_or(PoolError::Gone(first))?.clone();
        let pool = self.pools.get_mut(&(key.clone(), coordinator));
        let nonces = pool.ok_or(PoolError::Gone(first))?.take(first, count)?;
        Ok(Prepared { share, nonces })
    }
}
