//! What the key file holds.

use rand_core::{CryptoRng, RngCore};
use zeroize::Zeroizing;

use super::{Cost, CostPolicy, DataKey, OpenError, open, seal};
use crate::identity::{CommitteeKey, Identity, InvalidKey, PeerKey};

const PURPOSE: &str = "trestle/keys/1";
const LENGTH: usize = 3 * 32;

/// All secrets that a node needs to start. Three times 32 bytes: p2p key, committee key, data key.
pub struct KeyFile {
    /// Who the node is.
    pub identity: Identity,
    /// What locks its store's secret rows.
    pub data: DataKey,
}

impl KeyFile {
    /// New secrets.
    pub fn generate(rng: &mut (impl CryptoRng + RngCore)) -> Self {
        Self { identity: Identity::generate(rng), data: DataKey::generate(rng) }
    }

    /// The sealed file.
    pub fn seal(
        &self,
        passphrase: &[u8],
        cost: Cost,
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Vec<u8> {
        seal(PURPOSE, &*self.encode(), passphrase, cost, rng)
    }

    /// The secrets of a sealed file.
    ///
    /// # Errors
    /// [`KeyFileError`] says what to do about it.
    pub fn open(file: &[u8], passphrase: &[u8], accept: CostPolicy) -> Result<Self, KeyFileError> {
        Self::decode(&open(PURPOSE, file, passphrase, accept)?)
    }

    fn encode(&self) -> Zeroizing<[u8; LENGTH]> {
        let mut bytes = Zeroizing::new([0; LENGTH]);
        bytes[..32].copy_from_slice(self.identity.peer.expose_secret());
        bytes[32..64].copy_from_slice(&*self.identity.committee.expose_secret());
        bytes[64..].copy_from_slice(self.data.expose_secret());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, KeyFileError> {
        let ([peer, committee, data], []) = bytes.as_chunks::<32>() else {
            return Err(KeyFileError::Length { got: bytes.len() });
        };
        let committee = CommitteeKey::from_bytes(committee)?;
        let identity = Identity { peer: PeerKey::from_bytes(peer), committee };
        Ok(Self { identity, data: DataKey::from_bytes(data) })
    }
}

/// Why a key file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// It did not open.
    #[error(transparent)]
    Sealed(#[from] OpenError),
    /// It opened, and what is inside was not written by this program.
    #[error("expected {LENGTH} bytes of keys in the key file, got {got}")]
    Length {
        /// Bytes inside.
        got: usize,
    },
    /// The same, for the committee key.
    #[error(transparent)]
    Committee(#[from] InvalidKey),
}
