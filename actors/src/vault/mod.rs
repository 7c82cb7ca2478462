//! The key vault: the only place where a member's secrets are used.
//!
//! Always holds: nothing secret leaves it except sealed (a share for its owner, a key share for the
//! store); unfinished key generations and nonces are in memory only; what it signs as a member is
//! one of the statements of [`trestle_keys::sign`].

mod dkg;
mod rng;
mod signing;

pub use dkg::Trouble;
pub use signing::Prepared;

use std::{collections::BTreeMap, sync::Arc};

use frost_secp256k1_tr::keys::KeyPackage;
use rand_core::{CryptoRng, RngCore};
use trestle_keys::{
    dkg::secrets::{AfterRound1, AfterRound2},
    sealed::KeyFile,
    signer::NoncePool,
};
use trestle_wire::{KeyRef, Peer, committee::dkg::DkgSession};

use rng::VaultRng;

/// Secrets in use.
pub struct Vault {
    keys: Arc<KeyFile>,
    rng: VaultRng,
    unfinished: BTreeMap<DkgSession, Unfinished>,
    /// Key shares with the key-path tweak applied, opened when they are first used, and the attempt
    /// that each is of.
    shares: BTreeMap<KeyRef, (DkgSession, KeyPackage)>,
    pools: BTreeMap<(KeyRef, Peer), NoncePool>,
}

/// The secrets of a key generation under way.
enum Unfinished {
    First(AfterRound1),
    Second(AfterRound2),
}

impl Vault {
    /// A vault around this node's keys.
    pub fn new(keys: Arc<KeyFile>, rng: impl RngCore + CryptoRng + Send + Sync + 'static) -> Self {
        Self {
            keys,
            rng: VaultRng::new(rng),
            unfinished: BTreeMap::new(),
            shares: BTreeMap::new(),
            pools: BTreeMap::new(),
        }
    }

    /// The x coordinate of the committee key, as the shared parameters list it.
    pub fn committee_key(&self) -> [u8; 32] {
        self.keys.identity.committee.xonly()
    }

    /// Signs a member's status in place.
    pub fn sign_status(&self, status: &mut trestle_wire::committee::key::MemberStatus) {
        trestle_keys::sign::sign_member_status(&self.keys.identity.committee, status);
    }
}
