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
    /// Opens a stored key share, unless it is open already. A share of another attempt at the same
    /// key is replaced, with the nonces made for it. `false`: the stored bytes are not what this
    /// vault sealed for that attempt.
    pub fn open_share(&mut self, key: &KeyRef, session: &DkgSession, sealed: &[u8]) -> bool {
        if self.shares.get(key).is_some_and(|(of, _)| of == session) {
            return true;
        }
        self.shares.remove(key);
        for ((of, _), pool) in &mut self.pools {
            if of == key {
                pool.clear();
            }
        }
        let opened = self.keys.data.open(&codec::encode(session), sealed);
        let Ok(bytes) = opened else { return false };
        let Ok(share) = KeyPackage::deserialize(&bytes) else { return false };
        let share = tweak_key_package(&share, Tweak::KeyPath);
        self.shares.insert(key.clone(), (session.clone(), share));
        true
    }

    /// Makes nonces of an opened share for one coordinator. `None`: the share is not open.
    pub fn make_nonces(
        &mut self,
        key: &KeyRef,
        coordinator: Peer,
        count: usize,
    ) -> Option<(u64, Vec<Commitment>)> {
        let (_, share) = self.shares.get(key)?;
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
        let (_, share) = self.shares.get(key).ok_or(PoolError::Gone(first))?.clone();
        let pool = self.pools.get_mut(&(key.clone(), coordinator));
        let nonces = pool.ok_or(PoolError::Gone(first))?.take(first, count)?;
        Ok(Prepared { share, nonces })
    }
}
